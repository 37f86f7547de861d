"""Maps that others made, and measured positions, put on the published grid beside ours.

A capture stands for the hour it lies in: one of 14:37 is compared with the map of 15:00; of
several in an hour the last counts.
"""

from datetime import datetime

import numpy as np
import pyarrow as pa
from duckdb import DuckDBPyConnection

from jobs.map_tables import ALL_VENUES, HourlyMaps, heatmap_rows, sum_maps
from transforms.rebin import rebin_cells
from transforms.series import SIDES

# Positions that were looked at rather than estimated: one provider, however they were counted.
MEASURED_PROVIDERS = ("simulated_truth", "hyperliquid_positions")

_CELLS = """
with captured as (
    select
        asset,
        if(list_contains(?, provider), provider, lower(provider || '_' || model)) as provider,
        venue_scope,
        as_of as captured_at,
        date_trunc('hour', as_of - interval 1 microsecond) + interval 1 hour as as_of,
        price_low, price_high, side, value, unit, semantics, reference_price,
    from staging.stg_provider_map
    where as_of > ? and as_of <= ? and list_contains(?, asset)
),
last_captured as (
    select asset, provider, venue_scope, as_of, max(captured_at) as captured_at
    from captured group by all
),
price as (
    select asset, as_of, median(close) as price
    from intermediate.int_instrument_hour
    where as_of > ? and as_of <= ? and list_contains(?, asset)
    group by all
)
select
    asset, provider, venue_scope as venue, unit, semantics, epoch_us(as_of) as hour,
    coalesce(price.price, captured.reference_price) as price,
    -- A cell of unknown side belongs to longs below the provider's price, to shorts above it.
    if(
        captured.side = 'unknown',
        price_high > coalesce(captured.reference_price, price.price),
        captured.side = 'short'
    )::bigint as side,
    price_low, price_high, value,
from captured
inner join last_captured using (asset, provider, venue_scope, as_of, captured_at)
left join price using (asset, as_of)
where coalesce(price.price, captured.reference_price) is not null
order by asset, provider, unit, semantics, venue, hour
"""


def outside_map_rows(
    connection: DuckDBPyConnection,
    assets: list[str],
    start: datetime,
    end: datetime,
    run_id: str,
) -> list[pa.Table]:
    """Return rows of derived.heatmap of outside providers for some assets and hours.

    Venues of a provider that gives several, and no sum of its own, are summed as venue 'all'.

    Parameters
    ----------
    connection : DuckDBPyConnection
        The writer's; the hour's prices must be there already.
    assets : list of str
        Assets wanted.
    start, end : datetime
        Hours with start < as_of <= end.
    run_id : str
        Written beside each row.
    """
    window = [start, end, assets]
    cells = connection.execute(
        _CELLS, [list(MEASURED_PROVIDERS), *window, *window]
    ).to_arrow_table()
    if cells.num_rows == 0:
        return []
    columns = {name: cells.column(name).to_numpy() for name in cells.column_names}
    keys = ("asset", "provider", "unit", "semantics")
    rows: list[pa.Table] = []
    for part in _runs(columns, keys):
        asset, provider, unit, semantics = (columns[name][part.start] for name in keys)
        by_venue = {
            columns["venue"][part.start + inner.start]: _maps(
                {
                    name: column[part.start + inner.start : part.start + inner.stop]
                    for name, column in columns.items()
                }
            )
            for inner in _runs({"venue": columns["venue"][part]}, ("venue",))
        }
        if ALL_VENUES not in by_venue and len(by_venue) > 1:
            by_venue[ALL_VENUES] = sum_maps(list(by_venue.values()))
        rows += [
            heatmap_rows(
                asset,
                provider,
                venue,
                maps,
                params_hash=provider,
                run_id=run_id,
                unit=unit,
                semantics=semantics,
            )
            for venue, maps in by_venue.items()
        ]
    return rows


def _runs(columns: dict[str, np.ndarray], keys: tuple[str, ...]) -> list[slice]:
    """Return the stretches of equal keys of columns that are in order of them."""
    size = len(columns[keys[0]])
    is_new = np.zeros(size, dtype=np.bool_)
    is_new[0] = True
    for name in keys:
        is_new[1:] |= columns[name][1:] != columns[name][:-1]
    firsts = np.flatnonzero(is_new)
    return [
        slice(int(first), int(stop))
        for first, stop in zip(firsts, np.append(firsts[1:], size), strict=True)
    ]


def _maps(cells: dict[str, np.ndarray]) -> HourlyMaps:
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
