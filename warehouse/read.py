"""Reading the published file, for queries, plots and pages.

Belongs here: `open_published`, which everything that reads goes through. A reader gets a database
in memory with the published file attached read-only; it can open no other file, change no setting
and load no extension, and its memory and time are bounded. Does not belong here: anything that
writes.
"""

import resource
import threading
import time
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypeVar

import duckdb
import pyarrow as pa

from warehouse.error_messages import translated
from warehouse.errors import NotPublished, PublishedFileDamaged, QueryFailed, QueryOverLimit
from warehouse.sql_text import quoted
from warehouse.utc import rows_with_zone, table_with_zone, without_zone

T = TypeVar("T")

CATALOG = "liqheat"
"""Name of the published file in SQL, wherever its version is stored."""

# How long an interrupted statement may take to end. Some functions of DuckDB never check.
_INTERRUPT_SECONDS = 0.5
_WAKE_SECONDS = 0.05

# Memory for Python, threads and fetched rows, on top of the database's.
_HEADROOM_BYTES = 1_000_000_000

_PUBLISH_AGAIN = "run `liqheat publish`, which rebuilds it"

_LOCKED = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "allow_community_extensions": "false",
    "allow_persistent_secrets": "false",
    # A name that is not a table must not match a variable of Python.
    "python_enable_replacements": "false",
    # A query that exceeds its memory fails instead of filling the disk.
    "temp_directory": "",
}


@dataclass(frozen=True, slots=True)
class ReadLimits:
    """Limits of one reader.

    Parameters
    ----------
    memory_mb : int
        Memory of the database [MB]; ``LIQHEAT_QUERY_MEMORY_MB``.
    seconds : float
        Computing time of a statement [s], without the time the caller spends on its rows;
        ``LIQHEAT_QUERY_SECONDS``.
    threads : int, optional
        Threads of the database; by default all cores.
    """

    memory_mb: int = 2048
    seconds: float = 60.0
    threads: int | None = None


class Reader:
    """A connection to the published file; each call is bounded and stops on Ctrl-C.

    Datetimes go in and come out in UTC, as ``warehouse.utc`` has it. Rows are computed as they are
    fetched. DuckDB does not return to Python while it computes, so each call runs in a thread that
    this one can interrupt.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, limits: ReadLimits) -> None:
        self._connection = connection
        self._limits = limits
        self._seconds_left = limits.seconds
        # The call under way, or the last one.
        self._call: Future[Any] = Future()
        self._call.set_result(None)

    @property
    def columns(self) -> tuple[str, ...]:
        """Column names of the last statement, in order."""
        return tuple(column[0] for column in self._connection.description or ())

    def execute(self, sql: str, parameters: list[Any] | dict[str, Any] | None = None) -> Self:
        """Run one SELECT; its rows are fetched from this reader.

        Raises
        ------
        QueryFailed
            The text is not one SELECT, or could not be parsed, bound or computed.
        QueryOverLimit
            It exceeds the reader's memory or time.
        PublishedFileDamaged
            The file cannot be read.
        """
        for text in (sql, *_values(parameters)):
            if isinstance(text, str) and not _is_unicode(text):
                raise QueryFailed(f"query: {text!a} is not valid Unicode")
        self._seconds_left = self._limits.seconds
        taken = without_zone(parameters)
        self._run(lambda: self._connection.execute(self._one_select(sql), taken))
        return self

    def fetchone(self) -> tuple[Any, ...] | None:
        """Return the next row, None after the last."""
        rows = self.fetchmany(1)
        return rows[0] if rows else None

    def fetchmany(self, size: int) -> list[tuple[Any, ...]]:
        """Return at most ``size`` rows."""
        return self._with_zone(self._run(lambda: self._connection.fetchmany(size)))

    def fetchall(self) -> list[tuple[Any, ...]]:
        """Return the remaining rows."""
        return self._with_zone(self._run(self._connection.fetchall))

    def fetchnumpy(self) -> dict[str, Any]:
        """Return the remaining rows as arrays by column, masked where NULL."""
        return self._run(self._connection.fetchnumpy)

    def to_arrow_table(self) -> pa.Table:
        """Return the remaining rows as an Arrow table."""
        return table_with_zone(self._run(self._connection.to_arrow_table))

    def rows(self) -> Iterator[tuple[Any, ...]]:
        """Yield the remaining rows without holding them all in memory."""
        while chunk := self.fetchmany(10_000):
            yield from chunk

    def close(self) -> None:
        """Close the connection, unless a statement on it cannot be interrupted."""
        # Closing waits for a statement under way, without end perhaps.
        if self._stop():
            self._connection.close()

    def _with_zone(self, rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        return rows_with_zone(rows, [str(one[1]) for one in self._connection.description or ()])

    def _one_select(self, sql: str) -> duckdb.Statement:
        statements = self._connection.extract_statements(sql)
        if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
            found = ", ".join(one.type.name for one in statements) or "empty"
            raise QueryFailed(
                f"query: one statement that reads is allowed (SELECT, FROM, WITH, VALUES, "
                f"DESCRIBE, SHOW or SUMMARIZE; PIVOT with its IN list), this is {found}"
            )
        return statements[0]

    def _run(self, call: Callable[[], T]) -> T:
        outcome: Future[T] = Future()
        self._call = outcome

        def work() -> None:
            try:
                outcome.set_result(call())
            except BaseException as exc:  # noqa: BLE001  (raised again by the caller)
                outcome.set_exception(exc)

        began = time.monotonic()
        try:
            # Ctrl-C may arrive while the thread starts, so that is part of the block.
            threading.Thread(target=work, daemon=True).start()
            deadline = began + self._seconds_left
            # Ctrl-C that comes just before a wait does not end it, so waits are short.
            while not outcome.done() and time.monotonic() < deadline:
                wait([outcome], timeout=_WAKE_SECONDS)
            return outcome.result(timeout=0)
        except TimeoutError as exc:
            self._stop()
            raise QueryOverLimit(
                f"query: took longer than the {self._limits.seconds:g} s of "
                "LIQHEAT_QUERY_SECONDS; select less, or raise it"
            ) from exc
        except (duckdb.OutOfMemoryException, MemoryError) as exc:
            raise _over_memory(self._limits) from exc
        except duckdb.PermissionException as exc:
            raise QueryFailed(
                "query: reads published relations only, no other file, network or extension "
                f"({str(exc).splitlines()[0]}); `liqheat tables` lists them"
            ) from exc
        except duckdb.IOException as exc:
            raise PublishedFileDamaged(
                f"the published file cannot be read ({str(exc).splitlines()[0]}); {_PUBLISH_AGAIN}"
            ) from exc
        except duckdb.Error as exc:
            raise QueryFailed(f"query: {exc}") from exc
        except KeyboardInterrupt:
            self._stop()
            raise
        finally:
            self._seconds_left = max(self._seconds_left - (time.monotonic() - began), 0.0)

    def _stop(self) -> bool:
        """Interrupt the call under way; return whether it has ended."""
        deadline = time.monotonic() + _INTERRUPT_SECONDS
        while not self._call.done() and time.monotonic() < deadline:
            # DuckDB forgets an interrupt that precedes the statement, so it is repeated.
            self._connection.interrupt()
            wait([self._call], timeout=_WAKE_SECONDS)
        return self._call.done()


def _values(parameters: list[Any] | dict[str, Any] | None) -> Collection[Any]:
    return parameters.values() if isinstance(parameters, dict) else parameters or ()


def _is_unicode(text: str) -> bool:
    """Return whether the text encodes as UTF-8: undecodable bytes of a shell become surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _over_memory(limits: ReadLimits) -> QueryOverLimit:
    return QueryOverLimit(
        f"query: needs more memory than the {limits.memory_mb:,} MB of "
        "LIQHEAT_QUERY_MEMORY_MB; select less, or raise it"
    )


