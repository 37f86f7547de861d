"""Checkpoints of files of DuckDB, whatever interrupts them.

A checkpoint brings the log of changes into the file. DuckDB puts rows beside those in use and turns
to them with one page, but where they are ("metadata") it writes into the free parts of blocks that
are in use. A block is 256 KiB, and a process that is killed, a full disk or a power cut leaves part
of it written: its checksum is wrong then, and DuckDB opens the file no more. These blocks are
therefore copied beforehand, as SQLite does with its rollback journal, and put back when the file is
opened again.

Belongs here: when a file is checkpointed, the copy of its blocks. Does not belong here: what else
opening a file needs (``warehouse.database_file``).
"""

import fcntl
import hashlib
import logging
import os
import tempfile
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt

from warehouse.durable_files import move_into_place
from warehouse.sql_text import quoted

logger = logging.getLogger(__name__)

Bytes = npt.NDArray[np.uint8]

# DuckDB's own checkpoints, when it commits much, detaches and closes, are switched off: for all
# files of a connection, because there is no other way.
_BY_HAND = "set checkpoint_threshold = '1000TB'; pragma disable_checkpoint_on_shutdown"

_HEADER_BYTES = 3 * 4096
"""Of a file of DuckDB: what it is, and two pages of which the newer says where everything is."""

_MAGIC, _MAGIC_OFFSET = b"DUCK", 8

# As DuckDB does by itself.
_LARGEST_LOG_BYTES = 16 * 1024**2

# What DuckDB may leave beside a file, and what is left here, by the end of the name.
_LOG = ".wal"
_COPY = ".before-checkpoint"
_UNFINISHED = f"{_COPY}.writing"
_UNUSED = f"{_COPY}.unused"
COMPANIONS = (_LOG, ".wal.checkpoint", ".wal.recovery", _COPY, _UNFINISHED, _UNUSED)

# Attached files by the name of their database. A lake is attached under its own name, and the file
# of its catalogue under another, which DuckDB lists with its size only.
_ATTACHED = """
    select sizes.database_name, attached.path, sizes.block_size
    from duckdb_databases() as attached
    join pragma_database_size() as sizes
        on sizes.database_name
            in (attached.database_name, '__ducklake_metadata_' || attached.database_name)
    where attached.path is not null and sizes.block_size > 0
"""


@dataclass(frozen=True, slots=True)
class _HeldFile:
    """A file that this process has open beside DuckDB."""

    path: Path
    handle: int

    def read(self, offset: int, size: int) -> Bytes:
        return np.frombuffer(os.pread(self.handle, size, offset), dtype=np.uint8)

    def write(self, content: bytes, offset: int) -> None:
        while content:
            written = os.pwrite(self.handle, content, offset)
            content, offset = content[written:], offset + written

    @property
    def header(self) -> Bytes:
        return self.read(0, _HEADER_BYTES)

    @property
    def copy(self) -> Path:
        return beside(self.path, _COPY)


# By device and number of the file. A process's locks on a file, DuckDB's too, end when it closes
# the file anywhere: it is opened once here, before DuckDB does, and closed after DuckDB closed it.
_held: dict[tuple[int, int], _HeldFile] = {}
_one_checkpoint = threading.Lock()


def beside(path: Path, ending: str) -> Path:
    """Return the path of a companion of a file."""
    return path.with_name(f"{path.name}{ending}")


def delete_with_companions(path: Path) -> None:
    """Delete a file and what belongs to it."""
    for left in (path, *(beside(path, ending) for ending in COMPANIONS)):
        left.unlink(missing_ok=True)


def holds_nothing(path: Path) -> bool:
    """Return whether there is no file, or one in which nothing was ever stored."""
    if _log_bytes(path):
        return False
    file = _find_held(path)
    if file is not None:
        return _is_blank(file.handle)
    try:
        with path.open("rb") as opened:
            return _is_blank(opened.fileno())
    except FileNotFoundError:
        return True


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Exclude other writers of a file for the block; make it where absent, mend it where torn.

    A connection attaches it in the block, within ``checkpointed``.

    Parameters
    ----------
    path : Path
        The file.

    Raises
    ------
    BlockingIOError
        Another writer has the file.
    OSError
        It cannot be written.
    """
    path = path.resolve()
    if _find_held(path) is not None:
        raise BlockingIOError(f"Could not set lock on file: this process has {path} open")
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    file = _HeldFile(path, handle)
    try:
        _lock(file)
        if _is_blank(handle) and os.fstat(handle).st_size < _HEADER_BYTES:
            _make(file)
        _put_back(file)
        _held[_identity(os.fstat(handle))] = file
        yield
    finally:
        _held.pop(_identity(os.fstat(handle)), None)
        os.close(handle)


@contextmanager
def checkpointed(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Checkpoint what a connection attaches in the block as the block ends, and only here.

    Raises
    ------
    OSError, duckdb.Error
        There is no room, or a transaction is under way. What was committed is in the log.
    """
    connection.execute(_BY_HAND)
    try:
        yield
    except BaseException:
        # The first error is the one to report; the log is brought in the next time. An interrupted
        # statement raises RuntimeError.
        with suppress(OSError, duckdb.Error, RuntimeError):
            checkpoint(connection)
        raise
    checkpoint(connection)


