"""Tables of the outlet: made from contracts, migrated from what an earlier release made.

Belongs here: which relations are copied and how much of them, DDL, comments, what we keep about a
database in its schema ``liqheat``. Does not belong here: rows (``warehouse.postgres.outlet_rows``).
"""

import hashlib
from dataclasses import dataclass

from asyncpg import Connection

from warehouse.contracts import Column, Relation, comments, public_relations
from warehouse.errors import OutletRejected
from warehouse.migrate import migration_files
from warehouse.postgres.server_address import ServerAddress

OUTLET_SCHEMA = "liqheat"
"""Schema of what is kept about the copy: which publication it is, and fingerprints of its parts."""

_TYPES = {
    "VARCHAR": "text",
    "DOUBLE": "double precision",
    "FLOAT": "real",
    "INTEGER": "integer",
    "BIGINT": "bigint",
    "BOOLEAN": "boolean",
    "TIMESTAMP WITH TIME ZONE": "timestamp with time zone",
    "BLOB": "bytea",
    "DATE": "date",
}

_BOOKS = f"""
create schema {OUTLET_SCHEMA};
comment on schema {OUTLET_SCHEMA} is
    'Kept by liqheat publish: which publication is here, and what to compare the next one with.';
create table {OUTLET_SCHEMA}.publication (
    publication_id text not null,
    release integer not null,
    copied_at timestamptz not null
);
comment on table {OUTLET_SCHEMA}.publication is 'The publication that is here, one row.';
comment on column {OUTLET_SCHEMA}.publication.release is
    'Number of the last migration of the release that made the tables.';
create table {OUTLET_SCHEMA}.relation (
    relation text primary key,
    form_sha256 text not null,
    comments_sha256 text not null
);
comment on table {OUTLET_SCHEMA}.relation is 'Tables that liqheat made here, and their form.';
create table {OUTLET_SCHEMA}.day (
    day text primary key,
    publication_id text not null
);
comment on table {OUTLET_SCHEMA}.day is
    'Days here, each with the publication that changed it last.';
create table {OUTLET_SCHEMA}.slice (
    slice text collate "C",
    relation text collate "C",
    fingerprint text not null,
    primary key (slice, relation)
);
comment on table {OUTLET_SCHEMA}.slice is
    'What is here by hour (empty for a relation without hours), with a fingerprint of its rows.';
"""


@dataclass(frozen=True, slots=True)
class OutletBounds:
    """How much of a map is copied: a row for each bin is too much for all hours.

    Parameters
    ----------
    map_days : int
        Days up to the newest hour [days].
    reach_ratio : float
        Distance from price within which bins lie, as a share of price.
    """

    map_days: int = 7
    reach_ratio: float = 0.2


@dataclass(frozen=True, slots=True)
class OutletRelation:
    """A relation as it is copied.

    Parameters
    ----------
    contract : Relation
        What it is in the published file.
    bounds : OutletBounds, optional
        Of a relation by bin; None for those copied whole.
    """

    contract: Relation
    bounds: OutletBounds | None

    @property
    def name(self) -> str:
        """Schema-qualified, as in the published file."""
        return self.contract.name

    @property
    def is_hourly(self) -> bool:
        """Whether its rows are replaced by hour."""
        return self.contract.is_hourly

    @property
    def condition(self) -> str:
        """The condition on rows of the published file that are copied, but for the oldest hour."""
        if self.bounds is None:
            return "true"
        reach, names = self.bounds.reach_ratio, self.contract.column_names
        return " and ".join(
            [
                f"price_high > price * {1 - reach!r} and price_low < price * {1 + reach!r}",
                *(["venue = 'all'"] if "venue" in names else []),
                *(["liquidation_usd > 0"] if "liquidation_usd" in names else []),
            ]
        )

    @property
    def form_sha256(self) -> str:
        """The hash of its columns, key and bounds: with another one all rows are copied again."""
        return _sha256(repr((_definitions(self.contract), self.contract.grain, self.bounds)))

    @property
    def comments_sha256(self) -> str:
        """The hash of its comments."""
        return _sha256(repr(self.comment_statements))

    @property
    def comment_statements(self) -> list[str]:
        """The statements that write its comments."""
        return [f"{on} is {literal(comment)}" for on, comment in comments(self.contract, "table")]


