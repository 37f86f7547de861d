"""Sensitivity of maps to assumptions: each estimator against itself with one assumption changed.

The maps of venue 'all' at midnights are replayed from the start of the month before, with and
without the change, and compared. So a month costs one replay however many of its midnights are
measured, and a row does not depend on when it was made. The effect of that start is measured too,
as assumption 'history'.

What one replay reads is a shard, which any engine can measure; the writer reads and stores.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
from duckdb import DuckDBPyConnection

from jobs.build import limits
from jobs.build.estimator_choice import configured_estimators, store_parameters
from jobs.build.hourly_maps import ALL_VENUES, HourlyMaps, nullable, repeat_sides, sum_maps
from jobs.build.replay import replay
from jobs.build.replay_inputs import InstrumentBars, read_bars, read_series
from jobs.build.replay_records import EMPTY_BARS, ReplaySpan, Series, Stretch
from jobs.build.series_rows import series_maps
from jobs.compare.map_set import list_batch
from jobs.engines.engine_choice import open_engine
from jobs.engines.shard_engine import LostShard, ShardEngine, name_span
from jobs.errors import ShardsLost
from jobs.instants import DAY_MICROSECONDS, to_instant, to_microseconds
from jobs.one_cause import by_cause, listed
from jobs.progress import Progress, silent
from jobs.settings import Settings
from jobs.writer import writer_run
from transforms.disagreement import METRICS, measure_disagreement
from transforms.estimators import EstimatorParameters
from transforms.maps import SIDES, MapBatch, align_maps
from transforms.sensitivity import Swap, swap_assumptions
from transforms.series import FloatArray, IntArray
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
    left_out : dict of str to str
        Why assets were left out, by asset; the next measurement does them.
    """

    map_count: int
    row_count: int
    left_out: dict[str, str] = field(default_factory=dict)


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

    @property
    def midnights(self) -> set[int]:
        """All of them [microseconds]."""
        return {at for own in self.map_runs.values() for at in own}

    @property
    def end(self) -> int:
        """The last of them [microseconds]."""
        return max(self.midnights)


