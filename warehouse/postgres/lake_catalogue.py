"""The PostgreSQL database of a lake's catalogue: who writes, and which lakes it holds.

Belongs here: the lock between writers, the fence that keeps a writer without it from committing,
and the schemas that lakes are in. Does not belong here: what DuckLake keeps in them; only DuckDB
reads and writes that.

A writer holds two advisory locks for as long as its session lasts: that of the lake, which excludes
other writers, and one of a random key of its own. All its connections carry the key in their name.
Each commit of DuckLake inserts a version, and a trigger on that table tries the key: where it can
be had, the session has ended, so another writer may have the lake, and the commit is refused.
"""

import asyncio
import logging
import secrets
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

import asyncpg

from warehouse.errors import LakeRejected, LakeUnavailable, WarehouseBusy
from warehouse.postgres.server_address import ServerAddress

logger = logging.getLogger(__name__)

T = TypeVar("T")

_CONNECT_SECONDS = 20.0

_APPLICATION = "liqheat writer"
"""Beginning of the names of a writer's connections."""

# The session of the lock is idle for hours while a window is computed. Routers forget such
# connections after some minutes, and with it the server would free the lock.
_KEEPALIVE = {"tcp_keepalives_idle": "60", "tcp_keepalives_interval": "15"}

_LONGEST_COMMIT = "15s"

# Waits for the lock [s]: a writer that was just killed has it until its server process notices.
_PAUSES = (0.2, 0.8, 2.0, None)

# Errors of the server by the beginning of their SQLSTATE, and whether they may pass by themselves.
_ERRORS = {
    "3D000": ("there is no such database; create it with `createdb`", False),
    "28": (
        "the server refuses the login; check user and password, in LIQHEAT_WAREHOUSE, PGPASSWORD "
        "or ~/.pgpass, and what pg_hba.conf lets in",
        False,
    ),
    "42501": (
        "the role lacks a privilege; let it create schemas: "
        "`grant create on database <database> to <role>`",
        False,
    ),
    "531": ("no room on the server's disk; free some there and run the same command again", True),
    "533": (
        "the server has no connection left; run the same command again when others have ended, or "
        "raise max_connections",
        True,
    ),
    "53": ("the server is out of memory, disk or connections; run the same command again", True),
    "55P03": (
        "a commit of an earlier writer is still under way; run the same command again, or end its "
        f"session, in pg_stat_activity under the name {_APPLICATION!r}",
        True,
    ),
    "57": ("the server ended the connection; run the same command again when it is up", True),
    "08": ("the connection was lost; run the same command again when the server is up", True),
}


LOST = "the lock of the writer is lost"
"""What the server says to a writer whose session has ended."""

# Of other sessions nothing is known: without a key they pass.
_TRIGGER = f"""
create or replace function {{schema}}.refuse_lost_lock() returns trigger language plpgsql as $$
declare
    key bigint := substring(current_setting('application_name') from '^{_APPLICATION} (\\d+)$');
begin
    if pg_try_advisory_xact_lock_shared(key) then
        raise exception '{LOST}';
    end if;
    return null;
end
$$;
create trigger refuse_lost_lock before insert or delete on {{schema}}.ducklake_snapshot
for each statement execute function {{schema}}.refuse_lost_lock()
"""


_CONTENT = """
select s.schema_name || '.' || t.table_name as name, c.column_name, f.min_value, f.max_value
from {schema}.ducklake_data_file as d
inner join {schema}.ducklake_table as t on t.table_id = d.table_id and t.end_snapshot is null
inner join {schema}.ducklake_schema as s on s.schema_id = t.schema_id and s.end_snapshot is null
inner join {schema}.ducklake_column as c on c.table_id = d.table_id and c.end_snapshot is null
inner join {schema}.ducklake_file_column_stats as f
    on f.data_file_id = d.data_file_id and f.column_id = c.column_id
where right(d.path, length($1)) = $1
    and (c.column_name = 'asset' or starts_with(c.column_type, 'timestamp'))
order by c.column_order
"""


