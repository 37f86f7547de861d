"""What maps hang on: each estimator against itself with one assumption swapped, at midnights.

The maps of venue 'all' are replayed from the start of the month before a midnight, with and
without the swap, and set against one another. Where a replay starts so, a month costs one replay
however many of its midnights are wanted, and a row does not depend on when it was made. How much
the start itself changes is told too, as assumption 'history'.
"""

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from duckdb import DuckDBPyConnection

from jobs.build.assets import HOLE_DAYS, store_parameters
from jobs.build.estimators import configured_estimators
from jobs.build.map_rows import ALL_VENUES, HourlyMaps, maps_of, sum_maps
from jobs.build.replay import DAY, Stretch, replay
from jobs.build.replay_inputs import EMPTY_BARS, instant, microseconds, read_bars, read_series
from jobs.pipeline import Progress, silent, writer_run
from jobs.settings import Settings
from transforms.disagreement import METRICS, measure_disagreement
from transforms.estimators import EstimatorParameters
from transforms.maps import SIDES, MapBatch, align_maps
from transforms.sensitivity import Swap, swap_assumptions
from warehouse.connect import insert_rows, transaction
from warehouse.contracts import stored_rows

logger = logging.getLogger(__name__)

FloatArray = npt.NDArray[np.float64]

HISTORY = "history"
"""The assumption that nothing stood before the replay begins."""


# Midnights whose map of all venues has not been looked at since it was last made.
_OUT_OF_DATE = """
select heatmap.asset, epoch_us(heatmap.as_of), heatmap.provider, heatmap.run_id
from derived.heatmap
left join derived.assumption_sensitivity as known
    on known.asset = heatmap.asset and known.as_of = heatmap.as_of
    and known.provider = heatmap.provider and known.params_hash = heatmap.params_hash
    and known.map_run_id = heatmap.run_id
where heatmap.as_of > ? and heatmap.as_of <= ? and hour(heatmap.as_of) = 0
    and heatmap.venue = ? and heatmap.side = 'long'
    and list_contains(?, heatmap.params_hash) and known.asset is null
group by all order by all
"""

_PUBLISHED = """
select epoch_us(as_of) as hour, price, first_bin_index, liquidation_usd
from derived.heatmap
where asset = ? and provider = ? and venue = ? and list_contains(?, as_of)
order by as_of, side
"""


@dataclass(frozen=True, slots=True)
class SensitivityReport:
    """What one look at the assumptions did.

    Parameters
    ----------
    map_count : int
        Maps looked at: one an asset, midnight and estimator.
    row_count : int
        Rows written.
    """

    map_count: int
    row_count: int


@dataclass(frozen=True, slots=True)
class _Task:
    """Midnights of one asset that one replay gives.

    Parameters
    ----------
    asset : str
        The asset.
    start : int
        Where the replay begins [microseconds].
    wanted : dict
        By provider, by midnight [microseconds], the run that made its map.
    """

    asset: str
    start: int
    wanted: dict[str, dict[int, str]]


def measure_sensitivity(
    settings: Settings,
    *,
    as_of: datetime,
    days: int = 31,
    estimators: Sequence[EstimatorParameters] | None = None,
    progress: Progress = silent,
) -> SensitivityReport:
    """Look at all midnights that have not been looked at since their map was made.

    Idempotent: a second call finds nothing to do.

    Parameters
    ----------
    settings : Settings
        Where things are.
    as_of : datetime
        The last midnight lies at or before it.
    days : int
        Midnights looked at, back from there.
    estimators : sequence of EstimatorParameters, optional
        Whose assumptions to swap; by default those of every estimator that is built.
    progress : callable
        Told how far it is.
    """
    with writer_run(settings, "sensitivity", as_of) as (connection, run):
        chosen = configured_estimators(settings) if estimators is None else estimators
        report = look_at_assumptions(
            connection,
            as_of=as_of,
            days=days,
            estimators=chosen,
            run_id=run.run_id,
            threads=settings.threads,
            on_progress=lambda item, share: progress("sensitivity", item, share),
        )
        run.row_count = report.row_count
        run.detail = {"map_count": report.map_count}
        logger.info("looked at assumptions: %s", report)
        return report


