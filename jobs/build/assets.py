"""Building: from bars in the warehouse to maps, books and states, asset by asset.

An asset is the unit of work and of the transaction. What loading marked as out of date is replayed
from the last checkpoint before it, whether that is the hour that has just passed, a late bar or
the whole history: there is one way to build, and it gives the same rows however it was cut up.
"""

import logging
import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pyarrow as pa
from duckdb import DuckDBPyConnection

from jobs.build.map_rows import (
    ALL_VENUES,
    checkpoint_rows,
    exposure_rows,
    heatmap_rows,
    maps_of,
    runs,
    series_hour_rows,
    stored_maps,
    sum_maps,
)
from jobs.build.replay import DAY, HOUR, SECOND, TRAIL, BarColumns, Series, Stretch, replay
from jobs.build.replay_inputs import (
    BEGINNING,
    EMPTY_BARS,
    instant,
    microseconds,
    read_bars,
    read_series,
)
from jobs.compare.maps import compare_maps
from jobs.compare.outside_maps import outside_map_rows
from jobs.errors import BooksDoNotBalance
from transforms.estimators import EstimatorParameters, parameter_rows
from transforms.series import State
from warehouse.connect import insert_rows, transaction
from warehouse.models import run_incremental_models, set_window

logger = logging.getLogger(__name__)

# Longs, shorts and open interest agree to this share of it, or nothing is stored.
BOOKS_TOLERANCE = 1e-9

# Bars are worked through in pieces of this length, so that memory does not grow with the years.
WINDOW_DAYS = 92

# A hole in open interest is filled from its far end if it lasts no more days than this; over a
# longer one the value before it is held. Bounded, so that a replay need not look further back.
HOLE_DAYS = 31

# An asset without a bar for this long has no hours to come: its maps have ended a day after its
# last bar, and what is measured over seven days has ended too.
QUIET_DAYS = 8

# Checkpoints kept: the last midnights, for late bars; the first of each month, for late months.
KEPT_MIDNIGHTS = 8

# Bars of five minutes that one batch of assets may bring into memory.
BATCH_BARS = 4_000_000

Tables = dict[str, list[pa.Table]]

_TABLES = ("derived.heatmap", "derived.leverage_exposure", "derived.series_hour")

# What makes up the hours that are published: maps, bars, and grades where there are neither.
_HOURLY = (
    "derived.heatmap",
    "intermediate.int_instrument_hour",
    "intermediate.int_quality_measures",
)


@dataclass(frozen=True, slots=True)
class BuildReport:
    """What one build did.

    Parameters
    ----------
    asset_count, series_count : int
        Assets and instruments that were replayed.
    bar_count : int
        Bars that went through the model, each counted once however many estimators read it.
    row_count : int
        Rows written to derived and intermediate tables.
    """

    asset_count: int
    series_count: int
    bar_count: int
    row_count: int


@dataclass(frozen=True, slots=True)
class _Task:
    """An asset that is out of date."""

    asset: str
    from_at: int
    until: int
    estimators: tuple[EstimatorParameters, ...]


def build(
    connection: DuckDBPyConnection,
    *,
    as_of: datetime,
    estimators: Sequence[EstimatorParameters],
    run_id: str,
    threads: int | None = None,
    on_progress: Callable[[str, float], None] = lambda asset, share: None,  # noqa: ARG005
) -> BuildReport:
    """Bring the maps of every asset up to date and return what was done.

    Idempotent: a second call finds nothing out of date. Killed at any point, the next call goes
    on where the last transaction ended.

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
    threads : int, optional
        Series replayed at once; by default one a core.
    on_progress : callable
        Told the asset under way and the share of all work done so far.

    Raises
    ------
    BooksDoNotBalance
        A series' longs, shorts and open interest differ by more than ``BOOKS_TOLERANCE``.
    """
    until = microseconds(as_of) // HOUR * HOUR
    store_parameters(connection, estimators)
    tasks = _tasks(connection, estimators, until)
    report = BuildReport(0, 0, 0, 0)
    with ThreadPoolExecutor(threads or os.cpu_count()) as pool:
        for done, batch in _batches(connection, tasks):
            builder = _Batch(connection, batch, run_id, pool)
            for share in builder.windows():
                on_progress(
                    ", ".join(task.asset for task in batch[:3]),
                    (done + share * len(batch)) / len(tasks),
                )
            report = BuildReport(
                report.asset_count + len(batch),
                report.series_count + len(builder.series),
                report.bar_count + builder.bar_count,
                report.row_count + builder.row_count,
            )
    logger.info("built %s", report)
    return report


