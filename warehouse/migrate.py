"""Applying migrations: forward only, in one transaction with their rows in the ledger."""

import hashlib
import logging
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from warehouse.contracts import SQL_FOLDER, comment_statement, comments, relations
from warehouse.errors import ContractViolation

logger = logging.getLogger(__name__)

_MIGRATIONS = SQL_FOLDER / "migrations"


def migration_files() -> list[Path]:
    """Return the migrations in the order in which they apply."""
    return sorted(_MIGRATIONS.glob("[0-9][0-9][0-9][0-9]_*.sql"))


def _applied(connection: duckdb.DuckDBPyConnection) -> dict[str, str]:
    exists = connection.execute(
        "select count(*) from duckdb_tables() "
        "where database_name = current_database() "
        "and schema_name = 'meta' and table_name = 'schema_migrations'"
    ).fetchone()
    if exists is None or exists[0] == 0:
        return {}
    return dict(connection.execute("select name, sha256 from meta.schema_migrations").fetchall())


def migrate(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """Apply the migrations that are not in the ledger; return their names.

    All of them in one transaction: a release that was half applied is none, and a commit that
    changes tables of a lake takes half a second.

    Raises
    ------
    ContractViolation
        A migration was edited after it was applied, or a later release wrote the database.
    """
    applied = _applied(connection)
    files = migration_files()
    unknown = set(applied) - {path.name for path in files}
    if unknown:
        raise ContractViolation(
            f"the database knows migration {sorted(unknown)[0]} and this release does not; "
            "update liqheat, or point LIQHEAT_HOME elsewhere"
        )
    waiting = []
    for path in files:
        text = path.read_text()
        sha256 = hashlib.sha256(text.encode()).hexdigest()
        if path.name not in applied:
            waiting.append((path.name, sha256, text))
        elif applied[path.name] != sha256:
            raise ContractViolation(
                f"migration {path.name} was edited after it was applied; "
                "restore it and put the change into a new migration"
            )
    if waiting:
        _apply(connection, waiting)
        logger.info("migrated: %s", ", ".join(name for name, _, _ in waiting))
    return [name for name, _, _ in waiting]


def _apply(connection: duckdb.DuckDBPyConnection, waiting: list[tuple[str, str, str]]) -> None:
    """Apply migrations (name, hash, text)."""
    connection.execute("begin transaction")
    try:
        for _, _, text in waiting:
            connection.execute(text)
        connection.executemany(
            "insert into meta.schema_migrations values (?, ?, ?)",
            [[name, sha256, datetime.now(UTC)] for name, sha256, _ in waiting],
        )
    except BaseException:
        connection.execute("rollback")
        raise
    connection.execute("commit")


def write_comments(connection: duckdb.DuckDBPyConnection) -> None:
    """Comment tables and columns as their contracts do, where the database differs."""
    known = set(
        connection.execute(
            "select 'comment on table ' || schema_name || '.' || table_name, comment "
            "from duckdb_tables() where database_name = current_database() union all "
            "select format('comment on column {}.{}.\"{}\"', schema_name, table_name, "
            "column_name), comment from duckdb_columns() "
            "where database_name = current_database()"
        ).fetchall()
    )
    missing = [
        comment_statement(*each)
        for relation in relations().values()
        if relation.schema != "marts"
        for each in comments(relation, "table")
        if each not in known
    ]
    connection.execute(";".join(missing))