def checkpoint(connection: duckdb.DuckDBPyConnection) -> None:
    """Bring the logs of the held files that are attached to a connection into the files.

    Raises
    ------
    OSError, duckdb.Error
        There is no room, or a transaction is under way. What was committed is in the log.
    """
    with _one_checkpoint:
        for database, path, block_size in connection.execute(_ATTACHED).fetchall():
            file = _find_held(Path(path))
            if file is not None and _log_bytes(file.path):
                _checkpoint_file(connection, database, file, block_size)


def checkpoint_large_logs(connection: duckdb.DuckDBPyConnection) -> None:
    """Checkpoint the held files of a connection if a log is large; between its transactions."""
    if any(_log_bytes(file.path) > _LARGEST_LOG_BYTES for file in tuple(_held.values())):
        # Another cursor may be in a transaction; the log stays for the next time then.
        with suppress(duckdb.TransactionException):
            checkpoint(connection)


def _checkpoint_file(
    connection: duckdb.DuckDBPyConnection, database: str, file: _HeldFile, block_size: int
) -> None:
    # A copy that is there is of a checkpoint that failed: the file may be torn since.
    if not file.copy.exists():
        blocks = connection.execute(
            f"select distinct block_id from pragma_metadata_info({quoted(database)})"
        ).fetchall()
        _write_copy(file, [_HEADER_BYTES + block * block_size for (block,) in blocks], block_size)
    try:
        connection.execute(f'checkpoint "{database}"')
    except duckdb.TransactionException:
        # Refused before anything was written.
        file.copy.unlink()
        raise
    file.copy.unlink()


def _find_held(path: Path) -> _HeldFile | None:
    try:
        return _held.get(_identity(path.stat()))
    except FileNotFoundError:
        return None


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


def _lock(file: _HeldFile) -> None:
    """Take the lock that DuckDB takes on its files; it may then attach this one."""
    try:
        fcntl.lockf(file.handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as exc:
        raise BlockingIOError(_refusal(file.path)) from exc


def _refusal(path: Path) -> str:
    """Return DuckDB's words about a file that another process has: they name the process."""
    words = "Could not set lock on file"
    try:
        duckdb.connect(str(path), read_only=True).close()
    except duckdb.Error as exc:
        if words in str(exc):
            return str(exc)
    return f"{words}: another writer had it"


def _log_bytes(path: Path) -> int:
    try:
        return beside(path, _LOG).stat().st_size
    except FileNotFoundError:
        return 0


def _is_blank(handle: int) -> bool:
    """Return whether a file is empty, or a database of which at most the header was written."""
    size = os.fstat(handle).st_size
    return size == 0 or (
        size <= _HEADER_BYTES and os.pread(handle, len(_MAGIC), _MAGIC_OFFSET) == _MAGIC
    )


def _make(file: _HeldFile) -> None:
    """Write a database without content; killed meanwhile, the next one that opens it does."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "empty")
        duckdb.connect(str(path)).close()
        file.write(path.read_bytes(), 0)


def _write_copy(file: _HeldFile, offsets: list[int], block_size: int) -> None:
    """Write what tells one state of a file from others, and blocks that may change meanwhile."""
    unfinished = beside(file.path, _UNFINISHED)
    log_size = _log_bytes(file.path)
    try:
        with unfinished.open("wb") as opened:
            np.savez(
                opened,
                header=file.header,
                log_size=log_size,
                log_sha256=np.frombuffer(_log_start(file, log_size), dtype=np.uint8),
                offsets=np.array(offsets, dtype=np.int64),
                blocks=np.array([file.read(offset, block_size) for offset in offsets], np.uint8),
            )
        move_into_place(unfinished, file.copy)
    except OSError:
        # A full disk needs the room.
        unfinished.unlink(missing_ok=True)
        raise


def _put_back(file: _HeldFile) -> None:
    """Undo a checkpoint that broke off, if one did; what it was to bring in is in the log."""
    if not file.copy.exists():
        return
    try:
        saved = _read_copy(file.copy)
    except (zipfile.BadZipFile, ValueError, TypeError, KeyError, EOFError, AttributeError) as exc:
        _set_aside(file, f"cannot be read ({exc})")
        return
    # A new header is what a checkpoint writes last: it was done then.
    if np.array_equal(saved["header"], file.header):
        # Headers of two databases can be equal, logs are not.
        if _log_start(file, int(saved["log_size"])) != bytes(saved["log_sha256"]):
            _set_aside(file, f"is not of {file.path.name} and its log")
            return
        for offset, block in zip(saved["offsets"].tolist(), saved["blocks"], strict=True):
            file.write(block.tobytes(), offset)
        os.fsync(file.handle)
        logger.info("%s: a checkpoint that broke off was undone", file.path)
    file.copy.unlink()


def _read_copy(path: Path) -> dict[str, npt.NDArray[Any]]:
    with path.open("rb") as opened, np.load(opened) as saved:
        content = {
            name: saved[name] for name in ("header", "log_size", "log_sha256", "offsets", "blocks")
        }
    if content["blocks"].shape[:1] != content["offsets"].shape:
        raise ValueError("it lacks blocks")
    return content


def _log_start(file: _HeldFile, size: int) -> bytes:
    """Return the hash of the first bytes of a file's log."""
    log = beside(file.path, _LOG)
    return hashlib.sha256(log.read_bytes()[:size] if log.exists() else b"").digest()


def _set_aside(file: _HeldFile, why: str) -> None:
    unused = file.copy.replace(beside(file.path, _UNUSED))
    logger.warning("%s %s; it is set aside as %s", file.copy, why, unused.name)
