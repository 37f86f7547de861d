"""Reading what a replay needs from the warehouse: instruments with their brackets, and bars.

Instants are int64 microseconds since 1970, UTC.
"""

from typing import cast

import numpy as np
import pyarrow as pa
from duckdb import DuckDBPyConnection

from jobs.build.bracket_choice import read_brackets
from jobs.build.replay_records import BarColumns, Series
from jobs.grouping import run_slices
from jobs.instants import to_instant
from transforms.series import ContractKind, FloatArray
from warehouse.models import set_window
from warehouse.queries import named_query

InstrumentBars = dict[tuple[str, str], BarColumns]
"""Bars by venue and instrument."""


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
            contract_kind=cast("ContractKind", kind),
            brackets=brackets.get((venue, instrument), []),
        )
        for asset, venue, instrument, kind in rows
    }


def read_bars(
    connection: DuckDBPyConnection, assets: list[str], start: int, end: int
) -> InstrumentBars:
    """Return the bars that end in (start, end] by venue and instrument."""
    set_window(connection, assets, to_instant(start), to_instant(end))
    table = connection.execute(
        named_query("replay_bars"), {"from_at": to_instant(start)}
    ).to_arrow_table()
    set_window(connection, None, None, None)
    return _split_bars(table.combine_chunks()) if table.num_rows else {}


def _split_bars(table: pa.Table) -> InstrumentBars:
    """Return the rows, which are in order, by instrument."""

    def floats(name: str) -> FloatArray:
        column = table.column(name).cast(pa.float64()).fill_null(float("nan"))
        return np.asarray(column.to_numpy(), dtype=np.float64)

    columns = BarColumns(
        start=table.column("bar_start").to_numpy(),
        end=table.column("bar_end").to_numpy(),
        prices=np.stack(
            [floats(name) for name in ("open", "high", "low", "close", "mark_high", "mark_low")]
        ),
        volume=floats("volume_quantity"),
        taker_buy=floats("taker_buy_quantity"),
        open_interest=floats("open_interest_quantity"),
    )
    venues, instruments = (
        table.column(name).dictionary_encode().combine_chunks() for name in ("venue", "instrument")
    )
    return {
        (venues[rows.start].as_py(), instruments[rows.start].as_py()): columns.part(
            rows.start, rows.stop
        )
        for rows in run_slices(venues.indices.to_numpy(), instruments.indices.to_numpy())
    }
