"""Trades of the public websocket: they name both accounts.

Belongs here: reading one message of the channel ``trades``. Does not belong here: the connection
(`sources.accounts.trade_stream`).

Documented as ``WsTrade`` on "Websocket, Subscriptions",
https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api/websocket/subscriptions.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sources.accounts.coins import asset_of_coin, is_spot, read_address, read_coin
from sources.providers.answer_values import read_instant, read_number


@dataclass(frozen=True, slots=True)
class AccountTrade:
    """One trade between two accounts.

    Parameters
    ----------
    coin : str
        As the venue spells it: ``kPEPE``, ``xyz:GOLD``.
    price : float
        Price [USD per asset unit], above 0.
    quantity : float
        Size [asset units], above 0.
    at : datetime
        Instant of the trade by the venue's clock, UTC.
    buyer, seller : str
        Their addresses.
    trade_id : int
        The venue's ``tid``: unique within a coin and an instant.
    """

    coin: str
    price: float
    quantity: float
    at: datetime
    buyer: str
    seller: str
    trade_id: int = 0


def read_trades(message: object) -> list[AccountTrade]:
    """Return the trades in a decoded message; malformed ones and those of spot are left out.

    Parameters
    ----------
    message : object
        A message of any channel; others than ``trades`` have no trades.
    """
    rows = message.get("data") if isinstance(message, Mapping) else None
    if not isinstance(message, Mapping) or message.get("channel") != "trades":
        return []
    read = [_read_trade(row) for row in rows] if isinstance(rows, list) else []
    return [trade for trade in read if trade is not None]


def _read_trade(row: object) -> AccountTrade | None:
    if not isinstance(row, Mapping):
        return None
    coin, users = read_coin(row.get("coin")), row.get("users")
    if coin is None or is_spot(coin):
        return None
    if not isinstance(users, list) or len(users) != 2:
        return None
    buyer, seller = map(read_address, users)
    at = read_instant(row.get("time"))
    price, size = read_number(row.get("px")), read_number(row.get("sz"))
    is_plausible = 0 < price < math.inf and 0 < size < math.inf
    if buyer is None or seller is None or at is None or not is_plausible:
        return None
    _, multiplier = asset_of_coin(coin)
    trade_id = row.get("tid")
    return AccountTrade(
        coin=coin,
        price=price / multiplier,
        quantity=size * multiplier,
        at=at,
        buyer=buyer,
        seller=seller,
        trade_id=trade_id if isinstance(trade_id, int) else 0,
    )
