"""Building: from bars in the warehouse to maps, books and states, asset by asset.

An asset is the unit of work, a window of some assets the unit of the transaction. What loading
marked as out of date is replayed from the last checkpoint before it, whether that is the hour that
has just passed, a late bar or the whole history: there is one way to build, and its rows do not
depend on how the work was cut up.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from duckdb import DuckDBPyConnection

from jobs.build import limits
from jobs.build.build_plan import BuildBatch, batch_tasks, open_batch, plan_builds
from jobs.build.capture_refresh import refresh_captures
from jobs.build.estimator_choice import store_assumptions, store_parameters
from jobs.build.path_records import PathModel
from jobs.build.path_rows import path_assumptions
from jobs.build.shard_rows import TableRows
from jobs.build.window_replay import replay_windows
from jobs.build.window_shards import WindowBars, of_batch
from jobs.build.window_store import delete_old_details, store_window
from jobs.engines.engine_choice import EngineChoice, open_engine
from jobs.engines.shard_engine import ShardEngine
from jobs.errors import ComparisonLost, ShardsLost
from jobs.instants import HOUR_MICROSECONDS, to_microseconds
from jobs.one_cause import by_cause, listed
from transforms.estimators import EstimatorParameters
from warehouse.connect import transaction

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class BuildReport:
    """Counts of one build.

    Parameters
    ----------
    asset_count, series_count : int
        Assets and instruments that were replayed.
    bar_count : int
        Bars that went through the model, each counted once however many estimators read it.
    row_count : int
        Rows written to derived and intermediate tables.
    left_out : dict of str to str
        Why assets were left out, by asset; the next build does them.
    """

    asset_count: int
    series_count: int
    bar_count: int
    row_count: int
    left_out: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BuildOptions:
    """Settings of a build.

    Parameters
    ----------
    engine : EngineChoice
        Where series are replayed and maps are compared; by default on threads, one a core.
    detail_hours : int
        Newest hours that keep maps by tier and odds of touch by bin; older ones are deleted.
    """

    engine: EngineChoice = field(default_factory=EngineChoice)
    detail_hours: int = limits.DETAIL_HOURS


def build_assets(
    connection: DuckDBPyConnection,
    *,
    as_of: datetime,
    estimators: Sequence[EstimatorParameters],
    run_id: str,
    path_models: Sequence[PathModel] = (),
    options: BuildOptions | None = None,
    on_progress: Callable[[str, float], None] = lambda asset, share: None,  # noqa: ARG005
) -> BuildReport:
    """Bring the maps of every asset up to date.

    Idempotent: a second call finds nothing out of date. Killed at any point, the next call resumes
    after the last transaction.

    Parameters
    ----------
    connection : DuckDBPyConnection
        The writer's.
    as_of : datetime
        The last hour to build; only bars that end by then are used.
    estimators : sequence of EstimatorParameters
        Whose maps to make.
    run_id : str
        Written beside each row.
    path_models : sequence of PathModel
        Models of reference paths to run; by default none.
    options : BuildOptions, optional
        Its settings.
    on_progress : callable
        Called with the assets under way and the share of all work that is done.

    Raises
    ------
    BooksDoNotBalance
        A series' longs, shorts and open interest differ by more than ``limits.BOOKS_TOLERANCE``.
    EngineUnavailable
        The cluster of the engine cannot be reached or is gone; what was stored by then stays.
    ShardsLost
        Every asset was left out.
    """
    options = options or BuildOptions()
    until = to_microseconds(as_of) // HOUR_MICROSECONDS * HOUR_MICROSECONDS
    store_parameters(connection, estimators)
    store_assumptions(connection, path_assumptions(path_models, ()))
    tasks = plan_builds(connection, estimators, path_models, until)
    asset_count = series_count = bar_count = row_count = 0
    left_out: dict[str, str] = {}
    with open_engine(options.engine) as engine:
        for batch_of_tasks in batch_tasks(connection, tasks):
            batch = open_batch(connection, batch_of_tasks, run_id, options.detail_hours)
            begin: int | None = None
            for window, tables in replay_windows(connection, batch, engine):
                is_first = begin is None
                begin = window.start if begin is None else begin
                row_count += _store(connection, batch, window, tables, engine, is_first=is_first)
                bar_count += window.part(batch).bar_count
                span = batch.until - begin
                share = (window.end - begin) / span if span else 1.0
                on_progress(
                    ", ".join(batch.assets[:3]),
                    (asset_count + share * len(batch.assets)) / len(tasks),
                )
            asset_count += len(batch.assets)
            series_count += len(batch.series)
            left_out |= batch.left_out
        row_count += refresh_captures(connection, path_models, engine, run_id, left_out)
    if not tasks:
        with transaction(connection):
            delete_old_details(connection, until - options.detail_hours * HOUR_MICROSECONDS)
    for assets, reason in by_cause(left_out.items()):
        logger.error("left out until the next build: %s (%s)", listed(assets), reason)
    if left_out and not asset_count:
        raise ShardsLost.of_all("no asset could be built", left_out, "build")
    report = BuildReport(asset_count, series_count, bar_count, row_count, left_out)
    logger.info("built %s", report)
    return report


def _store(
    connection: DuckDBPyConnection,
    batch: BuildBatch,
    window: WindowBars,
    tables: TableRows,
    engine: ShardEngine,
    *,
    is_first: bool,
) -> int:
    """Store a window in one transaction; return how many rows.

    Assets whose maps cannot be compared are left out of the batch and of the window.
    """
    while batch.tasks:
        try:
            with transaction(connection):
                store_assumptions(connection, path_assumptions((), window.fits))
                return store_window(connection, batch, window, tables, engine, is_first=is_first)
        except ComparisonLost as lost:
            batch.leave_out(lost.assets, str(lost))
            window, tables = of_batch(connection, batch, window, tables)
    return 0