class LakeCatalogue:
    """A session on the database; made by ``open_catalogue``."""

    def __init__(
        self,
        runner: asyncio.Runner,
        connection: asyncpg.Connection,
        address: ServerAddress,
        key: int,
    ) -> None:
        self._runner = runner
        self._connection = connection
        self._address = address
        self._key = key

    @property
    def application(self) -> str:
        """Name of the connections that may commit as long as this session holds its locks."""
        return f"{_APPLICATION} {self._key}"

    @property
    def server_version(self) -> str:
        """Version of the server."""
        version = self._connection.get_server_version()
        return f"{version.major}.{version.minor}"

    def lock(self, schema: str) -> None:
        """Exclude other writers of a lake until the session ends.

        Raises
        ------
        WarehouseBusy
            Another writer has it.
        """
        self._run(self._lock(f"liqheat writer of {schema}"))
        if not self.is_empty(schema):
            self.fence(schema)

    def fence(self, schema: str) -> None:
        """Let a lake refuse writers whose session has ended, and wait for what one still commits.

        Raises
        ------
        LakeUnavailable
            A commit of an earlier writer does not end.
        """
        self._run(self._fence(f'"{schema}"'))

    async def _fence(self, schema: str) -> None:
        snapshots = f"{schema}.ducklake_snapshot"
        async with self._connection.transaction():
            await self._connection.execute(f"set local lock_timeout = '{_LONGEST_COMMIT}'")
            await self._connection.execute(f"lock table {snapshots} in share mode")
            is_fenced = await self._connection.fetchval(
                "select exists (select from pg_trigger where tgname = 'refuse_lost_lock' "
                "and tgrelid = to_regclass($1))",
                snapshots,
            )
            if not is_fenced:
                await self._connection.execute(_TRIGGER.format(schema=schema))

    async def _lock(self, name: str) -> None:
        key = await self._connection.fetchval("select hashtextextended($1, 0)", name)
        for pause in _PAUSES:
            if await self._connection.fetchval("select pg_try_advisory_lock($1)", key):
                await self._connection.execute("select pg_advisory_lock($1)", self._key)
                return
            if pause is not None:
                await asyncio.sleep(pause)
        holder = await self._connection.fetchrow(
            "select a.pid, host(a.client_addr) from pg_locks l "
            "inner join pg_stat_activity a using (pid) where l.locktype = 'advisory' and l.granted "
            "and (l.classid::bigint << 32) + l.objid::bigint = $1",
            key,
        )
        raise WarehouseBusy(
            f"the lake of {self._address}: another writer has it open"
            + (f" (server process {holder[0]}, from {holder[1]})" if holder else "")
            + "; wait for it to end, or read the published file instead"
        )

    def is_empty(self, schema: str) -> bool:
        """Return whether a schema holds no lake, or one without tables."""
        table = f'"{schema}".ducklake_table'
        if self._run(self._connection.fetchval("select to_regclass($1)", table)) is None:
            return True
        return not self._run(self._connection.fetchval(f"select exists (select from {table})"))

    def has_lake(self, schema: str) -> bool:
        """Return whether a schema holds a lake, if only one without tables."""
        table = f'"{schema}".ducklake_metadata'
        return self._run(self._connection.fetchval("select to_regclass($1)", table)) is not None

    def content_of(self, schema: str, file_name: str) -> str:
        """Return in words which rows a data file of a lake holds; empty where it knows none."""
        statement = _CONTENT.format(schema=f'"{schema}"')
        rows = self._run(self._connection.fetch(statement, file_name))
        if not rows:
            return ""
        # The first of the instants is when a row is of, the others when it came.
        asset = [row for row in rows if row["column_name"] == "asset"]
        instant = [row for row in rows if row["column_name"] != "asset"]
        spans = [
            f"{row['column_name']} {row['min_value']} to {row['max_value']}"
            for row in (*asset, *instant[:1])
        ]
        return f"rows of {rows[0]['name']}, {', '.join(spans)}"

    def drop(self, schema: str) -> None:
        """Drop a schema and the lake's catalogue in it.

        Raises
        ------
        LakeRejected
            It holds a table that is not of a catalogue.
        """
        self._run(self._drop(schema))

    async def _drop(self, schema: str) -> None:
        rows = await self._connection.fetch(
            "select c.relname from pg_class c inner join pg_namespace n on n.oid = c.relnamespace "
            "where n.nspname = $1 and c.relkind in ('r', 'v', 'm', 'p', 'f') "
            "and not starts_with(c.relname, 'ducklake_')",
            schema,
        )
        if rows:
            raise LakeRejected(
                f"the lake of {self._address}: the schema {schema} holds {rows[0][0]}, which is "
                "not of a lake; rename the schema, or use another database"
            )
        await self._connection.execute(f'drop schema if exists "{schema}" cascade')

    def replace(self, schema: str, replacement: str) -> None:
        """Give a schema's name to another one; the first keeps its lake as ``<schema>_old_<n>``."""
        self._run(self._replace(schema, replacement))

    async def _replace(self, schema: str, replacement: str) -> None:
        async with self._connection.transaction():
            rows = await self._connection.fetch("select nspname from pg_namespace")
            names = {row[0] for row in rows}
            if schema in names:
                kept = next(
                    name
                    for number in range(1, len(names) + 2)
                    if (name := f"{schema}_old_{number}") not in names
                )
                await self._connection.execute(f'alter schema "{schema}" rename to "{kept}"')
            await self._connection.execute(f'alter schema "{replacement}" rename to "{schema}"')

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        with _translated(self._address):
            return self._runner.run(work)


