"""Loading landing files into raw: each file once, whole, in the transaction that records it.

Belongs here: the ledger ``meta.landing_file``, files that are rejected. Does not belong here: which
maps and days rows put out of date (`warehouse.landed_rows`), writing landing files (jobs), raw
history (`warehouse.history`).
"""

import hashlib
import logging
import os
import re
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import astuple, dataclass
from datetime import datetime
from itertools import groupby
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from warehouse.connect import insert_values, scalar, transaction
from warehouse.contracts import Relation, raw_relation, record_kinds
from warehouse.error_messages import STORAGE_FAILURES
from warehouse.errors import LandingFileRejected
from warehouse.landed_rows import insert_landed
from warehouse.sql_text import exact_path

logger = logging.getLogger(__name__)

_ROWS_AT_ONCE = 5_000_000
"""Rows that one transaction inserts: an hour of everything, a part of a history."""

LANDING_FORMAT = {b"liqheat.landing": b"2"}
"""Parquet metadata of landing files as this release writes them.

Format 1 has no mark: venues under earlier names, open interest of Hyperliquid counted as one side.
"""

# Expressions that bring columns of a file in format 1 to format 2.
_UPGRADES = {
    "raw.open_interest": {
        "open_interest_quantity": "open_interest_quantity / if(meta.is_counted_twice("
        "venue, open_interest_quantity, received_amount), 2, 1)",
        "sides_counted": "if(meta.venue_name(venue) in ('bybit', 'gate', 'htx', 'hyperliquid'), "
        "2, 1)",
    },
    "raw.provider_map": {"venue_scope": "meta.venue_name(venue_scope)"},
    # As migration 0011 does for stored rows.
    "raw.leverage_bracket": {
        "maintenance_deduction_usd": "if(source <> 'simulated' and meta.venue_name(venue) in "
        "('okx', 'bitget', 'kucoin', 'mexc'), 0.0, maintenance_deduction_usd)",
        "liquidation_fee_ratio": "if(source = 'simulated', 0.0, case meta.venue_name(venue) "
        "when 'okx' then 0.0005 when 'gate' then 0.00075 when 'bitget' then 0.0006 "
        "when 'kucoin' then 0.0006 when 'mexc' then 0.0004 else 0.0 end)",
    },
}


@dataclass(frozen=True, slots=True)
class LoadReport:
    """Result of one load.

    Parameters
    ----------
    rows_by_kind : dict of str to int
        Rows loaded by record kind.
    file_count : int
        Files loaded.
    rejected : tuple of str
        One message for each rejected file; the file stays in place.
    """

    rows_by_kind: dict[str, int]
    file_count: int
    rejected: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LandedFile:
    """One row of ``meta.landing_file``, its columns in order."""

    file_name: str
    sha256: str
    kind: str
    row_count: int
    loaded_at: datetime
    run_id: str


def landed_select(
    path: Path, relation: Relation, *, has: str = "", add: str = ""
) -> tuple[int, str]:
    """Return a file's row count and the SELECT that reads it.

    The SELECT reads the files set by ``read_from``; files of one format share it. A file of an
    earlier release lacks the mark of this release's format: its rows are converted to what this
    release would have written, and columns that it lacks are NULL or follow from others.

    Parameters
    ----------
    path : Path
        The file.
    relation : Relation
        The table that its rows are for.
    has : str
        A column of the file beyond those of the table.
    add : str
        An expression to select after the columns of the table.

    Raises
    ------
    LandingFileRejected
        It is not a Parquet file, or has other columns.
    """
    try:
        file = pq.ParquetFile(path)
    except (pa.ArrowException, OSError) as exc:
        raise LandingFileRejected(
            f"{path.name}: not a complete Parquet file ({exc}); "
            "delete it and ingest its source again, nothing of it was loaded"
        ) from exc
    with file:
        names = tuple(name for name in file.schema_arrow.names if name != has)
        is_old = not LANDING_FORMAT.items() <= (file.schema_arrow.metadata or {}).items()
        converted = _UPGRADES.get(relation.name, {})
        may_lack = {
            column.name
            for column in relation.columns
            if is_old and (column.is_nullable or column.name in converted)
        }
        expected = [name for name in relation.column_names if name in names or name not in may_lack]
        if list(names) != expected:
            raise LandingFileRejected(
                f"{path.name}: columns {names} do not fit {relation.name} "
                f"{relation.column_names}; it was written by another release"
            )
        return int(file.metadata.num_rows), _select(relation, names, is_old=is_old, add=add)


