"""Publishing: a DuckDB file for readers, built beside and swapped in whole, and Parquet by day.

``published/liqheat.duckdb`` holds every public relation, those by hour bounded by a window. It is
made from the version before it, so that an hour more costs a day's rows, whatever the window.
``published/parquet/<relation>/day=YYYY-MM-DD/data.parquet`` holds the whole history; only days that
changed are written again.

Each relation is computed once: into the unfinished file, from which the Parquet is copied. All
files are written under ``published/.writing``, where no reader looks, and moved into place.
"""

import logging
import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import duckdb

from warehouse.as_published import PUBLICATION_RECORDS, SCHEMA, form_sha256, view_selects
from warehouse.connect import CATALOG, insert_values, scalar, transaction
from warehouse.contracts import Relation, comment_statements, public_relations, relations
from warehouse.database_file import ROW_GROUP_SIZE
from warehouse.durable_files import emptied_folder
from warehouse.error_messages import translated
from warehouse.first_published import FirstPublished
from warehouse.held_rows import HeldRows
from warehouse.models import Model, macros, models, set_window, tables_behind
from warehouse.parquet_by_day import day_folder, write_day
from warehouse.publication_base import PublicationMark
from warehouse.publication_days import record_publication
from warehouse.published_versions import (
    PUBLISHED_FILE,
    WRITING,
    add_version,
    delete_old_versions,
    newest_version,
)
from warehouse.sql_text import quoted
from warehouse.utc import as_exported, as_published, without_zone

logger = logging.getLogger(__name__)

# The file being built, and views of it that the Parquet is copied from, as catalogs.
_FILE = "building"
_VIEWS = "unfolding"

_MOVES_AT_ONCE = 16

# Days that a publication of many strikes off at once: killed, it has as many to write again.
_DAYS_AT_ONCE = 32

# The step of as_of's type.
_INSTANT = timedelta(microseconds=1)


def _public_models(how: str) -> list[tuple[Relation, Model]]:
    """Return the public relations that are materialized in one way, with their models."""
    public = {relation.name: relation for relation in public_relations()}
    return [
        (public[model.name], model)
        for model in models()
        if model.materialized == how and model.name in public
    ]


def _hourly_views() -> list[tuple[Relation, Model]]:
    """Return the public views that unfold arrays by hour; other views read these and tables."""
    return [each for each in _public_models("view") if each[0].is_hourly]


def _stored_relations() -> list[Relation]:
    """Return the tables of the file."""
    views = {relation.name for relation, _ in _public_models("view")}
    return [relation for relation in public_relations() if relation.name not in views]


def _is_by_day(relation: Relation) -> bool:
    """Return whether days of a relation are written before the file is finished."""
    return relation.is_by_day and relation.name not in PUBLICATION_RECORDS


def _day_bounds(day: date) -> tuple[datetime, datetime]:
    """Return the instants (before, last] between which the hours of a day lie."""
    before = datetime.combine(day, time(), UTC) - _INSTANT
    return before, before + timedelta(days=1)


@contextmanager
def publication(
    connection: duckdb.DuckDBPyConnection,
    folder: Path,
    *,
    window_start: datetime,
    published_at: datetime,
    kept_share: float = 0.1,
) -> Iterator["Publication"]:
    """Yield a publication to fill, write Parquet from, record, and swap in, in this order.

    Killed or failing anywhere before the swap, it leaves what is published as it was, but for the
    days of Parquet already written; the next one starts over.

    Parameters
    ----------
    connection : DuckDBPyConnection
        The writer's.
    folder : Path
        The published folder.
    window_start : datetime
        The file holds rows with as_of after this instant.
    published_at : datetime
        Instant of the publication, UTC.
    kept_share : float
        Rows kept as first published may take this share of the file.
    """
    link = folder / PUBLISHED_FILE
    with translated(f"publishing {link}"):
        building = emptied_folder(folder / WRITING) / PUBLISHED_FILE
        mark = PublicationMark(str(uuid.uuid4()), published_at, form_sha256())
        first = FirstPublished(
            connection, link, _FILE, mark, window_start, kept_share, HeldRows.read(connection)
        )
        made = Publication(connection, link, building, first)
        try:
            yield made
        except BaseException:
            made.discard()
            raise


