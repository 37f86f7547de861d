"""Which venues are set apart in the hours of a window, before these are stored.

Belongs here: the prices that decide about it. Does not belong here: the rule, which is
``sql/intermediate/int_set_apart.sql`` alone; it is run over the closes of the bars that were read.

Instants are int64 microseconds since 1970, UTC.
"""

from collections import defaultdict
from collections.abc import Mapping
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa
from duckdb import DuckDBPyConnection

from jobs.build import limits
from jobs.build.replay_inputs import InstrumentBars
from jobs.grouping import run_slices
from jobs.instants import DAY_MICROSECONDS, HOUR_MICROSECONDS, to_instant, to_microseconds
from transforms.series import FloatArray, IntArray
from warehouse.connect import select_model

_PRICES: Final = "intermediate.int_instrument_hour"

_INSTANT: Final = pa.timestamp("us", "UTC")


class _Closes(NamedTuple):
    """Closes of one contract by the end of their hour."""

    venue: str
    instrument: str
    hours: IntArray
    close: FloatArray


def read_set_apart(
    connection: DuckDBPyConnection,
    contracts: Mapping[tuple[str, str], str],
    bars: InstrumentBars,
    window: tuple[int, int],
    bars_before: InstrumentBars | None,
) -> dict[str, dict[str, IntArray]]:
    """Return the hours (start, end] in which venues are set apart, by asset and venue.

    Few assets have any: the rule runs only for those whose prices are that far apart.

    Parameters
    ----------
    connection : DuckDBPyConnection
        The writer's.
    contracts : mapping of (venue, instrument) to str
        Asset of each contract.
    bars : mapping of (venue, instrument) to BarColumns
        Bars that end in the window.
    window : (int, int)
        Its start and end [microseconds].
    bars_before : mapping of (venue, instrument) to BarColumns, optional
        Bars of the window before, whose hours may not be stored yet; where there is none, stored
        hours count.
    """
    start, end = window
    by_asset: dict[str, list[_Closes]] = defaultdict(list)
    for part in (bars, bars_before or {}):
        for key, asset in contracts.items():
            own = part.get(key)
            if own is None or len(own) == 0:
                continue
            hour = -(-own.end // HOUR_MICROSECONDS) * HOUR_MICROSECONDS
            # A price holds for a day.
            last = np.flatnonzero(np.diff(hour, append=-1) * (hour > start - DAY_MICROSECONDS))
            if len(last):
                by_asset[asset].append(_Closes(*key, hour[last], own.prices[3, last]))
    if bars_before is None:
        _add_stored(connection, by_asset, sorted(set(contracts.values())), start)
    doubtful = {asset: closes for asset, closes in by_asset.items() if _may_contradict(closes)}
    return _run_rule(doubtful, start, end) if doubtful else {}


def _add_stored(
    connection: DuckDBPyConnection,
    by_asset: dict[str, list[_Closes]],
    assets: list[str],
    start: int,
) -> None:
    """Add stored closes of the day before a window."""
    table = connection.execute(
        "select asset, venue, instrument, epoch_us(as_of) as hour, close "
        f"from {_PRICES} where as_of > ? and as_of <= ? and list_contains(?, asset) "
        "order by asset, venue, instrument, hour",
        [to_instant(start - DAY_MICROSECONDS), to_instant(start), assets],
    ).to_arrow_table()
    if table.num_rows == 0:
        return
    table = table.combine_chunks()
    names = ("asset", "venue", "instrument")
    keys = [table[name].dictionary_encode().combine_chunks().indices.to_numpy() for name in names]
    for rows in run_slices(*keys):
        asset, venue, instrument = (table[name][rows.start].as_py() for name in names)
        hours, close = (table[name].to_numpy()[rows] for name in ("hour", "close"))
        by_asset[asset].append(_Closes(venue, instrument, hours, close))


def _may_contradict(closes: list[_Closes]) -> bool:
    """Return whether two of some closes, at whatever hours, are far enough apart."""
    lowest = min(float(each.close.min()) for each in closes)
    highest = max(float(each.close.max()) for each in closes)
    return highest > limits.CONTRADICTORY * lowest


def _run_rule(
    by_asset: dict[str, list[_Closes]], start: int, end: int
) -> dict[str, dict[str, IntArray]]:
    """Return what the rule says of some closes."""
    rows = [(asset, each) for asset, closes in by_asset.items() for each in closes]
    lengths = [len(each.hours) for _, each in rows]
    words = {
        "asset": [asset for asset, _ in rows],
        "venue": [each.venue for _, each in rows],
        "instrument": [each.instrument for _, each in rows],
    }
    of_row = pa.array(np.repeat(np.arange(len(rows)), lengths))
    table = pa.table(
        {
            **{name: pa.array(values).take(of_row) for name, values in words.items()},
            "as_of": pa.array(np.concatenate([each.hours for _, each in rows]), _INSTANT),
            "close": np.concatenate([each.close for _, each in rows]),
        }
    )
    apart: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for row in select_model("intermediate.int_set_apart", {_PRICES: table}):
        hour = to_microseconds(row["as_of"])
        if start < hour <= end:
            apart[row["asset"]][row["venue"]].append(hour)
    return {
        asset: {venue: np.array(hours, dtype=np.int64) for venue, hours in by_venue.items()}
        for asset, by_venue in apart.items()
    }