def store_parameters(
    connection: DuckDBPyConnection, estimators: Iterable[EstimatorParameters]
) -> None:
    """Store each estimator's assumptions under their hash."""
    for parameters in estimators:
        known = connection.execute(
            "select count(*) from derived.estimator_parameter where params_hash = ?",
            [parameters.params_hash],
        ).fetchone()
        if known is None or known[0] == 0:
            # All or none: one row of a hash says that it is known.
            with transaction(connection):
                connection.executemany(
                    "insert into derived.estimator_parameter values (?, ?, ?, ?, ?, ?)",
                    [
                        [
                            row.params_hash,
                            row.provider,
                            row.parameter_name
                            + (f"[{row.leverage:g}x]" if row.leverage is not None else ""),
                            row.value,
                            row.unit,
                            row.reason,
                        ]
                        for row in parameter_rows(parameters)
                    ],
                )


def _tasks(
    connection: DuckDBPyConnection, estimators: Sequence[EstimatorParameters], until: int
) -> list[_Task]:
    """Return what is out of date: assets with changed bars, changed parameters, or hours to come.

    An asset that is quiet has no hours to come until a bar does.
    """
    pending = {
        asset: max(_microseconds_or_beginning(at), BEGINNING)
        for asset, at in connection.execute(
            "select asset, min(from_at)::varchar from meta.pending_build group by asset"
        ).fetchall()
    }
    built: dict[str, dict[str, tuple[str, int, int]]] = {}
    for asset, provider, params_hash, built_until, last_bar_end in connection.execute(
        "select asset, provider, params_hash, epoch_us(built_until_at), epoch_us(last_bar_end_at) "
        "from meta.built_asset"
    ).fetchall():
        built.setdefault(asset, {})[provider] = (params_hash, built_until, last_bar_end)
    tasks = []
    tilted = {each.provider for each in estimators if each.taker_leverage_exponent}
    known = {asset for asset, models in built.items() if tilted & models.keys()}
    with_takers = _assets_with_takers(connection, {*pending, *built} - known) | known
    for asset in sorted({*pending, *built}):
        models = built.get(asset, {})
        own = tuple(
            parameters
            for parameters in estimators
            if asset in with_takers or not parameters.taker_leverage_exponent
        )
        built_until = max((model[1] for model in models.values()), default=BEGINNING)
        until_at = max(until, built_until)
        is_changed = any(
            models.get(parameters.provider, ("",))[0] != parameters.params_hash
            for parameters in own
        )
        last_bar_end = max((model[2] for model in models.values()), default=BEGINNING)
        has_hours_to_come = built_until < min(until, last_bar_end + QUIET_DAYS * DAY)
        out_of_date_since = [
            *([BEGINNING] if is_changed else []),
            *([pending[asset]] if asset in pending else []),
            *([built_until] if models and has_hours_to_come else []),
        ]
        if out_of_date_since and min(out_of_date_since) < until_at:
            tasks.append(_Task(asset, min(out_of_date_since), until_at, own))
    return tasks


def _assets_with_takers(connection: DuckDBPyConnection, assets: set[str]) -> set[str]:
    """Return the assets of which some venue tells how much takers bought.

    Without it an estimator that treats takers apart would repeat the one that does not.
    """
    rows = connection.execute(
        "select distinct asset from staging.stg_instrument inner join ("
        "select venue, instrument from raw.ohlcv where taker_buy_quantity is not null "
        "group by all) using (venue, instrument) where list_contains(?, asset)",
        [sorted(assets)],
    ).fetchall()
    return {row[0] for row in rows}


