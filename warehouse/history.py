"""Raw history outside the database: Parquet by kind and month, kept for ever.

``raw/<kind>/month=YYYY-MM/data.parquet`` holds the rows of landing files as they were loaded, by
month, each with the file it came in (``landing_file``).
``raw/landing_file.parquet`` is the ledger of files that may come again. Together with the landing
files that have not moved there yet they are all that a warehouse is made of: `restore` makes raw
again from them, row for row.

Moving can be killed anywhere: a month is replaced whole, a file's rows enter it once, and a
landing file is deleted when all its months have it.
"""

import logging
from collections.abc import Callable, Collection
from datetime import datetime
from pathlib import Path

import duckdb

from warehouse.connect import scalar
from warehouse.contracts import Relation, raw_relation, record_kinds
from warehouse.durable_files import emptied_folder, move_into_place
from warehouse.error_messages import translated
from warehouse.load import (
    LANDING_FORMAT,
    LIVE_NAME,
    LoadReport,
    forget_files,
    landed_select,
    landing_names,
    load_landing_files,
    load_rows,
    loaded_files,
    read_from,
    record_file,
)
from warehouse.sql_text import exact_path, quoted

logger = logging.getLogger(__name__)

LANDING_FILE = "landing_file"
"""Column of its rows: the landing file they came in, by its name below the folder."""

_LEDGER = f"{LANDING_FILE}.parquet"
_WRITING = ".writing"

# The landing file of rows that earlier releases kept in the database alone.
_BEFORE_HISTORY = "warehouse"


def move_to_history(
    connection: duckdb.DuckDBPyConnection,
    landing: Path,
    history: Path,
    before: datetime,
    *,
    keep: Collection[str] = (),
) -> tuple[int, int]:
    """Move the landing files loaded before an instant to raw history; return how many, how large.

    Parameters
    ----------
    connection : DuckDBPyConnection
        The writer's.
    landing : Path
        Folder of landing files.
    history : Path
        Folder of raw history.
    before : datetime
        Files loaded before move [UTC]; those that have changed since stay.
    keep : collection of str
        Names below the landing folder, ``<kind>/<name>.parquet``, of files that stay.
    """
    loaded = loaded_files(connection, landing, before)
    files = [path for path in loaded if f"{path.parent.name}/{path.name}" not in keep]
    with translated(f"moving landing files to {history}"):
        emptied_folder(history / _WRITING)
        if not (history / _LEDGER).exists():
            _keep_what_landing_lost(connection, landing, history)
        for kind in record_kinds():
            _read_into_arriving(connection, kind, [f for f in files if f.parent.name == kind])
            _merge_arriving(connection, kind, history)
        moved = [f"{path.parent.name}/{path.name}" for path in files]
        _write_ledger(connection, landing, history, moved)
        size = sum(path.stat().st_size for path in files)
        for path in files:
            path.unlink()
    forget_files(connection, moved)
    return len(files), size


def restore(
    connection: duckdb.DuckDBPyConnection,
    landing: Path,
    history: Path,
    *,
    run_id: str,
    loaded_at: datetime,
    on_month: Callable[[str, float], None],
) -> LoadReport:
    """Fill an empty warehouse with raw history: what has moved there, then what has landed since.

    Parameters
    ----------
    connection : DuckDBPyConnection
        The writer's, of a warehouse that has just been made.
    landing, history : Path
        Folders of landing files and of raw history.
    run_id, loaded_at
        As in ``load_landing_files``.
    on_month : callable
        Called with the month that was read and the share of raw history done.

    Raises
    ------
    WarehouseError
        A file of it cannot be read or does not fit its table; the message names it.
    """
    with translated(f"reading {history}"):
        ledger = history / _LEDGER
        if ledger.exists():
            connection.execute(
                "insert into meta.landing_file by name from read_parquet(?)",
                [exact_path(ledger)],
            )
        _finish_moving(connection, landing, history, run_id, loaded_at)
        rows_by_kind: dict[str, int] = {}
        months = [(kind, path) for kind in record_kinds() for path in _months(history, kind)]
        for number, (kind, path) in enumerate(months):
            row_count, landed = landed_select(path, raw_relation(kind), has=LANDING_FILE)
            read_from(connection, [path])
            load_rows(connection, kind, landed, None)
            rows_by_kind[kind] = rows_by_kind.get(kind, 0) + row_count
            on_month(f"{kind} {path.parent.name}", (number + 1) / len(months))
    report = load_landing_files(connection, landing, run_id=run_id, loaded_at=loaded_at)
    for kind, row_count in report.rows_by_kind.items():
        rows_by_kind[kind] = rows_by_kind.get(kind, 0) + row_count
    return LoadReport(rows_by_kind, report.file_count + len(months), report.rejected)


def has_history(history: Path) -> bool:
    """Return whether raw history holds any file."""
    return (history / _LEDGER).exists() or any(history.glob("*/month=*/data.parquet"))


