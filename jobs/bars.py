"""Reading what a replay needs from the warehouse: instruments, their brackets and bars.

Instants are int64 microseconds since 1970, UTC.
"""

import logging
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
from duckdb import DuckDBPyConnection

from jobs.replay import BarColumns, Series, contract_kind
from transforms.errors import InvalidInput
from transforms.margin import Brackets, default_brackets
from warehouse.models import set_window

logger = logging.getLogger(__name__)


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
    brackets = _read_brackets(connection, assets)
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
            brackets=brackets.get((venue, instrument), [(BEGINNING, default_brackets(asset))]),
        )
        for asset, venue, instrument, kind in rows
    }


def _read_brackets(
    connection: DuckDBPyConnection, assets: list[str]
) -> dict[tuple[str, str], list[tuple[int, Brackets]]]:
    """Return the brackets of each instrument by the instant from which they hold."""
    rows = connection.execute(
        "select venue, instrument, epoch_us(valid_from_at), "
        "list(notional_floor_usd order by bracket), "
        "list(coalesce(notional_cap_usd, 'infinity'::double) order by bracket), "
        "list(maintenance_margin_ratio order by bracket), "
        "list(maintenance_deduction_usd order by bracket), "
        "list(max_leverage order by bracket) "
        "from staging.stg_leverage_bracket "
        "inner join staging.stg_instrument using (venue, instrument) "
        "where list_contains(?, asset) group by all order by all",
        [assets],
    ).fetchall()
    brackets: dict[tuple[str, str], list[tuple[int, Brackets]]] = {}
    seen: dict[tuple[str, str], list[list[float]]] = {}
    for venue, instrument, valid_from, *columns in rows:
        key = (venue, instrument)
        if seen.get(key) != columns:
            seen[key] = columns
            try:
                held = Brackets(*(np.array(column) for column in columns))
            except InvalidInput as exc:
                # One instrument's brackets stop neither its maps nor those of the others.
                logger.warning(
                    "%s %s: the brackets valid from %s are passed over, those before them "
                    "or the default ones stand: %s",
                    venue,
                    instrument,
                    instant(valid_from),
                    exc,
                )
                continue
            brackets.setdefault(key, []).append((valid_from, held))
    return brackets


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
