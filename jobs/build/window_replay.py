"""Replaying a batch window by window: bars of some weeks in, rows of derived tables out.

Belongs here: reading the bars of a window, replaying the series of a shard, making their rows.
Does not belong here: where shards run (``jobs.engines``), writing rows (``window_store``). Instants
are int64 microseconds, UTC.
"""

import platform
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from itertools import groupby, pairwise
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from duckdb import DuckDBPyConnection

from jobs.build import limits
from jobs.build.build_plan import BuildBatch
from jobs.build.hourly_maps import ALL_VENUES, MapIdentity, heatmap_rows, sum_maps
from jobs.build.path_inputs import read_path_inputs
from jobs.build.path_records import AssetPath, PathInputs, PathStretch
from jobs.build.path_replay import replay_path
from jobs.build.path_rows import path_checkpoint_rows, path_exposure_rows, path_map_rows
from jobs.build.replay import replay
from jobs.build.replay_inputs import InstrumentBars, read_bars
from jobs.build.replay_records import EMPTY_BARS, ReplaySpan, Series, Stretch
from jobs.build.series_rows import checkpoint_rows, exposure_rows, series_hour_rows, series_maps
from jobs.build.set_apart import read_set_apart
from jobs.build.shard_rows import TableRows, store_many
from jobs.build.tier_maps import (
    TierMaps,
    prices_contradict,
    sum_near_price,
    sum_tier_maps,
    tier_map_rows,
)
from jobs.build.window_shards import (
    ReplayedShard,
    WindowBars,
    WindowShard,
    cut_shards,
    join_shards,
)
from jobs.engines.shard_engine import LostShard, ShardEngine
from jobs.errors import BooksDoNotBalance
from jobs.instants import BEGINNING, DAY_MICROSECONDS, to_instant
from warehouse.address import BUCKET
from warehouse.errors import WarehouseError
from warehouse.storage import shared_place


def replay_windows(
    connection: DuckDBPyConnection, batch: BuildBatch, engine: ShardEngine
) -> Iterator[tuple[WindowBars, TableRows]]:
    """Yield each window with its rows, in order; while one is stored the next is replayed.

    Assets whose shard is lost are no longer in the batch when its window is yielded. The caller may
    leave out others, while it has a window, from there on.

    Parameters
    ----------
    connection : DuckDBPyConnection
        The writer's.
    batch : BuildBatch
        What to replay; its series advance.
    engine : ShardEngine
        Where series are replayed.

    Raises
    ------
    BooksDoNotBalance
        A series' longs, shorts and open interest differ.
    EngineUnavailable
        The engine is gone.
    """
    place = None if engine.shares_memory else shared_place(connection)
    step = limits.WINDOW_DAYS * DAY_MICROSECONDS
    starts = list(range(first_instant(connection, batch), batch.until, step)) or [batch.until]
    under_way: _UnderWay | None = None
    with ThreadPoolExecutor(1) as ahead:
        for start, end in pairwise([*starts, batch.until]):
            # Which holes are open is known once the window before has been replayed.
            done = None if under_way is None else under_way.join(connection, batch)
            if not batch.tasks:
                return
            before = None if under_way is None else under_way.window.bars
            window = _read_window(connection, batch, start, end, before)
            shards = cut_shards(batch, window, engine.shard_count, place)
            replayed = ahead.submit(engine.run, replay_shard, shards)
            under_way = _UnderWay(window, replayed)
            if done is not None:
                yield done
        if under_way is not None:
            done = under_way.join(connection, batch)
            if batch.tasks:
                yield done


class _UnderWay(NamedTuple):
    """A window whose shards are being replayed."""

    window: WindowBars
    replayed: Future[list[ReplayedShard | LostShard[WindowShard]]]

    def join(
        self, connection: DuckDBPyConnection, batch: BuildBatch
    ) -> tuple[WindowBars, TableRows]:
        """Return the window and its rows once they are there."""
        return join_shards(connection, batch, self.window, self.replayed.result())


def first_instant(connection: DuckDBPyConnection, batch: BuildBatch) -> int:
    """Return the midnight at which the replay begins."""
    begins = [*batch.begins_at.values(), *batch.paths_begin_at.values()]
    earliest = min(begins, default=BEGINNING) // DAY_MICROSECONDS * DAY_MICROSECONDS
    if earliest > BEGINNING:
        return earliest
    row = connection.execute(
        "select epoch_us(min(bar_start_at)) from raw.ohlcv "
        "inner join staging.stg_instrument using (venue, instrument) "
        "where list_contains(?, asset)",
        [batch.assets],
    ).fetchone()
    first_bar = row[0] if row and row[0] is not None else batch.until
    midnight = first_bar // DAY_MICROSECONDS * DAY_MICROSECONDS
    return max(earliest, min(midnight, batch.until))


