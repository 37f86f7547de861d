"""The public websocket of trades: both accounts of each trade, for all coins, kept connected.

Belongs here: subscribing within the venue's limits, pings, reconnecting. Does not belong here: the
form of a trade (`sources.accounts.trades`), what is made of them.

Limits: 1000 subscriptions and 2000 messages a minute ("Rate limits and user limits",
https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api/rate-limits-and-user-limits); a
connection without a message for a minute is closed ("Websocket, Timeouts and heartbeats",
https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api/websocket/timeouts-and-heartbeats).
"""

import asyncio
import json
import logging
import random
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from sources.accounts.trades import AccountTrade, read_trades
from sources.retry import RetryPolicy, Sleep
from sources.streaming import ConnectionLog, FeedReport, first_to_end

if TYPE_CHECKING:
    import aiohttp

logger = logging.getLogger(__name__)

MOST_SUBSCRIPTIONS = 1000
_RECONNECT = RetryPolicy(first_delay_seconds=1.0, longest_delay_seconds=60.0)
# Trades remembered, so that those sent again on subscribing are counted once.
_TRADES_REMEMBERED = 50_000


@dataclass(frozen=True, slots=True)
class StreamPolicy:
    """How the stream is kept connected.

    Parameters
    ----------
    reconnect : RetryPolicy
        Delays before reconnecting; it is tried for as long as it takes.
    ping_seconds : float
        Spacing of pings.
    silent_after_seconds : float
        A connection without any trade for this long is opened again.
    check_seconds : float
        How often silence and new coins are looked for.
    subscribe_seconds : float
        Spacing of subscriptions: 1,200 of the 2,000 messages a minute.
    connect_seconds : float
        Least spacing of connections: 20 of the 30 a minute.
    """

    reconnect: RetryPolicy = _RECONNECT
    ping_seconds: float = 20.0
    silent_after_seconds: float = 60.0
    check_seconds: float = 2.0
    subscribe_seconds: float = 0.05
    connect_seconds: float = 3.0


class _Lost(Exception):
    """The connection is closed, refused or silent."""