def look_at_assumptions(
    connection: DuckDBPyConnection,
    *,
    as_of: datetime,
    days: int,
    estimators: Sequence[EstimatorParameters],
    run_id: str,
    threads: int | None = None,
    on_progress: Callable[[str, float], None] = lambda item, share: None,  # noqa: ARG005
) -> SensitivityReport:
    """Do the same on an open warehouse; the parameters are those of `measure_sensitivity`."""
    by_name = {parameters.provider: parameters for parameters in estimators}
    swaps = {name: swap_assumptions(parameters) for name, parameters in by_name.items()}
    tasks = _tasks(connection, as_of, days, list(by_name.values()))
    report = SensitivityReport(0, 0)
    with ThreadPoolExecutor(threads or os.cpu_count()) as pool:
        for number, task in enumerate(tasks):
            on_progress(task.asset, number / len(tasks))
            bases = {name: by_name[name] for name in task.wanted}
            own = {name: swaps[name] for name in bases}
            made = _replayed(connection, task, bases, own, pool)
            rows = [
                table
                for name in bases
                if name in made
                for table in _rows(connection, task, bases[name], own[name], made, run_id)
            ]
            row_count = _store(connection, task, own, rows)
            report = SensitivityReport(
                report.map_count + sum(len(midnights) for midnights in task.wanted.values()),
                report.row_count + row_count,
            )
    return report


def _tasks(
    connection: DuckDBPyConnection,
    as_of: datetime,
    days: int,
    estimators: list[EstimatorParameters],
) -> list[_Task]:
    """Return what is out of date, by asset and by where its replay begins."""
    wanted: dict[tuple[str, int], dict[str, dict[int, str]]] = {}
    for asset, at, provider, map_run in connection.execute(
        _OUT_OF_DATE,
        [
            as_of - timedelta(days=days),
            as_of,
            ALL_VENUES,
            [parameters.params_hash for parameters in estimators],
        ],
    ).fetchall():
        start = _month_before(at)
        wanted.setdefault((asset, start), {}).setdefault(provider, {})[at] = map_run
    return [_Task(asset, start, wanted[asset, start]) for asset, start in sorted(wanted)]


def _month_before(at: int) -> int:
    """Return the start of the month before an instant's."""
    first = instant(at).replace(day=1)
    before = first - timedelta(days=1)
    return microseconds(datetime(before.year, before.month, 1, tzinfo=UTC))


def _replayed(
    connection: DuckDBPyConnection,
    task: _Task,
    bases: dict[str, EstimatorParameters],
    swaps: dict[str, tuple[Swap, ...]],
    pool: ThreadPoolExecutor,
) -> dict[str, HourlyMaps]:
    """Return the maps of all venues at the midnights, by name of base or swap."""
    estimators = (
        *bases.values(),
        *(swap.parameters for own in swaps.values() for swap in own),
    )
    midnights = {at for own in task.wanted.values() for at in own}
    end = max(midnights)
    bars = read_bars(connection, [task.asset], task.start, end)

    def replayed(key: tuple[str, str]) -> list[Stretch]:
        return replay(
            series[key],
            estimators,
            bars.get(key, EMPTY_BARS),
            EMPTY_BARS,
            start=task.start,
            end=end,
            store_after=min(midnights) - DAY,
            checkpoints=[],
            longest_hole=HOLE_DAYS * DAY,
            step=DAY,
        )

    series = read_series(connection, [task.asset])
    parts: dict[str, list[HourlyMaps]] = {}
    for stretches in pool.map(replayed, series):
        for stretch in stretches:
            if len(stretch.hours):
                parts.setdefault(stretch.provider, []).append(maps_of(stretch))
    return {name: sum_maps(own) for name, own in parts.items()}