def outlet_relations(bounds: OutletBounds) -> list[OutletRelation]:
    """Return the relations that are copied: all but arrays and the map by leverage.

    Arrays are what maps are made from; by leverage a map has ten times its rows.
    """
    return [
        OutletRelation(relation, bounds if "bin_index" in relation.grain else None)
        for relation in public_relations()
        if not {"bin_index", "leverage"} <= set(relation.grain) and relation.unfolded_by is None
    ]


def this_release() -> int:
    """Return the number of the last migration, by which releases are ordered."""
    return int(migration_files()[-1].name[:4])


def literal(text: str) -> str:
    """Return a text as PostgreSQL spells it in a statement."""
    escaped = text.replace("'", "''")
    return f"E'{escaped.replace(chr(92), chr(92) * 2)}'" if "\\" in text else f"'{escaped}'"


async def open_books(connection: Connection, address: ServerAddress) -> None:
    """Make our schema where there is none yet; refuse a database that we cannot publish to.

    Raises
    ------
    OutletRejected
        A later release has published here, or the schema is somebody else's.
    """
    if await connection.fetchval("select to_regnamespace($1) is null", OUTLET_SCHEMA):
        await connection.execute(_BOOKS)
        return
    if await connection.fetchval("select to_regclass($1) is null", f"{OUTLET_SCHEMA}.publication"):
        raise OutletRejected(
            f"{address}: its schema {OUTLET_SCHEMA} was not made by liqheat; rename it, or publish "
            "to a database of its own"
        )
    release = await connection.fetchval(f"select release from {OUTLET_SCHEMA}.publication")
    if release is not None and release > this_release():
        raise OutletRejected(
            f"{address}: a later release of liqheat has published there (migration "
            f"{release:04d}, this one has {this_release():04d}); upgrade this installation"
        )


async def prepare_tables(
    connection: Connection, address: ServerAddress, wanted: list[OutletRelation]
) -> set[str]:
    """Make the tables what this release has; return the names of those whose rows are gone.

    Raises
    ------
    OutletRejected
        A table of the same name is not ours.
    """
    forms = dict(
        await connection.fetch(f"select relation, form_sha256 from {OUTLET_SCHEMA}.relation")
    )
    for schema in dict.fromkeys(each.contract.schema for each in wanted):
        await connection.execute(f'create schema if not exists "{schema}"')
    for name in sorted(set(forms) - {each.name for each in wanted}):
        await connection.execute(f"drop table if exists {name}")
        await _forget(connection, name)
    emptied = set()
    for each in wanted:
        exists = await connection.fetchval("select to_regclass($1) is not null", each.name)
        if exists and each.name not in forms:
            raise OutletRejected(
                f"{address}: {each.name} is there and was not made by liqheat; rename or drop it, "
                "or publish to a database of its own"
            )
        if exists and forms[each.name] == each.form_sha256:
            continue
        if exists:
            await _migrate(connection, each.contract)
        else:
            await connection.execute(_create_statement(each.contract))
        await _forget(connection, each.name)
        emptied.add(each.name)
    return emptied


async def finish_tables(
    connection: Connection, wanted: list[OutletRelation], emptied: set[str]
) -> None:
    """Add keys and indexes to the tables that were filled from nothing, write comments, record."""
    held = dict(
        await connection.fetch(f"select relation, comments_sha256 from {OUTLET_SCHEMA}.relation")
    )
    for each in wanted:
        if each.name in emptied:
            for statement in _key_statements(each.contract):
                await connection.execute(statement)
        if each.name in emptied or held.get(each.name) != each.comments_sha256:
            await connection.execute(";".join(each.comment_statements))
            await connection.execute(
                f"insert into {OUTLET_SCHEMA}.relation values ($1, $2, $3) "
                "on conflict (relation) do update set form_sha256 = excluded.form_sha256, "
                "comments_sha256 = excluded.comments_sha256",
                each.name,
                each.form_sha256,
                each.comments_sha256,
            )


