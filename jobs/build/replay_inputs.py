"""Reading what a replay needs from the warehouse: instruments with their brackets, and bars.

Instants are int64 microseconds since 1970, UTC.
"""

from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
from duckdb import DuckDBPyConnection

from jobs.build.bracket_choice import read_brackets
from jobs.build.replay import BarColumns, Series, contract_kind
from warehouse.models import set_window


def microseconds(instant: datetime) -> int:
    """Return an instant as microseconds since 1970."""
    return (instant - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def instant(microseconds: int) -> datetime:
    """Return microseconds since 1970 as an instant."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)


BEGINNING = microseconds(datetime(1990, 1, 1, tzinfo=UTC))
"""Earlier than any bar: "from the beginning"."""

_NONE = np.zeros(0)
_NEVER = np.zeros(0, dtype=np.int64)

EMPTY_BARS = BarColumns(_NEVER, _NEVER, np.zeros((6, 0)), _NONE, _NONE, _NONE)
"""Bars of an instrument that has none."""


def read_series(connection: DuckDBPyConnection, assets: list[str]) -> dict[tuple[str, str], Series]:
    """Return the series of some assets by venue and instrument, before their first bar."""
    brackets = read_brackets(connection, assets)
    rows = connection.execute(
        "select asset, venue, instrument, contract_kind from staging.stg_instrument "
        "where list_contains(?, asset) order by asset, venue, instrument",
        [assets],
    ).fetchall()
    return {
        (venue, instrument): Series(
            asset=asset,
            venue=venue,
            instrument=instrument,
            contract_kind=contract_kind(kind),
            brackets=brackets.get((venue, instrument), []),
        )
        for asset, venue, instrument, kind in rows
    }


def read_bars(
    connection: DuckDBPyConnection, assets: list[str], start: int, end: int
) -> dict[tuple[str, str], BarColumns]:
    """Return the bars that end in (start, end] by venue and instrument."""
    set_window(connection, assets, instant(start), instant(end))
    table = connection.execute(
        "select venue, instrument, epoch_us(bar_start_at) as bar_start, "
        "epoch_us(bar_end_at) as bar_end, open, high, low, close, mark_high, mark_low, "
        "volume_quantity, taker_buy_quantity, open_interest_quantity "
        "from intermediate.int_bar where bar_end_at > ? "
        "order by venue, instrument, bar_start_at",
        [instant(start)],
    ).to_arrow_table()
    set_window(connection, None, None, None)
    return _split_bars(table)


def _split_bars(table: pa.Table) -> dict[tuple[str, str], BarColumns]:
    """Return the rows, which are in order, by instrument."""
    if table.num_rows == 0:
        return {}
    table = table.combine_chunks()

    def numbers(name: str) -> np.ndarray:
        column = table.column(name).cast(pa.float64()).fill_null(float("nan"))
        return np.asarray(column.to_numpy(), dtype=np.float64)

    prices = np.stack(
        [numbers(name) for name in ("open", "high", "low", "close", "mark_high", "mark_low")]
    )
    starts = table.column("bar_start").to_numpy()
    columns = BarColumns(
        starts,
        table.column("bar_end").to_numpy(),
        prices,
        numbers("volume_quantity"),
        numbers("taker_buy_quantity"),
        numbers("open_interest_quantity"),
    )
    venues = table.column("venue").dictionary_encode().combine_chunks()
    instruments = table.column("instrument").dictionary_encode().combine_chunks()
    venue_codes = venues.indices.to_numpy()
    instrument_codes = instruments.indices.to_numpy()
    is_new = np.ones(table.num_rows, dtype=np.bool_)
    is_new[1:] = (venue_codes[1:] != venue_codes[:-1]) | (
        instrument_codes[1:] != instrument_codes[:-1]
    )
    firsts = np.flatnonzero(is_new)
    stops = np.append(firsts[1:], table.num_rows)
    return {
        (
            venues.dictionary[int(venue_codes[first])].as_py(),
            instruments.dictionary[int(instrument_codes[first])].as_py(),
        ): columns.part(int(first), int(stop))
        for first, stop in zip(firsts, stops, strict=True)
    }
