"""Loading landing files into raw: each file once, whole, in the transaction that records it."""

import hashlib
import logging
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from warehouse.contracts import Relation, relations
from warehouse.errors import LandingFileRejected

logger = logging.getLogger(__name__)

# Instruments first: the others find their asset through them.
KINDS = (
    "instrument",
    "leverage_bracket",
    "ohlcv",
    "mark_ohlc",
    "open_interest",
    "funding_rate",
    "realised_liquidation",
    "long_short_ratio",
    "sentiment",
    "quote_rate",
    "provider_map",
    "quarantine",
)

# What a file of a kind puts out of date. A row that arrives for an instant changes every map
# after it; open interest belongs to the bar that ends at its stamp, so a minute before it.
_PENDING_BUILD = {
    "ohlcv": "select instrument.asset, min(landed.bar_start_at) from {landed} as landed "
    "inner join staging.stg_instrument as instrument using (venue, instrument) group by all",
    "mark_ohlc": "select instrument.asset, min(landed.bar_start_at) from {landed} as landed "
    "inner join staging.stg_instrument as instrument using (venue, instrument) group by all",
    "open_interest": "select instrument.asset, min(landed.observed_at) - interval 1 minute "
    "from {landed} as landed "
    "inner join staging.stg_instrument as instrument using (venue, instrument) group by all",
    # The oldest brackets known also stand for the time before them.
    "leverage_bracket": "select instrument.asset, min(if(known.instrument is null, "
    "'-infinity'::timestamptz, landed.valid_from_at - interval 1 minute)) "
    "from {landed} as landed "
    "inner join staging.stg_instrument as instrument using (venue, instrument) "
    "left join (select venue, instrument, min(valid_from_at) as first_valid_from_at "
    "from raw.leverage_bracket group by all) as known "
    "on landed.venue = known.venue and landed.instrument = known.instrument "
    "and known.first_valid_from_at <= landed.valid_from_at group by all",
    "provider_map": "select landed.asset, min(landed.as_of) - interval 1 minute "
    "from {landed} as landed group by all",
    # Bars may have come before the description of their instrument, or with another asset's name:
    # then the one it leaves changes too.
    "instrument": "select unnest(list_distinct(assets)), since from ("
    "select [landed.asset, known.asset] as assets, min(bar.bar_start_at) as since "
    "from {landed} as landed "
    "inner join raw.ohlcv as bar using (venue, instrument) "
    "left join staging.stg_instrument as known using (venue, instrument) "
    "where known.asset is distinct from landed.asset "
    "or known.contract_kind is distinct from landed.contract_kind group by all)",
}

LANDING_FORMAT = {b"liqheat.landing": b"2"}
"""Parquet metadata of landing files as this release writes them.

1 (without a mark): venues under names of their own, Hyperliquid's open interest as of one side.
"""

# What brings a column of a file in format 1 to format 2.
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

# Kinds that change published days without changing a map, with the instants between which they do:
# funding and quote rates stand for a day, sentiment for two, the others in the hour that ends after
# them. A funding payment also settles the intervals of the two before it, at most 8 hours each.
_PENDING_PUBLISH = {
    "funding_rate": ("funded_at - interval 16 hours", "funded_at + interval 1 day"),
    "realised_liquidation": ("period_start_at", "period_start_at + interval 1 hour"),
    "long_short_ratio": ("observed_at", "observed_at + interval 1 hour"),
    "sentiment": ("observed_at", "observed_at + interval 2 days"),
    "quote_rate": ("observed_at", "observed_at + interval 1 day"),
}


@dataclass(frozen=True, slots=True)
class LoadReport:
    """What one load did.

    Parameters
    ----------
    rows_by_kind : dict of str to int
        Rows loaded per record kind.
    file_count : int
        Files loaded.
    rejected : tuple of str
        One message for each file that was refused; the file stays where it is.
    """

    rows_by_kind: dict[str, int]
    file_count: int
    rejected: tuple[str, ...]


