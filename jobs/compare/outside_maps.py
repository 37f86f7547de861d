"""Maps of outside providers, and measured positions, put on the published grid beside ours.

A capture counts for the hour it lies in: one of 14:37 is compared with the map of 15:00. Of several
captures in an hour the last counts.
"""

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
from sources.providers.registry import PROVIDERS
from transforms.rebin import rebin_cells
from transforms.series import SIDES
from warehouse.models import set_window

SIMULATED_TRUTH = "simulated_truth"
"""Provider of the true positions of a simulated market: others are judged by it, it has no vote."""

# Providers of measured positions have one name, whatever their models and windows.
MEASURED_PROVIDERS = (SIMULATED_TRUTH, "hyperliquid_positions")

# Of the captures of an hour the last counts; where a provider mixes units, those in USD.
_CAPTURED = """
with captured as (
    select
        provider as source_provider,
        if(
            list_contains($measured, provider),
            provider,
            lower(concat_ws('_', provider, nullif(model, ''), "window"))
        ) as provider,
        model, "window", asset, venue_scope as venue, as_of as captured_at,
        date_trunc('hour', as_of - interval 1 microsecond) + interval 1 hour as as_of,
        price_low, price_high, side, value, unit, semantics, reference_price,
        observed_open_interest_ratio, raw_sha256,
    from staging.stg_provider_map
    where as_of > $start and as_of <= $end and list_contains($assets, asset)
),
counted_in as (
    select
        asset, provider, as_of,
        arg_max(
            {'unit': unit, 'semantics': semantics},
            (unit = 'usd', semantics = 'standing', unit, semantics)
        ) as chosen,
    from captured group by all
),
last_captured as (
    select asset, provider, venue, as_of, max(captured_at) as captured_at
    from captured group by all
),
cell as (
    select captured.*
    from captured
    inner join last_captured using (asset, provider, venue, as_of, captured_at)
    inner join counted_in using (asset, provider, as_of)
    where unit = chosen.unit and semantics = chosen.semantics
),
traded as (
    select asset, as_of, median(close) as price, min(low) as low, max(high) as high
    from intermediate.int_instrument_hour
    anti join intermediate.int_set_apart using (asset, venue, as_of)
    where as_of > $start and as_of <= $end and list_contains($assets, asset)
    group by all
)
"""

_CELLS = f"""
{_CAPTURED}
select
    asset, provider, venue, unit, semantics, epoch_us(as_of) as hour,
    coalesce(traded.price, cell.reference_price) as price,
    -- A cell of unknown side belongs to longs below the provider's price, to shorts above it.
    if(
        cell.side = 'unknown',
        price_high > coalesce(cell.reference_price, traded.price),
        cell.side = 'short'
    )::bigint as side,
    price_low, price_high, value,
from cell
left join traded using (asset, as_of)
where coalesce(traded.price, cell.reference_price) is not null
order by asset, provider, unit, semantics, venue, hour, side, price_low, price_high, value
"""

# How far outside the prices of its hour a provider's own price may lie: it may be an index's.
_PRICE_TOLERANCE = 0.01

