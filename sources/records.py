"""The typed records that sources hand over: one Arrow schema per kind, units normalised.

Belongs here: the shape of what lands. Does not belong here: how any venue spells it.

Words used throughout:

quantity
    Position units, which do not move with price: units of the asset for linear contracts,
    USD of contract value for inverse ones. ``contract_kind`` of the instrument tells which.
instrument
    The contract's unified symbol as ccxt spells it, ``BTC/USDT:USDT`` (linear) or
    ``BTC/USD:BTC`` (inverse). Unique within a venue.
price
    USD (or USD stablecoin) per one unit of the asset. Where a contract quotes 1000 units
    (1000PEPE), the source divides prices and multiplies quantities, so that ``asset`` PEPE has
    one price axis on every venue; the factor is kept in ``base_multiplier``.

All instants are UTC. NULL means not observed; it never means zero.
"""

from dataclasses import dataclass

import pyarrow as pa

INSTANT = pa.timestamp("us", tz="UTC")


def _schema(*fields: tuple[str, pa.DataType, bool]) -> pa.Schema:
    """Return a schema of (name, type, is nullable) and the provenance every record carries."""
    provenance = (("source", pa.string(), False), ("ingested_at", INSTANT, False))
    return pa.schema(
        [pa.field(name, kind, nullable=null) for name, kind, null in fields + provenance]
    )


_INSTRUMENT_KEY = (("venue", pa.string(), False), ("instrument", pa.string(), False))
_BAR_KEY = (*_INSTRUMENT_KEY, ("bar_start_at", INSTANT, False), ("bar_seconds", pa.int32(), False))

