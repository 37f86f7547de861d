"""Loading landing files into raw: each file once, whole, in the transaction that records it.

Belongs here: the ledger ``meta.landing_file``, and which maps and days a file puts out of date.
Does not belong here: writing landing files (jobs), raw history (`warehouse.history`).
"""

import hashlib
import logging
import re
from dataclasses import astuple, dataclass
from datetime import datetime
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from warehouse.connect import scalar, transaction
from warehouse.contracts import Relation, raw_relation, record_kinds
from warehouse.errors import LandingFileRejected

logger = logging.getLogger(__name__)

# Assets whose maps a file puts out of date, and since when: a row for an instant changes every map
# after it.
_OF_INSTRUMENT = """
select instrument.asset, min({since})
from {{landed}} as landed
inner join staging.stg_instrument as instrument using (venue, instrument)
group by all
"""
_PUBLISHED_HOURS = """
select
    instrument.asset,
    date_trunc('hour', landed.period_start_at) + interval 1 hour as hour_end,
    max(built_asset.built_until_at) as built_until_at
from {landed} as landed
inner join staging.stg_instrument as instrument using (venue, instrument)
inner join meta.built_asset as built_asset using (asset)
group by all
"""
_CAPTURE_REACH = "interval 168 hours"
_PENDING_BUILD = {
    "ohlcv": _OF_INSTRUMENT.format(since="bar_start_at"),
    "mark_ohlc": _OF_INSTRUMENT.format(since="bar_start_at"),
    # Open interest belongs to the bar that ends at its stamp.
    "open_interest": _OF_INSTRUMENT.format(since="landed.observed_at - interval 1 minute"),
    # The oldest brackets known also hold for the time before them.
    "leverage_bracket": _OF_INSTRUMENT.format(
        since="if(exists (from raw.leverage_bracket as known where known.venue = landed.venue "
        "and known.instrument = landed.instrument "
        "and known.valid_from_at <= landed.valid_from_at), "
        "landed.valid_from_at - interval 1 minute, '-infinity'::timestamptz)"
    ),
    "provider_map": """
select asset, min(as_of) - interval 1 minute from {landed} as landed group by asset
""",
    # Liquidations change the captures of the week after their hour; earlier hours and hours that
    # are not built yet do not need them.
    "realised_liquidation": f"""
select asset, min(hour_end) from ({_PUBLISHED_HOURS})
where hour_end < built_until_at and hour_end + {_CAPTURE_REACH} > built_until_at group by asset
""",
    # Bars may land before the description of their instrument, or while it has another asset's
    # name: then the maps of the asset it leaves change too.
    "instrument": """
select unnest(list_distinct(assets)), since
from (
    select [landed.asset, known.asset] as assets, min(bar.bar_start_at) as since
    from {landed} as landed
    inner join raw.ohlcv as bar using (venue, instrument)
    left join staging.stg_instrument as known using (venue, instrument)
    where
        known.asset is distinct from landed.asset
        or known.contract_kind is distinct from landed.contract_kind
    group by all
)
""",
}

# Captures that a file puts out of date while the maps after them stay.
_PENDING_CAPTURE = f"""
select asset, min(hour_end), max(hour_end) + {_CAPTURE_REACH} from ({_PUBLISHED_HOURS})
where hour_end + {_CAPTURE_REACH} <= built_until_at group by asset
"""

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