class TradeStream:
    """The trades of all coins, watched until stopped; a lost connection is opened again.

    Parameters
    ----------
    url : str
        Of the websocket.
    coins : Callable
        Returns the coins to subscribe to; called again while the stream runs, so that coins listed
        later are added.
    on_trades : Callable
        Receives the trades of each message, each trade once.
    clock : Callable
        Returns the time, UTC.
    sleep : Callable
        Waits [seconds of the clock].
    policy : StreamPolicy, optional
        How the stream is kept connected.
    proxy : str, optional
        Address of an HTTP proxy to go through.
    """

    def __init__(
        self,
        url: str,
        coins: Callable[[], Iterable[str]],
        on_trades: Callable[[list[AccountTrade]], None],
        *,
        clock: Callable[[], datetime],
        sleep: Sleep = asyncio.sleep,
        policy: StreamPolicy | None = None,
        proxy: str | None = None,
    ) -> None:
        self._url = url
        self._coins = coins
        self._on_trades = on_trades
        self._clock = clock
        self._sleep = sleep
        self._policy = policy or StreamPolicy()
        self._proxy = proxy
        self._rng = random.Random()  # noqa: S311 (jitter)
        self._counts: Counter[str] = Counter()
        self._connection = ConnectionLog("hyperliquid trades: the stream", clock, logger)
        self._last_message_at: datetime | None = None
        self._received_at = clock()
        self._subscribed: set[str] = set()
        self._is_excess_noted = False
        self._seen: dict[tuple[str, datetime, int], None] = {}

    def report(self) -> FeedReport:
        """Return the state of the stream and its latest outages."""
        return FeedReport(
            venue="hyperliquid",
            is_complete=True,
            is_connected=self._connection.is_connected,
            has_connected=self._connection.has_connected,
            last_message_at=self._last_message_at,
            outages=tuple(self._connection.outages),
            **self._counts,
        )

    async def run(self, stop: asyncio.Event) -> None:
        """Keep the stream connected until stopped, for as long as it takes."""
        failures = 0
        while not stop.is_set():
            messages_before, began_at = self._counts["messages"], self._clock()
            try:
                await self._listen(stop)
            except _Lost as exc:
                failures = 0 if self._counts["messages"] > messages_before else failures + 1
                self._connection.note_lost(str(exc), failures)
                delay = self._policy.reconnect.delay(failures + 1, self._rng)
                lasted = max((self._clock() - began_at).total_seconds(), 0.0)
                delay = max(delay, self._policy.connect_seconds - lasted)
                await first_to_end(stop.wait(), self._sleep(delay))
                self._counts["reconnects"] += 1
        self._connection.is_connected = False

    async def _listen(self, stop: asyncio.Event) -> None:
        """Listen until stopped; raise `_Lost` when the connection is lost."""
        import aiohttp

        timeout = aiohttp.ClientTimeout(total=None, sock_connect=10.0)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout, proxy=self._proxy) as session,
                session.ws_connect(
                    self._url,
                    max_msg_size=2**24,
                    # A silent venue does not answer the farewell either.
                    timeout=aiohttp.ClientWSTimeout(ws_close=0.5),
                ) as socket,
            ):
                self._subscribed = set()
                self._received_at = self._clock()
                await first_to_end(self._receive(socket), self._keep_up(socket), stop.wait())
        except (aiohttp.ClientError, OSError, TimeoutError) as exc:
            raise _Lost(
                f"hyperliquid trades: {type(exc).__name__}: {exc}; connecting again, check the "
                "network if it goes on"
            ) from exc

    async def _receive(self, socket: "aiohttp.ClientWebSocketResponse") -> None:
        import aiohttp

        async for message in socket:
            if message.type is aiohttp.WSMsgType.TEXT:
                self._take(message.data)
        raise _Lost(f"hyperliquid trades: the venue closed the connection ({socket.close_code})")

    async def _keep_up(self, socket: "aiohttp.ClientWebSocketResponse") -> None:
        """Subscribe to coins as they are listed, ping, and notice silence."""
        pinged_at = self._clock()
        while True:
            await self._subscribe(socket)
            now = self._clock()
            if (now - pinged_at).total_seconds() >= self._policy.ping_seconds:
                await socket.send_str('{"method":"ping"}')
                pinged_at = now
            silence = (now - self._received_at).total_seconds()
            if self._subscribed and silence > self._policy.silent_after_seconds:
                raise _Lost(f"hyperliquid trades: no trade for {silence:.0f} s; subscribing again")
            await self._sleep(self._policy.check_seconds)

    async def _subscribe(self, socket: "aiohttp.ClientWebSocketResponse") -> None:
        """Subscribe to coins that are new, and drop those that are gone."""
        wanted = list(dict.fromkeys(self._coins()))
        if len(wanted) > MOST_SUBSCRIPTIONS and not self._is_excess_noted:
            self._is_excess_noted = True
            logger.warning(
                "hyperliquid trades: %d coins, but %d subscriptions are allowed; accounts that "
                "trade only the last of them are not found by their trades",
                len(wanted),
                MOST_SUBSCRIPTIONS,
            )
        wanted = wanted[:MOST_SUBSCRIPTIONS]
        changes = [("unsubscribe", coin) for coin in self._subscribed.difference(wanted)]
        changes += [("subscribe", coin) for coin in wanted if coin not in self._subscribed]
        for method, coin in changes:
            subscription = {"type": "trades", "coin": coin}
            await socket.send_str(json.dumps({"method": method, "subscription": subscription}))
            await self._sleep(self._policy.subscribe_seconds)
        self._subscribed = set(wanted)

    def _take(self, text: str) -> None:
        try:
            message = json.loads(text)
        except (ValueError, RecursionError):
            self._counts["quarantined"] += 1
            return
        if not isinstance(message, dict) or message.get("channel") != "trades":
            return
        now = self._clock()
        self._counts["messages"] += 1
        self._last_message_at = self._received_at = now
        self._connection.note_connected()
        trades = read_trades(message)
        listed = message.get("data")
        self._counts["quarantined"] += (len(listed) if isinstance(listed, list) else 1) - len(
            trades
        )
        fresh = [trade for trade in trades if self._is_fresh(trade)]
        self._counts["rows"] += len(fresh)
        if fresh:
            self._on_trades(fresh)

    def _is_fresh(self, trade: AccountTrade) -> bool:
        key = (trade.coin, trade.at, trade.trade_id)
        if key in self._seen:
            return False
        self._seen[key] = None
        if len(self._seen) > _TRADES_REMEMBERED:
            del self._seen[next(iter(self._seen))]
        return True