@dataclass(frozen=True, slots=True)
class MonthShard:
    """A month of an asset: all that its replays and comparisons read.

    Parameters
    ----------
    task : MonthTask
        What to measure.
    bases : dict of str to EstimatorParameters
        Its estimators by provider.
    swaps : dict of str to tuple of Swap
        What is changed of each, by provider.
    series : dict of (venue, instrument) to Series
        The asset's series.
    bars : dict of (venue, instrument) to BarColumns
        Their bars.
    stored : dict of str to pyarrow.Table
        The stored maps of the midnights, by provider.
    run_id : str
        Written beside each row.
    """

    task: MonthTask
    bases: dict[str, EstimatorParameters]
    swaps: dict[str, tuple[Swap, ...]]
    series: dict[tuple[str, str], Series]
    bars: InstrumentBars
    stored: dict[str, pa.Table]
    run_id: str

    @property
    def label(self) -> str:
        """The asset and the months."""
        task = self.task
        return f"measuring {name_span([task.asset], to_instant(task.start), to_instant(task.end))}"


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
    with (
        writer_run(settings, "sensitivity", as_of) as (connection, run),
        open_engine(settings.engine) as engine,
    ):
        chosen = configured_estimators(settings) if estimators is None else estimators
        report = measure_midnights(
            connection,
            plan_months(connection, as_of, days, chosen),
            estimators=chosen,
            run_id=run.run_id,
            engine=engine,
            on_progress=lambda item, share: progress("sensitivity", item, share),
        )
        run.row_count = report.row_count
        run.detail = {"map_count": report.map_count, "left_out": report.left_out}
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
    engine: ShardEngine,
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
    engine : ShardEngine
        Where months are replayed.
    on_progress : callable
        Called with the asset under way and the share that is done.

    Raises
    ------
    EngineUnavailable
        The engine is gone; what was stored by then stays.
    ShardsLost
        Every asset was left out.
    """
    swaps = {each.provider: swap_assumptions(each) for each in estimators}
    map_count = row_count = 0
    left_out: dict[str, str] = {}
    shards = _read_months(connection, tasks, estimators, swaps, run_id)
    outcomes = engine.stream(measure_month, shards)
    for number, (task, outcome) in enumerate(zip(tasks, outcomes, strict=True)):
        on_progress(task.asset, number / len(tasks))
        if isinstance(outcome, LostShard):
            left_out[task.asset] = str(outcome)
            continue
        map_count += sum(map(len, task.map_runs.values()))
        if outcome is not None:
            variants = [swap.parameters for name in task.map_runs for swap in swaps[name]]
            store_parameters(connection, variants)
            row_count += _store(connection, task, outcome)
    for assets, reason in by_cause(left_out.items()):
        logger.error("left out until the next measurement: %s (%s)", listed(assets), reason)
    if left_out and not map_count:
        raise ShardsLost.of_all("nothing could be measured", left_out, "run")
    return SensitivityReport(map_count, row_count, left_out)


def _read_months(
    connection: DuckDBPyConnection,
    tasks: Sequence[MonthTask],
    estimators: Sequence[EstimatorParameters],
    swaps: dict[str, tuple[Swap, ...]],
    run_id: str,
) -> Iterator[MonthShard]:
    """Yield the shard of each task."""
    by_name = {parameters.provider: parameters for parameters in estimators}
    for task in tasks:
        yield MonthShard(
            task=task,
            bases={name: by_name[name] for name in task.map_runs},
            swaps={name: swaps[name] for name in task.map_runs},
            series=read_series(connection, [task.asset]),
            bars=read_bars(connection, [task.asset], task.start, task.end),
            stored={
                name: _stored_maps(connection, task.asset, name, sorted(own))
                for name, own in task.map_runs.items()
            },
            run_id=run_id,
        )


def _stored_maps(
    connection: DuckDBPyConnection, asset: str, provider: str, hours: list[int]
) -> pa.Table:
    """Return the sides of the stored maps of all venues in some hours."""
    return connection.execute(
        named_query("maps_of_hours"),
        {
            "asset": asset,
            "provider": provider,
            "venue": ALL_VENUES,
            "hours": [to_instant(hour) for hour in hours],
        },
    ).to_arrow_table()


def measure_month(shard: MonthShard, pool: ThreadPoolExecutor) -> pa.Table | None:
    """Return rows of derived.assumption_sensitivity of a month; None where there are none.

    Reads nothing but the shard, so any process with these sources can run it.
    """
    made = _replay_month(shard, pool)
    rows = [table for name in shard.bases if name in made for table in _rows(shard, name, made)]
    return pa.concat_tables(rows) if rows else None


def _replay_month(shard: MonthShard, pool: ThreadPoolExecutor) -> dict[str, HourlyMaps]:
    """Return the maps of all venues at midnights, by estimator."""
    task = shard.task
    variants = [swap.parameters for own in shard.swaps.values() for swap in own]
    estimators = (*shard.bases.values(), *variants)
    span = ReplaySpan(
        start=task.start,
        end=task.end,
        store_after=min(task.midnights) - DAY_MICROSECONDS,
        longest_hole=limits.HOLE_DAYS * DAY_MICROSECONDS,
        step=DAY_MICROSECONDS,
    )

    def replay_series(key: tuple[str, str]) -> list[Stretch]:
        bars = shard.bars.get(key, EMPTY_BARS)
        return replay(shard.series[key], estimators, bars, EMPTY_BARS, span)

    parts: dict[str, list[HourlyMaps]] = {}
    for stretches in pool.map(replay_series, shard.series):
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


def _published_windows(stored: pa.Table, hours: IntArray, price: FloatArray) -> FloatArray:
    """Return the windows of the stored maps of some hours around prices, as `_windows` does."""
    table = stored.filter(pa.array(np.isin(stored["hour"].to_numpy(), hours))).combine_chunks()
    lists = table.column("liquidation_usd").chunk(0)
    first_bin = table.column("first_bin_index").to_numpy()
    return align_maps(list_batch(lists, first_bin, np.repeat(price, 2))).reshape(len(hours), 2, -1)


def _rows(shard: MonthShard, provider: str, made: dict[str, HourlyMaps]) -> Iterator[pa.Table]:
    """Yield the rows of an estimator, one comparison after the other."""
    task, base = shard.task, shard.bases[provider]
    maps, map_runs = made[provider], task.map_runs[provider]
    chosen = np.isin(maps.hours, list(map_runs))
    hours, price = maps.hours[chosen], maps.price[chosen]
    if len(hours) == 0:
        return
    replayed = _windows(maps, maps.price)[chosen]
    since = to_instant(task.start).strftime("%Y-%m-%d")
    stored = _published_windows(shard.stored[provider], hours, price)
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
            for swap in shard.swaps[provider]
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
                "run_id": shard.run_id,
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