def _select(relation: Relation, names: tuple[str, ...], *, is_old: bool, add: str) -> str:
    upgrades = _UPGRADES.get(relation.name, {}) if is_old else {}
    if is_old and "venue" in names:
        upgrades = {"venue": "meta.venue_name(venue)", **upgrades}
    columns = [
        f'{upgrades.get(name, name_or_null)} as "{name}"'
        for name in relation.column_names
        for name_or_null in [f'"{name}"' if name in names else "null"]
    ]
    selected = ", ".join([*columns, add] if add else columns)
    # Types are those that all files fit into, not those of the first.
    files = "getvariable('landing_paths'), filename = true, union_by_name = true"
    return f"(select {selected} from read_parquet({files}))"


def read_from(connection: duckdb.DuckDBPyConnection, paths: list[Path]) -> None:
    """Set the files that the SELECTs of ``landed_select`` read."""
    connection.execute("set variable landing_paths = ?", [list(map(exact_path, paths))])


def _known_files(connection: duckdb.DuckDBPyConnection) -> dict[str, tuple[str, datetime]]:
    rows = connection.execute("select file_name, sha256, loaded_at from meta.landing_file")
    return {name: (sha256, loaded_at) for name, sha256, loaded_at in rows.fetchall()}


def landing_names(connection: duckdb.DuckDBPyConnection, landing: Path) -> set[str]:
    """Return the names of the files that were loaded and are still in the landing folder."""
    return {name for name in _known_files(connection) if (landing / name).exists()}


def waiting_files(connection: duckdb.DuckDBPyConnection, landing: Path) -> list[Path]:
    """Return the landing files that were never loaded."""
    known = _known_files(connection)
    return [
        path
        for kind in record_kinds()
        for path in sorted((landing / kind).glob("*.parquet"))
        if f"{kind}/{path.name}" not in known
    ]


def loaded_files(
    connection: duckdb.DuckDBPyConnection, landing: Path, before: datetime
) -> list[Path]:
    """Return the landing files that were loaded before an instant and have not changed since."""
    found = []
    for name, (sha256, loaded_at) in sorted(_known_files(connection).items()):
        path = landing / name
        # Another process of this home may send it meanwhile.
        with suppress(FileNotFoundError):
            if loaded_at < before and path.is_file():
                if _is_untouched(path, loaded_at) or _sha256(path) == sha256:
                    found.append(path)
                else:
                    logger.warning("%s: changed after it was loaded; it stays where it is", name)
    return found


def _is_untouched(path: Path, loaded_at: datetime) -> bool:
    """Return whether a file is certain to be as it was loaded, without reading it.

    Copying a file can set back the modification time of its content, but not that of its inode.
    """
    return path.stat().st_ctime < loaded_at.timestamp()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


LIVE_NAME = "-[0-9]{8}T[0-9]{6}Z-[0-9a-f]{12}[.]parquet$"
"""Names of live batches end in their instant and hash, so they never recur.

The name of an import recurs with the same input, which must then be skipped.
"""


def forget_files(connection: duckdb.DuckDBPyConnection, names: list[str]) -> None:
    """Delete moved files from the ledger, if their names can never recur."""
    connection.execute(
        "delete from meta.landing_file where list_contains(?, file_name) "
        f"and regexp_matches(file_name, '{LIVE_NAME}')",
        [names],
    )


def forget_missing_files(connection: duckdb.DuckDBPyConnection, landing: Path) -> None:
    """Delete files that have left the landing folder from the ledger, as `forget_files` does."""
    names = [name for name in _known_files(connection) if re.search(LIVE_NAME, name)]
    forget_files(connection, [name for name in names if not (landing / name).exists()])