_CAPTURES = f"""
{_CAPTURED},
single as (
    select
        asset, as_of, provider, venue, captured_at,
        any_value("window") as "window",
        unit, semantics,
        any_value(reference_price) as reference_price,
        min(price_low) as covered_price_low,
        max(price_high) as covered_price_high,
        count(*) as cell_count,
        max(observed_open_interest_ratio) filter (where side = 'long') as stated_long_ratio,
        max(observed_open_interest_ratio) filter (where side = 'short') as stated_short_ratio,
        list_sum(
            list_sort(list(value) filter (where side = 'long' and unit = 'usd'))
        ) as long_usd,
        list_sum(
            list_sort(list(value) filter (where side = 'short' and unit = 'usd'))
        ) as short_usd,
        list_sort(list(distinct raw_sha256)) as raw_sha256,
    from cell
    group by asset, as_of, provider, venue, captured_at, unit, semantics
),
summed as (
    select
        asset, as_of, provider, $all_venues as venue, max(captured_at) as captured_at,
        any_value("window") as "window",
        unit, semantics,
        median(reference_price) as reference_price,
        min(covered_price_low) as covered_price_low,
        max(covered_price_high) as covered_price_high,
        sum(cell_count)::bigint as cell_count,
        list_sum(list_sort(list(long_usd))) as long_usd,
        list_sum(list_sort(list(short_usd))) as short_usd,
        list_sort(list_distinct(flatten(list(raw_sha256)))) as raw_sha256,
    from single
    group by asset, as_of, provider, unit, semantics
    having count(*) > 1 and not bool_or(venue = $all_venues)
),
capture as (
    select * from single
    union all by name
    select * from summed
),
stood as (
    select
        asset, coalesce(venue, $all_venues) as venue, as_of,
        list_sum(list_sort(list(open_interest_usd))) as open_interest_usd,
    from intermediate.int_instrument_hour
    where as_of > $start and as_of <= $end and list_contains($assets, asset)
    group by grouping sets ((asset, venue, as_of), (asset, as_of))
)
select
    capture.* exclude (stated_long_ratio, stated_short_ratio, long_usd, short_usd),
    -- A map of measured positions holds at least the positions that were measured.
    if(
        list_contains($measured, provider),
        coalesce(stated_long_ratio, long_usd / open_interest_usd),
        null
    ) as observed_long_ratio,
    if(
        list_contains($measured, provider),
        coalesce(stated_short_ratio, short_usd / open_interest_usd),
        null
    ) as observed_short_ratio,
    coalesce(
        reference_price >= traded.low * (1 - $tolerance)
        and reference_price <= traded.high * (1 + $tolerance),
        true
    ) as is_fitting,
    provider as params_hash,
    $run_id as run_id,
from capture
left join traded using (asset, as_of)
left join stood using (asset, venue, as_of)
where coalesce(traded.price, reference_price) is not null
"""

_SOURCES = f"""
{_CAPTURED}
select provider, any_value(source_provider), any_value(model), any_value("window"),
    arg_max(unit, as_of), arg_max(semantics, as_of)
from cell
where provider not in (select params_hash from derived.estimator_parameter)
group by provider order by provider
"""


def _window(assets: list[str], start: datetime, end: datetime) -> dict[str, object]:
    return {
        "measured": list(MEASURED_PROVIDERS),
        "start": start,
        "end": end,
        "assets": assets,
    }


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
    window = _window(assets, start, end)
    set_window(connection, assets, start, end)
    inserted = connection.execute(
        f"insert into derived.outside_map by name {_CAPTURES}",
        {
            **window,
            "tolerance": _PRICE_TOLERANCE,
            "all_venues": ALL_VENUES,
            "run_id": run_id,
        },
    ).fetchone()
    set_window(connection, None, None, None)
    for row in connection.execute(_SOURCES, window).fetchall():
        connection.executemany(
            "insert into derived.estimator_parameter values (?, ?, ?, ?, ?, ?)",
            stated_assumptions(*row),
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
) -> list[pa.Table]:
    """Return rows of derived.heatmap of outside providers for some assets and hours.

    Where a provider has several venues in an hour and no sum over them, they are summed as venue
    'all'.

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
    set_window(connection, assets, start, end)
    table = connection.execute(_CELLS, _window(assets, start, end)).to_arrow_table()
    set_window(connection, None, None, None)
    if table.num_rows == 0:
        return []
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
        rows += [
            heatmap_rows(
                MapIdentity(asset, provider, venue, provider, run_id, unit, semantics), maps
            )
            for venue, maps in (*by_venue.items(), *_sums(by_venue))
        ]
    return rows


def _sums(by_venue: dict[str, HourlyMaps]) -> list[tuple[str, HourlyMaps]]:
    """Return the sum over venues of the hours that have several and no sum of the provider's."""
    single = {venue: maps for venue, maps in by_venue.items() if venue != ALL_VENUES}
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