async def _forget(connection: Connection, name: str) -> None:
    for table in ("relation", "slice"):
        await connection.execute(f"delete from {OUTLET_SCHEMA}.{table} where relation = $1", name)


async def _migrate(connection: Connection, contract: Relation) -> None:
    """Empty a table and give it the columns of its contract, so that views of it stay.

    A column of another type is dropped and added: changing it would rewrite the table, which
    readers with an older snapshot then see empty.
    """
    name, wanted = contract.name, _definitions(contract)
    await connection.execute(
        f'alter table {name} drop constraint if exists "{_index_names(contract)[0]}"'
    )
    for index in _index_names(contract):
        await connection.execute(f'drop index if exists {contract.schema}."{index}"')
    await connection.execute(f"delete from {name}")
    rows = await connection.fetch(
        "select attname, format_type(atttypid, atttypmod) as type from pg_attribute "
        "where attrelid = $1::regclass and attnum > 0 and not attisdropped",
        name,
    )
    held = {row["attname"]: row["type"] for row in rows}
    kept = {
        column
        for column, kind in held.items()
        if wanted.get(column, "").split(" collate ")[0] == kind
    }
    for column in held.keys() - kept:
        await connection.execute(f'alter table {name} drop column "{column}"')
    for column, definition in wanted.items():
        if column not in kept:
            await connection.execute(f'alter table {name} add column "{column}" {definition}')
    for column in kept - set(contract.grain):
        await connection.execute(f'alter table {name} alter column "{column}" drop not null')


def _definitions(contract: Relation) -> dict[str, str]:
    return {column.name: _definition(column, contract) for column in contract.columns}


def _definition(column: Column, contract: Relation) -> str:
    """Return the type of a column; text of keys is compared by bytes, which builds keys faster."""
    kind = _TYPES.get(column.type, "jsonb")
    return f'{kind} collate "C"' if kind == "text" and column.name in contract.grain else kind


def _create_statement(contract: Relation) -> str:
    columns = ", ".join(f'"{name}" {kind}' for name, kind in _definitions(contract).items())
    return f"create table {contract.name} ({columns})"


def _index_names(contract: Relation) -> list[str]:
    return [f"{contract.short_name}_key", f"{contract.short_name}_as_of"]


def _key_statements(contract: Relation) -> list[str]:
    """Return what makes the key by grain, and for hours the index that replaces and finds them."""
    key, by_hour = _index_names(contract)
    grain = ", ".join(f'"{name}"' for name in contract.grain)
    nullable = any(each.is_nullable for each in contract.columns if each.name in contract.grain)
    statements = [
        f'create unique index "{key}" on {contract.name} ({grain})'
        if nullable
        else f'alter table {contract.name} add constraint "{key}" primary key ({grain})'
    ]
    if contract.is_hourly and contract.grain[0] != "as_of":
        statements.append(f'create index "{by_hour}" on {contract.name} (as_of)')
    return statements


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def reader_role_statements(publisher: str) -> str:
    """Return SQL that makes a read-only role for tools, to be run by an administrator.

    Parameters
    ----------
    publisher : str
        The role that publishes: what it makes from then on is readable too.
    """
    schemas = sorted({each.schema for each in public_relations()})
    named = ", ".join([*schemas, OUTLET_SCHEMA])
    owner = '"' + publisher.replace('"', '""') + '"'
    return f"""-- A login for tools that reads and nothing else.
-- Give it a password with \\password liqheat_reader in psql.
create role liqheat_reader login;
alter role liqheat_reader set default_transaction_read_only = on;
-- Days of dashboards are UTC days, wherever the client is.
alter role liqheat_reader set timezone = 'UTC';
alter role liqheat_reader set statement_timeout = '60s';
grant usage on schema {named} to liqheat_reader;
grant select on all tables in schema {named} to liqheat_reader;
alter default privileges for role {owner} in schema {named}
    grant select on tables to liqheat_reader;
"""