def _read_window(
    connection: DuckDBPyConnection,
    batch: BuildBatch,
    start: int,
    end: int,
    before: InstrumentBars | None,
) -> WindowBars:
    """Return the bars of a window, and those after it that end a hole.

    `before` has the bars of the window before; None for the first.
    """
    bars = read_bars(connection, batch.assets, start, end)
    paths: dict[str, PathInputs] = {}
    if batch.paths:
        paths = read_path_inputs(connection, list(batch.paths), start, end)
        apart = read_set_apart(connection, batch.path_contracts, bars, (start, end), before)
        for asset, hours in apart.items():
            paths[asset] = replace(paths[asset], set_apart=hours)
    with_holes = {series.asset for series in batch.series if _has_open_hole(series, bars)}
    if end == batch.until or not with_holes:
        return WindowBars(start, end, bars, {}, paths)
    horizon = min(end + limits.HOLE_DAYS * DAY_MICROSECONDS, batch.until)
    ahead = read_bars(connection, sorted(with_holes), end, horizon)
    return WindowBars(start, end, bars, ahead, paths)


def _has_open_hole(series: Series, bars: InstrumentBars) -> bool:
    columns = bars.get(series.key, EMPTY_BARS)
    if len(columns) == 0:
        return len(series.unobserved_volume) > 0
    return bool(np.isnan(columns.open_interest[-1]))


def replay_shard(
    shard: WindowShard, pool: ThreadPoolExecutor
) -> ReplayedShard | LostShard[WindowShard]:
    """Replay the series of a shard over its window; return their rows, and what becomes of them.

    Reads nothing but the shard, so any process with these sources can run it. The shard is lost
    where its place for rows cannot be written to.

    Parameters
    ----------
    shard : WindowShard
        The assets and their bars; its series and paths advance.
    pool : ThreadPoolExecutor
        Where series are replayed.

    Raises
    ------
    BooksDoNotBalance
        A series' longs, shorts and open interest differ.
    """
    batch, window = shard.batch, shard.window
    checkpoints = _checkpoints(batch, window)

    def replay_series(series: Series) -> list[_Made]:
        start = max(window.start, batch.begins_at[series.key])
        if start >= window.end:
            return []
        bars = window.bars.get(series.key, EMPTY_BARS)
        first = int(np.searchsorted(bars.end, start, side="right"))
        stretches = replay(
            series,
            batch.tasks[series.asset].estimators,
            bars.part(first, len(bars)),
            window.ahead.get(series.key, EMPTY_BARS),
            ReplaySpan(
                start=start,
                end=window.end,
                store_after=batch.from_at[series.asset],
                longest_hole=limits.HOLE_DAYS * DAY_MICROSECONDS,
                by_tier_after=max(batch.from_at[series.asset], batch.details_after),
                checkpoints=checkpoints,
            ),
        )
        return [_split_tiers(series, stretch) for stretch in stretches]

    def follow_path(path: AssetPath) -> list[PathStretch]:
        start = max(window.start, batch.paths_begin_at.get(path.asset, window.end))
        if start >= window.end:
            return []
        return replay_path(
            path,
            batch.tasks[path.asset].path_models,
            window.bars,
            window.paths[path.asset],
            ReplaySpan(
                start=start,
                end=window.end,
                store_after=batch.from_at[path.asset],
                longest_hole=0,
                checkpoints=checkpoints,
            ),
        )

    paths = list(batch.paths.values())
    followed = pool.map(follow_path, paths)
    made: list[_Made] = []
    by_tier: list[pa.Table] = []
    # Series are in order of asset; maps by tier, which are large, are summed asset by asset.
    done = zip(batch.series, pool.map(replay_series, batch.series), strict=True)
    for asset, of_asset in groupby(done, key=lambda each: each[0].asset):
        own = [each for _, of_series in of_asset for each in of_series]
        by_tier += _tier_rows_of(batch, asset, own)
        made += [each._replace(by_tier=None) for each in own]
    _check_books(made)
    tables = _rows_of(batch, made, pool)
    tables["derived.heatmap_by_tier"] = by_tier
    for path, path_stretches in zip(paths, followed, strict=True):
        for stretch in path_stretches:
            _add_path_rows(tables, path, stretch, batch.run_id)
    return _outcome(shard, dict(tables))


def _outcome(shard: WindowShard, tables: TableRows) -> ReplayedShard | LostShard[WindowShard]:
    """Return what is handed back of a shard: its rows or files of them, and its states."""
    batch = shard.batch
    try:
        tables = store_many(shard.place, tables)
    except WarehouseError as exc:
        # Only which shard it was is of use to the writer.
        _drop_states(batch)
        bare = replace(shard.window, bars={}, ahead={}, paths={})
        is_bucket = shard.place is not None and shard.place.folder.startswith(BUCKET)
        hint = " (it needs AWS_* variables of its own)" if is_bucket else ""
        reason = f"the worker on {platform.node()} cannot store its rows{hint}: {exc}"
        return LostShard(replace(shard, window=bare), reason)
    if shard.window.end == batch.until:
        _drop_states(batch)
    return ReplayedShard(tables, batch.series, batch.paths)