def _microseconds_or_beginning(text: str) -> int:
    """Return the instant DuckDB spells; '-infinity' is the beginning."""
    return BEGINNING if text == "-infinity" else microseconds(datetime.fromisoformat(text))


def _batches(
    connection: DuckDBPyConnection, tasks: list[_Task]
) -> Iterable[tuple[int, list[_Task]]]:
    """Yield batches of assets that are out of date since about the same time, and how many before.

    A batch is as large as memory allows: an hour of many assets, or some windows of a few.
    """
    instruments = dict(
        connection.execute(
            "select asset, count(*) from staging.stg_instrument group by asset"
        ).fetchall()
    )
    done = 0
    batch: list[_Task] = []
    bars = 0
    for task in sorted(tasks, key=lambda task: (task.until, task.from_at // DAY, task.asset)):
        days = min((task.until - task.from_at) // DAY + 2 * KEPT_MIDNIGHTS, WINDOW_DAYS)
        task_bars = days * 288 * instruments.get(task.asset, 1)
        is_apart = batch and (
            task.from_at // DAY > batch[0].from_at // DAY + KEPT_MIDNIGHTS
            or task.until != batch[0].until
        )
        if batch and (is_apart or bars + task_bars > BATCH_BARS):
            yield done, batch
            done += len(batch)
            batch, bars = [], 0
        batch.append(task)
        bars += task_bars
    if batch:
        yield done, batch


class _Batch:
    """Some assets replayed together, window by window, each window one transaction."""

    def __init__(
        self,
        connection: DuckDBPyConnection,
        tasks: list[_Task],
        run_id: str,
        pool: ThreadPoolExecutor,
    ) -> None:
        self.connection = connection
        self.estimators = {task.asset: task.estimators for task in tasks}
        self.run_id = run_id
        self.pool = pool
        self.assets = [task.asset for task in tasks]
        self.until = tasks[0].until
        self.from_at = {task.asset: task.from_at for task in tasks}
        self.bar_count = 0
        self.row_count = 0
        self.series = self._read_series()

    def _read_series(self) -> list[Series]:
        series = read_series(self.connection, self.assets)
        self._begin_before_holes()
        self.resumed_at = self._resume(series)
        self.resumed_at |= self._starts([key for key in series if key not in self.resumed_at])
        return list(series.values())

    def _register_from_at(self) -> None:
        """Let SQL see since when each asset is out of date, and whose maps it wants."""
        from_at = pa.table(
            {
                "asset": list(self.from_at),
                "from_at": pa.array(list(self.from_at.values()), pa.int64()),
                "hashes": [
                    [parameters.params_hash for parameters in self.estimators[asset]]
                    for asset in self.from_at
                ],
            }
        )
        self.connection.register("batch_from_at", from_at)

    def _begin_before_holes(self) -> None:
        """Move each asset's beginning before holes that what has arrived may close.

        An observation of open interest also tells what happened in the hole before it, so maps
        change from the last hour on that had an observation.
        """
        self._register_from_at()
        rows = self.connection.execute(
            "with observed as ("
            "select distinct asset, venue, instrument from staging.stg_instrument "
            "inner join batch_from_at using (asset) "
            "inner join raw.open_interest as seen using (venue, instrument) "
            "where seen.observed_at > ? and epoch_us(seen.observed_at) > from_at), "
            "reached as ("
            "select asset, venue, instrument, arg_max("
            "if(imputed_count = 0, as_of, as_of - interval 1 hour), as_of) as reached_at "
            "from derived.series_hour inner join batch_from_at using (asset) "
            "inner join observed using (asset, venue, instrument) "
            "where as_of > ? and epoch_us(as_of) <= from_at and bar_count > imputed_count "
            "group by all) "
            "select asset, epoch_us(min(reached_at)) from reached group by all",
            [
                instant(min(self.from_at.values())),
                instant(max(min(self.from_at.values()) - (HOLE_DAYS + 1) * DAY, BEGINNING)),
            ],
        ).fetchall()
        for asset, reached in rows:
            self.from_at[asset] = min(self.from_at[asset], reached)

    def _starts(self, unresumed: list[tuple[str, str]]) -> dict[tuple[str, str], int]:
        """Return where series start that have no checkpoint to start from.

        That is as long before the first open interest as bars count. A series that has none may
        start where its asset's replay does.
        """
        if not unresumed:
            return {}
        self._register_from_at()
        rows = self.connection.execute(
            "with wanted as (select unnest(?) as venue, unnest(?) as instrument), "
            "seen as (select venue, instrument, min(observed_at) as first_at "
            "from raw.open_interest semi join wanted using (venue, instrument) group by all), "
            "traded as (select venue, instrument, min(bar_start_at) as first_at "
            "from raw.ohlcv semi join wanted using (venue, instrument) group by all) "
            "select venue, instrument, from_at, epoch_us(seen.first_at), "
            "epoch_us(coalesce(traded.first_at, seen.first_at)) "
            "from staging.stg_instrument inner join batch_from_at using (asset) "
            "inner join wanted using (venue, instrument) "
            "left join seen using (venue, instrument) "
            "left join traded using (venue, instrument)",
            [[venue for venue, _ in unresumed], [instrument for _, instrument in unresumed]],
        ).fetchall()
        starts = {}
        for venue, instrument, from_at, seen, traded in rows:
            starts[venue, instrument] = from_at
            if from_at > BEGINNING and seen is not None:
                first_day = (seen - HOUR) // DAY * DAY
                trail = max(first_day - TRAIL, traded // DAY * DAY)
                starts[venue, instrument] = min(first_day, trail, from_at)
        return starts

    def _resume(self, series: dict[tuple[str, str], Series]) -> dict[tuple[str, str], int]:
        """Set each series to its last checkpoint at which every estimator has a state.

        Return the instants of these checkpoints.
        """
        self._register_from_at()
        rows = self.connection.execute(
            "with usable as ("
            "select asset, venue, instrument, checkpoint_at "
            "from derived.model_checkpoint inner join batch_from_at using (asset) "
            "where epoch_us(checkpoint_at) <= from_at and list_contains(hashes, params_hash) "
            "group by all having count(*) = any_value(len(hashes))), "
            "newest as ("
            "select venue, instrument, max(checkpoint_at) as checkpoint_at "
            "from usable group by all) "
            "select venue, instrument, provider, epoch_us(checkpoint_at), epoch_us(first_bar_at), "
            "epoch_us(last_bar_end_at), epoch_us(observed_bar_end_at), state "
            "from derived.model_checkpoint inner join newest using (venue, instrument, "
            "checkpoint_at) inner join batch_from_at using (asset) "
            "where list_contains(hashes, params_hash)"
        ).fetchall()
        resumed_at = {}
        for venue, instrument, provider, at, first_bar, last_end, observed_end, payload in rows:
            one = series.get((venue, instrument))
            if one is None:
                continue
            state = State.from_bytes(payload)
            one.states[provider] = state
            one.observed, one.observed_end = state.open_interest, observed_end
            one.first_bar_start, one.last_bar_end = first_bar, last_end
            resumed_at[venue, instrument] = at
        return resumed_at

    def windows(self) -> Iterable[float]:
        """Replay window after window; yield the share done after each.

        A window is stored while the next one is replayed.
        """
        begun = self._first_instant()
        starts = [*range(begun, self.until, WINDOW_DAYS * DAY)] or [self.until]
        spans = list(zip(starts, [*starts[1:], self.until], strict=True))
        with ThreadPoolExecutor(1) as ahead:
            under_way = self._replay_window(ahead, *spans[0])
            for number, (start, end) in enumerate(spans):
                tables = under_way.result()
                if end < self.until:
                    under_way = self._replay_window(ahead, *spans[number + 1])
                with transaction(self.connection):
                    self._store(tables, start, end, is_first=number == 0)
                yield 1.0 if end == self.until else (end - begun) / (self.until - begun)

    def _first_instant(self) -> int:
        """Return the midnight at which the replay has to begin."""
        if self.series and min(self.resumed_at.values()) > BEGINNING:
            return min(self.resumed_at.values())
        row = self.connection.execute(
            "select epoch_us(min(bar_start_at)) from raw.ohlcv "
            "inner join staging.stg_instrument using (venue, instrument) "
            "where list_contains(?, asset)",
            [self.assets],
        ).fetchone()
        first_bar = row[0] if row and row[0] is not None else self.until
        resumed = min(self.resumed_at.values(), default=BEGINNING)
        return max(resumed, min(first_bar // DAY * DAY, self.until))

    def _replay_window(self, pool: ThreadPoolExecutor, start: int, end: int) -> "Future[Tables]":
        """Read the bars of a window and begin to make its rows."""
        bars, ahead = self._read_bars(start, end)
        self.bar_count += sum(len(columns) for columns in bars.values())
        checkpoints = self._checkpoint_instants(start, end)
        empty = EMPTY_BARS

        def replayed(series: Series) -> list[Stretch]:
            key = (series.venue, series.instrument)
            own_start = max(start, self.resumed_at[key])
            columns = bars.get(key, empty)
            columns = columns.part(
                int(np.searchsorted(columns.end, own_start, side="right")), len(columns)
            )
            if own_start >= end:
                return []
            return replay(
                series,
                self.estimators[series.asset],
                columns,
                ahead.get(key, empty),
                start=own_start,
                end=end,
                store_after=self.from_at[series.asset],
                checkpoints=checkpoints,
                longest_hole=HOLE_DAYS * DAY,
            )

        def made() -> Tables:
            stretches = list(self.pool.map(replayed, self.series))
            _check_books(self.series, stretches)
            return self._tables(stretches)

        return pool.submit(made)

    def _read_bars(
        self, start: int, end: int
    ) -> tuple[dict[tuple[str, str], BarColumns], dict[tuple[str, str], BarColumns]]:
        """Return the bars of the window by instrument, and those after it that end a hole."""
        bars = read_bars(self.connection, self.assets, start, end)
        if end == self.until:
            return bars, {}
        assets = {series.asset for series in self.series if _has_open_hole(series, bars)}
        if not assets:
            return bars, {}
        horizon = min(end + HOLE_DAYS * DAY, self.until)
        return bars, read_bars(self.connection, sorted(assets), end, horizon)

    def _checkpoint_instants(self, start: int, end: int) -> list[int]:
        midnights = range((start // DAY + 1) * DAY, end + 1, DAY)
        return [at for at in midnights if self._is_kept_checkpoint(at)]

    def _is_kept_checkpoint(self, at: int) -> bool:
        return at > self.until - KEPT_MIDNIGHTS * DAY or instant(at).day == 1

    def _tables(self, stretches: list[list[Stretch]]) -> Tables:
        tables: Tables = {name: [] for name in (*_TABLES, "derived.model_checkpoint")}
        leverages = {
            parameters.provider: parameters.leverages
            for estimators in self.estimators.values()
            for parameters in estimators
        }
        groups: dict[tuple[str, str, str], list[Stretch]] = {}
        for series, made in zip(self.series, stretches, strict=True):
            for stretch in made:
                tables["derived.model_checkpoint"].append(
                    checkpoint_rows(series, stretch, self.run_id)
                )
                if len(stretch.hours) == 0:
                    continue
                tables["derived.leverage_exposure"].append(
                    exposure_rows(series, stretch, leverages[stretch.provider], self.run_id)
                )
                tables["derived.series_hour"].append(series_hour_rows(series, stretch, self.run_id))
                for venue in (series.venue, ALL_VENUES):
                    groups.setdefault((series.asset, stretch.provider, venue), []).append(stretch)

        def summed(key: tuple[str, str, str]) -> pa.Table:
            asset, provider, venue = key
            made = groups[key]
            return heatmap_rows(
                asset,
                provider,
                venue,
                sum_maps([maps_of(stretch) for stretch in made]),
                params_hash=made[0].params_hash,
                run_id=self.run_id,
            )

        tables["derived.heatmap"] = list(self.pool.map(summed, groups))
        return tables

    def _store(self, tables: Tables, start: int, end: int, *, is_first: bool) -> None:
        """Replace the window's rows and everything that says how far the assets are built."""
        execute = self.connection.execute
        stored_from: dict[int, list[str]] = {}
        for asset, at in self.from_at.items():
            # What is known of the time before the first bar belongs to the first window.
            stored_from.setdefault(at if is_first else max(at, start), []).append(asset)
            if is_first:
                execute(
                    "delete from derived.model_checkpoint where asset = ? and checkpoint_at > ?",
                    [asset, instant(at)],
                )
        for at, assets in stored_from.items():
            self._mark_days(assets, at, end)
            for name in _TABLES:
                execute(
                    f"delete from {name} where as_of > ? and as_of <= ? "
                    "and list_contains(?, asset)",
                    [instant(at), instant(end), assets],
                )
        # Models read what the estimators made, and outside maps what the models did.
        for name, parts in tables.items():
            self._insert(name, parts)
        for at, assets in stored_from.items():
            self.row_count += run_incremental_models(
                self.connection, assets, instant(at), instant(end)
            )
            self._leave_out_set_apart(assets, at, end)
            self._insert(
                "derived.heatmap",
                outside_map_rows(self.connection, assets, instant(at), instant(end), self.run_id),
            )
        for at, assets in stored_from.items():
            self.row_count += compare_maps(
                self.connection, assets, instant(at), instant(end), self.run_id
            )
            self._mark_days(assets, at, end)
        self._prune_checkpoints()
        execute("delete from meta.pending_build where list_contains(?, asset)", [self.assets])
        if end < self.until:
            execute(
                "insert into meta.pending_build select unnest(?::varchar[]), unnest(?)",
                [self.assets, [instant(max(self.from_at[asset], end)) for asset in self.assets]],
            )
        self._note_what_lies_ahead()
        self._mark_built()

    def _leave_out_set_apart(self, assets: list[str], start: int, end: int) -> None:
        """Sum the maps of hours again in which venues are set apart, without those.

        Next to no hour has any, and which have is known only once their prices are stored.
        """
        set_window(self.connection, assets, instant(start), instant(end))
        self.connection.execute(
            "create or replace temp table set_apart as from intermediate.int_set_apart"
        )
        set_window(self.connection, None, None, None)
        if self.connection.execute("from set_apart limit 1").fetchone() is None:
            return
        providers = [each.provider for asset in assets for each in self.estimators[asset]]
        kept = self.connection.execute(
            "select asset, provider, venue, epoch_us(as_of) as hour, price, first_bin_index, "
            "liquidation_usd, start_up_usd, params_hash from derived.heatmap "
            "semi join set_apart using (asset, as_of) "
            "anti join set_apart as apart using (asset, venue, as_of) "
            "where venue <> ? and list_contains(?, provider) "
            "order by asset, provider, venue, hour, side",
            [ALL_VENUES, providers],
        ).to_arrow_table()
        self.connection.execute(
            "delete from derived.heatmap where venue = ? and list_contains(?, provider) "
            "and (asset, as_of) in (select (asset, as_of) from set_apart)",
            [ALL_VENUES, providers],
        )
        groups: dict[tuple[str, str], list[pa.Table]] = {}
        keys = ("asset", "provider", "venue")
        for part in runs({name: kept.column(name).to_numpy() for name in keys}, keys):
            rows = kept.slice(part.start, part.stop - part.start)
            key = (rows["asset"][0].as_py(), rows["provider"][0].as_py())
            groups.setdefault(key, []).append(rows)
        sums = [
            heatmap_rows(
                asset,
                provider,
                ALL_VENUES,
                sum_maps([stored_maps(part) for part in parts]),
                params_hash=parts[0]["params_hash"][0].as_py(),
                run_id=self.run_id,
            )
            for (asset, provider), parts in groups.items()
        ]
        if sums:
            insert_rows(self.connection, "derived.heatmap", pa.concat_tables(sums))

    def _mark_days(self, assets: list[str], start: int, end: int) -> None:
        """Put down the days on which assets have hours as to be published again."""
        for name in _HOURLY:
            self.connection.execute(
                f"insert into meta.pending_publish select distinct as_of::date from {name} "
                "where list_contains(?, asset) and as_of > ? and as_of <= ?",
                [assets, instant(start), instant(end)],
            )

    def _note_what_lies_ahead(self) -> None:
        """Put down as out of date what has landed for hours that are not built yet."""
        self.connection.execute(
            "insert into meta.pending_build "
            "with ahead as ("
            "select venue, instrument, bar_start_at as from_at from raw.ohlcv "
            "where bar_start_at >= $until union all "
            "select venue, instrument, bar_start_at from raw.mark_ohlc "
            "where bar_start_at >= $until union all "
            "select venue, instrument, observed_at - interval 1 minute from raw.open_interest "
            "where observed_at > $until) "
            "select asset, greatest(min(from_at), $until) from ahead "
            "inner join staging.stg_instrument using (venue, instrument) "
            "where list_contains($assets, asset) group by asset union all "
            "select asset, greatest(min(as_of) - interval 1 minute, $until) from raw.provider_map "
            "where as_of > $until and list_contains($assets, asset) group by asset",
            {"until": instant(self.until), "assets": self.assets},
        )

    def _insert(self, name: str, parts: list[pa.Table]) -> None:
        if parts:
            self.row_count += insert_rows(self.connection, name, pa.concat_tables(parts))

    def _prune_checkpoints(self) -> None:
        """Delete checkpoints that are not kept, but never the last one of a series."""
        self.connection.execute(
            "delete from derived.model_checkpoint where list_contains($assets, asset) "
            "and checkpoint_at <= $kept_after and day(checkpoint_at) <> 1 "
            "and (venue, instrument, checkpoint_at) not in ("
            "select (venue, instrument, max(checkpoint_at)) from derived.model_checkpoint "
            "where list_contains($assets, asset) group by venue, instrument)",
            {
                "assets": self.assets,
                "kept_after": instant(self.until - KEPT_MIDNIGHTS * DAY),
            },
        )

    def _mark_built(self) -> None:
        last_bar_end = {
            asset: max(
                (
                    series.last_bar_end
                    for series in self.series
                    if series.asset == asset and series.last_bar_end is not None
                ),
                default=BEGINNING,
            )
            for asset in self.assets
        }
        self.connection.execute(
            "delete from meta.built_asset where list_contains(?, asset)", [self.assets]
        )
        self.connection.executemany(
            "insert into meta.built_asset values (?, ?, ?, ?, ?)",
            [
                [
                    asset,
                    parameters.provider,
                    parameters.params_hash,
                    instant(self.until),
                    instant(last_bar_end[asset]),
                ]
                for asset in self.assets
                for parameters in self.estimators[asset]
            ],
        )


def _has_open_hole(series: Series, bars: dict[tuple[str, str], BarColumns]) -> bool:
    columns = bars.get((series.venue, series.instrument))
    if columns is None or len(columns) == 0:
        return len(series.unobserved_volume) > 0
    return bool(np.isnan(columns.open_interest[-1]))


def _check_books(all_series: list[Series], stretches: list[list[Stretch]]) -> None:
    for series, made in zip(all_series, stretches, strict=True):
        for stretch in made:
            error = stretch.outputs.books_error
            if error.size and not error.max() <= BOOKS_TOLERANCE:
                hour = stretch.hours[int(np.argmax(error.max(axis=1)))]
                raise BooksDoNotBalance(
                    f"{stretch.provider} on {series.venue} {series.instrument} at "
                    f"{instant(int(hour))}: a side differs from open interest by "
                    f"{error.max():.3g} of it, allowed {BOOKS_TOLERANCE:g}; nothing was stored, "
                    "please report it with the bars of that hour"
                )


__all__ = ["SECOND", "BuildReport", "build"]
