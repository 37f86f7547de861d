"""Writing a window of a batch: its rows, what follows from them, and how far its assets are built.

Each window is one transaction of the caller. Instants are int64 microseconds since 1970, UTC.
"""

from collections import defaultdict

import pyarrow as pa
from duckdb import DuckDBPyConnection

from jobs.build import limits
from jobs.build.build_plan import BuildBatch
from jobs.build.hourly_maps import (
    ALL_VENUES,
    MapIdentity,
    heatmap_rows,
    stored_maps,
    sum_maps,
)
from jobs.build.path_records import AssetPath
from jobs.build.replay_records import Series
from jobs.build.shard_rows import TableRows, insert_parts
from jobs.build.tier_maps import TierMaps, sum_near_price, tier_map_rows
from jobs.build.window_shards import WindowBars
from jobs.compare.compare_maps import compare_maps
from jobs.compare.outside_maps import outside_map_rows
from jobs.engines.shard_engine import ShardEngine
from jobs.grouping import run_slices
from jobs.instants import BEGINNING, DAY_MICROSECONDS, to_instant
from warehouse.connect import insert_values
from warehouse.models import run_incremental_models, set_window
from warehouse.queries import named_query

_REPLACED_TABLES = (
    "derived.heatmap",
    "derived.heatmap_by_tier",
    "derived.leverage_exposure",
    "derived.series_hour",
    "derived.path_exposure",
)

# Rows of the newest hours only.
_DETAIL_TABLES = ("derived.heatmap_by_tier", "derived.touch_odds")

# Published hours consist of maps, bars, and grades where there are neither.
_PUBLISHED_TABLES = (
    "derived.heatmap",
    "intermediate.int_instrument_hour",
    "intermediate.int_quality_measures",
)


def store_window(
    connection: DuckDBPyConnection,
    batch: BuildBatch,
    window: WindowBars,
    tables: TableRows,
    engine: ShardEngine,
    *,
    is_first: bool,
) -> int:
    """Replace the rows of a window and mark its assets as built; return how many rows.

    Parameters
    ----------
    connection : DuckDBPyConnection
        The writer's, within a transaction.
    batch : BuildBatch
        The batch the window belongs to.
    window : WindowBars
        The window.
    tables : dict of str to list of pyarrow.Table or ShardFile
        Its rows by table, or files of them.
    engine : ShardEngine
        Where its maps are compared.
    is_first : bool
        Whether it is the first window: rows before the first bar belong to it.

    Raises
    ------
    ComparisonLost
        Some assets have no comparison: the transaction is to be rolled back.
    """
    end = window.end
    assets_from: dict[int, list[str]] = defaultdict(list)
    for asset, at in batch.from_at.items():
        assets_from[at if is_first else max(at, window.start)].append(asset)
    if is_first:
        _delete_checkpoints_after(connection, batch.from_at)
    for at, assets in assets_from.items():
        mark_for_publication(connection, assets, at, end)
        _delete_hours(connection, assets, at, end)
    row_count = sum(insert_parts(connection, name, parts) for name, parts in tables.items())
    # Models read the maps of estimators, outside maps the prices in models.
    for at, assets in assets_from.items():
        hours = to_instant(at), to_instant(end)
        row_count += run_incremental_models(connection, assets, *hours)
        _sum_without_set_apart(connection, batch, assets, at, end)
        for outside in outside_map_rows(connection, assets, *hours, batch.run_id):
            row_count += insert_parts(connection, "derived.heatmap", outside)
    for at, assets in assets_from.items():
        hours = to_instant(at), to_instant(end)
        row_count += compare_maps(connection, assets, *hours, batch.run_id, engine)
        mark_for_publication(connection, assets, at, end)
    if end == batch.until:
        delete_old_details(connection, batch.details_after)
    _prune_checkpoints(connection, batch)
    _mark_progress(connection, batch, end)
    return row_count


def _delete_checkpoints_after(connection: DuckDBPyConnection, from_at: dict[str, int]) -> None:
    connection.execute(
        "delete from derived.model_checkpoint using "
        "(select unnest($assets::varchar[]) as built, unnest($at::timestamptz[]) as from_at) "
        "where asset = built and checkpoint_at > from_at",
        {"assets": list(from_at), "at": [to_instant(at) for at in from_at.values()]},
    )


def _delete_hours(connection: DuckDBPyConnection, assets: list[str], start: int, end: int) -> None:
    for name in _REPLACED_TABLES:
        connection.execute(
            f"delete from {name} where as_of > ? and as_of <= ? and list_contains(?, asset)",
            [to_instant(start), to_instant(end), assets],
        )


def delete_old_details(connection: DuckDBPyConnection, until: int) -> None:
    """Delete what only the newest hours have from the hours up to an instant, of all assets."""
    for name in _DETAIL_TABLES:
        connection.execute(f"delete from {name} where as_of <= ?", [to_instant(until)])


def mark_for_publication(
    connection: DuckDBPyConnection, assets: list[str], start: int, end: int
) -> None:
    """Mark the days on which assets have hours as changed since the last publication."""
    hours = " union ".join(
        f"select as_of::date from {name} "
        "where list_contains($assets, asset) and as_of > $start and as_of <= $end"
        for name in _PUBLISHED_TABLES
    )
    connection.execute(
        f"insert into meta.pending_publish {hours}",
        {"assets": assets, "start": to_instant(start), "end": to_instant(end)},
    )