def _drop_states(batch: BuildBatch) -> None:
    """Drop what only a later window would read: most of what would be sent back."""
    for series in batch.series:
        series.states.clear()
    for path in batch.paths.values():
        path.ledger_states.clear()
        path.path_only_state = None
        path.expected.clear()


class _Made(NamedTuple):
    """What replaying a series with one estimator made; maps by tier apart from the rest."""

    series: Series
    stretch: Stretch
    by_tier: TierMaps | None


def _split_tiers(series: Series, stretch: Stretch) -> _Made:
    """Return a stretch without its maps by tier, which go without their empty bins."""
    by_tier = TierMaps.of_stretch(stretch)
    outputs = stretch.outputs
    outputs = replace(outputs, liquidation_by_tier_usd=outputs.liquidation_by_tier_usd[:0].copy())
    return _Made(series, replace(stretch, outputs=outputs), by_tier)


def _tier_rows_of(batch: BuildBatch, asset: str, made: list[_Made]) -> list[pa.Table]:
    """Return rows of derived.heatmap_by_tier of an asset, summed over venues.

    Where prices of venues contradict each other, also those of each venue: which are set apart is
    known only once prices are stored.
    """
    leverages = batch.leverages
    tables = []
    parts: dict[tuple[str, str], dict[str, list[TierMaps]]] = defaultdict(lambda: defaultdict(list))
    for each in made:
        if each.by_tier is not None:
            by_venue = parts[each.stretch.provider, each.stretch.params_hash]
            by_venue[each.series.venue].append(each.by_tier)
    for (provider, params_hash), by_venue in parts.items():
        all_maps = [maps for of_venue in by_venue.values() for maps in of_venue]
        sums = {ALL_VENUES: sum_near_price(all_maps)}
        if prices_contradict(all_maps):
            sums |= {venue: sum_tier_maps(of_venue) for venue, of_venue in by_venue.items()}
        for venue, maps in sums.items():
            identity = MapIdentity(asset, provider, venue, params_hash, batch.run_id)
            tables.append(tier_map_rows(identity, leverages[provider], maps))
    return tables


def _add_path_rows(tables: TableRows, path: AssetPath, stretch: PathStretch, run_id: str) -> None:
    """Add the rows of one model of a reference path."""
    tables["derived.model_checkpoint"].append(path_checkpoint_rows(path, stretch, run_id))
    tables["derived.path_exposure"].append(path_exposure_rows(path, stretch, run_id))
    tables["derived.heatmap"] += path_map_rows(path, stretch, run_id)


def _checkpoints(batch: BuildBatch, window: WindowBars) -> tuple[int, ...]:
    """Return the midnights of a window whose checkpoints are kept."""
    first = (window.start // DAY_MICROSECONDS + 1) * DAY_MICROSECONDS
    newest = batch.until - limits.KEPT_MIDNIGHTS * DAY_MICROSECONDS
    midnights = range(first, window.end + 1, DAY_MICROSECONDS)
    return tuple(at for at in midnights if at > newest or to_instant(at).day == 1)


def _check_books(made: list[_Made]) -> None:
    for series, stretch, _ in made:
        error = stretch.outputs.books_error
        if error.size and not error.max() <= limits.BOOKS_TOLERANCE:
            hour = stretch.hours[int(np.argmax(error.max(axis=1)))]
            raise BooksDoNotBalance(
                f"{stretch.provider} on {series.venue} {series.instrument} at "
                f"{to_instant(int(hour))}: a side differs from open interest by "
                f"{error.max():.3g} of it, allowed {limits.BOOKS_TOLERANCE:g}; nothing was "
                "stored, please report it with the bars of that hour"
            )


def _rows_of(batch: BuildBatch, made: list[_Made], pool: ThreadPoolExecutor) -> TableRows:
    """Return the rows of all stretches: one set a series, maps also summed over venues."""
    leverages = batch.leverages
    tables: TableRows = defaultdict(list)
    parts: dict[MapIdentity, list[Stretch]] = defaultdict(list)
    for series, stretch, _ in made:
        provider, params_hash = stretch.provider, stretch.params_hash
        tables["derived.model_checkpoint"].append(checkpoint_rows(series, stretch, batch.run_id))
        if len(stretch.hours) == 0:
            continue
        tables["derived.leverage_exposure"].append(
            exposure_rows(series, stretch, leverages[provider], batch.run_id)
        )
        tables["derived.series_hour"].append(series_hour_rows(series, stretch, batch.run_id))
        for venue in (series.venue, ALL_VENUES):
            identity = MapIdentity(series.asset, provider, venue, params_hash, batch.run_id)
            parts[identity].append(stretch)

    def sum_parts(identity: MapIdentity) -> pa.Table:
        return heatmap_rows(identity, sum_maps([series_maps(each) for each in parts[identity]]))

    tables["derived.heatmap"] = list(pool.map(sum_parts, parts))
    return tables
