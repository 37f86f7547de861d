"""Liquidations published late: captures and ledger maps of the week after them, and nothing more.

Belongs here: which hours that is, and writing them. Does not belong here: liquidations within the
last week of what is built, from which loading marks the whole asset as out of date; nor the replay
(``path_replay``).

States of ledgers do not depend on captures, so checkpoints and later hours stay. Instants are int64
microseconds since 1970, UTC.
"""

import logging
from collections.abc import Iterator, Sequence

from duckdb import DuckDBPyConnection

from jobs.build.build_plan import BuildBatch, BuildTask, open_batch
from jobs.build.path_records import PathModel
from jobs.build.shard_rows import TableRows, insert_parts
from jobs.build.window_replay import replay_windows
from jobs.build.window_shards import WindowBars
from jobs.build.window_store import mark_for_publication
from jobs.compare.compare_maps import compare_maps
from jobs.engines.shard_engine import ShardEngine
from jobs.errors import ComparisonLost
from jobs.instants import to_instant
from warehouse.connect import transaction
from warehouse.models import run_incremental_models

logger = logging.getLogger(__name__)


def refresh_captures(
    connection: DuckDBPyConnection,
    path_models: Sequence[PathModel],
    engine: ShardEngine,
    run_id: str,
    left_out: dict[str, str],
) -> int:
    """Bring captures that are out of date up to date; return how many rows were written.

    Killed at any point, the next call begins again with what is still marked.

    Parameters
    ----------
    connection : DuckDBPyConnection
        The writer's. Every asset that is not left out is built as far as it goes.
    path_models : sequence of PathModel
        Models to run; without any the marks stay.
    engine : ShardEngine
        Where paths are replayed and maps are compared.
    run_id : str
        Written beside each row.
    left_out : dict of str to str
        Why assets were left out, by asset: their marks stay. Those that are lost here are added.
    """
    if not path_models:
        return 0
    row_count = 0
    for asset, start, end in _outdated(connection):
        if asset in left_out:
            continue
        task = BuildTask(asset, start, end, (), tuple(path_models))
        batch = open_batch(connection, [task], run_id)
        for window, tables in replay_windows(connection, batch, engine):
            try:
                with transaction(connection):
                    row_count += _store(connection, batch, window, tables, engine)
            except ComparisonLost as lost:
                batch.leave_out(lost.assets, str(lost))
        left_out |= batch.left_out
    return row_count


def _outdated(connection: DuckDBPyConnection) -> Iterator[tuple[str, int, int]]:
    """Yield assets and hours (start, end] that are out of date, those that touch as one."""
    rows = connection.execute(
        "select asset, epoch_us(from_at), epoch_us(until_at) from meta.pending_capture "
        "order by asset, from_at"
    ).fetchall()
    under_way: tuple[str, int, int] | None = None
    for asset, start, end in rows:
        if under_way is not None and under_way[0] == asset and start <= under_way[2]:
            under_way = asset, under_way[1], max(under_way[2], end)
            continue
        if under_way is not None:
            yield under_way
        under_way = asset, start, end
    if under_way is not None:
        yield under_way


def _store(
    connection: DuckDBPyConnection,
    batch: BuildBatch,
    window: WindowBars,
    tables: TableRows,
    engine: ShardEngine,
) -> int:
    """Replace the rows of a window that depend on captures; return how many."""
    ((asset, task),) = batch.tasks.items()
    start, end = to_instant(max(task.from_at, window.start)), to_instant(window.end)
    providers = [model.provider for model in task.path_models]
    for name in ("derived.heatmap", "derived.path_exposure"):
        connection.execute(
            f"delete from {name} where asset = ? and as_of > ? and as_of <= ? "
            "and list_contains(?, provider)",
            [asset, start, end, providers],
        )
    row_count = sum(
        insert_parts(connection, name, tables[name])
        for name in ("derived.heatmap", "derived.path_exposure")
        if tables.get(name)
    )
    row_count += run_incremental_models(connection, [asset], start, end)
    row_count += compare_maps(connection, [asset], start, end, batch.run_id, engine)
    mark_for_publication(connection, [asset], max(task.from_at, window.start), window.end)
    if window.end == batch.until:
        connection.execute(
            "delete from meta.pending_capture where asset = ? and from_at >= ? and until_at <= ?",
            [asset, to_instant(task.from_at), end],
        )
    return row_count