def _sum_without_set_apart(
    connection: DuckDBPyConnection, batch: BuildBatch, assets: list[str], start: int, end: int
) -> None:
    """Sum maps again in hours in which venues are set apart, without those venues.

    Few hours have any, and which ones is known only once their prices are stored.
    """
    set_window(connection, assets, to_instant(start), to_instant(end))
    connection.execute("create or replace temp table set_apart as from intermediate.int_set_apart")
    set_window(connection, None, None, None)
    if connection.execute("from set_apart limit 1").fetchone() is not None:
        _sum_maps_without_set_apart(connection, batch)
        _sum_tiers_without_set_apart(connection, batch)
    # Maps of single venues were stored for this alone.
    connection.execute(
        "delete from derived.heatmap_by_tier where venue <> ? and as_of > ? and as_of <= ? "
        "and list_contains(?, asset)",
        [ALL_VENUES, to_instant(start), to_instant(end), assets],
    )


def _sum_maps_without_set_apart(connection: DuckDBPyConnection, batch: BuildBatch) -> None:
    """Replace the maps in hours and assets of the table set_apart."""
    providers = list(batch.leverages)
    kept = connection.execute(
        named_query("maps_without_set_apart"),
        {"all_venues": ALL_VENUES, "providers": providers},
    ).to_arrow_table()
    connection.execute(
        "delete from derived.heatmap where venue = ? and list_contains(?, provider) "
        "and (asset, as_of) in (select (asset, as_of) from set_apart)",
        [ALL_VENUES, providers],
    )
    sums = [
        heatmap_rows(identity, sum_maps([stored_maps(part) for part in own]))
        for identity, own in _venues_of_sums(kept, batch.run_id).items()
    ]
    insert_parts(connection, "derived.heatmap", sums)


def _sum_tiers_without_set_apart(connection: DuckDBPyConnection, batch: BuildBatch) -> None:
    """Replace the maps by tier in hours and assets of the table set_apart."""
    kept = connection.execute(
        named_query("tier_maps_without_set_apart"), {"all_venues": ALL_VENUES}
    ).to_arrow_table()
    connection.execute(
        "delete from derived.heatmap_by_tier where venue = ? "
        "and (asset, as_of) in (select (asset, as_of) from set_apart)",
        [ALL_VENUES],
    )
    leverages = batch.leverages
    sums = [
        tier_map_rows(
            identity,
            leverages[identity.provider],
            sum_near_price([TierMaps.of_rows(part) for part in own]),
        )
        for identity, own in _venues_of_sums(kept, batch.run_id).items()
    ]
    insert_parts(connection, "derived.heatmap_by_tier", sums)


def _venues_of_sums(kept: pa.Table, run_id: str) -> dict[MapIdentity, list[pa.Table]]:
    """Return the rows of each venue, which are in order, by the sum they are part of."""
    parts: dict[MapIdentity, list[pa.Table]] = defaultdict(list)
    for rows in run_slices(*(kept[name].to_numpy() for name in ("asset", "provider", "venue"))):
        part = kept.slice(rows.start, rows.stop - rows.start)
        asset, provider, params_hash = (
            part[name][0].as_py() for name in ("asset", "provider", "params_hash")
        )
        parts[MapIdentity(asset, provider, ALL_VENUES, params_hash, run_id)].append(part)
    return parts


def _prune_checkpoints(connection: DuckDBPyConnection, batch: BuildBatch) -> None:
    """Delete checkpoints that are not kept, but never the last one of a series."""
    connection.execute(
        "delete from derived.model_checkpoint where list_contains($assets, asset) "
        "and checkpoint_at <= $kept_after and day(checkpoint_at) <> 1 "
        "and (asset, venue, instrument, checkpoint_at) not in ("
        "select (asset, venue, instrument, max(checkpoint_at)) from derived.model_checkpoint "
        "where list_contains($assets, asset) group by asset, venue, instrument)",
        {
            "assets": batch.assets,
            "kept_after": to_instant(batch.until - limits.KEPT_MIDNIGHTS * DAY_MICROSECONDS),
        },
    )


def _mark_progress(connection: DuckDBPyConnection, batch: BuildBatch, end: int) -> None:
    """Mark the assets as built up to the batch's end, and what is still out of date."""
    assets = batch.assets
    connection.execute("delete from meta.pending_build where list_contains(?, asset)", [assets])
    # Captures of what was built again are up to date.
    connection.execute(
        "delete from meta.pending_capture using "
        "(select unnest($assets::varchar[]) as built, unnest($at::timestamptz[]) as built_from_at) "
        "where asset = built and from_at >= built_from_at and until_at <= $end",
        {
            "assets": list(batch.from_at),
            "at": [to_instant(at) for at in batch.from_at.values()],
            "end": to_instant(end),
        },
    )
    if end < batch.until:
        connection.execute(
            "insert into meta.pending_build select unnest(?::varchar[]), unnest(?)",
            [assets, [to_instant(max(batch.from_at[asset], end)) for asset in assets]],
        )
    _mark_later_data(connection, assets, batch.until)
    last_bar_end = dict.fromkeys(assets, BEGINNING)
    replayed: list[Series | AssetPath] = [*batch.series, *batch.paths.values()]
    for each in replayed:
        if each.last_bar_end is not None:
            last_bar_end[each.asset] = max(last_bar_end[each.asset], each.last_bar_end)
    connection.execute("delete from meta.built_asset where list_contains(?, asset)", [assets])
    insert_values(
        connection,
        "meta.built_asset",
        [
            [
                asset,
                provider,
                params_hash,
                to_instant(batch.until),
                to_instant(last_bar_end[asset]),
            ]
            for asset, task in batch.tasks.items()
            for provider, params_hash in task.hashes.items()
        ],
    )


def _mark_later_data(connection: DuckDBPyConnection, assets: list[str], until: int) -> None:
    """Mark assets as out of date from the first loaded row of an hour that is not built yet."""
    connection.execute(
        f"insert into meta.pending_build {named_query('later_data')}",
        {"until_at": to_instant(until), "assets": assets},
    )
