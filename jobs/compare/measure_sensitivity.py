"""Sensitivity of maps to assumptions: each estimator against itself with one assumption changed.

The maps of venue 'all' at midnights are replayed from the start of the month before, with and
without the change, and compared. So a month costs one replay however many of its midnights are
measured, and a row does not depend on when it was made. The effect of that start is measured too,
as assumption 'history'.
"""

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
from duckdb import DuckDBPyConnection

from jobs.build import limits
from jobs.build.estimator_choice import configured_estimators, store_parameters
from jobs.build.hourly_maps import ALL_VENUES, HourlyMaps, nullable, repeat_sides, sum_maps
from jobs.build.replay import replay
from jobs.build.replay_inputs import read_bars, read_series
from jobs.build.replay_records import EMPTY_BARS, ReplaySpan, Stretch
from jobs.build.series_rows import series_maps
from jobs.compare.map_set import list_batch
from jobs.instants import DAY_MICROSECONDS, to_instant, to_microseconds
from jobs.progress import Progress, silent
from jobs.settings import Settings
from jobs.writer import writer_run
from transforms.disagreement import METRICS, measure_disagreement
from transforms.estimators import EstimatorParameters
from transforms.maps import SIDES, MapBatch, align_maps
from transforms.sensitivity import Swap, swap_assumptions
from transforms.series import FloatArray
from warehouse.connect import insert_rows, transaction
from warehouse.contracts import stored_rows
from warehouse.queries import named_query

logger = logging.getLogger(__name__)

HISTORY = "history"
"""The assumption that there were no positions before the replay begins."""


@dataclass(frozen=True, slots=True)
class SensitivityReport:
    """Counts of one measurement.

    Parameters
    ----------
    map_count : int
        Maps that were measured: one an asset, midnight and estimator.
    row_count : int
        Rows written.
    """

    map_count: int
    row_count: int


@dataclass(frozen=True, slots=True)
class MonthTask:
    """Midnights of one asset that one replay covers.

    Parameters
    ----------
    asset : str
        The asset.
    start : int
        Where the replay begins [microseconds].
    map_runs : dict
        By provider and by midnight [microseconds], the run that made the map.
    """

    asset: str
    start: int
    map_runs: dict[str, dict[int, str]]


@dataclass(frozen=True, slots=True)
class ChangedMaps:
    """Maps at the same midnights before and after an assumption is changed.

    Parameters
    ----------
    assumption, baseline, variant : str
        What is changed, from what to what.
    variant_hash : str
        Parameters of the changed estimator.
    before, after : ndarray of float64, shape (n_midnights, 2, n_bins)
        Windows of the maps around the same prices.
    """

    assumption: str
    baseline: str
    variant: str
    variant_hash: str
    before: FloatArray
    after: FloatArray


def measure_sensitivity(
    settings: Settings,
    *,
    as_of: datetime,
    days: int = 31,
    estimators: Sequence[EstimatorParameters] | None = None,
    progress: Progress = silent,
) -> SensitivityReport:
    """Measure all midnights that have not been measured since their map was made.

    Idempotent: a second call finds nothing to do.

    Parameters
    ----------
    settings : Settings
        Where things are.
    as_of : datetime
        The last midnight is at or before it.
    days : int
        Days of midnights, back from there.
    estimators : sequence of EstimatorParameters, optional
        Whose assumptions to change; by default those of every estimator that is built.
    progress : callable
        Called with the step, the asset and the share that is done.
    """
    with writer_run(settings, "sensitivity", as_of) as (connection, run):
        chosen = configured_estimators(settings) if estimators is None else estimators
        report = measure_midnights(
            connection,
            plan_months(connection, as_of, days, chosen),
            estimators=chosen,
            run_id=run.run_id,
            threads=settings.threads,
            on_progress=lambda item, share: progress("sensitivity", item, share),
        )
        run.row_count = report.row_count
        run.detail = {"map_count": report.map_count}
        logger.info("measured sensitivity: %s", report)
        return report


