"""Moving the writer's database: every row from a file to a lake, or back, verified.

Belongs here: copying tables between two addresses and comparing them. Does not belong here: raw
history and landing files, which stay in the home folder.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass

import duckdb

from warehouse.address import WarehouseAddress
from warehouse.checkpoints import checkpoint
from warehouse.connect import open_warehouse, replaced_warehouse, transaction
from warehouse.contracts import Relation, relations
from warehouse.error_messages import translated
from warehouse.errors import ContractViolation, TerminalWarehouseError
from warehouse.storage import storage_at

logger = logging.getLogger(__name__)

# The name of the database that rows are copied to.
_COPY = "moved"


@dataclass(frozen=True, slots=True)
class MoveReport:
    """Result of a move.

    Parameters
    ----------
    rows_by_table : dict of str to int
        Rows of each table, the same in both places.
    """

    rows_by_table: dict[str, int]


def move_warehouse(
    source: WarehouseAddress,
    target: WarehouseAddress,
    *,
    threads: int | None = None,
    memory_limit_bytes: int | None = None,
    on_table: Callable[[str, float], None] = lambda _name, _share: None,
) -> MoveReport:
    """Copy every row of a warehouse to another place and compare both, table by table.

    The target gets its name when all tables agree: interrupted before, there is nothing at it, and
    the next move starts over. The source stays as it is.

    Parameters
    ----------
    source, target : Path or LakeAddress
        Where the rows are, and where they go.
    threads : int, optional
        Threads of DuckDB; by default all cores.
    memory_limit_bytes : int, optional
        Memory of DuckDB [bytes]; by default half of the machine's or the container's.
    on_table : callable
        Called with each table and the share of tables done.

    Raises
    ------
    TerminalWarehouseError
        There is no warehouse at the source, or one at the target.
    ContractViolation
        A table differs after it was copied.
    """
    with translated(f"opening {source}"):
        if storage_at(source).is_empty():
            raise TerminalWarehouseError(f"{source} is empty: there is nothing to move")
    with translated(f"opening {target}"):
        if not storage_at(target).is_empty():
            raise TerminalWarehouseError(
                f"{target} holds a warehouse; move to another place, or set that one aside first"
            )
    limits = {"threads": threads, "memory_limit_bytes": memory_limit_bytes}
    stored = [each for each in relations().values() if each.is_stored]
    row_counts: dict[str, int] = {}
    with open_warehouse(source, **limits) as connection, replaced_warehouse(target) as making:
        with open_warehouse(making, **limits):
            pass
        storage = storage_at(making)
        with translated(f"writing {target}"), storage.held():
            storage.attach(connection, _COPY)
            for number, relation in enumerate(stored):
                row_counts[relation.name] = _copy(connection, relation)
                on_table(relation.name, (number + 1) / len(stored))
            checkpoint(connection)
            connection.execute(f"detach {_COPY}")
    logger.info("moved %d rows from %s to %s", sum(row_counts.values()), source, target)
    return MoveReport(row_counts)


def _copy(connection: duckdb.DuckDBPyConnection, relation: Relation) -> int:
    """Copy a table and return its rows.

    Raises
    ------
    ContractViolation
        The copy differs.
    """
    name = relation.name
    with transaction(connection):
        connection.execute(f"delete from {_COPY}.{name}")
        connection.execute(f"insert into {_COPY}.{name} by name from {name}")
    here, there = (_fingerprint(connection, relation, each) for each in (name, f"{_COPY}.{name}"))
    if here != there:
        raise ContractViolation(
            f"{name} differs after it was copied ({here[0]} rows, {there[0]} in the copy); nothing "
            "was moved. Run the same command again; if it differs again, report it"
        )
    return here[0]


def _fingerprint(
    connection: duckdb.DuckDBPyConnection, relation: Relation, name: str
) -> tuple[int, int]:
    """Return a table's row count and the sum of its rows' hashes, whatever their order."""
    columns = ", ".join(f'"{column}"' for column in relation.column_names)
    row = connection.execute(
        f"select count(*), coalesce(sum(hash(rows)::hugeint), 0)::hugeint "
        f"from (select {columns} from {name}) as rows"
    ).fetchone()
    return row if row else (0, 0)
