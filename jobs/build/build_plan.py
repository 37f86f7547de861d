"""What a build does: which assets are out of date since when, together in batches to replay.

Loading marks what changed in ``meta.pending_build``; ``meta.built_asset`` holds how far each asset
is built and with which parameters. A series goes on from its last checkpoint at which every
estimator has a state. One without a checkpoint begins as long before its first open interest as
bars count. Instants are int64 microseconds since 1970, UTC.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import NamedTuple

import pyarrow as pa
from duckdb import DuckDBPyConnection

from jobs.build import limits
from jobs.build.hourly_maps import ALL_VENUES
from jobs.build.path_inputs import new_paths, path_starts, read_expected, resume_path
from jobs.build.path_records import AssetPath, PathModel
from jobs.build.replay import TRAIL_MICROSECONDS
from jobs.build.replay_inputs import read_series
from jobs.build.replay_records import Series
from jobs.instants import (
    BEGINNING,
    DAY_MICROSECONDS,
    HOUR_MICROSECONDS,
    to_instant,
    to_microseconds,
)
from transforms.estimators import EstimatorParameters
from transforms.state import State
from warehouse.queries import named_query

_BARS_A_DAY = 288


@dataclass(frozen=True, slots=True)
class BuildTask:
    """An asset that is out of date.

    Parameters
    ----------
    asset : str
        Its name.
    from_at, until : int
        Hours to replace: from < hour <= until [microseconds].
    estimators : tuple of EstimatorParameters
        Whose maps to make.
    path_models : tuple of PathModel
        Models of its reference path to run.
    """

    asset: str
    from_at: int
    until: int
    estimators: tuple[EstimatorParameters, ...]
    path_models: tuple[PathModel, ...] = ()

    @property
    def hashes(self) -> dict[str, str]:
        """Hash of the parameters or the structure of each model, by provider."""
        return {each.provider: each.params_hash for each in self.estimators} | {
            each.provider: each.structure_hash for each in self.path_models
        }


class _Built(NamedTuple):
    """How far an asset is built by one estimator."""

    params_hash: str
    until: int
    last_bar_end: int


def plan_builds(
    connection: DuckDBPyConnection,
    estimators: Sequence[EstimatorParameters],
    path_models: Sequence[PathModel],
    until: int,
) -> list[BuildTask]:
    """Return the assets with changed bars, changed parameters, or new hours up to an instant.

    An asset that is quiet gets no new hours before it has a new bar.
    """
    pending = {
        asset: max(_microseconds_or_beginning(at), BEGINNING)
        for asset, at in connection.execute(
            "select asset, min(from_at)::varchar from meta.pending_build group by asset"
        ).fetchall()
    }
    built: dict[str, dict[str, _Built]] = {}
    for asset, provider, *columns in connection.execute(
        "select asset, provider, params_hash, epoch_us(built_until_at), epoch_us(last_bar_end_at) "
        "from meta.built_asset"
    ).fetchall():
        built.setdefault(asset, {})[provider] = _Built(*columns)
    assets = sorted({*pending, *built})
    with_takers = _assets_with_takers(connection, assets, built, estimators)
    tasks = []
    for asset in assets:
        own = tuple(
            each for each in estimators if asset in with_takers or not each.taker_leverage_exponent
        )
        wanted = BuildTask(asset, BEGINNING, until, own, tuple(path_models))
        task = _plan_asset(wanted, built.get(asset, {}), pending.get(asset))
        if task is not None:
            tasks.append(task)
    return tasks


def _plan_asset(
    wanted: BuildTask, built: dict[str, _Built], pending_from: int | None
) -> BuildTask | None:
    """Return what is out of date of an asset; None where nothing is."""
    built_until = max((each.until for each in built.values()), default=BEGINNING)
    last_bar_end = max((each.last_bar_end for each in built.values()), default=BEGINNING)
    since = [] if pending_from is None else [pending_from]
    if any(
        provider not in built or built[provider].params_hash != params_hash
        for provider, params_hash in wanted.hashes.items()
    ):
        since.append(BEGINNING)
    if built and built_until < min(
        wanted.until, last_bar_end + limits.QUIET_DAYS * DAY_MICROSECONDS
    ):
        since.append(built_until)
    until = max(wanted.until, built_until)
    if not since or min(since) >= until:
        return None
    return replace(wanted, from_at=min(since), until=until)


def _assets_with_takers(
    connection: DuckDBPyConnection,
    assets: list[str],
    built: dict[str, dict[str, _Built]],
    estimators: Sequence[EstimatorParameters],
) -> set[str]:
    """Return the assets for which some venue publishes taker volume.

    Without it an estimator that treats takers apart would repeat the one that does not. An asset
    that has been built by such an estimator has it.
    """
    tilted = {each.provider for each in estimators if each.taker_leverage_exponent}
    known = {asset for asset, models in built.items() if tilted & models.keys()}
    rows = connection.execute(
        "select distinct asset from staging.stg_instrument inner join ("
        "select venue, instrument from raw.ohlcv where taker_buy_quantity is not null "
        "group by all) using (venue, instrument) where list_contains(?, asset)",
        [sorted({*assets} - known)],
    ).fetchall()
    return known | {asset for (asset,) in rows}


def _microseconds_or_beginning(text: str) -> int:
    """Return an instant as DuckDB writes it; '-infinity' is the beginning."""
    return BEGINNING if text == "-infinity" else to_microseconds(datetime.fromisoformat(text))


def batch_tasks(
    connection: DuckDBPyConnection, tasks: list[BuildTask]
) -> Iterator[list[BuildTask]]:
    """Yield the tasks in batches of assets that are out of date since about the same time.

    A batch is as large as memory allows: an hour of many assets, or some windows of a few.
    """
    instruments = dict(
        connection.execute(
            "select asset, count(*) from staging.stg_instrument group by asset"
        ).fetchall()
    )
    batch: list[BuildTask] = []
    bars = 0
    for task in sorted(tasks, key=lambda task: (task.until, _day(task), task.asset)):
        days = min(
            (task.until - task.from_at) // DAY_MICROSECONDS + 2 * limits.KEPT_MIDNIGHTS,
            limits.WINDOW_DAYS,
        )
        task_bars = days * _BARS_A_DAY * instruments.get(task.asset, 1)
        if batch and (_is_apart(batch[0], task) or bars + task_bars > limits.BATCH_BARS):
            yield batch
            batch, bars = [], 0
        batch.append(task)
        bars += task_bars
    if batch:
        yield batch


def _day(task: BuildTask) -> int:
    return task.from_at // DAY_MICROSECONDS


def _is_apart(first: BuildTask, task: BuildTask) -> bool:
    """Return whether two tasks would share too few bars to be read together."""
    return task.until != first.until or _day(task) > _day(first) + limits.KEPT_MIDNIGHTS


SeriesKey = tuple[str, str]
"""Venue and instrument."""


@dataclass(frozen=True, slots=True)
class BuildBatch:
    """Assets that are replayed together.

    Parameters
    ----------
    tasks : dict of str to BuildTask
        What is out of date, by asset.
    from_at : dict of str to int
        Instant after which the hours of each asset are replaced [microseconds].
    until : int
        Last hour to build [microseconds].
    series : list of Series
        Their series, each as it is where its replay begins.
    begins_at : dict of (venue, instrument) to int
        Where the replay of each series begins [microseconds].
    paths : dict of str to AssetPath
        Their reference paths by asset, as they are where their replay begins.
    paths_begin_at : dict of str to int
        Where the replay of each path begins [microseconds].
    details_after : int
        Instant after which hours have details: maps by tier, odds by bin [microseconds].
    run_id : str
        Written beside each row.
    left_out : dict of str to str
        Why assets were left out in the course of it: they are in nothing above, and as out of date
        as they were.
    """

    tasks: dict[str, BuildTask]
    from_at: dict[str, int]
    until: int
    series: list[Series]
    begins_at: dict[SeriesKey, int]
    paths: dict[str, AssetPath]
    paths_begin_at: dict[str, int]
    details_after: int
    run_id: str
    left_out: dict[str, str] = field(default_factory=dict)

    @property
    def assets(self) -> list[str]:
        """The assets."""
        return list(self.tasks)

    @property
    def leverages(self) -> dict[str, tuple[float, ...]]:
        """Leverages of the tiers by provider."""
        return {
            each.provider: each.leverages
            for task in self.tasks.values()
            for each in task.estimators
        }

    @property
    def path_contracts(self) -> dict[SeriesKey, str]:
        """Asset of each contract whose bars a path reads."""
        return {
            (key.venue, key.instrument): path.asset
            for path in self.paths.values()
            for key in path.contracts
        }

    @property
    def contracts(self) -> dict[SeriesKey, str]:
        """Asset of each contract whose bars a series or a path reads."""
        return self.path_contracts | {each.key: each.asset for each in self.series}

    def part(self, assets: Collection[str]) -> "BuildBatch":
        """Return the batch of some of its assets; series and paths are the same objects."""
        series = [each for each in self.series if each.asset in assets]
        return replace(
            self,
            tasks={asset: task for asset, task in self.tasks.items() if asset in assets},
            from_at={asset: at for asset, at in self.from_at.items() if asset in assets},
            series=series,
            begins_at={each.key: self.begins_at[each.key] for each in series},
            paths={asset: path for asset, path in self.paths.items() if asset in assets},
            paths_begin_at={
                asset: at for asset, at in self.paths_begin_at.items() if asset in assets
            },
            left_out={},
        )

    def take_over(self, series: Sequence[Series], paths: dict[str, AssetPath]) -> None:
        """Replace series and paths of its assets by what has become of them."""
        advanced = {each.key: each for each in series}
        self.series[:] = [advanced.get(each.key, each) for each in self.series]
        self.paths.update({asset: path for asset, path in paths.items() if asset in self.tasks})

    def leave_out(self, assets: Collection[str], reason: str) -> None:
        """Take assets out of the batch where they are in it: they are as out of date as before."""
        assets = [asset for asset in assets if asset in self.tasks]
        gone = {each.key for each in self.series if each.asset in assets}
        self.series[:] = [each for each in self.series if each.key not in gone]
        for key in gone:
            del self.begins_at[key]
        for asset in assets:
            self.left_out[asset] = reason
            del self.tasks[asset], self.from_at[asset]
            self.paths.pop(asset, None)
            self.paths_begin_at.pop(asset, None)


def open_batch(
    connection: DuckDBPyConnection,
    tasks: list[BuildTask],
    run_id: str,
    detail_hours: int = limits.DETAIL_HOURS,
) -> BuildBatch:
    """Return the batch of some tasks with the same end, its series set to where they begin."""
    by_asset = {task.asset: task for task in tasks}
    from_at = {task.asset: task.from_at for task in tasks}
    series = read_series(connection, list(by_asset))
    paths = new_paths(each for each in series.values() if by_asset[each.asset].path_models)
    series = {key: each for key, each in series.items() if by_asset[each.asset].estimators}
    _register(connection, tasks, from_at)
    for asset, reached in _holes_reached(connection, from_at).items():
        from_at[asset] = min(from_at[asset], reached)
    _register(connection, tasks, from_at)
    begins_at, paths_begin_at = _resume(connection, series, paths)
    begins_at |= _first_starts(connection, [key for key in series if key not in begins_at])
    paths_begin_at |= path_starts(
        connection, [asset for asset in paths if asset not in paths_begin_at]
    )
    read_expected(connection, paths, paths_begin_at)
    return BuildBatch(
        tasks=by_asset,
        from_at=from_at,
        until=tasks[0].until,
        series=list(series.values()),
        begins_at=begins_at,
        paths=paths,
        paths_begin_at=paths_begin_at,
        details_after=tasks[0].until - detail_hours * HOUR_MICROSECONDS,
        run_id=run_id,
    )


def _register(
    connection: DuckDBPyConnection, tasks: list[BuildTask], from_at: dict[str, int]
) -> None:
    """Register since when each asset is out of date, and for which models, for SQL."""
    table = pa.table(
        {
            "asset": [task.asset for task in tasks],
            "from_at": pa.array([from_at[task.asset] for task in tasks], pa.int64()),
            "params_hashes": pa.array(
                [[each.params_hash for each in task.estimators] for task in tasks],
                pa.list_(pa.string()),
            ),
            "path_hashes": pa.array(
                [[each.structure_hash for each in task.path_models] for task in tasks],
                pa.list_(pa.string()),
            ),
        }
    )
    connection.register("batch_from_at", table)


def _holes_reached(connection: DuckDBPyConnection, from_at: dict[str, int]) -> dict[str, int]:
    """Return the last observed hour before holes that new observations may fill, by asset.

    An observation of open interest changes the values in the hole before it, hence all maps since
    the last hour that had an observation.
    """
    earliest = min(from_at.values())
    rows = connection.execute(
        named_query("holes_reached"),
        {
            "observed_from": to_instant(earliest),
            "hole_from": to_instant(
                max(earliest - (limits.HOLE_DAYS + 1) * DAY_MICROSECONDS, BEGINNING)
            ),
        },
    ).fetchall()
    return dict(rows)


def _resume(
    connection: DuckDBPyConnection, series: dict[SeriesKey, Series], paths: dict[str, AssetPath]
) -> tuple[dict[SeriesKey, int], dict[str, int]]:
    """Set each series and path to its last checkpoint at which every model has a state.

    Return the instants of these checkpoints, of series and of paths.
    """
    rows = connection.execute(named_query("resumable_checkpoints")).fetchall()
    resumed_at, paths_resumed_at = {}, {}
    for asset, venue, instrument, provider, at, first_bar, last_end, observed_end, payload in rows:
        if venue == ALL_VENUES:
            if asset in paths:
                resume_path(paths[asset], provider, payload, first_bar, last_end)
                paths_resumed_at[asset] = at
            continue
        one = series.get((venue, instrument))
        if one is None:
            continue
        state = State.from_bytes(payload)
        one.states[provider] = state
        one.observed, one.observed_end = state.open_interest, observed_end
        one.first_bar_start, one.last_bar_end = first_bar, last_end
        resumed_at[one.key] = at
    return resumed_at, paths_resumed_at


def _first_starts(connection: DuckDBPyConnection, new: list[SeriesKey]) -> dict[SeriesKey, int]:
    """Return where series without a checkpoint begin.

    That is as long before the first open interest as bars count. A series without any may begin
    where its asset's replay does.
    """
    if not new:
        return {}
    rows = connection.execute(
        named_query("first_observations"),
        {
            "venues": [venue for venue, _ in new],
            "instruments": [instrument for _, instrument in new],
        },
    ).fetchall()
    starts = {}
    for venue, instrument, from_at, seen, traded in rows:
        starts[venue, instrument] = from_at
        if from_at > BEGINNING and seen is not None:
            first_day = (seen - HOUR_MICROSECONDS) // DAY_MICROSECONDS * DAY_MICROSECONDS
            trail = max(
                first_day - TRAIL_MICROSECONDS, traded // DAY_MICROSECONDS * DAY_MICROSECONDS
            )
            starts[venue, instrument] = min(first_day, trail, from_at)
    return starts
