"""One connection to PostgreSQL, and its errors in our words.

Belongs here: opening the connection, the lock between publishers, errors with their next step.
Does not belong here: what is written (``warehouse.postgres.outlet``).
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import asyncpg
from asyncpg import Connection

from warehouse.errors import OutletRejected, OutletUnavailable
from warehouse.postgres.server_address import ServerAddress

logger = logging.getLogger(__name__)

_CONNECT_SECONDS = 20.0

# A publication takes as long as it takes; what waits for others does not.
_SESSION = {
    "application_name": "liqheat publish",
    "timezone": "UTC",
    "statement_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "lock_timeout": "15s",
    "datestyle": "ISO",
    "search_path": "pg_catalog",
}

# The key of the advisory lock that a publisher holds to the end of its transaction.
_PUBLISHER_LOCK = 0x6C69_7168_6561_74  # "liqheat"

# Waits for the lock [s]: a publisher that was just killed has it until its server process notices.
_PAUSES = (0.2, 0.8, 2.0, None)

_STAYS = "the last publication stays"

_BAD_OPTION = "the address of the database, or a PG* variable, has an option that cannot be used"

_OPTIONS = "leave it out; sslmode, sslrootcert and settings of the session are taken"

_UNKNOWN_OPTIONS = (
    asyncpg.UndefinedObjectError,
    asyncpg.InvalidParameterValueError,
    asyncpg.CantChangeRuntimeParamError,
)

_CREDENTIALS = (
    "check user and password, in LIQHEAT_POSTGRES_URL, PGPASSWORD or ~/.pgpass, and what "
    "pg_hba.conf lets in"
)

_STILL_USED = "2BP01"

# Errors of the server by the beginning of their SQLSTATE: what it means and what to do next, and
# whether it may pass by itself. The longest beginning decides.
_ERRORS = {
    "3D000": ("there is no such database; create it with `createdb`", False),
    "28": (f"the server refuses the login; {_CREDENTIALS}", False),
    "25006": (
        "the database is read-only (a standby, or default_transaction_read_only is on); publish "
        "to the primary, or let the role write",
        False,
    ),
    "42501": (
        "the role lacks a privilege; let it create schemas: "
        "`grant create on database <database> to <role>`, and own what it made before",
        False,
    ),
    _STILL_USED: (
        "a column or table of an earlier release is still used by a view of yours; drop the view, "
        "publish, and create it again",
        False,
    ),
    "0A000": (
        "the column of an earlier release is still used by a view of yours; drop the view, "
        "publish, and create it again",
        False,
    ),
    "53100": (
        "the server's disk is full; free space there, or keep fewer days of the map with "
        "LIQHEAT_POSTGRES_MAP_DAYS",
        True,
    ),
    "53": ("the server is out of memory or connections; publish again", True),
    "55P03": (
        "another session holds a table for longer than 15 s; end its transaction and publish again",
        True,
    ),
    "57": ("the server ended the connection; publish again when it is up", True),
    "08": ("the connection was lost; publish again when the server is up", True),
    "40": ("the server chose another transaction; publish again", True),
    "58": ("the server cannot write its files; look at its log", True),
    "XX": ("the server reports a defect; look at its log", True),
}


@contextmanager
def translated_errors(address: ServerAddress) -> Iterator[None]:
    """Raise errors of the driver as ours, with the next step and without the password."""
    try:
        yield
    except asyncpg.PostgresError as exc:
        raise _of_server(address, exc) from exc
    except (OSError, TimeoutError, asyncpg.InterfaceError) as exc:
        reason = str(exc) or type(exc).__name__
        raise OutletUnavailable(
            f"{address}: no connection ({reason}); {_STAYS}. Check that the server runs and "
            "listens there, then publish again"
        ) from exc


def _of_server(
    address: ServerAddress, error: asyncpg.PostgresError
) -> OutletRejected | OutletUnavailable:
    state = error.sqlstate or ""
    known = [begins for begins in _ERRORS if state.startswith(begins)]
    meaning, may_pass = (
        _ERRORS[max(known, key=len)]
        if known
        else ("the server refuses a statement; this is a defect of liqheat, report it", False)
    )
    first = str(error).splitlines()[0] if str(error) else type(error).__name__
    if state == _STILL_USED and error.detail:
        # Which view it is.
        first += f": {error.detail.splitlines()[0]}"
    return (OutletUnavailable if may_pass else OutletRejected)(
        f"{address}: {meaning} ({first}; SQLSTATE {state}); {_STAYS}"
    )


@asynccontextmanager
async def open_session(address: ServerAddress) -> AsyncIterator[Connection]:
    """Yield a connection for a publisher; whatever its block did not commit is rolled back.

    Raises
    ------
    OutletRejected
        The server refuses, has no such database, or a statement cannot run there.
    OutletUnavailable
        The server is not there or cannot be used at present.
    """
    with translated_errors(address):
        connection = await _connect(address)
        try:
            if connection.get_server_version().major >= 14:
                # A server that notices a killed publisher frees its lock at once.
                await connection.execute("set client_connection_check_interval = '1s'")
            yield connection
        finally:
            await _close(connection)


async def _connect(address: ServerAddress) -> Connection:
    """Open a connection; an option that nobody can use is refused by its name, where it has one."""
    try:
        return await asyncpg.connect(
            address.dsn,
            password=address.password,
            timeout=_CONNECT_SECONDS,
            server_settings=_SESSION,
            # Statements run once; a prepared one would outlive the columns that it knows.
            statement_cache_size=0,
        )
    except _UNKNOWN_OPTIONS as exc:
        # The driver sends what it does not know as settings of the session.
        raise OutletRejected(f"{address}: {_BAD_OPTION}: {exc}; {_OPTIONS}") from None
    except ValueError:
        # Its message may hold any part of the address.
        raise OutletRejected(f"{address}: {_BAD_OPTION}; {_OPTIONS}") from None


async def _close(connection: Connection) -> None:
    try:
        await connection.close(timeout=5)
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, asyncio.CancelledError) as exc:
        # What ended the block is the error to report.
        logger.debug("closing the connection: %s", exc)


async def exclude_other_publishers(connection: Connection, address: ServerAddress) -> None:
    """Take the publishers' lock until the end of the transaction.

    Raises
    ------
    OutletUnavailable
        Another publisher has it.
    """
    for pause in _PAUSES:
        if await connection.fetchval("select pg_try_advisory_xact_lock($1)", _PUBLISHER_LOCK):
            return
        if pause is not None:
            await asyncio.sleep(pause)
    holder = await connection.fetchval(
        "select a.pid from pg_locks l inner join pg_stat_activity a using (pid) "
        "where l.locktype = 'advisory' and l.granted "
        "and (l.classid::bigint << 32) + l.objid::bigint = $1",
        _PUBLISHER_LOCK,
    )
    raise OutletUnavailable(
        f"{address}: another liqheat publishes to this database"
        + (f" (server process {holder})" if holder else "")
        + "; wait for it, or stop one of the two schedules"
    )
