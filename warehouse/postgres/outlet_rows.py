"""Rows of the outlet: which hours differ from the database's, and copying them.

A relation is compared by slice: an hour of it, or all of one without hours. A slice's fingerprint
is its number of rows and the exclusive or of their hashes; slices are compared only in days that
publications since the database's have changed, so that one more hour costs what a day holds,
however long the history is.
"""

import asyncio
import io
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import groupby

import pyarrow as pa
import pyarrow.csv
from asyncpg import Connection

from warehouse.contracts import Column
from warehouse.errors import OutletRejected
from warehouse.postgres.outlet_tables import OUTLET_SCHEMA, OutletRelation
from warehouse.read import Reader

# Rows read at once: some hundred MB at most.
_CHUNK_ROWS = 200_000

_FORMAT = "%Y-%m-%d %H:%M:%S.%f"

WHOLE = ""
"""Slice of a relation without hours."""

_FIRST, _LAST = "", "9"

ALL_SLICES = [(_FIRST, _LAST)]
"""The range of every slice."""


@dataclass(frozen=True, slots=True)
class SliceChanges:
    """The slices of a relation in which the published file and the database differ.

    Parameters
    ----------
    gone : list of str
        Slices to delete.
    fresh : dict of str to str
        Slices to copy, oldest first, with their fingerprints.
    """

    gone: list[str]
    fresh: dict[str, str]


def row_count(fingerprint: str) -> int:
    """Return the rows of a slice."""
    return int(fingerprint.split(":")[0])


def check_release(reader: Reader, wanted: Iterable[OutletRelation]) -> None:
    """Refuse a file that was published by a release with other relations or columns.

    Raises
    ------
    OutletRejected
        It lacks something; publishing makes it anew.
    """
    rows = reader.execute(
        "select schema_name || '.' || table_name, column_name from duckdb_columns()"
    )
    published = set(rows.fetchall())
    lacking = [
        f"{each.name}.{column}"
        for each in wanted
        for column in each.contract.column_names
        if (each.name, column) not in published
    ]
    if lacking:
        raise OutletRejected(
            f"what is published was made by another release: it lacks {lacking[0]}; run "
            "`liqheat publish` first, which makes it anew"
        )


async def changed_ranges(
    connection: Connection, days: Mapping[str, str] | None
) -> list[tuple[str, str]]:
    """Return the ranges of slices, [first, end), in which the database may be out of date."""
    if days is None:
        return ALL_SLICES
    held = dict(await connection.fetch(f"select day, publication_id from {OUTLET_SCHEMA}.day"))
    differing = {day for day in {*days, *held} if days.get(day) != held.get(day)}
    changed = sorted(map(date.fromisoformat, differing))
    ranges = []
    # Days in a row have the same difference from their place.
    for _, run in groupby(enumerate(changed), lambda each: each[1] - timedelta(each[0])):
        run_days = [day for _, day in run]
        ranges.append((run_days[0].isoformat(), (run_days[-1] + timedelta(1)).isoformat()))
    return ranges


async def keep_days(connection: Connection, days: Mapping[str, str] | None) -> None:
    """Keep the publication that changed each day last."""
    await connection.execute(f"delete from {OUTLET_SCHEMA}.day")
    if days:
        await connection.executemany(
            f"insert into {OUTLET_SCHEMA}.day values ($1, $2)", list(days.items())
        )


def oldest_hour(reader: Reader, each: OutletRelation, newest: datetime | None) -> str | None:
    """Return the first hour of a relation that is copied, as a slice; None where it has none."""
    if each.bounds is not None:
        if newest is None:
            return None
        start = newest - timedelta(days=each.bounds.map_days) + timedelta(microseconds=1)
        return start.strftime(_FORMAT)
    row = reader.execute(f"select strftime(min(as_of), '{_FORMAT}') from {each.name}").fetchone()
    return row[0] if row else None


def newest_hour_published(reader: Reader) -> datetime | None:
    """Return the newest hour of the maps in the file."""
    row = reader.execute("select max(as_of) from marts.market_context_hourly").fetchone()
    newest: datetime | None = row[0] if row else None
    return newest


async def find_difference(
    connection: Connection,
    reader: Reader,
    each: OutletRelation,
    ranges: list[tuple[str, str]],
    oldest: str | None,
) -> SliceChanges:
    """Return the slices of a relation that are not in the database as they are published."""
    if not each.is_hourly:
        ranges = [(WHOLE, WHOLE + "0")]
    published: dict[str, str] = {}
    if not each.is_hourly or oldest is not None:
        for first, end in ranges:
            published |= await asyncio.to_thread(_fingerprints, reader, each, first, end, oldest)
    held: dict[str, str] = {}
    # Also the hours that have left what is copied, in whatever day.
    for first, end in [*ranges, *([(_FIRST, oldest or _LAST)] if each.is_hourly else [])]:
        rows = await connection.fetch(
            f"select slice, fingerprint from {OUTLET_SCHEMA}.slice "
            "where slice >= $1 and slice < $2 and relation = $3",
            first,
            end,
            each.name,
        )
        held |= dict(rows)
    return SliceChanges(
        gone=sorted(one for one, mark in held.items() if published.get(one) != mark),
        fresh={one: mark for one, mark in sorted(published.items()) if held.get(one) != mark},
    )