SCHEMAS: dict[str, pa.Schema] = {
    # One row per contract and change: the newest row wins.
    "instrument": _schema(
        *_INSTRUMENT_KEY,
        ("asset", pa.string(), False),
        ("quote", pa.string(), False),
        ("contract_kind", pa.string(), False),  # 'linear' | 'inverse'
        ("contract_size", pa.float64(), False),  # asset units (linear) or USD (inverse) a contract
        ("base_multiplier", pa.float64(), False),  # asset units per quoted unit; 1000 for 1000PEPE
        ("tick_size", pa.float64(), True),
        ("lot_quantity", pa.float64(), True),  # smallest step of an order; NULL: not known
        ("is_active", pa.bool_(), False),
        ("observed_at", INSTANT, False),
    ),
    # Trades of one bar; bar_start_at is the open. Only finished bars.
    "ohlcv": _schema(
        *_BAR_KEY,
        ("open", pa.float64(), False),
        ("high", pa.float64(), False),
        ("low", pa.float64(), False),
        ("close", pa.float64(), False),
        ("volume_quantity", pa.float64(), False),  # each trade once
        ("taker_buy_quantity", pa.float64(), True),
        ("trade_count", pa.int64(), True),
    ),
    # Mark price over one bar. A source that knows only the mark at the bar's end leaves
    # open, high and low NULL; the model then liquidates on last price and says so.
    "mark_ohlc": _schema(
        *_BAR_KEY,
        ("mark_open", pa.float64(), True),
        ("mark_high", pa.float64(), True),
        ("mark_low", pa.float64(), True),
        ("mark_close", pa.float64(), False),
    ),
    # Open interest at an instant, with what was received kept beside what was made of it.
    "open_interest": _schema(
        *_INSTRUMENT_KEY,
        ("observed_at", INSTANT, False),
        ("open_interest_quantity", pa.float64(), False),
        ("received_amount", pa.float64(), True),
        ("received_amount_unit", pa.string(), True),  # 'base' | 'contracts'
        ("received_value", pa.float64(), True),
        ("received_value_unit", pa.string(), True),  # 'usd' | 'base'
        # Of what was received: 2 where longs and shorts were added. The quantity counts one.
        ("sides_counted", pa.int32(), True),
    ),
    "funding_rate": _schema(
        *_INSTRUMENT_KEY,
        ("funded_at", INSTANT, False),
        ("funding_rate_ratio", pa.float64(), False),  # per interval, 0.0001 = 1 bp
        ("funding_interval_hours", pa.float64(), True),
    ),
    # Liquidations that happened, per side and period (period_seconds 0: one order).
    # side is the side of the position that was closed.
    "realised_liquidation": _schema(
        *_INSTRUMENT_KEY,
        ("period_start_at", INSTANT, False),
        ("period_seconds", pa.int32(), False),
        ("side", pa.string(), False),  # 'long' | 'short'
        ("price", pa.float64(), True),
        ("liquidated_quantity", pa.float64(), True),
        ("liquidated_usd", pa.float64(), True),
        ("is_complete_feed", pa.bool_(), False),  # False: throttled by the venue, a lower bound
        ("order_key", pa.string(), False),  # tells two orders of one instant apart; '' for periods
    ),
    "long_short_ratio": _schema(
        *_INSTRUMENT_KEY,
        ("observed_at", INSTANT, False),
        # 'accounts' | 'top_accounts' | 'top_positions' | 'taker_volume'
        ("measure", pa.string(), False),
        ("long_short_ratio", pa.float64(), False),
    ),
    "sentiment": _schema(
        ("index_name", pa.string(), False),
        ("observed_at", INSTANT, False),
        ("index_value", pa.float64(), False),
        ("classification", pa.string(), True),
    ),
    # What a stablecoin trades at on a spot market: the close of the hour that ends at observed_at.
    "quote_rate": _schema(
        ("venue", pa.string(), False),
        ("pair", pa.string(), False),  # 'USDT/USD', 'USDC/USD' or 'USDC/USDT'
        ("observed_at", INSTANT, False),
        ("price", pa.float64(), False),  # of one unit of the first in units of the second
    ),
    # Margin brackets, valid from an instant until the next valid_from_at of the instrument.
    "leverage_bracket": _schema(
        *_INSTRUMENT_KEY,
        ("valid_from_at", INSTANT, False),
        ("bracket", pa.int32(), False),  # 1 is the smallest
        ("notional_floor_usd", pa.float64(), False),
        ("notional_cap_usd", pa.float64(), True),  # NULL: unbounded
        ("maintenance_margin_ratio", pa.float64(), False),
        ("maintenance_deduction_usd", pa.float64(), False),  # Binance's cum
        ("max_leverage", pa.float64(), False),
        ("liquidation_fee_ratio", pa.float64(), False),  # 0 where the venue's formula has none
    ),
    # One cell of a provider's map in canonical form; units and semantics as the provider's.
    "provider_map": _schema(
        ("provider", pa.string(), False),
        ("model", pa.string(), False),
        ("venue_scope", pa.string(), False),  # a venue, or 'all'
        ("asset", pa.string(), False),
        ("as_of", INSTANT, False),
        ("window", pa.string(), True),  # look-back the provider states, as it spells it
        ("price_low", pa.float64(), False),
        ("price_high", pa.float64(), False),  # equal to price_low: a point
        ("side", pa.string(), False),  # 'long' | 'short' | 'unknown'
        ("leverage", pa.float64(), True),
        ("value", pa.float64(), False),
        ("unit", pa.string(), False),  # 'usd' | 'base' | 'contracts' | 'relative'
        ("semantics", pa.string(), False),  # 'standing' | 'opened' | 'realised'
        ("reference_price", pa.float64(), True),
        # Share of open interest covered, where positions are measured.
        ("observed_open_interest_ratio", pa.float64(), True),
        ("raw_sha256", pa.string(), False),
    ),
    # Rows of an input that could not be used, and why. Nothing is dropped in silence.
    "quarantine": _schema(
        ("kind", pa.string(), False),  # the record kind the row was meant for
        ("venue", pa.string(), True),
        ("instrument", pa.string(), True),
        ("input_name", pa.string(), False),  # file name or request
        ("row_number", pa.int64(), True),  # 1-based within the input
        ("column_name", pa.string(), True),
        ("reason", pa.string(), False),
        ("received", pa.string(), False),  # the row or answer as received, at most 2000 characters
    ),
}


@dataclass(frozen=True, slots=True)
class Batch:
    """Records of one kind, ready to land.

    Parameters
    ----------
    kind : str
        A key of ``SCHEMAS``.
    table : pyarrow.Table
        Rows in exactly ``SCHEMAS[kind]``.
    """

    kind: str
    table: pa.Table

    def __post_init__(self) -> None:
        """Refuse a table that is not of the declared schema."""
        if not self.table.schema.equals(SCHEMAS[self.kind]):
            raise ValueError(
                f"{self.kind} batch has schema {self.table.schema}, expected {SCHEMAS[self.kind]}; "
                "build it with pyarrow.Table.from_pylist(rows, schema=SCHEMAS[kind]) or cast it"
            )