def _months(history: Path, kind: str) -> list[Path]:
    return sorted(history.glob(f"{kind}/month=*/data.parquet"))


def _read_into_arriving(
    connection: duckdb.DuckDBPyConnection, kind: str, files: list[Path]
) -> None:
    """Make the temporary table ``arriving`` of the rows of landing files."""
    relation = raw_relation(kind)
    name = f"'{kind}/' || parse_filename(filename) as {LANDING_FILE}"
    # Files of one form are read at once: a day has thousands.
    forms: dict[str, list[Path]] = {}
    for path in files:
        _, landed = landed_select(path, relation, add=name)
        forms.setdefault(landed, []).append(path)
    connection.execute(f"create or replace temporary table arriving as {_nothing(relation)}")
    for landed, paths in forms.items():
        read_from(connection, paths)
        connection.execute(f"insert into arriving by name select * from {landed}")


def _nothing(relation: Relation) -> str:
    return f"(select *, null::varchar as {LANDING_FILE} from {relation.name} limit 0)"


def _merge_arriving(connection: duckdb.DuckDBPyConnection, kind: str, history: Path) -> None:
    """Put the rows of ``arriving`` into their months, those of each file once."""
    relation = raw_relation(kind)
    month_of = f"strftime({relation.instant}, '%Y-%m')"
    months = connection.execute(f"select distinct {month_of} from arriving order by all").fetchall()
    for (month,) in months:
        target = history / kind / f"month={month}" / "data.parquet"
        held = _nothing(relation)
        if target.exists():
            _, held = landed_select(target, relation, has=LANDING_FILE, add=LANDING_FILE)
            read_from(connection, [target])
        coming = (
            f"select * from arriving where {month_of} = '{month}' "
            f"and {LANDING_FILE} not in (select {LANDING_FILE} from {held})"
        )
        if scalar(connection, f"select count(*) from ({coming})"):
            _copy(
                connection,
                f"select * from {held} union all by name {coming}",
                history / _WRITING / f"{kind}-{month}",
                target,
            )
    connection.execute("drop table arriving")


def _keep_what_landing_lost(
    connection: duckdb.DuckDBPyConnection, landing: Path, history: Path
) -> None:
    """Copy the rows of raw whose landing files earlier releases deleted."""
    names = sorted(landing_names(connection, landing))
    for kind in record_kinds():
        relation = raw_relation(kind)
        own = [landing / name for name in names if name.startswith(f"{kind}/")]
        _read_into_arriving(connection, kind, own)
        is_same = " and ".join(
            f'held."{column}" is not distinct from arriving."{column}"' for column in relation.grain
        )
        connection.execute(
            f"create or replace temporary table arriving as "
            f"select *, '{_BEFORE_HISTORY}' as {LANDING_FILE} from {relation.name} as held "
            f"anti join arriving on {is_same}"
        )
        _merge_arriving(connection, kind, history)


def _copy(
    connection: duckdb.DuckDBPyConnection, select: str, temporary: Path, target: Path
) -> None:
    """Write rows to a Parquet file of this release's format, whole, and put it in its place."""
    marks = ", ".join(
        f"'{key.decode()}': '{value.decode()}'" for key, value in LANDING_FORMAT.items()
    )
    connection.execute(
        f"copy ({select}) to {quoted(temporary)} "
        f"(format parquet, compression zstd, parquet_version v2, kv_metadata {{{marks}}})"
    )
    move_into_place(temporary, target)


def _write_ledger(
    connection: duckdb.DuckDBPyConnection, landing: Path, history: Path, moved: list[str]
) -> None:
    """Write the list of files that are not loaded again if they land again."""
    staying = landing_names(connection, landing) - set(moved)
    connection.execute("set variable staying = ?", [sorted(staying)])
    _copy(
        connection,
        "select * from meta.landing_file "
        "where not list_contains(getvariable('staying')::varchar[], file_name) "
        f"and not regexp_matches(file_name, '{LIVE_NAME}') order by file_name",
        history / _WRITING / _LEDGER,
        history / _LEDGER,
    )


def _finish_moving(
    connection: duckdb.DuckDBPyConnection,
    landing: Path,
    history: Path,
    run_id: str,
    loaded_at: datetime,
) -> None:
    """Finish moving landing files whose move was killed after some of their months.

    They are recorded as loaded, since raw history has them, and deleted by a later move.
    """
    for kind in record_kinds():
        months = _months(history, kind)
        if not months:
            continue
        rows = connection.execute(
            f"select distinct {LANDING_FILE} from read_parquet(?)", [list(map(exact_path, months))]
        ).fetchall()
        files = [landing / name for (name,) in rows if (landing / name).is_file()]
        _read_into_arriving(connection, kind, files)
        _merge_arriving(connection, kind, history)
        for path in files:
            record_file(connection, path, kind, run_id=run_id, loaded_at=loaded_at)
