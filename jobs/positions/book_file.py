"""The SQLite file of the account book: opening it, its schema, its errors, its key.

Belongs here: what makes the file safe to write and clear to read when it is broken. Does not belong
here: what is stored in it (`jobs.positions.account_book`).

Everything that names an account lies in one folder, which only its owner may enter.
"""

import hashlib
import os
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

from jobs.errors import BookDamaged, BookUnavailable, CollectorRunning, JobError
from jobs.private_folder import sole_holder
from jobs.settings import Settings
from jobs.sqlite_file import FileForm, file_errors, open_file

SCHEMA_VERSION = 1
# "LQAB" in ASCII: tells our file from any other SQLite file.
APPLICATION_ID = 0x4C514142
_SALT_BYTES = 32

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


_FORM = FileForm(
    application_id=APPLICATION_ID,
    version=SCHEMA_VERSION,
    schema=_SCHEMA,
    pragmas=(
        # A state changes 300 bytes of the file, and SQLite writes whole pages: with small ones
        # the log is 40 % of what it is with the usual ones.
        "page_size = 1024",
        "journal_mode = wal",
        "synchronous = normal",
        # The log is folded into the file by `AccountBook.checkpoint`, away from the writes.
        "wal_autocheckpoint = 0",
        "journal_size_limit = 16777216",
    ),
    damaged_error=BookDamaged,
    advice="{path} cannot be read as an account book ({reason}); put a copy back, or rename it "
    "with its -wal and start again: accounts are then found anew, what has landed stays. "
    "`sqlite3 {name} .recover` may save most of it",
    unavailable=BookUnavailable,
)


def positions_folder(settings: Settings) -> Path:
    """Return the folder of all that names an account."""
    return settings.home / "positions"


def book_path(settings: Settings) -> Path:
    """Return the file of the account book."""
    return positions_folder(settings) / "accounts.sqlite"


@contextmanager
def sole_collector(folder: Path) -> Iterator[None]:
    """Hold the lock of a home's collector.

    Raises
    ------
    CollectorRunning
        Another process holds it.
    """
    with sole_holder(folder, "lock") as is_ours:
        if not is_ours:
            raise CollectorRunning(
                f"{folder}: another collector is running on this home; stop it first, or let it "
                "run: one is enough"
            )
        yield


def book_errors(path: Path) -> AbstractContextManager[None]:
    """Translate errors of SQLite and of the file system on the account book.

    Raises
    ------
    BookUnavailable
        It may work later: no room on the disk, another process has it locked.
    BookDamaged
        The file is torn, or is none of ours.
    """
    return file_errors(path, _FORM)


def damaged(path: Path, reason: str) -> JobError:
    """Return the error for a file that cannot be used as it is."""
    return _FORM.damaged(path, reason)


def open_connection(path: Path) -> sqlite3.Connection:
    """Return the writer's connection to a book, made where absent and checked where not.

    A commit survives the end of the process at any instant. It survives a power cut from the next
    checkpoint on, or from the next call of `sealed` work, which syncs the log.

    Raises
    ------
    BookUnavailable, BookDamaged
        See `book_errors`.
    """
    return open_file(path, _FORM)


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