class Publication:
    """One publication; made by ``publication``."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        link: Path,
        building: Path,
        first: FirstPublished,
    ) -> None:
        self._connection = connection
        self._link = link
        self._building = building
        self._first = first
        self._window_start = first.window_start
        self._held = first.held
        self._row_counts: dict[str, int] = {}
        # Days whose Parquet is written, and which are not struck off the list yet.
        self._written: list[date] = []
        # Days in which the last version is out of date; None: all is written.
        self._days: list[date] | None = None

    def fill(self) -> None:
        """Compute the hourly relations: where the last version is a base, in changed days only."""
        self._days = self._days_out_of_date()
        if self._days is not None and not self._attach_copy():
            self._days = None
        if self._days is None:
            self._attach()
        self._or_anew(self._fill_hourly)

    def write_days(
        self, days: list[date], *, threads: int, on_day: Callable[[date], None] = lambda _: None
    ) -> None:
        """Write the Parquet of some days; strike them off the list of changed ones, many at once.

        Those left over are struck off by `record`.

        Parameters
        ----------
        days : list of date
            UTC days of as_of.
        threads : int
            Days written at once: a day is too small for DuckDB to share out among cores.
        on_day : callable
            Called with each day after it is written.
        """

        def write() -> None:
            self._written.clear()
            # Files wait for the disk while the next ones are written, many at once: they share what
            # the file system commits.
            with ThreadPoolExecutor(_MOVES_AT_ONCE) as moves, ThreadPoolExecutor(threads) as pool:
                for day, moved in pool.map(lambda day: (day, self._write_day(day, moves)), days):
                    for each in moved:
                        each.result()
                    self._written.append(day)
                    if len(self._written) == _DAYS_AT_ONCE:
                        with transaction(self._connection):
                            self._strike_written()
                    on_day(day)

        self._or_anew(write)

    def record(self) -> None:
        """Record which hours are published and which days were, in the caller's transaction."""
        self._strike_written()
        self._first.insert_hours()

    def _strike_written(self) -> None:
        self._connection.execute(
            "delete from meta.pending_publish where list_contains(?, published_day)",
            [self._written],
        )
        insert_values(self._connection, "meta.pending_file", [[day] for day in self._written])
        self._written.clear()

    def swap_in(self) -> tuple[Path, dict[str, int]]:
        """Finish the file and swap it in; return its path and the rows of each relation.

        A reader that holds the old version open keeps its view of it.
        """
        self._or_anew(self._finish)
        add_version(self._building, self._link, self._first.mark.publication_id)
        # Killed before this, the next publication does not know the version: it writes all anew.
        with transaction(self._connection):
            self._connection.execute("delete from meta.publication")
            self._connection.execute("insert into meta.publication values (?, ?, ?)", self._row)
            self._connection.execute("delete from meta.pending_file")
        delete_old_versions(self._link)
        return self._link, self._row_counts

    def discard(self) -> None:
        """Drop the unfinished file."""
        # An error that has taken the connection with it is the one to report.
        with suppress(duckdb.Error):
            self._detach()
        emptied_folder(self._building.parent)

    @property
    def _row(self) -> list[object]:
        """The row of ``meta.publication``."""
        mark = self._first.mark
        return [mark.publication_id, mark.form_sha256, self._window_start]

    def _days_out_of_date(self) -> list[date] | None:
        """Return the days in which the last version is out of date; None where it is no base.

        It is none if it has another form or its window began later, or if most of it has changed.
        """
        published = self._connection.execute(
            "select form_sha256, window_start_at from meta.publication"
        ).fetchone()
        if published is None or published[0] != self._first.mark.form_sha256:
            return None
        if published[1] > self._window_start:
            return None
        rows = self._connection.execute(
            "select published_day from meta.pending_publish where published_day >= $first "
            "union select published_day from meta.pending_file where published_day >= $first "
            "order by published_day",
            {"first": self._window_start.date()},
        ).fetchall()
        held = scalar(
            self._connection,
            "select count(distinct as_of::date) from derived.heatmap where as_of > ?",
            [self._window_start],
        )
        days = [row[0] for row in rows]
        return None if 2 * len(days) > held else days

    def _or_anew(self, step: Callable[[], None]) -> None:
        """Run a step; where the copy of the last version cannot be read, on a new file."""
        try:
            step()
        except duckdb.Error as exc:
            if self._days is None:
                raise
            logger.warning(
                "%s cannot be brought up to date (%s); writing all anew", self._link, exc
            )
            # Should the error have taken the writer's connection with it, the next publication
            # will not start from this version either.
            os.utime(self._link)
            self.discard()
            self._days = None
            self._attach()
            self._fill_hourly()
            if step != self._fill_hourly:
                step()

    def _attach_copy(self) -> bool:
        """Attach a copy of the last version; say whether it is the one swapped in last."""
        version = newest_version(self._link)
        if version is None:
            return False
        shutil.copyfile(version, self._building)
        try:
            self._attach()
            # A file that is half free space would only grow.
            is_base = scalar(
                self._connection,
                "select free_blocks <= used_blocks and exists ("
                f"from meta.publication where publication_id = {_FILE}.publication_id()) "
                "from pragma_database_size() where database_name = ?",
                [_FILE],
            )
        except duckdb.Error as exc:
            logger.warning("%s cannot be read (%s); writing all anew", version, exc)
            is_base = False
        if is_base:
            return True
        self.discard()
        return False

    def _attach(self) -> None:
        self._connection.execute(
            f"attach {quoted(self._building)} as {_FILE} "
            f"(row_group_size {ROW_GROUP_SIZE}, recovery_mode 'no_wal_writes'); "
            f"attach ':memory:' as {_VIEWS}"
        )

    def _detach(self) -> None:
        self._connection.execute(f"use {CATALOG}")
        for name in (_VIEWS, _FILE):
            self._connection.execute(f"detach database if exists {name}")

    def _fill_hourly(self) -> None:
        connection = self._connection
        try:
            with transaction(connection):
                for schema in ("marts", "quality"):
                    connection.execute(f"create schema if not exists {_FILE}.{schema}")
                for relation in _stored_relations():
                    if relation.is_hourly and relation.name not in PUBLICATION_RECORDS:
                        self._fill_table(relation)
            set_window(connection, None, None, None)
            self._first.record(self._days)
        finally:
            set_window(connection, None, None, None)
        if self._days is None:
            with transaction(connection):
                self._create_views(_FILE, _hourly_views())
        with transaction(connection):
            self._create_unfolding_views()

    def _fill_table(self, relation: Relation) -> None:
        """Bring an hourly table of the file up to date and drop what has left the window."""
        target = f"{_FILE}.{relation.name}"
        rows = (
            f"select {as_published(relation)} from {relation.name} as hourly "
            "where as_of > ? and as_of <= ? "
            f"and {self._held.condition(relation)}"
        )
        if self._days is None:
            span = [self._window_start, datetime.max.replace(tzinfo=UTC)]
            set_window(self._connection, None, self._window_start, None)
            # Joins and groups scatter hours, and a day would cost a scan of all. Rows with arrays
            # are few, wide and stored by asset, as their readers want them.
            order = f" order by {relation.hourly_order}" if relation.unfolded_by is None else ""
            self._connection.execute(f"create table {target} as {rows}{order}", span)
            self._comment(relation, "table")
        else:
            self._connection.execute(
                f"delete from {target} where as_of <= ?", [without_zone(self._window_start)]
            )
            if relation.has_newest_hours_only:
                # Also rows of days that have not changed.
                self._connection.execute(
                    f"delete from {target} where epoch_us(as_of) < "
                    f"(select coalesce(min(epoch_us(as_of)), {2**63 - 1}) from {relation.name})"
                )
            for day in self._days:
                before, last = _day_bounds(day)
                span = [max(before, self._window_start), last]
                self._connection.execute(
                    f"delete from {target} where as_of > ? and as_of <= ?", without_zone(span)
                )
                set_window(self._connection, None, *span)
                self._connection.execute(f"insert into {target} {rows}", span)
        self._count(relation)

    def _comment(self, relation: Relation, kind: str) -> None:
        self._connection.execute(";".join(comment_statements(relation, kind, f"{_FILE}.")))

    def _count(self, relation: Relation) -> None:
        count = f"select count(*) from {_FILE}.{relation.name}"
        self._row_counts[relation.name] = scalar(self._connection, count)

    def _create_views(self, catalog: str, views: list[tuple[Relation, Model]]) -> None:
        """Create the macros and some public views in a catalog, over the relations there."""
        self._connection.execute(f"use {catalog}")
        self._connection.execute(macros())
        for _, model in views:
            self._connection.execute(f"create or replace view {model.name} as {model.select}")
        self._connection.execute(f"use {CATALOG}")
        if catalog == _FILE:
            for relation, _ in views:
                self._comment(relation, "view")

    def _create_as_published_views(self) -> None:
        self._connection.execute(f"create schema if not exists {_FILE}.{SCHEMA}; use {_FILE}")
        for relation, select in view_selects():
            self._connection.execute(f"create view {relation.name} as {select}")
            self._comment(relation, "view")
        self._connection.execute(f"use {CATALOG}")

    def _create_unfolding_views(self) -> None:
        """Create the views behind Parquet, over tables as it has them, whose text is an enum.

        A row of such a table unfolds into hundreds. Parquet takes its dictionary from the enum
        instead of looking up every value: a day of maps is written in half the time.
        """
        views = [each for each in _hourly_views() if each[0].is_by_day]
        behind = dict.fromkeys(name for _, model in views for name in tables_behind(model))
        for number, name in enumerate(behind):
            table = f"{_FILE}.{name}"
            casts = []
            for column in relations()[name].columns:
                if column.type == "VARCHAR":
                    enum = f'{_VIEWS}.main."{number}_{column.name}"'
                    self._connection.execute(
                        f'create type {enum} as enum (select distinct "{column.name}" '
                        f"from {table} where \"{column.name}\" is not null union select '')"
                    )
                    casts.append(f'"{column.name}"::{enum} as "{column.name}"')
            schema = name.split(".")[0]
            self._connection.execute(f"create schema if not exists {_VIEWS}.{schema}")
            self._connection.execute(
                f"create view {_VIEWS}.{name} as select * replace ({', '.join(casts)}) "
                f"from (select {as_exported(relations()[name])} from {table})"
            )
        self._create_views(_VIEWS, views)

    def _write_day(self, day: date, moves: ThreadPoolExecutor) -> list[Future[None]]:
        """Write the Parquet of a day and return the moves of its files into place.

        Rows come from the file, or from the models where it lacks the day.
        """
        before, last = _day_bounds(day)
        is_in_file = before >= self._window_start
        unfolded = {relation.name for relation, _ in _hourly_views()}
        moved = []
        with self._connection.cursor() as cursor:
            cursor.execute(f"use {CATALOG}; set timezone = 'UTC'")
            # Models that look back over hours look back from here, not from the beginning.
            set_window(cursor, None, before, last)
            for relation in filter(_is_by_day, public_relations()):
                has_file = day_folder(self._link.parent, relation, day).exists()
                rows, condition = f"select * from {relation.name}", self._held.condition(relation)
                kind = "timestamptz"
                if is_in_file and relation.name in unfolded:
                    rows, condition = f"select * from {_VIEWS}.{relation.name}", "true"
                elif is_in_file and not self._row_counts[relation.name] and not has_file:
                    continue
                elif is_in_file:
                    rows = f"select {as_exported(relation)} from {_FILE}.{relation.name}"
                    condition, kind = "true", "timestamp"
                moved.append(
                    write_day(
                        cursor,
                        f"{rows} as hourly where as_of > {kind} '{without_zone(before)}' "
                        f"and as_of <= {kind} '{without_zone(last)}' and {condition}",
                        relation,
                        day,
                        published=self._link.parent,
                        moves=moves,
                    )
                )
        return [each for each in moved if each is not None]

    def _finish(self) -> None:
        """Write the records of publications and runs, and relations without an hour; detach."""
        try:
            with transaction(self._connection):
                for name in PUBLICATION_RECORDS:
                    self._fill_table(relations()[name])
        finally:
            set_window(self._connection, None, None, None)
        if self._days is None:
            with transaction(self._connection):
                self._create_as_published_views()
        self._first.write_parquet(self._days)
        summaries = {each.name: each for each in models() if each.materialized == "summary"}
        relations_left = [each for each in _stored_relations() if not each.is_hourly]
        with transaction(self._connection):
            # Summaries are made of the others.
            for relation in sorted(relations_left, key=lambda each: each.name in summaries):
                target = f"create or replace table {_FILE}.{relation.name} as"
                if relation.name in summaries:
                    self._connection.execute(f"use {_FILE}")
                    self._connection.execute(f"{target} {summaries[relation.name].select}")
                    self._connection.execute(f"use {CATALOG}")
                else:
                    self._connection.execute(
                        f"{target} select {as_published(relation)} from {relation.name}"
                    )
                self._comment(relation, "table")
                self._count(relation)
            self._create_views(
                _FILE, [each for each in _public_models("view") if not each[0].is_hourly]
            )
            hourly = [each.name for each in _stored_relations() if each.is_hourly]
            record_publication(self._connection, _FILE, self._first.mark, self._days, hourly)
        self._connection.execute(f"checkpoint {_FILE}")
        self._detach()