# Kinds that change published days but no map, and from when to when a row does: funding and quote
# rates hold for a day, sentiment for two, the others within the hour. A funding payment also
# settles the intervals of the two before it, at most 8 hours each.
_PENDING_PUBLISH = {
    "funding_rate": ("funded_at - interval 16 hours", "funded_at + interval 1 day"),
    # Intervals of forecasts read two weeks, and three days tell a silent feed; days that are not
    # built yet are marked once they are.
    "realised_liquidation": (
        "period_start_at",
        "greatest(period_start_at + interval 1 hour, least(period_start_at + interval 409 hours, "
        "(select coalesce(max(built_until_at), '-infinity') from meta.built_asset)))",
    ),
    "long_short_ratio": ("observed_at", "observed_at + interval 1 hour"),
    "sentiment": ("observed_at", "observed_at + interval 2 days"),
    "quote_rate": ("observed_at", "observed_at + interval 1 day"),
    "position_coverage": ("as_of", "as_of"),
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
    return f"(select {selected} from read_parquet(getvariable('landing_paths'), filename = true))"


def read_from(connection: duckdb.DuckDBPyConnection, paths: list[Path]) -> None:
    """Set the files that the SELECTs of ``landed_select`` read."""
    connection.execute("set variable landing_paths = ?", [[str(path) for path in paths]])


def _known_files(connection: duckdb.DuckDBPyConnection) -> dict[str, tuple[str, datetime]]:
    rows = connection.execute("select file_name, sha256, loaded_at from meta.landing_file")
    return {name: (sha256, loaded_at) for name, sha256, loaded_at in rows.fetchall()}


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
        _insert(connection, LandedFile(name, _sha256(path), kind, row_count, loaded_at, run_id))


def _insert(connection: duckdb.DuckDBPyConnection, file: LandedFile) -> None:
    connection.execute("insert into meta.landing_file values (?, ?, ?, ?, ?, ?)", astuple(file))


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


def load_landing_files(
    connection: duckdb.DuckDBPyConnection, landing: Path, *, run_id: str, loaded_at: datetime
) -> LoadReport:
    """Load the landing files that are not yet in raw.

    Idempotent: the transaction that inserts a file's rows also records its name and hash.

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
    """
    known = _known_files(connection)
    rows_by_kind: dict[str, int] = {}
    rejected: list[str] = []
    file_count = 0
    for kind in record_kinds():
        for path in sorted((landing / kind).glob("*.parquet")):
            try:
                file = _load_file(connection, path, known, run_id=run_id, loaded_at=loaded_at)
            except LandingFileRejected as exc:
                logger.warning("rejected: %s", exc)
                rejected.append(str(exc))
                continue
            if file is not None:
                rows_by_kind[kind] = rows_by_kind.get(kind, 0) + file.row_count
                file_count += 1
    if file_count:
        logger.info("loaded %d files: %s", file_count, rows_by_kind)
    return LoadReport(rows_by_kind, file_count, tuple(rejected))


def _load_file(
    connection: duckdb.DuckDBPyConnection,
    path: Path,
    known: dict[str, tuple[str, datetime]],
    *,
    run_id: str,
    loaded_at: datetime,
) -> LandedFile | None:
    """Load one landing file; None where it was loaded before."""
    kind = path.parent.name
    name = f"{kind}/{path.name}"
    if not path.is_file():
        raise LandingFileRejected(f"{name}: no file (a folder, a pipe, a dangling link); remove it")
    known_sha256, known_at = known.get(name, (None, None))
    if known_at is not None and _is_untouched(path, known_at):
        return None
    sha256 = _sha256(path)
    if known_sha256 is not None:
        if known_sha256 != sha256:
            raise LandingFileRejected(
                f"{name}: changed after it was loaded; landing files are written once, "
                "land the correction under its own name"
            )
        return None
    row_count, landed = landed_select(path, raw_relation(kind))
    read_from(connection, [path])
    file = LandedFile(name, sha256, kind, row_count, loaded_at, run_id)
    load_rows(connection, kind, landed, file)
    return file


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
            if kind in _PENDING_BUILD:
                connection.execute(
                    f"insert into meta.pending_build {_PENDING_BUILD[kind].format(landed=landed)}"
                )
            if kind == "realised_liquidation":
                connection.execute(
                    f"insert into meta.pending_capture {_PENDING_CAPTURE.format(landed=landed)}"
                )
            if kind in _PENDING_PUBLISH:
                first, last = _PENDING_PUBLISH[kind]
                connection.execute(
                    "insert into meta.pending_publish select distinct "
                    "unnest(generate_series(first, last, interval 1 day))::date from ("
                    f"select distinct ({first})::date as first, ({last})::date as last "
                    f"from {landed})"
                )
            connection.execute(f"insert into {raw_relation(kind).name} select * from {landed}")
            if file is not None:
                _insert(connection, file)
    except duckdb.Error as exc:
        name = kind if file is None else file.file_name
        if isinstance(exc, duckdb.ConstraintException | duckdb.ConversionException):
            raise LandingFileRejected(f"{name}: {exc}") from exc
        _check_readable(connection, name, landed)
        raise
