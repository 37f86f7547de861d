"""What a publication changes in hours that readers have seen: rows kept as they were, and a record.

After the tables of the new file are filled, they are compared with those of the version that people
read. A row that has other content, or is no longer there, is kept as it was first published, once:
later changes of it are recorded, not kept. Belongs here: the comparison, the rows kept, and the
rows of ``meta.published_hour`` and ``meta.published_change``. Does not belong here: the views over
what is kept (``warehouse.as_published``), why rows changed (``warehouse.change_evidence``).

The file that people read is the truth of what was published. The tables in the warehouse are
brought to its state first: rows of publications that were never swapped in go, so that a killed
publication leaves no trace. Kept rows are also Parquet by day, ``published/replaced``, for the case
that the file is lost; nothing else could make them again.
"""

import logging
import time
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from pathlib import Path

import duckdb

from warehouse.as_published import (
    PUBLICATION_RECORDS,
    PUBLISHED_HOURS,
    REPLACED_SCHEMA,
    hour_columns,
    kept_relations,
    replaced_relation,
    replaced_table,
)
from warehouse.change_record import differing_table, record_changes
from warehouse.connect import scalar, transaction
from warehouse.contracts import Relation, relations
from warehouse.held_rows import HeldRows
from warehouse.parquet_by_day import write_day
from warehouse.publication_base import (
    BASE,
    Base,
    PublicationMark,
    attached_base,
    day_condition,
    literal,
    published_types,
    selected,
    span_condition,
)
from warehouse.sql_text import exact_path, quoted
from warehouse.utc import as_exported

logger = logging.getLogger(__name__)

RUN_MARKS = frozenset({"run_id"})
"""Columns that say which run wrote a row: another value there is no change of the row."""

_RECORDS_FOLDER = "parquet"

# Hours that `FirstPublished.insert_hours` records.
_NEW_HOURS = "temp.new_hours"

# Tables take whole blocks, so that a small file says little of its rows; it counts as this large.
_SMALL_FILE_BYTES = 100_000_000


