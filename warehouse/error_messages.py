"""Errors of DuckDB, the file system and a lake's servers in our words, with the next step.

Belongs here: which message means what. Does not belong here: the classes (``warehouse.errors``),
errors of asyncpg (``warehouse.postgres``).
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import duckdb

from warehouse.errors import (
    DataFileMissing,
    LakeRejected,
    LakeUnavailable,
    QueryFailed,
    StorageFull,
    TerminalWarehouseError,
    WarehouseBusy,
    WarehouseDamaged,
    WarehouseError,
)
from warehouse.postgres.lake_catalogue import LOST

STORAGE_FAILURES = (duckdb.IOException, duckdb.TransactionException)
"""Errors after which nothing more can be written: of a disk, a server, or a commit."""

_UNREADABLE_SQL = (duckdb.ParserException, duckdb.BinderException, duckdb.CatalogException)

_KEPT = "what was committed is kept, the rest was rolled back"


@dataclass(frozen=True, slots=True)
class KnownError:
    """A kind of error: how to recognise it, what it is in our words, what to do.

    Parameters
    ----------
    signs : str
        Regular expression; a message in which it is found is of this kind.
    error : type
        What to raise.
    meaning : str
        What has happened.
    step : str
        What to do next.
    """

    signs: str
    error: type[WarehouseError]
    meaning: str
    step: str


# The first whose signs are found.
_KNOWN_ERRORS = (
    KnownError(
        # Another process, or another connection of this one, has the file open.
        "Could not set lock|Conflicting lock|Unique file handle conflict",
        WarehouseBusy,
        "another writer has it open",
        "wait for it to end, or read the published file instead",
    ),
    KnownError(
        "could not (extend|write to) file",
        StorageFull,
        "no room on the disk of the catalogue's server",
        "free some there and run the same command again, nothing committed is lost",
    ),
    KnownError(
        "No space left|Disk quota|(?i:disk is full)",
        StorageFull,
        "no room on the disk",
        "free some and run the same command again, nothing committed is lost",
    ),
    KnownError(
        "catalog version mismatch",
        LakeRejected,
        "another release of DuckLake wrote the catalogue",
        "update liqheat on this machine to the release that wrote it",
    ),
    KnownError(
        "DATA_PATH parameter .* does not match|data path .* does not match",
        LakeRejected,
        "the catalogue belongs to data elsewhere",
        "set LIQHEAT_DATA to the path that the catalogue names, or use another catalogue",
    ),
    KnownError(
        "NoSuchBucket|bucket does not exist",
        LakeRejected,
        "there is no such bucket",
        f"create it, or correct LIQHEAT_DATA; {_KEPT}",
    ),
    KnownError(
        # Of a token that has expired only the status 400 is left where a file is read.
        r"HTTP (code )?40[013]\b|ExpiredToken|InvalidAccessKeyId|SignatureDoesNotMatch|"
        "AccessDenied",
        LakeRejected,
        "object storage refuses access",
        "check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION and AWS_SESSION_TOKEN (a token "
        "may have expired), and that they may read and write there, then run the same command "
        f"again; {_KEPT}",
    ),
    KnownError(
        r"[\w-]+\.parquet[\s\S]*(No such file|HTTP (code )?404|does not exist)|"
        r"(No such file|HTTP (code )?404)[\s\S]*[\w-]+\.parquet",
        DataFileMissing,
        "a data file of the lake is gone",
        "put it back from a copy; without one make a new lake of raw history with "
        "`liqheat rebuild`",
    ),
    KnownError(
        r"HTTP Error|HTTP code \d+|error for HTTP [A-Z]+ to",
        LakeUnavailable,
        "object storage does not answer",
        f"run the same command again when it does; {_KEPT}",
    ),
    KnownError(
        LOST,
        LakeUnavailable,
        "the connection that excludes other writers has ended, so this writer may not commit",
        f"run the same command again; {_KEPT}",
    ),
    KnownError(
        "password authentication failed|no pg_hba.conf entry|permission denied for",
        LakeRejected,
        "the catalogue's server refuses the login or a privilege",
        "check user and password, in LIQHEAT_WAREHOUSE, PGPASSWORD or ~/.pgpass, and run the same "
        f"command again; {_KEPT}",
    ),
    KnownError(
        "too many (clients|connections)|connection slots",
        LakeUnavailable,
        "the catalogue's server has no connection left",
        f"run the same command again when others have ended, or raise max_connections; {_KEPT}",
    ),
    KnownError(
        "Unable to connect to Postgres|connection to server|server closed the connection|"
        "terminating connection|no connection to the server|connection not open|"
        "SSL connection has been closed|database system is (starting|shutting)",
        LakeUnavailable,
        "the catalogue's server does not answer or ended the connection",
        f"run the same command again when it is up; {_KEPT}",
    ),
    KnownError(
        "[Tt]ransaction conflict|Exceeded the maximum retry count",
        LakeUnavailable,
        "another writer changed the same table of the lake",
        f"run the same command again; {_KEPT}",
    ),
    KnownError(
        "[Ff]ailed to commit DuckLake transaction",
        LakeUnavailable,
        "the catalogue's server refused a commit",
        f"run the same command again; if it fails again, look at the server's log; {_KEPT}",
    ),
    KnownError(
        # Torn, overwritten, or with another file's log.
        "not a valid DuckDB database file|orrupt|checksum|replaying WAL|"
        "Could not read enough bytes|eserialize",
        WarehouseDamaged,
        "the database is damaged",
        "run `liqheat rebuild`, which makes it again from raw history",
    ),
)


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Translate errors of DuckDB and the file system into those of `warehouse.errors`.

    Parameters
    ----------
    doing : str
        The activity with the file's name, at the beginning of the message.
    """
    try:
        yield
    except (duckdb.Error, OSError) as exc:
        text = str(exc)
        for known in _KNOWN_ERRORS:
            if re.search(known.signs, text):
                raise known.error(
                    f"{doing}: {known.meaning} ({_reason(text)}); {known.step}"
                ) from exc
        if isinstance(exc, _UNREADABLE_SQL):
            raise QueryFailed(f"{doing}: {text}") from exc
        raise TerminalWarehouseError(f"{doing}: {text}") from exc
    except RuntimeError as exc:
        # What DuckDB makes of Ctrl-C during a statement.
        if str(exc) == "Query interrupted":
            raise KeyboardInterrupt from exc
        raise


def _reason(text: str) -> str:
    """Return PostgreSQL's own words, which follow the statement, or else the first line."""
    lines = text.splitlines() or ["no message"]
    words = (line.rpartition("ERROR:  ")[2] for line in lines if "ERROR:  " in line)
    return next(words, lines[0])
