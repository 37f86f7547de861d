"""Maps of outside providers, and measured positions, put on the published grid beside ours.

A capture counts for the hour it lies in: one of 14:37 is compared with the map of 15:00. Of several
captures in an hour the last counts.
"""

from collections.abc import Iterator
from datetime import datetime

import numpy as np
import pyarrow as pa
from duckdb import DuckDBPyConnection

from jobs.build.hourly_maps import (
    ALL_VENUES,
    HourlyMaps,
    MapIdentity,
    heatmap_rows,
    sum_maps,
)
from jobs.grouping import run_slices
from jobs.instants import HOUR
from sources.providers.declared import PROVIDERS
from transforms.rebin import rebin_cells
from transforms.series import SIDES
from warehouse.connect import insert_values
from warehouse.models import set_window
from warehouse.queries import named_query

SIMULATED_TRUTH = "simulated_truth"
"""Provider of the true positions of a simulated market: others are judged by it, it has no vote."""

# As in the macro `is_measured`: the providers of measured positions.
MEASURED_PROVIDERS = (SIMULATED_TRUTH, "hyperliquid_positions")

# Asset-hours whose cells are in memory at once: a day of 200 coins, which is some 900,000 cells of
# measured positions.
_CHUNK_ASSET_HOURS = 4800

# How far outside the prices of its hour a provider's own price may lie: it may be an index's.
_PRICE_TOLERANCE = 0.01


def replace_captures(
    connection: DuckDBPyConnection,
    assets: list[str],
    start: datetime,
    end: datetime,
    run_id: str,
) -> int:
    """Replace the rows of derived.outside_map for some assets and hours; return how many.

    The assumptions of a new provider go to derived.estimator_parameter. Runs in the caller's
    transaction, with the parameters of `outside_map_rows`.
    """
    connection.execute(
        "delete from derived.outside_map "
        "where as_of > ? and as_of <= ? and list_contains(?, asset)",
        [start, end, assets],
    )
    set_window(connection, assets, start, end)
    inserted = connection.execute(
        f"insert into derived.outside_map by name {named_query('outside_captures')}",
        {"tolerance": _PRICE_TOLERANCE, "all_venues": ALL_VENUES, "run_id": run_id},
    ).fetchone()
    new = connection.execute(named_query("new_outside_providers")).fetchall()
    set_window(connection, None, None, None)
    insert_values(
        connection,
        "derived.estimator_parameter",
        [stated for row in new for stated in stated_assumptions(*row)],
    )
    return int(inserted[0]) if inserted else 0


def stated_assumptions(
    provider: str, source: str, model: str, window: str | None, unit: str, semantics: str
) -> list[list[str]]:
    """Return rows of derived.estimator_parameter: what an outside provider states of its maps."""
    # A canonical file names its own provider; so does the simulation.
    known = PROVIDERS.get(source, PROVIDERS["canonical_file"])
    stated = [
        ("sends", known.sends, "text"),
        ("model", model, "name"),
        ("window", window or "not stated", "look-back"),
        ("unit", unit, "unit of the values"),
        ("semantics", semantics, "standing, opened or realised"),
        ("valuation", known.valuation or "not stated", "text"),
    ]
    where = known.documentation_url or "rows in canonical form"
    return [[provider, provider, name, value, kind, where] for name, value, kind in stated]


def outside_map_rows(
    connection: DuckDBPyConnection,
    assets: list[str],
    start: datetime,
    end: datetime,
    run_id: str,
) -> Iterator[list[pa.Table]]:
    """Yield rows of derived.heatmap of outside providers for some assets and hours, in parts.

    Where a provider has several venues in an hour and no sum over them, they are summed as venue
    'all', but for venues that are set apart.

    Parameters
    ----------
    connection : DuckDBPyConnection
        The writer's; the hour's prices must be there already.
    assets : list of str
        Which assets.
    start, end : datetime
        Hours with start < as_of <= end.
    run_id : str
        Written beside each row.
    """
    for part_start, part_end in _parts(connection, assets, start, end):
        set_window(connection, assets, part_start, part_end)
        table = connection.execute(named_query("outside_cells")).to_arrow_table()
        set_window(connection, None, None, None)
        if table.num_rows:
            yield _heatmap_rows(table, run_id)