@dataclass(slots=True)
class FirstPublished:
    """The record of one publication.

    Parameters
    ----------
    connection : DuckDBPyConnection
        The writer's, with the file that is being published attached.
    link : Path
        Link to the version that people read.
    catalog : str
        The file that is being published.
    mark : PublicationMark
        The publication under way.
    window_start : datetime
        The file holds rows with as_of after this instant.
    kept_share : float
        Kept rows may take this share of the published file; what a publication replaces beyond it
        is recorded, not kept.
    held : HeldRows
        Rows that checks hold back.
    """

    connection: duckdb.DuckDBPyConnection
    link: Path
    catalog: str
    mark: PublicationMark
    window_start: datetime
    kept_share: float
    held: HeldRows

    def record(self, days: list[date] | None) -> None:
        """Compare the file with the version that people read; keep and record what changed.

        Hours that are new are recorded by `insert_hours`, before the file is finished.

        Parameters
        ----------
        days : list of date, optional
            Days that were filled anew in a copy of that version; None where all were.
        """
        began = time.monotonic()
        change_count = 0
        with attached_base(self.connection, self.link) as base:
            self._restore_records(base)
            self._restore_rows(base, days)
            if base is not None:
                self._follow(base)
                changed = self._compare(base, days)
                not_kept = self._keep(base, changed, days)
                change_count = record_changes(
                    self.connection,
                    self.catalog,
                    base,
                    self.mark,
                    changed=changed,
                    not_kept=not_kept,
                    held=self.held,
                )
            self._find_new_hours(days)
        for name in ("known_hour", *map(differing_table, kept_relations())):
            self.connection.execute(f"drop table if exists temp.{name}")
        logger.info(
            "compared with the last publication in %.1f s: %d changes of hours recorded",
            time.monotonic() - began,
            change_count,
        )

    def _follow(self, base: Base) -> None:
        """Move the instant behind that of the last publication, should the clock be set back."""
        if base.published_at is not None and self.mark.published_at <= base.published_at:
            later = base.published_at + timedelta(microseconds=1)
            self.mark = replace(self.mark, published_at=later)

    def write_parquet(self, days: list[date] | None) -> None:
        """Write kept rows and records of some days, or of all, as Parquet; a day is replaced whole.

        Last of all, so that what a killed publication recorded is not what readers of Parquet see;
        days that one wrote are among those of the next.
        """
        for relation in kept_relations():
            self._write_table(replaced_relation(relation), REPLACED_SCHEMA, days)
        for name in PUBLICATION_RECORDS:
            self._write_table(relations()[name], _RECORDS_FOLDER, days)

    def _write_table(self, relation: Relation, kind: str, days: list[date] | None) -> None:
        published = self.link.parent
        table = f"{self.catalog}.{relation.name}"
        filled = self.connection.execute(f"select distinct as_of::date from {table}").fetchall()
        known = {day for (day,) in filled}
        for path in (published / kind / relation.short_name).glob("day=*"):
            known.add(date.fromisoformat(path.name.removeprefix("day=")))
        for day in sorted(known if days is None else known.intersection(days)):
            # The file has only some hours of the day that the window begins in.
            if day > self.window_start.date():
                select = f"select {as_exported(relation)} from {table} where {day_condition(day)}"
                write_day(self.connection, select, relation, day, published=published, kind=kind)

    def _restore_records(self, base: Base | None) -> None:
        """Bring the records in the warehouse to the state of the version that people read."""
        with transaction(self.connection):
            for name in ("published_hour", "published_change"):
                self._restore_record(base, name)
            if base is not None and PUBLISHED_HOURS not in base.columns:
                self._find_hours(BASE, list(base.columns), "true", "null", "null")
                self.insert_hours()

    def _restore_record(self, base: Base | None, name: str) -> None:
        connection, mart = self.connection, relations()[f"marts.{name}s"]
        columns = ", ".join(relations()[f"meta.{name}"].column_names)
        insert = f"insert into meta.{name} by name select {columns} from"
        files = self.link.parent / _RECORDS_FOLDER / mart.short_name
        has_rows, has_unfinished, has_published = connection.execute(
            f"select exists (from meta.{name}), exists (from meta.pending_file), "
            "exists (from meta.publication)"
        ).fetchone() or (False, False, False)
        if has_rows and (not has_published if base is None else mart.name not in base.columns):
            # Of the first publication that recorded any, killed before it was swapped in.
            connection.execute(f"delete from meta.{name}")
            has_rows = False
        if not has_rows and not has_unfinished and any(files.glob("*/data.parquet")):
            # After a rebuild.
            source = quoted(f"{exact_path(files)}/*/data.parquet")
            connection.execute(f"{insert} read_parquet({source}, hive_partitioning = false)")
        if base is None or mart.name not in base.columns:
            return
        if base.published_at is not None:
            at = "first_published_at" if name == "published_hour" else "published_at"
            connection.execute(f"delete from meta.{name} where {at} > ?", [base.published_at])
        connection.execute(
            f"{insert} (select {as_exported(mart)} from {BASE}.{mart.name}) "
            f"anti join meta.{name} using ({', '.join(mart.grain)})"
        )

    def _restore_rows(self, base: Base | None, days: list[date] | None) -> None:
        """Create the tables of kept rows, with the rows that were kept before."""
        connection = self.connection
        with transaction(connection):
            connection.execute(f"create schema if not exists {self.catalog}.{REPLACED_SCHEMA}")
            for relation in kept_relations():
                kept = replaced_relation(relation)
                name, table = kept.name, f"{self.catalog}.{kept.name}"
                columns = ", ".join(
                    f'"{each}" {kind}' for each, kind in published_types(kept).items()
                )
                connection.execute(f"create table if not exists {table} ({columns})")
                if days is not None:
                    connection.execute(f"delete from {table} where as_of <= {self._start}")
                    continue
                if base is not None and name in base.columns:
                    self._insert_kept(kept, f"{BASE}.{name}", "true")
                files = self.link.parent / REPLACED_SCHEMA / relation.short_name
                if any(files.glob("*/data.parquet")):
                    pattern = quoted(f"{exact_path(files)}/*/data.parquet")
                    source = (
                        f"read_parquet({pattern}, union_by_name = true, hive_partitioning = false)"
                    )
                    before = "true"
                    if base is not None and name in base.columns:
                        # Its window may begin later than this one.
                        before = f"epoch_us(as_of) < ({_beginning(base)})"
                    self._insert_kept(kept, source, before)

    def _insert_kept(self, kept: Relation, source: str, condition: str) -> None:
        """Insert rows that were kept before, of whatever release, into their table."""
        connection = self.connection
        described = connection.execute(f"describe select * from {source}").fetchall()
        known = {row[0]: row[1] for row in described}
        connection.execute(
            f"insert into {self.catalog}.{kept.name} "
            f"select {selected(published_types(kept), known)} from {source} "
            f"where epoch_us(as_of) > epoch_us({self._start}) and {condition}"
        )

    @property
    def _start(self) -> str:
        return literal(self.window_start)

    @property
    def _at(self) -> str:
        return literal(self.mark.published_at)

    def _find_hours(
        self, catalog: str, names: list[str], condition: str, at: str, publication: str
    ) -> None:
        """Put the hours of a file that are not recorded yet into a temporary table."""
        hours = " union ".join(
            f"select distinct asset, as_of from {catalog}.{relation.name} where {condition}"
            for relation in kept_relations()
            if relation.name in names and "asset" in relation.grain
        )
        nothing = "select ''::varchar as asset, 'epoch'::timestamp as as_of limit 0"
        self.connection.execute(
            f"create or replace temp table {_NEW_HOURS} as "
            "select asset, make_timestamptz(epoch_us(as_of)) as as_of, "
            f"{at}::timestamptz as first_published_at, {publication}::varchar as publication_id "
            f"from ({hours or nothing}) anti join meta.published_hour using (asset, as_of)"
        )

    def _find_new_hours(self, days: list[date] | None) -> None:
        """Find the hours that are published for the first time: none lies outside days filled."""
        self._find_hours(
            self.catalog,
            [relation.name for relation in kept_relations()],
            span_condition(self.window_start, days),
            f"make_timestamptz(epoch_us({self._at}))",
            quoted(self.mark.publication_id),
        )

    def insert_hours(self) -> None:
        """Record the hours that are published for the first time, in the caller's transaction."""
        self.connection.execute(f"insert into meta.published_hour from {_NEW_HOURS}")

    def _compare(self, base: Base, days: list[date] | None) -> list[Relation]:
        """Put rows that differ into temporary tables; return the relations that have some."""
        span = span_condition(self.window_start, days)
        self.connection.execute(
            "create or replace temp table known_hour as select asset, "
            "make_timestamp(epoch_us(as_of)) as as_of, "
            "make_timestamp(epoch_us(first_published_at)) as first_published_at "
            f"from meta.published_hour where as_of > {self._start}::timestamptz "
            # What the version does not reach back to is neither late nor changed.
            f"and epoch_us(as_of) >= ({_beginning(base)})"
        )
        changed = []
        for relation in kept_relations():
            statement = self._differing(relation, base.columns.get(relation.name, {}), span)
            if statement is None:
                logger.warning("%s had another grain; its rows are not compared", relation.name)
                continue
            self.connection.execute(statement)
            if scalar(self.connection, f"select exists (from {differing_table(relation)})"):
                changed.append(relation)
        return changed

    def _differing(self, relation: Relation, known: dict[str, str], span: str) -> str | None:
        """Return the statement that finds the rows that differ; None where grains differ."""
        if known and not known.keys() >= set(relation.grain):
            return None
        grain = ", ".join(f'"{name}"' for name in relation.grain)
        compared = [
            column
            for column in relation.columns
            if column.name in known and column.name not in (*relation.grain, *RUN_MARKS)
        ]
        strict = [column for column in compared if not column.is_filled_later]
        # Amounts that were there and are others now are corrected. Words and counts beside them
        # change as they are filled in.
        filled = [
            column.name
            for column in compared
            if column.is_filled_later and column.is_nullable and column.is_number
        ]
        later = "".join(f', "{name}"' for name in filled)
        hashed = ["0"]
        for column in strict:
            hashed.append(f'"{column.name}"')
            if column.is_nested:
                # NULL, an empty list and a list of NULL have one hash.
                hashed.append(f'len("{column.name}")')
        content = f"hash({', '.join(hashed)}) as content"
        before = f"{BASE}.{relation.name}" if known else f"{self.catalog}.{relation.name}"
        cast = selected(published_types(relation), known or None)
        hour = hour_columns(relation)
        seen = [*hour, *(["provider"] if "provider" in relation.grain else [])]
        corrected = "".join(
            f' or (old."{name}" is not null and old."{name}" is distinct from now."{name}")'
            for name in filled
        )
        return f"""
create or replace temp table {differing_table(relation)} as
with old as (
    select {grain}, before_row, {content}{later}
    from (select {cast}, rowid as before_row from {before} where {span} and {bool(known)})
),
now as (select {grain}, {content}{later} from {self.catalog}.{relation.name} where {span}),
differing as (
    select {grain}, before_row, old.content is null as is_added, now.content is null as is_removed
    from old full join now using ({grain})
    where old.content is distinct from now.content{corrected}
)
select
    differing.*,
    not is_added and marked.replaced_at is null and lost.as_of is null as is_kept_now,
    is_added and marked.replaced_at is null and lost.as_of is null as is_late,
    not is_added or seen.as_of is not null or marked.replaced_at is not null as is_change,
    coalesce(marked.first_published_at, known.first_published_at) as first_published_at,
from differing
left join {self.catalog}.{replaced_table(relation)} as marked using ({grain})
left join (
    select distinct {", ".join(hour)} from {self.catalog}.{replaced_table(relation)}
    where not is_kept
) as lost using ({", ".join(hour)})
left join (
    select {", ".join(hour)}, min(first_published_at) as first_published_at, true as is_known
    from known_hour group by {", ".join(hour)}
) as known using ({", ".join(hour)})
left join (select distinct {", ".join(seen)} from old) as seen using ({", ".join(seen)})
where not is_added or known.is_known
"""

    def _keep(self, base: Base, changed: list[Relation], days: list[date] | None) -> set[str]:
        """Keep the rows replaced for the first time, and mark those that came late.

        Returns the relations whose rows are too many to be kept.
        """
        if not changed:
            return set()
        too_much = self._beyond_share(base, changed)
        span = span_condition(self.window_start, days)
        with transaction(self.connection):
            for relation in changed:
                table = f"{self.catalog}.{replaced_table(relation)}"
                differing = differing_table(relation)
                grain = ", ".join(f'"{name}"' for name in relation.grain)
                if relation.name in too_much:
                    hour = ", ".join(hour_columns(relation))
                    self.connection.execute(
                        f"insert into {table} by name select {hour}, "
                        "min(first_published_at) as first_published_at, "
                        f"{self._at} as replaced_at, false as is_kept from {differing} "
                        f"where is_kept_now group by {hour}"
                    )
                elif relation.name in base.columns:
                    cast = selected(published_types(relation), base.columns[relation.name])
                    self.connection.execute(
                        f"insert into {table} "
                        f"select own.* exclude (before_row), first_published_at, {self._at}, true "
                        f"from (select {cast}, rowid as before_row "
                        f"from {BASE}.{relation.name} where {span}) as own "
                        f"inner join (select before_row, first_published_at from {differing} "
                        "where is_kept_now) using (before_row)"
                    )
                    self.connection.execute(
                        f"delete from {table} where replaced_at is null and ({grain}) in "
                        f"(select ({grain}) from {differing} where is_kept_now)"
                    )
                self.connection.execute(
                    f"insert into {table} by name select {grain}, "
                    f"{self._at} as first_published_at, true as is_kept "
                    f"from {differing} where is_late"
                )
        return too_much

    def _beyond_share(self, base: Base, changed: list[Relation]) -> set[str]:
        """Return the relations whose rows are not kept, largest first, so that the rest fits."""
        added: dict[str, float] = {}
        kept = 0.0
        for relation in kept_relations():
            count = scalar(
                self.connection,
                f"select count(*) from {self.catalog}.{replaced_table(relation)} "
                "where replaced_at is not null",
            )
            more = 0
            if relation in changed:
                more = scalar(
                    self.connection,
                    f"select count(*) from {differing_table(relation)} where is_kept_now",
                )
            if (count or more) and relation.name in base.columns:
                bytes_per_row = self._bytes_per_row(relation)
                kept += (count + more) * bytes_per_row
                added[relation.name] = more * bytes_per_row
        room = self.kept_share * max(self.link.resolve().stat().st_size, _SMALL_FILE_BYTES)
        too_much = set()
        for name in sorted(added, key=lambda each: added[each], reverse=True):
            if kept <= room or not added[name]:
                break
            kept -= added[name]
            too_much.add(name)
        if too_much:
            logger.warning(
                "more is replaced at once than %g %% of the published file; rows as first "
                "published are not kept of %s",
                100 * self.kept_share,
                ", ".join(sorted(too_much)),
            )
        return too_much

    def _bytes_per_row(self, relation: Relation) -> float:
        """Return what a row of the version that people read takes, in whole blocks."""
        found: float = scalar(
            self.connection,
            "select coalesce((select count(distinct block_id) * any_value(block_size) "
            f"from pragma_storage_info('{BASE}.{relation.name}'), pragma_database_size() "
            f"where persistent and database_name = '{BASE}'), 0)::double "
            f"/ greatest((select count(*) from {BASE}.{relation.name}), 1)",
        )
        return found


def _beginning(base: Base) -> str:
    """Return the SELECT of the first hour of a version [us]; 0 where it did not record hours."""
    if PUBLISHED_HOURS not in base.columns:
        return "select 0"
    return f"select coalesce(min(epoch_us(as_of)), 0) from {BASE}.{PUBLISHED_HOURS}"
