"""The state of an account: its open positions, as Hyperliquid values and margins them.

Belongs here: reading one answer to ``clearinghouseState``. Does not belong here: requesting it
(`sources.accounts.info_client`), what a map makes of positions.

Documented on "Info endpoint, Perpetuals: Retrieve user's perpetuals account summary",
https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api/info-endpoint/perpetuals.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sources.accounts.coins import asset_of_coin, dex_of_coin, read_coin
from sources.errors import ProviderRejected
from sources.providers.answer_values import (
    price_of,
    read_instant,
    read_number,
    read_positive,
    shown,
)

# The most numerous coins count some 1e17.
_LARGEST_QUANTITY = 1e20


@dataclass(frozen=True, slots=True)
class AccountPosition:
    """One open position of an account.

    Parameters
    ----------
    asset : str
        ``PEPE``; ``XYZ-GOLD`` for a contract of the builder's dex ``xyz``.
    coin : str
        As the venue spells it: ``kPEPE``, ``xyz:GOLD``.
    dex : str
        The builder's dex that lists it; empty for the venue's own.
    side : {'long', 'short'}
        Of the position.
    quantity : float
        Size [asset units], above 0.
    entry_price : float
        Average price of entry [USD per asset unit]; NaN where the answer has none.
    liquidation_price : float or None
        Price at which the venue would liquidate it [USD per asset unit]; None where it has none.
    leverage : float
        Leverage the account chose; NaN where the answer has none.
    is_cross : bool or None
        Whether it shares the account's margin; None where the answer has no margin mode.
    margin_usd : float
        Margin used [USD]; NaN where the answer has none.
    mark_price : float
        The venue's mark at the state [USD per asset unit]: value over size; NaN where the answer
        has no value.
    """

    asset: str
    coin: str
    dex: str
    side: Literal["long", "short"]
    quantity: float
    entry_price: float
    liquidation_price: float | None
    leverage: float
    is_cross: bool | None
    margin_usd: float
    mark_price: float


@dataclass(frozen=True, slots=True)
class PositionFault:
    """A position that could not be read.

    Parameters
    ----------
    reason : str
        What is wrong with it.
    coin : str or None
        Its coin, where that can be read.
    received : object
        As received; holds no address.
    """

    reason: str
    coin: str | None
    received: object


@dataclass(frozen=True, slots=True)
class AccountState:
    """Answer to one request of an account's state on one dex.

    Parameters
    ----------
    address : str
        The account.
    dex : str
        The builder's dex; empty for the venue's own.
    at : datetime or None
        Instant of the state by the venue's clock, UTC; None where the answer has no time.
    account_value_usd : float
        Equity of the account on that dex [USD]; NaN where the answer has none.
    positions : tuple of AccountPosition
        Open positions, in the order received.
    faults : tuple of PositionFault
        Positions that could not be read.
    """

    address: str
    dex: str
    at: datetime | None
    account_value_usd: float
    positions: tuple[AccountPosition, ...]
    faults: tuple[PositionFault, ...]


def read_state(body: object, address: str, dex: str = "") -> AccountState:
    """Return the state in an answer to ``clearinghouseState``.

    A position that cannot be read becomes a fault; the others remain. A position of size 0 is
    none.

    Parameters
    ----------
    body : object
        The decoded answer.
    address : str
        The account.
    dex : str
        The builder's dex that was requested.

    Raises
    ------
    ProviderRejected
        Where the answer is no state.
    """
    listed = body.get("assetPositions") if isinstance(body, Mapping) else None
    if not isinstance(body, Mapping) or not isinstance(listed, list):
        raise ProviderRejected(
            f"hyperliquid: no clearinghouse state in the answer ({shown(type(body).__name__)}); "
            "try again, or compare it with the documented clearinghouseState"
        )
    positions: dict[str, AccountPosition] = {}
    faults: list[PositionFault] = []
    for item in listed:
        raw = item.get("position") if isinstance(item, Mapping) else None
        coin = read_coin(raw.get("coin")) if isinstance(raw, Mapping) else None
        try:
            position = _read_position(raw, coin, dex)
        except ValueError as exc:
            faults.append(PositionFault(str(exc), coin, item))
            continue
        if position is None:
            continue
        if position.coin in positions:
            faults.append(PositionFault("a coin twice; its first position counts", coin, item))
            continue
        positions[position.coin] = position
    summary = body.get("marginSummary")
    value = summary.get("accountValue") if isinstance(summary, Mapping) else None
    return AccountState(
        address=address,
        dex=dex,
        at=read_instant(body.get("time")),
        account_value_usd=_finite(value),
        positions=tuple(positions.values()),
        faults=tuple(faults),
    )


def _read_position(raw: object, coin: str | None, dex: str) -> AccountPosition | None:
    """Return a position, None where its size is 0, or raise ValueError with what is wrong."""
    if coin is None or not isinstance(raw, Mapping):
        raise ValueError("position or its coin is missing")
    if dex and not dex_of_coin(coin):
        coin = f"{dex}:{coin}"
    asset, multiplier = asset_of_coin(coin)
    size = read_number(raw.get("szi")) * multiplier
    if not math.isfinite(size):
        raise ValueError("szi is not a finite number")
    if abs(size) > _LARGEST_QUANTITY:
        raise ValueError("szi is more than exists of any coin")
    if size == 0:
        return None
    liquidation = raw.get("liquidationPx")
    # No price at which it would be liquidated is null, and has been seen as 0.
    if read_number(liquidation) == 0.0:
        liquidation = None
    leverage = raw.get("leverage")
    leverage = leverage if isinstance(leverage, Mapping) else {}
    value = _finite(raw.get("positionValue"))
    return AccountPosition(
        asset=asset,
        coin=coin,
        dex=dex_of_coin(coin),
        side="long" if size > 0 else "short",
        quantity=abs(size),
        entry_price=read_positive(raw.get("entryPx")) / multiplier,
        liquidation_price=None
        if liquidation is None
        else price_of(liquidation, "liquidationPx") / multiplier,
        leverage=read_positive(leverage.get("value")),
        is_cross={"cross": True, "isolated": False}.get(str(leverage.get("type"))),
        margin_usd=_finite(raw.get("marginUsed")),
        mark_price=value / abs(size) if value > 0 else math.nan,
    )


def _finite(value: object) -> float:
    number = read_number(value)
    return number if math.isfinite(number) else math.nan
