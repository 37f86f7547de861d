"""The ledger of runs: one row a job, written when it starts and when it ends."""

import json
import logging
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from duckdb import DuckDBPyConnection

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Run:
    """A run under way.

    Parameters
    ----------
    run_id : str
        Identity; derived rows carry it.
    started_at : datetime
        When it started, UTC; ledgers carry it, results never do.
    row_count : int
        Rows written so far; the job adds to it.
    detail : dict
        Counts and outcomes for readers; the job fills it.
    """

    run_id: str
    started_at: datetime
    row_count: int = 0
    detail: dict[str, Any] = field(default_factory=dict)


@contextmanager
def recorded_run(
    connection: DuckDBPyConnection, job: str, as_of: datetime | None = None
) -> Iterator[Run]:
    """Record a job's run around the block; an error is recorded and goes on.

    A row that still says running when the next run starts belongs to a process that was killed
    (there is one writer at a time), and is marked as stopped.
    """
    run = Run(run_id=uuid.uuid4().hex, started_at=datetime.now(UTC))
    connection.execute("update meta.pipeline_run set status = 'stopped' where status = 'running'")
    connection.execute(
        "insert into meta.pipeline_run values (?, ?, ?, ?, null, 'running', null, null, null)",
        [run.run_id, job, as_of, run.started_at],
    )
    try:
        yield run
    except BaseException as exc:
        _finish(connection, run, "failed", f"{type(exc).__name__}: {exc}")
        raise
    _finish(connection, run, "done", None)


def _finish(connection: DuckDBPyConnection, run: Run, status: str, error: str | None) -> None:
    connection.execute(
        "update meta.pipeline_run set finished_at = ?, status = ?, row_count = ?, detail = ?, "
        "error = ? where run_id = ?",
        [
            datetime.now(UTC),
            status,
            run.row_count,
            json.dumps(run.detail, default=str),
            error,
            run.run_id,
        ],
    )