def _fingerprints(
    reader: Reader, each: OutletRelation, first: str, end: str, oldest: str | None
) -> dict[str, str]:
    """Return the fingerprints of the slices of a relation in a range."""
    columns = ", ".join(f'"{name}"' for name in each.contract.column_names)
    mark = f"count(*) || ':' || coalesce(bit_xor(hash({columns})), 0)"
    if not each.is_hourly:
        rows = reader.execute(f"select '{WHOLE}', {mark} from {each.name}").fetchall()
        return dict(rows)
    bounds = [f"as_of >= '{max(first, oldest or first)}'"] if first or oldest else []
    bounds += [f"as_of < '{end}'"] if end != _LAST else []
    rows = reader.execute(
        f"select strftime(as_of, '{_FORMAT}'), {mark} from {each.name} "
        f"where {' and '.join([*bounds, each.condition])} group by as_of"
    ).fetchall()
    return dict(rows)


async def replace_slices(
    connection: Connection, reader: Reader, each: OutletRelation, difference: SliceChanges
) -> int:
    """Delete the slices that are gone, copy those that are fresh; return the rows copied."""
    if difference.gone:
        if each.is_hourly:
            await connection.execute(
                f"delete from {each.name} where as_of = any($1::text[]::timestamptz[])",
                difference.gone,
            )
        else:
            await connection.execute(f"delete from {each.name}")
        await connection.execute(
            f"delete from {OUTLET_SCHEMA}.slice where slice = any($1::text[]) and relation = $2",
            difference.gone,
            each.name,
        )
    if not difference.fresh:
        return 0
    schema, table = each.name.split(".")
    status = await connection.copy_to_table(
        table,
        schema_name=schema,
        columns=list(each.contract.column_names),
        source=_read_ahead(reader, list(_selects(each, difference.fresh))),
        format="csv",
    )
    await connection.copy_records_to_table(
        "slice",
        schema_name=OUTLET_SCHEMA,
        columns=["slice", "relation", "fingerprint"],
        records=[(one, each.name, mark) for one, mark in difference.fresh.items()],
    )
    return int(status.split()[-1])


def _selects(each: OutletRelation, fresh: Mapping[str, str]) -> Iterable[str]:
    """Yield the SELECTs of some slices, each of at most so many rows or one slice."""
    columns = ", ".join(_exported(column) for column in each.contract.columns)
    select = f"select {columns} from {each.name} where {each.condition}"
    if not each.is_hourly:
        yield select
        return
    chunk: list[str] = []
    count = 0
    for one, mark in fresh.items():
        if chunk and count + row_count(mark) > _CHUNK_ROWS:
            yield f"{select} and {_in_hours(chunk)}"
            chunk, count = [], 0
        chunk.append(one)
        count += row_count(mark)
    yield f"{select} and {_in_hours(chunk)}"


def _in_hours(hours: list[str]) -> str:
    """Return the condition on some hours, with the range from which blocks of rows are left out."""
    listed = ", ".join(f"'{hour}'" for hour in hours)
    return f"as_of >= '{hours[0]}' and as_of <= '{hours[-1]}' and as_of in ({listed})"


def _exported(column: Column) -> str:
    """Return the expression of a column that PostgreSQL reads from CSV."""
    name = f'"{column.name}"'
    # PostgreSQL has no text with a zero byte; input that was set aside may have one.
    if column.type == "VARCHAR":
        return f"replace({name}, chr(0), '') as {name}"
    if column.type == "VARCHAR[]":
        cleaned = f"list_transform({name}, lambda each: replace(each, chr(0), ''))"
        return f"to_json({cleaned})::varchar as {name}"
    if column.type.endswith("]") or column.type.startswith("STRUCT"):
        # JSON has no number that is not one.
        json = f"to_json({name})::varchar"
        return f"regexp_replace({json}, '([:,\\[])(NaN|-?Infinity)', '\\1null', 'g') as {name}"
    if column.type == "BLOB":
        return f"'\\x' || hex({name}) as {name}"
    return name


async def _read_ahead(reader: Reader, selects: list[str]) -> AsyncIterator[bytes]:
    """Yield the rows of at least one SELECT as CSV, reading ahead while the server takes them."""
    reading = asyncio.create_task(asyncio.to_thread(_read_csv, reader, selects[0]))
    try:
        for following in [*selects[1:], None]:
            chunk = await reading
            if following is not None:
                reading = asyncio.create_task(asyncio.to_thread(_read_csv, reader, following))
            yield chunk
    finally:
        reading.cancel()


def _read_csv(reader: Reader, select: str) -> bytes:
    table = reader.execute(select).to_arrow_table()
    written = io.BytesIO()
    pa.csv.write_csv(table, written, pa.csv.WriteOptions(include_header=False))
    return written.getvalue()
