"""Which assets are out of date since when, and which of them are built together.

Loading marks what changed in ``meta.pending_build``; ``meta.built_asset`` holds how far each asset
is built and with which parameters. Instants are int64 microseconds since 1970, UTC.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from duckdb import DuckDBPyConnection

from jobs.build import limits
from jobs.instants import BEGINNING, DAY_MICROSECONDS, to_microseconds
from transforms.estimators import EstimatorParameters

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
    """

    asset: str
    from_at: int
    until: int
    estimators: tuple[EstimatorParameters, ...]


class _Built(NamedTuple):
    """How far an asset is built by one estimator."""

    params_hash: str
    until: int
    last_bar_end: int


def plan_builds(
    connection: DuckDBPyConnection, estimators: Sequence[EstimatorParameters], until: int
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
        task = _plan_asset(asset, own, built.get(asset, {}), pending.get(asset), until)
        if task is not None:
            tasks.append(task)
    return tasks


def _plan_asset(
    asset: str,
    estimators: tuple[EstimatorParameters, ...],
    built: dict[str, _Built],
    pending_from: int | None,
    until: int,
) -> BuildTask | None:
    """Return what is out of date of an asset; None where nothing is."""
    built_until = max((each.until for each in built.values()), default=BEGINNING)
    last_bar_end = max((each.last_bar_end for each in built.values()), default=BEGINNING)
    since = [] if pending_from is None else [pending_from]
    if any(
        each.provider not in built or built[each.provider].params_hash != each.params_hash
        for each in estimators
    ):
        since.append(BEGINNING)
    if built and built_until < min(until, last_bar_end + limits.QUIET_DAYS * DAY_MICROSECONDS):
        since.append(built_until)
    until = max(until, built_until)
    if not since or min(since) >= until:
        return None
    return BuildTask(asset, min(since), until, estimators)


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
