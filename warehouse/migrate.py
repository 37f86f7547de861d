"""Applying migrations: forward only, each in one transaction with its row in the ledger."""

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
        "where schema_name = 'meta' and table_name = 'schema_migrations'"
    ).fetchone()
    if exists is None or exists[0] == 0:
        return {}
    return dict(connection.execute("select name, sha256 from meta.schema_migrations").fetchall())


def migrate(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """Apply the migrations that are not in the ledger; return their names.

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
    done = []
    for path in files:
        text = path.read_text()
        sha256 = hashlib.sha256(text.encode()).hexdigest()
        if path.name in applied:
            if applied[path.name] != sha256:
                raise ContractViolation(
                    f"migration {path.name} was edited after it was applied; "
                    "restore it and put the change into a new migration"
                )
            continue
        connection.execute("begin transaction")
        try:
            connection.execute(text)
            connection.execute(
                "insert into meta.schema_migrations values (?, ?, ?)",
                [path.name, sha256, datetime.now(UTC)],
            )
        except BaseException:
            connection.execute("rollback")
            raise
        connection.execute("commit")
        done.append(path.name)
    if done:
        logger.info("migrated: %s", ", ".join(done))
    return done


def write_comments(connection: duckdb.DuckDBPyConnection) -> None:
    """Comment tables and columns as their contracts do, where the database differs."""
    known = set(
        connection.execute(
            "select 'comment on table ' || schema_name || '.' || table_name, comment "
            "from duckdb_tables() union all "
            "select format('comment on column {}.{}.\"{}\"', schema_name, table_name, "
            "column_name), comment from duckdb_columns()"
        ).fetchall()
    )
    for relation in relations().values():
        if relation.schema == "marts":
            continue
        for on, comment in comments(relation, "table"):
            if (on, comment) not in known:
                connection.execute(comment_statement(on, comment))
