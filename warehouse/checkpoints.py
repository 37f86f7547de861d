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
import logging
import os
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import duckdb
import numpy as np
import numpy.typing as npt

from warehouse.durable_files import move_into_place
from warehouse.sql_text import quoted

logger = logging.getLogger(__name__)

# Without it DuckDB checkpoints as it commits, detaches and closes.
_BY_HAND = "set checkpoint_threshold = '1000TB'; pragma disable_checkpoint_on_shutdown"

_HEADER_BYTES = 3 * 4096
"""Of a file of DuckDB: what it is, and two pages of which the newer says where everything is."""

_MAGIC, _MAGIC_OFFSET = b"DUCK", 8

# As DuckDB does by itself.
_LARGEST_LOG_BYTES = 16 * 1024**2

# What DuckDB may leave beside a file, and what is left here, by the end of the name.
_LOG = ".wal"
_COPY = ".before-checkpoint"
COMPANIONS = (_LOG, ".wal.checkpoint", ".wal.recovery", _COPY)

# A lake is attached under its name, and the file of its catalogue under another.
_ATTACHED = """
    select sizes.database_name, attached.path, sizes.block_size
    from duckdb_databases() as attached
    join pragma_database_size() as sizes
        on sizes.database_name
            in (attached.database_name, '__ducklake_metadata_' || attached.database_name)
    where attached.path is not null and sizes.block_size > 0
"""

# Files that this process holds, by path. Its locks on a file, DuckDB's too, end when it closes the
# file anywhere: what is read of it is read from the handle that stays open beside DuckDB's.
_held: dict[Path, int] = {}


def beside(path: Path, ending: str) -> Path:
    """Return the path of a companion of a file."""
    return path.with_name(f"{path.name}{ending}")


def holds_nothing(path: Path) -> bool:
    """Return whether there is no file, or one in which nothing was ever stored."""
    if _log_bytes(path):
        return False
    handle = _held.get(path.resolve())
    if handle is not None:
        return _is_blank(handle)
    try:
        with path.open("rb") as file:
            return _is_blank(file.fileno())
    except FileNotFoundError:
        return True


@contextmanager
def held(path: Path, *, is_locked: bool = False) -> Iterator[None]:
    """Hold a file for the block: made where it is absent, mended where a checkpoint broke off.

    A connection attaches it in the block, within ``checkpointed``.

    Parameters
    ----------
    path : Path
        The file.
    is_locked : bool
        Exclude other writers even before DuckDB does.

    Raises
    ------
    OSError
        Another writer has the file, or it cannot be written.
    """
    path = path.resolve()
    if path in _held:
        raise BlockingIOError(f"Could not set lock on file: this process has {path} open")
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    _held[path] = handle
    try:
        is_new = _is_blank(handle) and os.fstat(handle).st_size < _HEADER_BYTES
        copy = beside(path, _COPY)
        if is_locked or is_new or copy.exists():
            # The lock that DuckDB takes on its files.
            fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if is_new:
                _make(handle)
            _put_back(handle, copy)
        yield
    finally:
        del _held[path]
        os.close(handle)


@contextmanager
def checkpointed(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Checkpoint what a connection attaches in the block as the block ends, and only here.

    Raises
    ------
    OSError, duckdb.Error
        There is no room. What was committed is in the log.
    """
    connection.execute(_BY_HAND)
    try:
        yield
    except BaseException:
        # The first error is the one to report; the log is brought in the next time.
        with suppress(OSError, duckdb.Error):
            checkpoint(connection)
        raise
    checkpoint(connection)


def checkpoint(connection: duckdb.DuckDBPyConnection) -> None:
    """Bring the logs of the held files that are attached to a connection into the files.

    Where another transaction is under way on a file, its log stays for the next checkpoint.

    Raises
    ------
    OSError, duckdb.Error
        There is no room. What was committed is in the log.
    """
    for name, path_text, block_size in connection.execute(_ATTACHED).fetchall():
        path = Path(path_text).resolve()
        handle = _held.get(path)
        if handle is None or not _log_bytes(path):
            continue
        blocks = connection.execute(
            f"select distinct block_id from pragma_metadata_info({quoted(name)})"
        ).fetchall()
        offsets = [_HEADER_BYTES + block * block_size for (block,) in blocks]
        copy = beside(path, _COPY)
        _write_copy(handle, copy, offsets, block_size)
        with suppress(duckdb.TransactionException):
            connection.execute(f'checkpoint "{name}"')
        copy.unlink()


def checkpoint_large_logs(connection: duckdb.DuckDBPyConnection) -> None:
    """Checkpoint the held files of a connection if a log is large; between transactions."""
    if any(_log_bytes(path) > _LARGEST_LOG_BYTES for path in _held):
        checkpoint(connection)


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


def _make(handle: int) -> None:
    """Write a database without content; killed meanwhile, the next one that opens it does."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "empty")
        duckdb.connect(str(path)).close()
        os.pwrite(handle, path.read_bytes(), 0)


def _write_copy(handle: int, copy: Path, offsets: list[int], block_size: int) -> None:
    """Write what tells one state of a file from the next, and blocks that may change meanwhile."""
    unfinished = beside(copy, ".writing")
    with unfinished.open("wb") as file:
        np.savez(
            file,
            header=_read(handle, 0, _HEADER_BYTES),
            offsets=np.array(offsets, dtype=np.int64),
            blocks=np.array([_read(handle, offset, block_size) for offset in offsets], np.uint8),
        )
    move_into_place(unfinished, copy)


def _put_back(handle: int, copy: Path) -> None:
    """Undo a checkpoint that broke off, if one did; what it was to bring in is in the log."""
    try:
        with copy.open("rb") as file, np.load(file) as saved:
            header, offsets, blocks = (saved[name] for name in ("header", "offsets", "blocks"))
    except FileNotFoundError:
        return
    except (zipfile.BadZipFile, ValueError, KeyError, EOFError) as exc:
        aside = copy.replace(beside(copy, ".unreadable"))
        logger.warning("%s cannot be read (%s); it is set aside as %s", copy, exc, aside.name)
        return
    # A new header is what a checkpoint writes last: it was done then.
    if np.array_equal(header, _read(handle, 0, _HEADER_BYTES)):
        for offset, block in zip(offsets.tolist(), blocks, strict=True):
            os.pwrite(handle, block.tobytes(), offset)
        os.fsync(handle)
        logger.info("%s: a checkpoint that broke off was undone", copy.parent / copy.stem)
    copy.unlink()


def _read(handle: int, offset: int, size: int) -> npt.NDArray[np.uint8]:
    return np.frombuffer(os.pread(handle, size, offset), dtype=np.uint8)
