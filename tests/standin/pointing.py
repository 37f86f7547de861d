"""Pointing a ccxt client at the stand-in: its addresses and its clock, nothing else.

The code path of the client stays the one that talks to the real venue.
"""

import re
from typing import Any

_HOST = re.compile(r"^(https?|wss?)://[^/]+")


def _pointed(value: Any, http: str, socket: str) -> Any:
    if isinstance(value, dict):
        return {key: _pointed(item, http, socket) for key, item in value.items()}
    if isinstance(value, str):
        match = _HOST.match(value)
        if match:
            return (socket if match[1].startswith("ws") else http) + value[match.end() :]
    return value


def point_at(exchange: Any, base_url: str, venue: str | None = None) -> None:
    """Rewrite scheme and host of all API addresses of a ccxt client, keeping the paths.

    ``https://fapi.binance.com/fapi/v1`` becomes ``<base_url>/<venue>/fapi/v1``, and
    ``wss://fstream.binance.com/ws`` the same with ``ws://``.

    Parameters
    ----------
    exchange : ccxt.async_support.Exchange
        Or a ccxt.pro one.
    venue : str
        First segment of the path; the client's id by default.
    """
    http = f"{base_url.rstrip('/')}/{venue or exchange.id}"
    socket = "ws" + http.removeprefix("http")
    exchange.urls["api"] = _pointed(exchange.urls["api"], http, socket)


def follow_clock(exchange: Any, standin: Any) -> None:
    """Let a ccxt client live in the stand-in's time.

    Several of its methods derive bounds from the wall clock (okx and bitget choose between recent
    and historical candles, gate and hyperliquid set the end of the window), which would ask for
    the wrong hours of a recorded market.
    """
    exchange.milliseconds = lambda: standin.now
    exchange.seconds = lambda: standin.now // 1000
