"""The SQLite file of the account book: opening it, its schema, its errors, its key.

Belongs here: what makes the file safe to write and clear to read when it is broken. Does not belong
here: what is stored in it (`jobs.positions.account_book`).

Everything that names an account lies in one folder, which only its owner may enter.
"""

import fcntl
import hashlib
import os
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from jobs.errors import BookDamaged, BookUnavailable, CollectorRunning
from jobs.settings import Settings

SCHEMA_VERSION = 1
# "LQAB" in ASCII: tells our file from any other SQLite file.
APPLICATION_ID = 0x4C514142
_SALT_BYTES = 32
_BUSY_SECONDS = 30.0

# Accounts are numbered from 0 in the order they were found, so that a number is an index of arrays.
# Only narrow tables are written often: SQLite writes whole pages.
_SCHEMA = """
create table meta (name text primary key, value text not null) strict, without rowid;
create table account (
    account_id integer primary key,
    address blob not null unique,
    found_by text not null,
    first_seen_at integer not null
) strict;
create table traded (
    account_id integer not null,
    dex text not null,
    first_at integer not null,
    last_at integer not null,
    usd real not null,
    trades integer not null,
    primary key (account_id, dex)
) strict, without rowid;
create table sweep (
    account_id integer not null,
    dex text not null,
    swept_at integer not null,
    observed_at integer not null,
    account_value_usd real,
    usual_trades_per_hour real not null,
    primary key (account_id, dex)
) strict, without rowid;
create table position (
    account_id integer not null,
    dex text not null,
    coin text not null,
    asset text not null,
    side text not null,
    quantity real not null,
    entry_price real,
    liquidation_price real,
    leverage real,
    is_cross integer,
    margin_usd real,
    mark_price real,
    observed_at integer not null,
    logged_liquidation_price real,
    primary key (account_id, dex, coin)
) strict, without rowid;
create table outbox (
    outbox_id integer primary key autoincrement,
    kind text not null,
    payload text not null
) strict;
create table sealed (
    kind text primary key,
    first_id integer not null,
    last_id integer not null,
    sealed_at integer not null
) strict, without rowid;
create table suspect (
    account_id integer not null,
    coin text not null,
    since_at integer not null,
    until_at integer not null,
    value_usd real not null,
    attempts integer not null default 0,
    primary key (account_id, coin, since_at)
) strict, without rowid;
"""


def positions_folder(settings: Settings) -> Path:
    """Return the folder of all that names an account."""
    return settings.home / "positions"


def book_path(settings: Settings) -> Path:
    """Return the file of the account book."""
    return positions_folder(settings) / "accounts.sqlite"