def plan_months(
    connection: DuckDBPyConnection,
    as_of: datetime,
    days: int,
    estimators: Sequence[EstimatorParameters],
) -> list[MonthTask]:
    """Return the midnights to measure, by asset and by where their replay begins."""
    months: dict[tuple[str, int], dict[str, dict[int, str]]] = {}
    hashes = [parameters.params_hash for parameters in estimators]
    for asset, at, provider, map_run in connection.execute(
        named_query("unmeasured_midnights"),
        {
            "from_at": as_of - timedelta(days=days),
            "until_at": as_of,
            "all_venues": ALL_VENUES,
            "estimators": hashes,
        },
    ).fetchall():
        month = months.setdefault((asset, _start_of_month_before(at)), {})
        month.setdefault(provider, {})[at] = map_run
    return [MonthTask(asset, start, months[asset, start]) for asset, start in sorted(months)]


def _start_of_month_before(at: int) -> int:
    """Return the start of the month before that of an instant."""
    before = to_instant(at).replace(day=1) - timedelta(days=1)
    return to_microseconds(datetime(before.year, before.month, 1, tzinfo=UTC))


def measure_midnights(
    connection: DuckDBPyConnection,
    tasks: Sequence[MonthTask],
    *,
    estimators: Sequence[EstimatorParameters],
    run_id: str,
    threads: int | None = None,
    on_progress: Callable[[str, float], None] = lambda item, share: None,  # noqa: ARG005
) -> SensitivityReport:
    """Replay the months of some tasks, compare their midnights and store the rows.

    Parameters
    ----------
    connection : DuckDBPyConnection
        The writer's.
    tasks : sequence of MonthTask
        What to measure.
    estimators : sequence of EstimatorParameters
        All estimators the tasks name.
    run_id : str
        Written beside each row.
    threads : int, optional
        Series replayed at once; by default one a core.
    on_progress : callable
        Called with the asset under way and the share that is done.
    """
    by_name = {parameters.provider: parameters for parameters in estimators}
    swaps = {name: swap_assumptions(parameters) for name, parameters in by_name.items()}
    map_count = row_count = 0
    with ThreadPoolExecutor(threads or os.cpu_count()) as pool:
        for number, task in enumerate(tasks):
            on_progress(task.asset, number / len(tasks))
            bases = {name: by_name[name] for name in task.map_runs}
            own = {name: swaps[name] for name in bases}
            variants = [swap.parameters for each in own.values() for swap in each]
            made = _replay_month(connection, task, (*bases.values(), *variants), pool)
            rows = [
                table
                for name in bases
                if name in made
                for table in _rows(connection, task, bases[name], own[name], made, run_id)
            ]
            map_count += sum(map(len, task.map_runs.values()))
            if rows:
                store_parameters(connection, variants)
                row_count += _store(connection, task, pa.concat_tables(rows))
    return SensitivityReport(map_count, row_count)


def _replay_month(
    connection: DuckDBPyConnection,
    task: MonthTask,
    estimators: tuple[EstimatorParameters, ...],
    pool: ThreadPoolExecutor,
) -> dict[str, HourlyMaps]:
    """Return the maps of all venues at midnights, by estimator."""
    midnights = {at for own in task.map_runs.values() for at in own}
    span = ReplaySpan(
        start=task.start,
        end=max(midnights),
        store_after=min(midnights) - DAY_MICROSECONDS,
        longest_hole=limits.HOLE_DAYS * DAY_MICROSECONDS,
        step=DAY_MICROSECONDS,
    )
    bars = read_bars(connection, [task.asset], span.start, span.end)
    series = read_series(connection, [task.asset])

    def replay_series(key: tuple[str, str]) -> list[Stretch]:
        return replay(series[key], estimators, bars.get(key, EMPTY_BARS), EMPTY_BARS, span)

    parts: dict[str, list[HourlyMaps]] = {}
    for stretches in pool.map(replay_series, series):
        for stretch in stretches:
            if len(stretch.hours):
                parts.setdefault(stretch.provider, []).append(series_maps(stretch))
    return {name: sum_maps(own) for name, own in parts.items()}


