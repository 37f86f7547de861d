"""The perpetual contracts of a venue: names, sizes, multipliers, lots.

Belongs here: making an instrument of a market that ccxt lists. Does not belong here: listing them.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sources.assets import split_asset
from sources.records import Batch, make_batch
from sources.units import ContractKind, ContractUnits
from sources.venues.declaration import Product, Venue
from sources.venues.payload import to_number

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
        The declaration it falls under.
    market_id : str
        The venue's own name.
    coin : str
        The coin as the venue spells it.
    market : mapping
        ccxt's market, for placeholders and the venue's own description (``info``).
    lot_quantity : float or None
        Order step [position units]; None where it is not known.
    lot_fault : str or None
        Why the listed order step cannot be used.
    """

    venue: str
    instrument: str
    asset: str
    quote: str
    contract_kind: ContractKind
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

    @property
    def units(self) -> ContractUnits:
        """Return what converts amounts of this contract."""
        return ContractUnits(self.contract_kind, self.contract_size, self.base_multiplier)


def read_market(venue: Venue, market: Mapping[str, Any]) -> Instrument | str | None:
    """Return the instrument of a ccxt market, None where no product covers it, or its fault.

    Parameters
    ----------
    venue : Venue
        The venue that lists it.
    market : mapping
        As ccxt lists it.

    Returns
    -------
    Instrument, str or None
        The text is the fault of a market that a product covers.
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
    precision = market.get("precision") or {}
    tick, listed_lot = _positive(precision.get("price")), precision.get("amount")
    lot = _positive(listed_lot)
    contract_size = size * multiplier if product.contract_kind == "linear" else size
    units = ContractUnits(product.contract_kind, contract_size, multiplier)
    return Instrument(
        venue=venue.name,
        instrument=symbol,
        asset=asset,
        quote=str(market["quote"]),
        contract_kind=product.contract_kind,
        contract_size=contract_size,
        base_multiplier=multiplier,
        tick_size=None if tick is None else tick / multiplier,
        # None where the venue does not publish it.
        is_active=market.get("active") is not False,
        product=product,
        market_id=market_id,
        coin=coin,
        market=market,
        lot_quantity=None if lot is None else units.to_position(lot, product.lot_unit),
        lot_fault=None
        if lot is not None or listed_lot is None
        else f"the smallest lot is {listed_lot!r}, expected a number above 0: kept without it",
    )


def instrument_batch(
    instruments: Iterable[Instrument], *, source: str, observed_at: datetime
) -> Batch:
    """Return the instrument records of instruments seen at an instant."""
    listed = list(instruments)
    columns = {name: [getattr(one, name) for one in listed] for name in _RECORDED}
    shared = {"observed_at": observed_at, "source": source, "ingested_at": observed_at}
    return make_batch("instrument", len(listed), columns | shared)


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
    # A missing factor would make every figure of the contract wrong by that factor.
    known = [factor for factor in factors if factor is not None]
    return math.prod(known) if len(known) == len(factors) else None


def _positive(value: object) -> float | None:
    number = to_number(value)
    return number if number is not None and number > 0 else None