def raw_relation(kind: str) -> Relation:
    """Return the table that records of a kind are loaded into."""
    return relations()["quality.quarantine" if kind == "quarantine" else f"raw.{kind}"]


def _check_unchanged(name: str, loaded_sha256: str, sha256: str) -> None:
    if loaded_sha256 != sha256:
        raise LandingFileRejected(
            f"{name}: changed after it was loaded; landing files are written once, "
            "land the correction under its own name"
        )


def landed_select(
    path: Path, relation: Relation, *, has: str = "", add: str = ""
) -> tuple[int, str]:
    """Return a file's row count and the SELECT that reads it, or refuse what does not fit.

    The SELECT reads the files that ``read_from`` names; files of one form have the same. A file of
    an earlier release lacks the mark of this one's format. Columns that it does not have are NULL
    where they may be or follow from others; its rows are brought to what this release would have
    written.

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
        It is no Parquet file, or one with other columns.
    """
    try:
        file = pq.ParquetFile(path)
    except (pa.ArrowException, OSError) as exc:
        raise LandingFileRejected(
            f"{path.name}: not a whole Parquet file ({exc}); "
            "delete it and ingest its source again, nothing of it was loaded"
        ) from exc
    with file:
        names = tuple(name for name in file.schema_arrow.names if name != has)
        is_old = not LANDING_FORMAT.items() <= (file.schema_arrow.metadata or {}).items()
        made = _UPGRADES.get(relation.name, {})
        may_lack = {
            column.name
            for column in relation.columns
            if is_old and (column.is_nullable or column.name in made)
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
    """Set which files the SELECTs of ``landed_select`` read."""
    connection.execute("set variable landing_paths = ?", [[str(path) for path in paths]])


def _known_files(connection: duckdb.DuckDBPyConnection) -> dict[str, tuple[str, datetime]]:
    rows = connection.execute("select file_name, sha256, loaded_at from meta.landing_file")
    return {name: (sha256, loaded_at) for name, sha256, loaded_at in rows.fetchall()}


def waiting_files(connection: duckdb.DuckDBPyConnection, landing: Path) -> list[Path]:
    """Return the landing files that were never loaded."""
    known = _known_files(connection)
    return [
        path
        for kind in KINDS
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
    """Return whether a file need not be read to know that it is as it was loaded.

    The time of the content's change can be set back by who copies a file, that of the inode's
    cannot.
    """
    return path.stat().st_ctime < loaded_at.timestamp()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


LIVE_NAME = "-[0-9]{8}T[0-9]{6}Z-[0-9a-f]{12}[.]parquet$"
"""Names of live batches end in their instant and hash, so they never come again.

That of an import comes again with the same input, which must then be passed by.
"""


def forget_files(connection: duckdb.DuckDBPyConnection, names: list[str]) -> None:
    """Strike files that are gone off the ledger, where their name can never come again."""
    connection.execute(
        "delete from meta.landing_file where list_contains(?, file_name) "
        f"and regexp_matches(file_name, '{LIVE_NAME}')",
        [names],
    )


def record_file(
    connection: duckdb.DuckDBPyConnection,
    path: Path,
    kind: str,
    *,
    run_id: str,
    loaded_at: datetime,
) -> None:
    """Record a landing file as loaded, whose rows come from elsewhere."""
    connection.execute(
        "insert into meta.landing_file select ?, ?, ?, ?, ?, ? where not exists ("
        "from meta.landing_file where file_name = ?)",
        [
            name := f"{kind}/{path.name}",
            _sha256(path),
            kind,
            pq.read_metadata(path).num_rows,
            loaded_at,
            run_id,
            name,
        ],
    )


def prune_ledgers(
    connection: duckdb.DuckDBPyConnection, *, quarantine_before: datetime, runs_before: datetime
) -> dict[str, int]:
    """Delete what was set aside and what ran before some instants; return rows by table.

    Parameters
    ----------
    connection : DuckDBPyConnection
        The writer's.
    quarantine_before, runs_before : datetime
        What was taken in, or started, before goes.
    """
    pruned: dict[str, int] = {}
    for name, column, before in (
        ("quality.quarantine", "ingested_at", quarantine_before),
        ("meta.pipeline_run", "started_at", runs_before),
    ):
        row = connection.execute(f"delete from {name} where {column} < ?", [before]).fetchone()
        pruned[name] = int(row[0]) if row else 0
    return pruned


def load_landing_files(
    connection: duckdb.DuckDBPyConnection, landing: Path, *, run_id: str, loaded_at: datetime
) -> LoadReport:
    """Load what has landed and is not yet in raw; return what was done.

    Idempotent: name and hash of a file are recorded in the transaction that inserts its rows.

    Parameters
    ----------
    connection : DuckDBPyConnection
        The writer's.
    landing : Path
        Folder with one folder a kind.
    run_id : str
        Recorded beside each file.
    loaded_at : datetime
        Recorded beside each file, UTC.
    """
    known = _known_files(connection)
    rows_by_kind: dict[str, int] = {}
    rejected: list[str] = []
    file_count = 0
    for kind in KINDS:
        for path in sorted((landing / kind).glob("*.parquet")):
            name = f"{kind}/{path.name}"
            if not path.is_file():
                rejected.append(f"{name}: no file (a folder, a pipe, a dangling link); remove it")
                continue
            if name in known and _is_untouched(path, known[name][1]):
                continue
            try:
                sha256 = _sha256(path)
                if name in known:
                    _check_unchanged(name, known[name][0], sha256)
                    continue
                row_count, landed = landed_select(path, raw_relation(kind))
                read_from(connection, [path])
                load_rows(
                    connection, kind, landed, (name, sha256, kind, row_count, loaded_at, run_id)
                )
            except LandingFileRejected as exc:
                logger.warning("rejected: %s", exc)
                rejected.append(str(exc))
                continue
            rows_by_kind[kind] = rows_by_kind.get(kind, 0) + row_count
            file_count += 1
    if file_count:
        logger.info("loaded %d files: %s", file_count, rows_by_kind)
    return LoadReport(rows_by_kind, file_count, tuple(rejected))


def _check_readable(connection: duckdb.DuckDBPyConnection, name: str, landed: str) -> None:
    """Refuse a file that cannot be read to its end, as a failing disk leaves it."""
    try:
        connection.execute(f"select hash(columns(*)) from {landed}").fetchall()
    except duckdb.Error as exc:
        raise LandingFileRejected(
            f"{name}: damaged ({exc}); delete it and ingest its source again, nothing of it was "
            "loaded"
        ) from exc


def load_rows(
    connection: duckdb.DuckDBPyConnection,
    kind: str,
    landed: str,
    record: tuple[str, str, str, int, datetime, str] | None,
) -> None:
    """Insert the rows that a SELECT reads, with the file's record in the ledger if it has one."""
    connection.execute("begin transaction")
    try:
        if kind in _PENDING_BUILD:
            connection.execute(
                f"insert into meta.pending_build {_PENDING_BUILD[kind].format(landed=landed)}"
            )
        if kind in _PENDING_PUBLISH:
            first, last = _PENDING_PUBLISH[kind]
            connection.execute(
                "insert into meta.pending_publish select distinct unnest("
                f"generate_series(({first})::date, ({last})::date, interval 1 day))::date "
                f"from {landed}"
            )
        connection.execute(f"insert into {raw_relation(kind).name} select * from {landed}")
        if record is not None:
            connection.execute("insert into meta.landing_file values (?, ?, ?, ?, ?, ?)", record)
    except duckdb.Error as exc:
        connection.execute("rollback")
        name = kind if record is None else record[0]
        if isinstance(exc, duckdb.ConstraintException | duckdb.ConversionException):
            raise LandingFileRejected(f"{name}: {exc}") from exc
        _check_readable(connection, name, landed)
        raise
    except BaseException:
        connection.execute("rollback")
        raise
    connection.execute("commit")
