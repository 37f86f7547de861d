"""Liquidations among the fills of an account.

Belongs here: reading one answer to ``userFillsByTime``, and the records that land. Does not belong
here: which account is suspected of a liquidation (``jobs/positions``).

Documented on "Info endpoint: Retrieve a user's fills by time",
https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api/info-endpoint, and as ``WsFill``
and ``FillLiquidation`` on "Websocket, Subscriptions" there. The block ``liquidation`` is sent to
both parties of such a trade: only the fill of the account it names is a liquidation of that
account.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import numpy as np

from sources.accounts.coins import (
    asset_of_coin,
    instrument_of_coin,
    is_spot,
    read_address,
    read_coin,
)
from sources.errors import ProviderRejected
from sources.providers.answer_values import price_of, read_instant, shown
from sources.records import Batch, make_batch

SOURCE = "hyperliquid:userFillsByTime"
_SIDE_CLOSED: Mapping[object, Literal["long", "short"]] = {"A": "long", "B": "short"}


@dataclass(frozen=True, slots=True)
class AccountLiquidation:
    """One fill by which the venue closed a position, or a part of it; names no account.

    Parameters
    ----------
    coin : str
        As the venue spells it.
    at : datetime
        Instant of the fill by the venue's clock, UTC.
    side : {'long', 'short'}
        Side of the position that was closed.
    price : float
        Price of the fill [USD per asset unit].
    quantity : float
        Size [asset units], above 0.
    method : str
        ``market``: on the order book; ``backstop``: taken over by the liquidator vault.
    order_key : str
        The venue's ``tid``.
    """

    coin: str
    at: datetime
    side: Literal["long", "short"]
    price: float
    quantity: float
    method: str
    order_key: str


def read_liquidations(body: object, address: str) -> list[AccountLiquidation]:
    """Return the liquidations of an account among its fills, each trade once; others are left out.

    Raises
    ------
    ProviderRejected
        Where the decoded answer is no list of fills.
    """
    if not isinstance(body, list):
        raise ProviderRejected(
            f"hyperliquid: no list of fills in the answer ({shown(type(body).__name__)}); try "
            "again, or compare it with the documented userFillsByTime"
        )
    found: dict[tuple[str, datetime, str], AccountLiquidation] = {}
    for fill in body:
        one = _read_fill(fill, address.lower())
        if one is not None:
            found[(one.coin, one.at, one.order_key)] = one
    return list(found.values())


def _read_fill(fill: object, address: str) -> AccountLiquidation | None:
    if not isinstance(fill, Mapping):
        return None
    block, trade_id = fill.get("liquidation"), fill.get("tid")
    coin = read_coin(fill.get("coin"))
    if not isinstance(block, Mapping) or read_address(block.get("liquidatedUser")) != address:
        return None
    if coin is None or is_spot(coin) or not isinstance(trade_id, int):
        return None
    side, at = _SIDE_CLOSED.get(fill.get("side")), read_instant(fill.get("time"))
    if side is None or at is None:
        return None
    _, multiplier = asset_of_coin(coin)
    try:
        price, size = price_of(fill.get("px"), "px"), price_of(fill.get("sz"), "sz")
    except ValueError:
        return None
    return AccountLiquidation(
        coin=coin,
        at=at,
        side=side,
        price=price / multiplier,
        quantity=size * multiplier,
        method=str(block.get("method", "")),
        order_key=str(trade_id),
    )


def liquidation_batch(rows: Sequence[AccountLiquidation], ingested_at: datetime) -> Batch:
    """Return liquidations as records ``realised_liquidation``: single orders, a lower bound.

    Only accounts that were suspected are looked up, so the feed is not complete.
    """
    columns = {
        "venue": "hyperliquid",
        "instrument": [instrument_of_coin(one.coin) for one in rows],
        "period_start_at": [one.at for one in rows],
        "period_seconds": 0,
        "side": [one.side for one in rows],
        "price": np.array([one.price for one in rows], dtype=np.float64),
        "liquidated_quantity": np.array([one.quantity for one in rows], dtype=np.float64),
        "liquidated_usd": np.array([one.quantity * one.price for one in rows], dtype=np.float64),
        "is_complete_feed": False,
        "order_key": [one.order_key for one in rows],
        "source": SOURCE,
        "ingested_at": ingested_at,
    }
    return make_batch("realised_liquidation", len(rows), columns)