@contextmanager
def open_catalogue(address: ServerAddress) -> Iterator[LakeCatalogue]:
    """Yield a session on a catalogue's database.

    Raises
    ------
    LakeRejected
        The server refuses, or has no such database.
    LakeUnavailable
        The server is not there or cannot be used at present.
    """
    key = secrets.randbits(62)
    with asyncio.Runner() as runner:
        with _translated(address):
            connection = runner.run(_connect(address))
        try:
            yield LakeCatalogue(runner, connection, address, key)
        finally:
            # What ended the block is the error to report.
            with suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
                runner.run(connection.close(timeout=5))


async def _connect(address: ServerAddress) -> asyncpg.Connection:
    connection = await asyncpg.connect(
        address.dsn,
        password=address.password,
        timeout=_CONNECT_SECONDS,
        server_settings={"application_name": _APPLICATION, **_KEEPALIVE},
        statement_cache_size=0,
    )
    if connection.get_server_version().major >= 14:
        # A server that notices a killed writer frees its lock at once.
        await connection.execute(
            "set client_connection_check_interval = '1s'; set idle_session_timeout = 0"
        )
    return connection


@contextmanager
def _translated(address: ServerAddress) -> Iterator[None]:
    try:
        yield
    except asyncpg.PostgresError as exc:
        state = exc.sqlstate or ""
        meaning, may_pass = next(
            (known for begins, known in _ERRORS.items() if state.startswith(begins)),
            ("the server refuses a statement", False),
        )
        raise (LakeUnavailable if may_pass else LakeRejected)(
            f"the lake of {address}: {meaning} ({exc}; SQLSTATE {state})"
        ) from exc
    except (OSError, TimeoutError, asyncpg.InterfaceError) as exc:
        if isinstance(exc, asyncpg.exceptions.ClientConfigurationError):
            raise LakeRejected(
                f"the lake of {address}: LIQHEAT_WAREHOUSE has an option that cannot be used; "
                "options are those of libpq, such as sslmode=require"
            ) from None
        raise LakeUnavailable(
            f"the lake of {address}: no connection ({exc or type(exc).__name__}); check that the "
            "server runs and listens there, then run the same command again"
        ) from exc