def _parts(
    connection: DuckDBPyConnection, assets: list[str], start: datetime, end: datetime
) -> Iterator[tuple[datetime, datetime]]:
    """Yield spans of whole hours whose cells fit into memory, from the first capture to the last.

    Measured positions have a map of each coin in every hour.
    """
    found = connection.execute(
        "select min(hour_end(as_of)), max(hour_end(as_of)) from raw.provider_map "
        "where as_of > ? and as_of <= ? and list_contains(?, asset)",
        [start, end, assets],
    ).fetchone()
    if found is None or found[0] is None:
        return
    at, last = max(found[0] - HOUR, start), min(found[1], end)
    step = max(_CHUNK_ASSET_HOURS // len(assets), 1) * HOUR
    while at < last:
        # Whole hours, so that an hour's captures are never apart.
        stop = min(at.replace(minute=0, second=0, microsecond=0) + step, last)
        yield at, stop
        at = stop


def _heatmap_rows(table: pa.Table, run_id: str) -> list[pa.Table]:
    """Return the rows of derived.heatmap that cells in the order of maps come to."""
    columns = {name: table.column(name).to_numpy() for name in table.column_names}
    keys = ("asset", "provider", "unit", "semantics")
    rows: list[pa.Table] = []
    for part in run_slices(*(columns[name] for name in keys)):
        own = {name: column[part] for name, column in columns.items()}
        asset, provider, unit, semantics = (own[name][0] for name in keys)
        by_venue = {
            own["venue"][cells.start]: _hourly_maps(
                {name: column[cells] for name, column in own.items()}
            )
            for cells in run_slices(own["venue"])
        }
        apart = {
            (venue, hour)
            for venue, hour in zip(
                own["venue"][own["is_set_apart"]], own["hour"][own["is_set_apart"]], strict=True
            )
        }
        rows += [
            heatmap_rows(
                MapIdentity(asset, provider, venue, provider, run_id, unit, semantics), maps
            )
            for venue, maps in (*by_venue.items(), *_sums(by_venue, apart))
        ]
    return rows


def _sums(
    by_venue: dict[str, HourlyMaps], set_apart: set[tuple[str, int]]
) -> list[tuple[str, HourlyMaps]]:
    """Return the sum over venues of the hours that have several and no sum of the provider's.

    `set_apart` has venues and hours that are in no sum.
    """
    single = {
        venue: _of_hours(
            maps, np.array([hour for hour in maps.hours if (venue, hour) not in set_apart])
        )
        if set_apart
        else maps
        for venue, maps in by_venue.items()
        if venue != ALL_VENUES
    }
    if len(single) < 2:
        return []
    hours, count = np.unique(
        np.concatenate([maps.hours for maps in single.values()]), return_counts=True
    )
    wanted = hours[count > 1]
    if ALL_VENUES in by_venue:
        wanted = np.setdiff1d(wanted, by_venue[ALL_VENUES].hours)
    parts = [_of_hours(maps, wanted) for maps in single.values()]
    filled = [maps for maps in parts if len(maps.hours)]
    return [(ALL_VENUES, sum_maps(filled))] if filled else []


def _of_hours(maps: HourlyMaps, wanted: np.ndarray) -> HourlyMaps:
    chosen = np.isin(maps.hours, wanted)
    return HourlyMaps(
        maps.hours[chosen],
        maps.price[chosen],
        maps.first_bin[chosen],
        maps.liquidation_usd[chosen],
    )


def _hourly_maps(cells: dict[str, np.ndarray]) -> HourlyMaps:
    """Return the hourly maps of one provider and venue from their cells."""
    hours, first_cell, hour_index = np.unique(cells["hour"], return_index=True, return_inverse=True)
    prices = cells["price"][first_cell].astype(np.float64)
    rebinned = rebin_cells(
        hour_index * len(SIDES) + cells["side"],
        cells["price_low"].astype(np.float64),
        cells["price_high"].astype(np.float64),
        cells["value"].astype(np.float64),
        np.repeat(prices, len(SIDES)),
    ).maps
    widths = np.diff(rebinned.offsets)
    dense = np.zeros((len(widths), int(widths.max())))
    rows = np.repeat(np.arange(len(widths)), widths)
    dense[rows, np.arange(len(rows)) - np.repeat(rebinned.offsets[:-1], widths)] = rebinned.values
    return HourlyMaps(
        hours,
        prices,
        rebinned.first_bin[:: len(SIDES)].astype(np.int64),
        dense.reshape(len(hours), len(SIDES), -1),
    )
