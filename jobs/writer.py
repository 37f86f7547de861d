"""The writer's connection to the warehouse, alone or within a recorded run."""

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from datetime import datetime

from duckdb import DuckDBPyConnection

from jobs.runs import Run, recorded_run, run_file
from jobs.settings import Settings
from warehouse.address import WarehouseAddress
from warehouse.connect import open_warehouse
from warehouse.errors import WarehouseBusy, WarehouseDamaged
from warehouse.history import has_history
from warehouse.storage import storage_at


@contextmanager
def open_writer(settings: Settings, *, wait_seconds: float = 0.0) -> Iterator[DuckDBPyConnection]:
    """Yield the writer's connection with the limits of the settings.

    Parameters
    ----------
    settings : Settings
        Folders and limits.
    wait_seconds : float
        How long to wait for another writer.

    Raises
    ------
    WarehouseBusy
        Another writer has the warehouse open, and still has it after the wait.
    WarehouseDamaged
        The warehouse is gone or cannot be read; the message says what to do.
    """
    address = settings.warehouse_address
    if has_history(settings.raw) and storage_at(address).is_empty():
        raise WarehouseDamaged(
            f"{address} is gone, and {settings.raw} holds what was in it: "
            "run `liqheat rebuild`, which makes it again"
        )
    deadline = time.monotonic() + wait_seconds
    with ExitStack() as stack:
        while True:
            try:
                connection = stack.enter_context(open_within_limits(settings, address))
                break
            except WarehouseBusy:
                if time.monotonic() >= deadline:
                    raise
                time.sleep(min(1.0, max(wait_seconds / 10, 0.01)))
        yield connection


def open_within_limits(
    settings: Settings, address: WarehouseAddress
) -> AbstractContextManager[DuckDBPyConnection]:
    """Return a writer's connection to a database, with the limits of the settings, as a context."""
    megabytes = settings.memory_limit_mb
    return open_warehouse(
        address,
        threads=settings.threads,
        memory_limit_bytes=None if megabytes is None else megabytes * 1_000_000,
    )


@contextmanager
def writer_run(
    settings: Settings, job: str, as_of: datetime | None = None
) -> Iterator[tuple[DuckDBPyConnection, Run]]:
    """Yield the writer's connection and the run of a job, recorded as it starts and ends."""
    with (
        run_file(settings, job, as_of) as run,
        open_writer(settings) as connection,
        recorded_run(connection, run),
    ):
        yield connection, run
