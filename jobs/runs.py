"""The records of runs of jobs.

Each run is recorded twice. A small file in ``<home>/runs``, written when it starts and when it
ends, needs no database, so a run that finds the warehouse busy or damaged still leaves its reason;
`liqheat status` reads these files. A row in ``meta.pipeline_run``, written when it ends, keeps the
history and is published. The next run that opens the warehouse adds the rows of runs that could not
write theirs or were killed.
"""

import json
import logging
import os
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from duckdb import DuckDBPyConnection
from pydantic import AwareDatetime, TypeAdapter

from jobs.processes import is_running, process_start
from jobs.settings import Settings
from sources.errors import SourceError
from sources.user_files import read_json
from warehouse.connect import insert_values, transaction
from warehouse.durable_files import write_whole
from warehouse.error_messages import STORAGE_FAILURES
from warehouse.errors import WarehouseError

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Run:
    """A run of a job.

    Parameters
    ----------
    job : str
        Name of the job.
    folder : Path
        Folder of its file.
    as_of : datetime, optional
        Its hour, UTC.
    run_id : str
        Identity, written beside each derived row.
    number : int
        Order of runs, which does not depend on the clock: one more than any earlier run's.
    started_at, finished_at : datetime
        When it started and ended, UTC; written to ledgers, never to results.
    status : str
        running, done, failed, or stopped for a run whose process was killed.
    row_count : int
        Rows written so far; the job adds to it.
    detail : dict
        Counts and outcomes for readers; the job fills it.
    error : str, optional
        Why it failed.
    process_id : int
        Its process.
    process_start : str, optional
        When that started, as ``jobs.processes`` gives it; None in records of earlier releases.
    is_in_warehouse : bool
        Whether ``meta.pipeline_run`` has its end.
    """

    job: str
    folder: Path
    as_of: datetime | None = None
    run_id: str = field(default_factory=lambda: uuid.uuid4().hex)
    number: int = 0
    started_at: AwareDatetime = field(default_factory=lambda: datetime.now(UTC))
    finished_at: AwareDatetime | None = None
    status: str = "running"
    row_count: int = 0
    detail: dict[str, Any] = field(default_factory=dict)
    error: str | None = None
    process_id: int = field(default_factory=os.getpid)
    process_start: str | None = None
    is_in_warehouse: bool = False

    @property
    def file(self) -> Path:
        """The file of the run, named by its start."""
        return self.folder / f"{self.started_at:%Y%m%dT%H%M%S%fZ}-{self.job}-{self.run_id[:8]}.json"

    @property
    def seconds(self) -> float | None:
        """How long it took; None while it runs."""
        return (self.finished_at - self.started_at).total_seconds() if self.finished_at else None

    def finish(self, error: BaseException | None) -> None:
        """Set its end; an error may still follow after the warehouse has it as done."""
        if self.status == "failed" or (self.status == "done" and error is None):
            return
        self.finished_at = datetime.now(UTC)
        self.status = "done" if error is None else "failed"
        self.error = None if error is None else f"{type(error).__name__}: {error}"
        self.is_in_warehouse = False


_RUN = TypeAdapter(Run)


def runs_folder(settings: Settings) -> Path:
    """Return the folder of run files."""
    return settings.home / "runs"


@contextmanager
def run_file(settings: Settings, job: str, as_of: datetime | None = None) -> Iterator[Run]:
    """Record a run in a file around the block; an error is recorded and raised again.

    A file that cannot be written (full disk) is logged and does not stop the job.
    """
    folder = runs_folder(settings)
    newest = max((earlier.number for earlier in read_runs(folder)), default=0)
    start = process_start(os.getpid())
    run = Run(job, folder, as_of, number=newest + 1, process_start=start)
    _write(run)
    try:
        with _finishing(run):
            yield run
    finally:
        _write(run)
        _delete_older(run)


@contextmanager
def recorded_run(connection: DuckDBPyConnection, run: Run) -> Iterator[Run]:
    """Record a run in the warehouse after the block; an error is recorded and raised again.

    Runs that could not be recorded, or were killed, are on file: they are recorded first.
    """
    missed = [
        each
        for each in read_runs(run.folder)
        if not each.is_in_warehouse and each.status != "running"
    ]
    if missed:
        _replace(connection, missed)
        for each in missed:
            each.is_in_warehouse = True
            _write(each)
    try:
        with _finishing(run):
            yield run
    except STORAGE_FAILURES:
        # Storage has failed: to write there once more takes as long again, and what that says
        # would hide the error. The next run adds the row.
        raise
    except BaseException:
        _replace(connection, [run])
        run.is_in_warehouse = True
        raise
    if not run.is_in_warehouse:
        _replace(connection, [run])
        run.is_in_warehouse = True


def record_done(connection: DuckDBPyConnection, run: Run) -> None:
    """Record a run as done, in the caller's transaction: the one of its last rows.

    An error that follows is recorded in its place.
    """
    run.finish(None)
    insert_values(connection, "meta.pipeline_run", [_row(run)])
    run.is_in_warehouse = True


@contextmanager
def _finishing(run: Run) -> Iterator[None]:
    try:
        yield
    except BaseException as exc:
        run.finish(exc)
        raise
    finally:
        run.finish(None)


def _replace(connection: DuckDBPyConnection, runs: Sequence[Run]) -> None:
    with transaction(connection):
        connection.execute(
            "delete from meta.pipeline_run where list_contains(?, run_id)",
            [[run.run_id for run in runs]],
        )
        insert_values(connection, "meta.pipeline_run", map(_row, runs))


def _row(run: Run) -> list[Any]:
    """Return the row of meta.pipeline_run of a run."""
    return [
        run.run_id,
        run.job,
        run.as_of,
        run.started_at,
        run.finished_at,
        run.status,
        run.row_count,
        json.dumps(run.detail, default=str),
        run.error,
    ]


def read_runs(folder: Path) -> list[Run]:
    """Return the runs on file, oldest first; files that are not run records are skipped.

    A run on file as running whose process is gone was killed: it is returned as stopped.
    """
    runs = []
    for path in folder.glob("*.json"):
        try:
            run = _RUN.validate_python({**read_json(path), "folder": folder})
        except (SourceError, ValueError, TypeError) as exc:
            if not path.exists():
                # A later run of the job has deleted it.
                continue
            reason = " ".join(str(exc).split())
            logger.warning("%s is not a record of a run (%.200s): delete it", path, reason)
            continue
        if run.status == "running" and not is_running(run.process_id, run.process_start):
            run.status = "stopped"
        runs.append(run)
    # The clock may have been set back between two runs.
    return sorted(runs, key=lambda run: (run.number, run.started_at))


def _write(run: Run) -> None:
    try:
        write_whole(run.file, _RUN.dump_json(run, exclude={"folder"}, indent=1, fallback=str))
    except WarehouseError as exc:
        logger.warning("the run of %s cannot be recorded in %s: %s", run.job, run.folder, exc)


def _delete_older(run: Run) -> None:
    """Delete the files of earlier runs of the job that are in the warehouse."""
    for earlier in read_runs(run.folder):
        if earlier.job == run.job and earlier.is_in_warehouse and earlier.number < run.number:
            earlier.file.unlink(missing_ok=True)
