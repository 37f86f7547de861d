"""Contracts of a venue as the client needs them: names, sizes, multipliers.

Belongs here: what becomes of a market that ccxt lists. Does not belong here: asking for it.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa

from sources.assets import split_asset
from sources.records import SCHEMAS, Batch
from sources.venues.declaration import AmountUnit, Product, Venue

_RECORDED = (
    "venue",
    "instrument",
    "asset",
    "quote",
    "contract_kind",
    "contract_size",
    "base_multiplier",
    "tick_size",
    "lot_quantity",
    "is_active",
)


@dataclass(frozen=True, slots=True)
class Instrument:
    """One perpetual contract of a venue.

    Parameters
    ----------
    venue, instrument, asset, quote, contract_kind
        As in the record kind ``instrument``.
    contract_size : float
        Asset units (linear) or USD (inverse) of one contract.
    base_multiplier : float
        Asset units per quoted unit of the coin.
    tick_size : float or None
        Price step [USD per asset unit].
    is_active : bool
        Whether it trades.
    product : Product
        What the venue tells of it.
    market_id : str
        The venue's own name.
    coin : str
        The coin as the venue spells it.
    market : mapping
        ccxt's market, for placeholders and the venue's own description (``info``).
    lot_quantity : float or None
        Smallest step of an order [position units]; None where it is not known.
    lot_fault : str or None
        What is wrong with the step the venue lists.
    """

    venue: str
    instrument: str
    asset: str
    quote: str
    contract_kind: str
    contract_size: float
    base_multiplier: float
    tick_size: float | None
    is_active: bool
    product: Product
    market_id: str
    coin: str
    market: Mapping[str, Any]
    lot_quantity: float | None = None
    lot_fault: str | None = None

    def quantity_factor(self, unit: AmountUnit, sides_counted: int = 1) -> float:
        """Return what makes position units of an amount in a unit the venue uses.

        Parameters
        ----------
        unit : {'base', 'contracts', 'usd'}
            Unit of the amount; ``base`` is quoted units of the coin.
        sides_counted : int
            2 where longs and shorts were added.

        Raises
        ------
        ValueError
            Where a price would be needed: coins of an inverse contract, USD of a linear one.
        """
        is_linear = self.contract_kind == "linear"
        if unit == "contracts":
            factor = self.contract_size
        elif unit == "base" and is_linear:
            factor = self.base_multiplier
        elif unit == "usd" and not is_linear:
            factor = 1.0
        else:
            raise ValueError(
                f"{self.venue} {self.instrument}: {unit} is no position unit of a "
                f"{self.contract_kind} contract; correct its declaration"
            )
        return factor / sides_counted


def read_market(venue: Venue, market: Mapping[str, Any]) -> Instrument | str | None:
    """Return the instrument a ccxt market is, None where it is none of ours, or what is wrong.

    Parameters
    ----------
    venue : Venue
        Whose market it is.
    market : mapping
        As ccxt lists it.

    Returns
    -------
    Instrument, str or None
        A text names the fault of a market that would be ours.
    """
    product = next((p for p in venue.products if _is_of(p, market)), None)
    if product is None:
        return None
    symbol, market_id = market.get("symbol"), market.get("id")
    coin = market.get(venue.coin_key)
    if not (isinstance(symbol, str) and isinstance(market_id, str) and isinstance(coin, str)):
        return "the market has no symbol, id or coin"
    size = _contract_size(product, market)
    if size is None:
        return "the contract size is missing or not above 0"
    asset, multiplier = split_asset(coin, venue.multiplier_prefixes)
    is_linear = product.contract_kind == "linear"
    precision = market.get("precision") or {}
    tick, listed_lot = _positive(precision.get("price")), precision.get("amount")
    lot = _positive(listed_lot)
    contract_size = size * multiplier if is_linear else size
    factors = {"contracts": contract_size, "base": multiplier, "usd": 1.0}
    return Instrument(
        venue=venue.name,
        instrument=symbol,
        asset=asset,
        quote=str(market["quote"]),
        contract_kind=product.contract_kind,
        contract_size=contract_size,
        base_multiplier=multiplier,
        tick_size=None if tick is None else tick / multiplier,
        # ccxt leaves it None where the venue does not say.
        is_active=market.get("active") is not False,
        product=product,
        market_id=market_id,
        coin=coin,
        market=market,
        lot_quantity=None if lot is None else lot * factors[product.lot_unit],
        lot_fault=None
        if lot is not None or listed_lot is None
        else f"the smallest lot is {listed_lot!r}, expected a number above 0: kept without it",
    )


def instrument_batch(
    instruments: Iterable[Instrument], *, source: str, observed_at: datetime
) -> Batch:
    """Return the instrument records of instruments seen at an instant."""
    rows = [
        {name: getattr(one, name) for name in _RECORDED}
        | {"observed_at": observed_at, "source": source, "ingested_at": observed_at}
        for one in instruments
    ]
    return Batch("instrument", pa.Table.from_pylist(rows, schema=SCHEMAS["instrument"]))


def _is_of(product: Product, market: Mapping[str, Any]) -> bool:
    return (
        market.get("swap") is True
        and market.get(product.contract_kind) is True
        and market.get("quote") in product.quotes
    )


def _contract_size(product: Product, market: Mapping[str, Any]) -> float | None:
    if product.contract_size is not None:
        return product.contract_size
    if not product.contract_size_keys:
        return _positive(market.get("contractSize"))
    info = market.get("info") or {}
    factors = [_positive(info.get(key)) for key in product.contract_size_keys]
    # A factor left out would make every figure of the contract wrong by it.
    told = [factor for factor in factors if factor is not None]
    return math.prod(told) if len(told) == len(factors) else None


def _positive(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) and number > 0 else None
