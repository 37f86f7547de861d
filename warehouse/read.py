"""Reading what is published: the one way in for queries, plots and pages.

A reader gets a database of its own in memory with the published file attached read-only. No other
file can be opened, no setting changed, nothing loaded, and memory and time are bounded. Anything
that reads goes through `open_published`; anything that writes belongs elsewhere.
"""

import resource
import threading
import time
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypeVar

import duckdb
import pyarrow as pa

from warehouse.connect import quoted, translated
from warehouse.errors import NotPublished, PublishedFileDamaged, QueryFailed, QueryOverLimit

T = TypeVar("T")

CATALOG = "liqheat"
"""What the published file is called in SQL, wherever its version is stored."""

# What an interrupted statement gets to end in. Some functions of DuckDB never look up.
_GRACE_SECONDS = 0.5

# What Python, threads and rows on their way out need beside the database.
_HEADROOM_BYTES = 1_000_000_000

_ANEW = "run `liqheat publish`, which makes it anew"

_LOCKED = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "allow_community_extensions": "false",
    "allow_persistent_secrets": "false",
    # Names that are no table are not looked for among Python's variables.
    "python_enable_replacements": "false",
    # A query that does not fit into its memory ends instead of filling the disk.
    "temp_directory": "",
}


@dataclass(frozen=True, slots=True)
class ReadLimits:
    """What one reader may use.

    Parameters
    ----------
    memory_mb : int
        Memory of the database [MB]; ``LIQHEAT_QUERY_MEMORY_MB``.
    seconds : float
        Time a statement may compute [s], time spent on its rows elsewhere not counted;
        ``LIQHEAT_QUERY_SECONDS``.
    """

    memory_mb: int = 2048
    seconds: float = 60.0


class Reader:
    """A connection to the published file; each call is bounded and ends on Ctrl-C.

    Rows are read as they are fetched. DuckDB does not return to Python while it computes, so each
    call runs in a thread and is interrupted from this one.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, limits: ReadLimits) -> None:
        self._connection = connection
        self._limits = limits
        self._seconds_left = limits.seconds
        self._is_stuck = False

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns of the last statement, in order."""
        return tuple(column[0] for column in self._connection.description or ())

    def execute(self, sql: str, parameters: list[Any] | dict[str, Any] | None = None) -> Self:
        """Run one statement that reads; its rows are fetched from this reader.

        Raises
        ------
        QueryFailed
            The text is not one SELECT, or could not be parsed, bound or computed.
        QueryOverLimit
            It needs more memory or time than it may use.
        PublishedFileDamaged
            The file cannot be read.
        """
        for text in (sql, *_values(parameters)):
            if isinstance(text, str) and not _is_unicode(text):
                raise QueryFailed(f"query: {text!a} is not valid Unicode")
        self._seconds_left = self._limits.seconds
        self._run(lambda: self._connection.execute(self._one_select(sql), parameters))
        return self

    def fetchone(self) -> tuple[Any, ...] | None:
        """Return the next row, None after the last."""
        return self._run(self._connection.fetchone)

    def fetchmany(self, size: int) -> list[tuple[Any, ...]]:
        """Return up to so many rows."""
        return self._run(lambda: self._connection.fetchmany(size))

    def fetchall(self) -> list[tuple[Any, ...]]:
        """Return all rows that are left."""
        return self._run(self._connection.fetchall)

    def fetchnumpy(self) -> dict[str, Any]:
        """Return all rows as arrays by column, masked where there are NULLs."""
        return self._run(self._connection.fetchnumpy)

    def to_arrow_table(self) -> pa.Table:
        """Return all rows as an Arrow table."""
        return self._run(self._connection.to_arrow_table)

    def rows(self) -> Iterator[tuple[Any, ...]]:
        """Yield the rows one by one without holding them all."""
        while chunk := self.fetchmany(10_000):
            yield from chunk

    def close(self) -> None:
        """Give the file back; a statement that cannot be interrupted is left to itself."""
        if not self._is_stuck:
            self._connection.close()

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

        def work() -> None:
            try:
                outcome.set_result(call())
            except BaseException as exc:  # noqa: BLE001  (raised again where it was called)
                outcome.set_exception(exc)

        began = time.monotonic()
        threading.Thread(target=work, daemon=True).start()
        try:
            return outcome.result(self._seconds_left)
        except TimeoutError as exc:
            self._stop(outcome)
            raise QueryOverLimit(
                f"query: took longer than the {self._limits.seconds:g} s of "
                "LIQHEAT_QUERY_SECONDS; ask for less, or raise it"
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
                f"the published file cannot be read ({str(exc).splitlines()[0]}); {_ANEW}"
            ) from exc
        except duckdb.Error as exc:
            raise QueryFailed(f"query: {exc}") from exc
        except KeyboardInterrupt:
            self._stop(outcome)
            raise
        finally:
            self._seconds_left = max(self._seconds_left - (time.monotonic() - began), 0.0)

    def _stop(self, outcome: Future[Any]) -> None:
        self._connection.interrupt()
        try:
            outcome.exception(_GRACE_SECONDS)
        except TimeoutError:
            self._is_stuck = True


def _values(parameters: list[Any] | dict[str, Any] | None) -> Collection[Any]:
    return parameters.values() if isinstance(parameters, dict) else parameters or ()


def _is_unicode(text: str) -> bool:
    """Return whether DuckDB can take the text: bytes of no character become half of one."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _over_memory(limits: ReadLimits) -> QueryOverLimit:
    return QueryOverLimit(
        f"query: needs more memory than the {limits.memory_mb:,} MB of "
        "LIQHEAT_QUERY_MEMORY_MB; ask for less, or raise it"
    )


@contextmanager
def bounded_process(limits: ReadLimits) -> Iterator[None]:
    """Bound what this process may allocate while the block runs; for one that only reads.

    DuckDB counts its buffers and not the values that functions make, such as ``range(1e9)`` as a
    list. Works on Linux, elsewhere it does nothing.
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

    The file may be replaced while it is open; the reader keeps the version it opened, the next one
    opened in the same process sees the next version.

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
        It is no database, or somebody else has written to it.
    QueryFailed
        A statement could not be parsed, bound or computed, or does not only read.
    QueryOverLimit
        A statement needs more than the limits.
    """
    limits = limits or ReadLimits()
    if not path.exists():
        raise NotPublished(f"{path} is not there; run `liqheat run` (or `liqheat demo`) first")
    version = path.resolve()
    if not version.is_file():
        # Opening a named pipe would wait for ever.
        raise PublishedFileDamaged(f"{path} is not a file; remove it and run `liqheat publish`")
    if version.with_name(f"{version.name}.wal").exists():
        raise PublishedFileDamaged(
            f"{path}: somebody else has written to it ({version.name}.wal lies beside it); {_ANEW}"
        )
    with translated("opening a reader"):
        connection = duckdb.connect(config={**_LOCKED, "memory_limit": f"{limits.memory_mb}MB"})
    reader = Reader(connection, limits)
    try:
        try:
            connection.execute(f"attach {quoted(version)} as {CATALOG} (read_only)")
        except duckdb.Error as exc:
            raise PublishedFileDamaged(
                f"{path} cannot be opened ({str(exc).splitlines()[0]}); {_ANEW}"
            ) from exc
        connection.execute(
            f"use {CATALOG}; set timezone = 'UTC'; set enable_progress_bar = false; "
            "set enable_external_access = false; set lock_configuration = true"
        )
        yield reader
    finally:
        reader.close()