@contextmanager
def bounded_process(limits: ReadLimits) -> Iterator[None]:
    """Limit the memory of this process within the block, for a process that only reads.

    DuckDB counts its buffers, but not the values that functions build, such as ``range(1e9)`` as a
    list. Does nothing outside Linux.
    """
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[5])
    except OSError:
        yield
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    bound = pages * resource.getpagesize() + limits.memory_mb * 1_000_000 + _HEADROOM_BYTES
    resource.setrlimit(resource.RLIMIT_DATA, (bound if soft < 0 else min(bound, soft), hard))
    try:
        yield
    except MemoryError as exc:
        raise _over_memory(limits) from exc
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


@contextmanager
def open_published(path: Path, *, limits: ReadLimits | None = None) -> Iterator[Reader]:
    """Yield a reader of the published file.

    The file may be replaced while it is open: this reader keeps the version it opened, the next
    one gets the new version.

    Parameters
    ----------
    path : Path
        The published file.
    limits : ReadLimits, optional
        Memory and time of a statement.

    Raises
    ------
    NotPublished
        There is no such file.
    PublishedFileDamaged
        It is not a database, or another program has written to it.
    QueryFailed
        A statement could not be parsed, bound or computed, or is not a SELECT.
    QueryOverLimit
        A statement exceeds the limits.
    """
    limits = limits or ReadLimits()
    if not path.exists():
        raise NotPublished(f"{path} is not there; run `liqheat run` (or `liqheat demo`) first")
    version = path.resolve()
    if not version.is_file():
        # Opening a named pipe would block forever.
        raise PublishedFileDamaged(f"{path} is not a file; remove it and run `liqheat publish`")
    if version.with_name(f"{version.name}.wal").exists():
        raise PublishedFileDamaged(
            f"{path}: another program has written to it ({version.name}.wal is beside it); "
            f"{_PUBLISH_AGAIN}"
        )
    config: dict[str, str | bool | int | float | list[str]] = {
        **_LOCKED,
        "memory_limit": f"{limits.memory_mb}MB",
    }
    if limits.threads is not None:
        config["threads"] = str(limits.threads)
    with translated("opening a reader"):
        connection = duckdb.connect(config=config)
    reader = Reader(connection, limits)
    try:
        try:
            connection.execute(f"attach {quoted(version)} as {CATALOG} (read_only)")
        except duckdb.Error as exc:
            raise PublishedFileDamaged(
                f"{path} cannot be opened ({str(exc).splitlines()[0]}); {_PUBLISH_AGAIN}"
            ) from exc
        connection.execute(
            f"use {CATALOG}; set timezone = 'UTC'; set enable_progress_bar = false; "
            "set enable_external_access = false; set lock_configuration = true"
        )
        yield reader
    finally:
        reader.close()