def _windows(maps: HourlyMaps, price: FloatArray) -> FloatArray:
    """Return the windows around prices, shape (n_midnights, 2, n_bins)."""
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
    """Return the same of the maps as they are stored."""
    table = connection.execute(
        _PUBLISHED, [asset, provider, ALL_VENUES, [instant(hour) for hour in hours]]
    ).to_arrow_table()
    lists = table.combine_chunks().column("liquidation_usd").chunk(0)
    offsets = lists.offsets.to_numpy()
    batch = MapBatch(
        lists.values.to_numpy()[offsets[0] : offsets[-1]],
        offsets - offsets[0],
        table.column("first_bin_index").to_numpy(),
        np.repeat(price, 2),
    )
    return align_maps(batch).reshape(len(hours), 2, -1)


def _rows(
    connection: DuckDBPyConnection,
    task: _Task,
    base: EstimatorParameters,
    swaps: tuple[Swap, ...],
    made: dict[str, HourlyMaps],
    run_id: str,
) -> Iterator[pa.Table]:
    """Yield rows of derived.assumption_sensitivity, swap by swap."""
    maps = made[base.provider]
    chosen = np.isin(maps.hours, list(task.wanted[base.provider]))
    hours, price = maps.hours[chosen], maps.price[chosen]
    if len(hours) == 0:
        return
    as_it_is = _windows(maps, maps.price)[chosen]
    since = instant(task.start).strftime("%Y-%m-%d")
    stored = _published_windows(connection, task.asset, base.provider, hours.tolist(), price)
    others = [(HISTORY, "all of it", f"from {since} on", base.params_hash, stored, as_it_is)]
    for swap in swaps:
        swapped = made[swap.parameters.provider]
        windows = _windows(swapped, maps.price)[chosen]
        others.append(
            (
                swap.assumption,
                swap.baseline,
                swap.variant,
                swap.parameters.params_hash,
                as_it_is,
                windows,
            )
        )
    for assumption, baseline, variant, variant_hash, before, after in others:
        # Two entries a midnight: the map before, the map after.
        pairs = np.stack((before, after), axis=1).reshape(2 * len(hours), 2, -1)
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
                "as_of": np.repeat(hours, len(SIDES)),
                "provider": base.provider,
                "assumption": assumption,
                "baseline": baseline,
                "variant": variant,
                "side": pa.array(SIDES).take(pa.array(np.tile(np.arange(len(SIDES)), len(hours)))),
                "is_comparable": found.is_comparable.ravel(),
                **{
                    name: pa.array(getattr(found, name).ravel(), from_pandas=True)
                    for name in METRICS
                },
                "replayed_from_at": task.start,
                "map_run_id": pa.array(
                    [
                        task.wanted[base.provider][hour]
                        for hour in np.repeat(hours, len(SIDES)).tolist()
                    ]
                ),
                "params_hash": base.params_hash,
                "variant_params_hash": variant_hash,
                "run_id": run_id,
            },
        )


def _store(
    connection: DuckDBPyConnection,
    task: _Task,
    swaps: dict[str, tuple[Swap, ...]],
    tables: list[pa.Table],
) -> int:
    """Replace the rows of the task's midnights in one transaction; return how many."""
    if not tables:
        return 0
    for own in swaps.values():
        store_parameters(connection, [swap.parameters for swap in own])
    rows = pa.concat_tables(tables)
    with transaction(connection):
        for provider, midnights in task.wanted.items():
            connection.execute(
                "delete from derived.assumption_sensitivity "
                "where asset = ? and provider = ? and list_contains(?, as_of)",
                [task.asset, provider, [instant(at) for at in midnights]],
            )
        insert_rows(connection, "derived.assumption_sensitivity", rows)
        connection.execute("insert into meta.pending_publish select distinct as_of::date from rows")
    return int(rows.num_rows)