def private_folder(folder: Path) -> Path:
    """Return a folder that only its owner may enter, made where absent."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    return folder


@contextmanager
def sole_collector(folder: Path) -> Iterator[None]:
    """Hold the lock of a home's collector; the system releases it however the process ends.

    Raises
    ------
    CollectorRunning
        Another process holds it.
    """
    with (private_folder(folder) / "lock").open("a") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as exc:
            raise CollectorRunning(
                f"{folder}: another collector is running on this home; stop it first, or let it "
                "run: one is enough"
            ) from exc
        yield


@contextmanager
def book_errors(path: Path) -> Iterator[None]:
    """Translate errors of SQLite and of the file system on the account book.

    Raises
    ------
    BookUnavailable
        It may work later: no room on the disk, another process has it locked.
    BookDamaged
        The file is torn, or is none of ours.
    """
    try:
        yield
    except sqlite3.Error as exc:
        name = getattr(exc, "sqlite_errorname", "") or ""
        if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
            raise damaged(path, str(exc)) from exc
        if name.startswith(("SQLITE_FULL", "SQLITE_IOERR")):
            raise BookUnavailable(
                f"{path}: cannot be written ({exc}); free some space on the disk: the collector "
                "goes on by itself, nothing committed is lost"
            ) from exc
        raise BookUnavailable(
            f"{path}: {exc}; see that the folder can be written and that no other program has the "
            "file open"
        ) from exc
    except OSError as exc:
        raise BookUnavailable(
            f"{exc.filename or path}: {exc.strerror or exc}; see that the folder can be written"
        ) from exc


def damaged(path: Path, reason: str) -> BookDamaged:
    """Return the error for a file that cannot be used as it is."""
    return BookDamaged(
        f"{path} cannot be read as an account book ({reason}); put a copy back, or rename it with "
        f"its -wal and start again: accounts are then found anew, what has landed stays. "
        f"`sqlite3 {path.name} .recover` may save most of it"
    )


def open_connection(path: Path) -> sqlite3.Connection:
    """Return the writer's connection to a book, made where absent and checked where not.

    A commit survives the end of the process at any instant. It survives a power cut from the next
    checkpoint on, or from the next call of `sealed` work, which syncs the log.

    Raises
    ------
    BookUnavailable, BookDamaged
        See `book_errors`.
    """
    private_folder(path.parent)
    with book_errors(path):
        is_new = not path.exists() or path.stat().st_size == 0
        # Readable by its owner only, and so are the files SQLite puts beside it.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        connection = sqlite3.connect(
            path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        try:
            _prepare(connection, path, is_new=is_new)
        except BaseException:
            connection.close()
            raise
    return connection


def _prepare(connection: sqlite3.Connection, path: Path, *, is_new: bool) -> None:
    if not is_new:
        _check(connection, path)
    # A state changes 300 bytes of the file, and SQLite writes whole pages: with small ones
    # the log is 40 % of what it is with the usual ones.
    connection.execute("pragma page_size = 1024")
    connection.execute("pragma journal_mode = wal")
    connection.execute("pragma synchronous = normal")
    # The log is folded into the file by `AccountBook.checkpoint`, away from the writes.
    connection.execute("pragma wal_autocheckpoint = 0")
    connection.execute("pragma journal_size_limit = 16777216")
    (version,) = connection.execute("pragma user_version").fetchone()
    if version == 0:
        # In one transaction: a process killed meanwhile leaves an empty file.
        connection.executescript(
            f"begin immediate; {_SCHEMA} pragma application_id = {APPLICATION_ID}; "
            f"pragma user_version = {SCHEMA_VERSION}; commit;"
        )


def _check(connection: sqlite3.Connection, path: Path) -> None:
    (version,) = connection.execute("pragma user_version").fetchone()
    (application,) = connection.execute("pragma application_id").fetchone()
    (tables,) = connection.execute("select count(*) from sqlite_schema").fetchone()
    if tables and application != APPLICATION_ID:
        raise damaged(path, "it is another program's database")
    if version > SCHEMA_VERSION:
        raise damaged(path, f"a later release wrote it: schema {version}, here {SCHEMA_VERSION}")
    (state,) = connection.execute("pragma quick_check(1)").fetchone()
    if state != "ok":
        raise damaged(path, " ".join(str(state).split())[:200])


def read_salt(folder: Path) -> bytes:
    """Return the key of this home's account keys, made where absent.

    Raises
    ------
    BookUnavailable
        It cannot be written.
    BookDamaged
        The file is not what was written.
    """
    path = folder / "salt"
    with book_errors(path):
        if not path.exists():
            temporary = folder / f".salt-{os.getpid()}"
            with suppress(FileNotFoundError):
                temporary.unlink()
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(secrets.token_bytes(_SALT_BYTES))
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        salt = path.read_bytes()
    if len(salt) != _SALT_BYTES:
        raise BookDamaged(
            f"{path} has {len(salt)} bytes, expected {_SALT_BYTES}: put a copy back; without it "
            "the changes of an account cannot be joined to those that landed before"
        )
    return salt


def fingerprint(salt: bytes) -> str:
    """Return what the book keeps of the salt: enough to know it again."""
    return hashlib.blake2b(salt, digest_size=8, person=b"fingerprint").hexdigest()


def account_key(address: bytes, salt: bytes) -> str:
    """Return the name of an account outside the collector's folder.

    Examples
    --------
    >>> len(account_key(bytes(20), bytes(32)))
    16
    """
    return hashlib.blake2b(address, key=salt, digest_size=8).hexdigest()