def record_file(
    connection: duckdb.DuckDBPyConnection,
    path: Path,
    kind: str,
    *,
    run_id: str,
    loaded_at: datetime,
) -> None:
    """Record a landing file as loaded whose rows come from elsewhere."""
    name = f"{kind}/{path.name}"
    known = scalar(connection, "select count(*) from meta.landing_file where file_name = ?", [name])
    if not known:
        row_count = pq.read_metadata(path).num_rows
        file = LandedFile(name, _sha256(path), kind, row_count, loaded_at, run_id)
        insert_values(connection, "meta.landing_file", [astuple(file)])


def prune_ledgers(
    connection: duckdb.DuckDBPyConnection, *, quarantine_before: datetime, runs_before: datetime
) -> dict[str, int]:
    """Delete rows quarantined and runs started before some instants; return rows by table.

    Parameters
    ----------
    connection : DuckDBPyConnection
        The writer's.
    quarantine_before, runs_before : datetime
        Rows ingested, and runs started, before these are deleted.
    """
    return {
        name: scalar(connection, f"delete from {name} where {column} < ?", [before])
        for name, column, before in (
            ("quality.quarantine", "ingested_at", quarantine_before),
            ("meta.pipeline_run", "started_at", runs_before),
        )
    }


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A landing file to load, and the SELECT that reads it after ``read_from``."""

    path: Path
    landed: str
    file: LandedFile


def load_landing_files(
    connection: duckdb.DuckDBPyConnection,
    landing: Path,
    *,
    run_id: str,
    loaded_at: datetime,
    on_loaded: Callable[[LoadReport], None] = lambda _: None,
) -> LoadReport:
    """Load the landing files that are not yet in raw.

    Idempotent: the transaction that inserts a file's rows also records its name and hash. It is one
    for all files, but for a history of many rows, and where one of them cannot be loaded: those
    are halved until it is alone.

    Parameters
    ----------
    connection : DuckDBPyConnection
        The writer's.
    landing : Path
        Folder with one folder per kind.
    run_id : str
        Recorded with each file.
    loaded_at : datetime
        Recorded with each file, UTC.
    on_loaded : callable
        Called with the report in the last transaction; again where that had to be repeated.
    """
    waiting, rejected = _find_waiting(connection, landing, run_id=run_id, loaded_at=loaded_at)
    loaded: list[_Waiting] = []

    def report() -> LoadReport:
        rows_by_kind: dict[str, int] = {}
        for each in loaded:
            kind = each.file.kind
            rows_by_kind[kind] = rows_by_kind.get(kind, 0) + each.file.row_count
        return LoadReport(rows_by_kind, len(loaded), tuple(rejected))

    batches = deque(_batches(waiting))
    while batches:
        batch = batches.popleft()
        count = len(loaded)
        try:
            with transaction(connection):
                _insert_files(connection, batch)
                loaded += batch
                if not batches:
                    on_loaded(report())
        except duckdb.Error as error:
            del loaded[count:]
            if len(batch) > 1:
                batches.extendleft(reversed(_parts(batch, error)))
                continue
            for each in batch:
                try:
                    read_from(connection, [each.path])
                    load_rows(connection, each.file.kind, each.landed, each.file)
                    loaded.append(each)
                except LandingFileRejected as exc:
                    _note_rejected(exc, rejected)
            if not batches:
                with transaction(connection):
                    on_loaded(report())
    done = report()
    if loaded:
        logger.info("loaded %d files: %s", done.file_count, done.rows_by_kind)
    return done


def _find_waiting(
    connection: duckdb.DuckDBPyConnection, landing: Path, *, run_id: str, loaded_at: datetime
) -> tuple[list[_Waiting], list[str]]:
    """Return the files to load, kind by kind, and a message for each that is rejected."""
    known = _known_files(connection)
    waiting: list[_Waiting] = []
    rejected: list[str] = []
    for kind in record_kinds():
        for path in sorted((landing / kind).glob("*.parquet")):
            name = f"{kind}/{path.name}"
            try:
                sha256 = _sha256_if_new(path, *known.get(name, (None, None)))
                if sha256 is not None:
                    row_count, landed = landed_select(path, raw_relation(kind))
                    file = LandedFile(name, sha256, kind, row_count, loaded_at, run_id)
                    waiting.append(_Waiting(path, landed, file))
            except LandingFileRejected as exc:
                _note_rejected(exc, rejected)
            except FileNotFoundError:
                # It was loaded, and another process of this home has sent it.
                continue
    return waiting, rejected


def _note_rejected(reason: LandingFileRejected, rejected: list[str]) -> None:
    logger.warning("rejected: %s", reason)
    rejected.append(str(reason))


def _sha256_if_new(path: Path, known_sha256: str | None, known_at: datetime | None) -> str | None:
    """Return the hash of a landing file; None where it was loaded before."""
    name = f"{path.parent.name}/{path.name}"
    if not _is_utf8(name):
        raise LandingFileRejected(f"{os.fsencode(name)!r}: its name is not UTF-8; rename it")
    if not path.is_file():
        if known_sha256 is not None and not os.path.lexists(path):
            raise FileNotFoundError(path)
        raise LandingFileRejected(f"{name}: no file (a folder, a pipe, a dangling link); remove it")
    if known_at is not None and _is_untouched(path, known_at):
        return None
    sha256 = _sha256(path)
    if known_sha256 is not None and known_sha256 != sha256:
        raise LandingFileRejected(
            f"{name}: changed after it was loaded; landing files are written once, "
            "land the correction under its own name"
        )
    return None if known_sha256 is not None else sha256


def _is_utf8(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _batches(waiting: list[_Waiting]) -> list[list[_Waiting]]:
    """Return files in parts of some rows each; one that is empty where there are none."""
    batches: list[list[_Waiting]] = [[]]
    row_count = 0
    for each in waiting:
        if batches[-1] and row_count + each.file.row_count > _ROWS_AT_ONCE:
            batches.append([])
            row_count = 0
        batches[-1].append(each)
        row_count += each.file.row_count
    return batches


def _parts(batch: list[_Waiting], error: duckdb.Error) -> list[list[_Waiting]]:
    """Return a batch that failed in halves, so that one bad file costs few transactions.

    A rejected file stays where it is, and fails again with each load. Where storage itself fails
    the first file alone shows it.
    """
    size = 1 if isinstance(error, STORAGE_FAILURES) else (len(batch) + 1) // 2
    return [batch[at : at + size] for at in range(0, len(batch), size)]


def _insert_files(connection: duckdb.DuckDBPyConnection, batch: list[_Waiting]) -> None:
    """Insert files in the caller's transaction, those of a kind and format in one statement."""
    for (kind, landed), group in groupby(batch, key=lambda each: (each.file.kind, each.landed)):
        read_from(connection, [each.path for each in group])
        insert_landed(connection, kind, landed)
    insert_values(connection, "meta.landing_file", [astuple(each.file) for each in batch])


def _check_readable(connection: duckdb.DuckDBPyConnection, name: str, landed: str) -> None:
    """Reject a file that cannot be read to its end, as a failing disk leaves it."""
    try:
        connection.execute(f"select hash(columns(*)) from {landed}").fetchall()
    except duckdb.Error as exc:
        raise LandingFileRejected(
            f"{name}: damaged ({exc}); delete it and ingest its source again, nothing of it was "
            "loaded"
        ) from exc


def load_rows(
    connection: duckdb.DuckDBPyConnection, kind: str, landed: str, file: LandedFile | None
) -> None:
    """Insert the rows that a SELECT reads, and record their file if they have one."""
    try:
        with transaction(connection):
            insert_landed(connection, kind, landed)
            if file is not None:
                insert_values(connection, "meta.landing_file", [astuple(file)])
    except duckdb.Error as exc:
        name = kind if file is None else file.file_name
        if isinstance(exc, duckdb.ConstraintException | duckdb.ConversionException):
            raise LandingFileRejected(f"{name}: {exc}") from exc
        _check_readable(connection, name, landed)
        raise
