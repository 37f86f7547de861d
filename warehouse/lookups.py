"""What raw and staging hold of an instrument: newest rows, known instants, closes.

Belongs here: questions that jobs put to single kinds of records. Does not belong here: which feeds
are followed and what they lack (`warehouse.feed_ledger`); bars aligned in time
(``sql/intermediate/int_bar.sql``).
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import duckdb
import pyarrow as pa

from warehouse.connect import scalar
from warehouse.contracts import raw_relation
from warehouse.queries import named_query

FEED_KINDS = (
    "ohlcv",
    "mark_ohlc",
    "open_interest",
    "funding_rate",
    "long_short_ratio",
    "realised_liquidation",
)
"""Kinds of records that venues add to over time."""

BRACKET_COLUMNS = (
    "bracket",
    "notional_floor_usd",
    "notional_cap_usd",
    "maintenance_margin_ratio",
    "maintenance_deduction_usd",
    "max_leverage",
    "liquidation_fee_ratio",
)
"""What is compared of a margin bracket."""

_CLOSES = {"mark_ohlc": "mark_close", "ohlcv": "close"}


class ListedContract(NamedTuple):
    """A contract as its venue last described it; fields as in the record kind ``instrument``."""

    venue: str
    instrument: str
    asset: str
    quote: str
    contract_kind: str
    contract_size: float
    base_multiplier: float
    tick_size: float | None
    lot_quantity: float | None
    is_active: bool


class StoredBrackets(NamedTuple):
    """The newest margin brackets of an instrument, and when they were ingested."""

    ingested_at: datetime
    brackets: list[tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class StoredOpenInterest:
    """The newest open interest of an instrument, and what was quarantined after it.

    Parameters
    ----------
    venue, instrument : str
        The contract.
    observed_at : datetime
        Instant of the newest accepted observation.
    quantity : float
        Its open interest [position units].
    held_quantity : float or None
        Median of the quarantined observations [position units].
    held_count : int
        Responses with such an observation.
    held_for : timedelta
        From the first of them to the last.
    is_held_price : bool
        Whether they were taken for figures in USD.
    """

    venue: str
    instrument: str
    observed_at: datetime
    quantity: float
    held_quantity: float | None
    held_count: int
    held_for: timedelta
    is_held_price: bool


def newest_open_interest(
    connection: duckdb.DuckDBPyConnection, since: datetime, *, set_aside: str
) -> list[StoredOpenInterest]:
    """Return the newest open interest of each instrument, and what was quarantined after it.

    Parameters
    ----------
    connection : DuckDBPyConnection
        The writer's.
    since : datetime
        Earlier observations are left out.
    set_aside : str
        Beginning of the reason of quarantined rows that a later one may confirm; a colon and the
        quantity follow.
    """
    rows = connection.execute(
        named_query("newest_open_interest"), {"since": since, "set_aside": set_aside}
    ).fetchall()
    return [StoredOpenInterest(*row) for row in rows]


def key_columns(kind: str) -> tuple[str, ...]:
    """Return the columns that identify a row of an irregular kind, whenever it was ingested."""
    grain = raw_relation(kind).grain
    return tuple(name for name in grain if name not in ("ingested_at", "period_seconds"))


def known_keys(
    connection: duckdb.DuckDBPyConnection, kind: str, since: datetime
) -> set[tuple[Any, ...]]:
    """Return the keys of the rows of an irregular kind since an instant."""
    rows = connection.execute(
        f"select distinct {', '.join(key_columns(kind))} from raw.{kind} "
        f"where {raw_relation(kind).instant} >= ?",
        [since],
    ).fetchall()
    return set(rows)


def known_listings(connection: duckdb.DuckDBPyConnection) -> list[ListedContract]:
    """Return the newest description of each instrument.

    The asset is the venue's own, without a user's exceptions: it is compared with the venue's next.
    """
    columns = ", ".join(ListedContract._fields)
    rows = connection.execute(
        f"select {columns} from raw.instrument qualify row_number() over ("
        "partition by venue, instrument order by observed_at desc, ingested_at desc, source) = 1 "
        "order by venue, instrument"
    ).fetchall()
    return [ListedContract(*row) for row in rows]


def open_interest_usd(
    connection: duckdb.DuckDBPyConnection, since: datetime
) -> dict[tuple[str, str], float]:
    """Return the newest open interest of each instrument since an instant [USD]."""
    rows = connection.execute(
        "select venue, instrument, arg_max(open_interest_usd, as_of) as usd "
        "from intermediate.int_instrument_hour where as_of >= ? group by all "
        "having usd is not null",
        [since],
    ).fetchall()
    return {(venue, instrument): usd for venue, instrument, usd in rows}


def known_brackets(
    connection: duckdb.DuckDBPyConnection,
) -> dict[tuple[str, str], StoredBrackets]:
    """Return the newest margin brackets by venue and instrument."""
    rows = connection.execute(
        f"""
        select
            venue, instrument, max(ingested_at),
            list(({", ".join(BRACKET_COLUMNS)}) order by bracket),
        from (
            from staging.stg_leverage_bracket
            qualify valid_from_at = max(valid_from_at) over (partition by venue, instrument)
        )
        group by venue, instrument
        """
    ).fetchall()
    return {
        (venue, instrument): StoredBrackets(at, brackets)
        for venue, instrument, at, brackets in rows
    }


def newest_sentiment(connection: duckdb.DuckDBPyConnection) -> datetime | None:
    """Return the instant of the newest sentiment."""
    found: datetime | None = scalar(connection, "select max(observed_at) from raw.sentiment")
    return found


def quote_rate_spans(
    connection: duckdb.DuckDBPyConnection,
) -> dict[tuple[str, str], tuple[datetime, datetime]]:
    """Return the first and the last instant of each pair of stablecoins, by venue and pair."""
    rows = connection.execute(
        "select venue, pair, min(observed_at), max(observed_at) from raw.quote_rate group by all"
    ).fetchall()
    return {(venue, pair): (oldest, newest) for venue, pair, oldest, newest in rows}


def first_bar_start(connection: duckdb.DuckDBPyConnection) -> datetime | None:
    """Return the start of the oldest bar."""
    found: datetime | None = scalar(connection, "select min(bar_start_at) from raw.ohlcv")
    return found


def bar_closes(
    connection: duckdb.DuckDBPyConnection, venue: str, instrument: str
) -> dict[str, pa.Table]:
    """Return the closes of an instrument by kind of bar, in order of time.

    Parameters
    ----------
    connection : DuckDBPyConnection
        The writer's.
    venue, instrument : str
        The contract.

    Returns
    -------
    dict of str to pyarrow.Table
        Columns venue, instrument, bar_start_at, bar_seconds and the close [USD per asset unit]
        under its column's name, for ``mark_ohlc`` and ``ohlcv``.
    """
    return {
        kind: connection.execute(
            f"select venue, instrument, bar_start_at, bar_seconds, {close} "
            f"from staging.stg_{kind} where venue = ? and instrument = ? "
            "order by bar_start_at, bar_seconds",
            [venue, instrument],
        ).to_arrow_table()
        for kind, close in _CLOSES.items()
    }