def _windows(maps: HourlyMaps, price: FloatArray) -> FloatArray:
    """Return the windows of maps around prices, shape (n_midnights, 2, n_bins)."""
    n_bins = maps.liquidation_usd.shape[2]
    batch = MapBatch(
        np.ascontiguousarray(maps.liquidation_usd).reshape(-1),
        np.arange(2 * len(maps.hours) + 1) * n_bins,
        np.repeat(maps.first_bin, 2),
        np.repeat(price, 2),
    )
    return align_maps(batch).reshape(len(maps.hours), 2, -1)


def _published_windows(
    connection: DuckDBPyConnection, asset: str, provider: str, hours: list[int], price: FloatArray
) -> FloatArray:
    """Return the windows of the stored maps around prices, shape (n_midnights, 2, n_bins)."""
    table = connection.execute(
        named_query("maps_of_hours"),
        {
            "asset": asset,
            "provider": provider,
            "venue": ALL_VENUES,
            "hours": [to_instant(hour) for hour in hours],
        },
    ).to_arrow_table()
    lists = table.combine_chunks().column("liquidation_usd").chunk(0)
    first_bin = table.column("first_bin_index").to_numpy()
    return align_maps(list_batch(lists, first_bin, np.repeat(price, 2))).reshape(len(hours), 2, -1)


def _rows(
    connection: DuckDBPyConnection,
    task: MonthTask,
    base: EstimatorParameters,
    swaps: tuple[Swap, ...],
    made: dict[str, HourlyMaps],
    run_id: str,
) -> Iterator[pa.Table]:
    """Yield rows of derived.assumption_sensitivity, one comparison after the other."""
    maps, map_runs = made[base.provider], task.map_runs[base.provider]
    chosen = np.isin(maps.hours, list(map_runs))
    hours, price = maps.hours[chosen], maps.price[chosen]
    if len(hours) == 0:
        return
    replayed = _windows(maps, maps.price)[chosen]
    since = to_instant(task.start).strftime("%Y-%m-%d")
    stored = _published_windows(connection, task.asset, base.provider, hours.tolist(), price)
    comparisons = [
        ChangedMaps(HISTORY, "all of it", f"from {since} on", base.params_hash, stored, replayed),
        *(
            ChangedMaps(
                swap.assumption,
                swap.baseline,
                swap.variant,
                swap.parameters.params_hash,
                replayed,
                _windows(made[swap.parameters.provider], maps.price)[chosen],
            )
            for swap in swaps
        ),
    ]
    every = np.repeat(hours, len(SIDES))
    for one in comparisons:
        # Two entries a midnight: the map before, the map after.
        pairs = np.stack((one.before, one.after), axis=1).reshape(2 * len(hours), 2, -1)
        found = measure_disagreement(
            pairs[:, 0],
            pairs[:, 1],
            np.repeat(price, 2),
            np.arange(len(hours) + 1) * 2,
            np.zeros(2 * len(hours), dtype=np.int64),
        )
        yield stored_rows(
            "derived.assumption_sensitivity",
            {
                "asset": task.asset,
                "as_of": every,
                "provider": base.provider,
                "assumption": one.assumption,
                "baseline": one.baseline,
                "variant": one.variant,
                "side": repeat_sides(len(hours), SIDES),
                "is_comparable": found.is_comparable.ravel(),
                **{name: nullable(getattr(found, name)) for name in METRICS},
                "replayed_from_at": task.start,
                "map_run_id": pa.array([map_runs[hour] for hour in every.tolist()]),
                "params_hash": base.params_hash,
                "variant_params_hash": one.variant_hash,
                "run_id": run_id,
            },
        )


def _store(connection: DuckDBPyConnection, task: MonthTask, rows: pa.Table) -> int:
    """Replace the rows of a task's midnights in one transaction; return how many."""
    with transaction(connection):
        for provider, midnights in task.map_runs.items():
            connection.execute(
                "delete from derived.assumption_sensitivity "
                "where asset = ? and provider = ? and list_contains(?, as_of)",
                [task.asset, provider, [to_instant(at) for at in midnights]],
            )
        insert_rows(connection, "derived.assumption_sensitivity", rows)
        connection.execute("insert into meta.pending_publish select distinct as_of::date from rows")
    return int(rows.num_rows)
