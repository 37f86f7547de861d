"""Macros of a published file: which publication it is, and which changed each day last.

Whoever copies publications elsewhere (``warehouse.postgres``) compares only the days that have
changed since its last copy, however many there are. A macro is in no list of relations. Does not
belong here: which days are out of date (``warehouse.publication``).
"""

from collections.abc import Collection
from datetime import date

import duckdb

from warehouse.connect import scalar
from warehouse.errors import QueryFailed
from warehouse.publication_base import PublicationMark, literal
from warehouse.read import Reader
from warehouse.sql_text import quoted


def record_publication(
    connection: duckdb.DuckDBPyConnection,
    catalog: str,
    mark: PublicationMark,
    changed: Collection[date] | None,
    hourly: Collection[str],
) -> None:
    """Write the macros into a file that is being published.

    Parameters
    ----------
    connection : DuckDBPyConnection
        The writer's, with the file attached.
    catalog : str
        The file.
    mark : PublicationMark
        The publication under way.
    changed : collection of date, optional
        Days that it changes in a copy of the last version; None where it writes all anew.
    hourly : collection of str
        The hourly tables of the file.
    """
    for name, value in (
        ("publication_id", quoted(mark.publication_id)),
        ("published_at", literal(mark.published_at)),
        ("form_sha256", quoted(mark.form_sha256)),
    ):
        connection.execute(f"create or replace macro {catalog}.{name}() as {value}")
    spans = " union all ".join(
        f"select min(as_of)::date as first, max(as_of)::date as last from {catalog}.{name}"
        for name in hourly
    )
    first, last = connection.execute(f"select min(first), max(last) from ({spans})").fetchone() or (
        None,
        None,
    )
    days = connection.execute(
        "select unnest(generate_series(?::date, ?::date, interval 1 day))::date::varchar",
        [first, last],
    ).fetchall()
    by_day = {day: mark.publication_id for (day,) in days}
    if changed is not None:
        before = scalar(connection, f"select {catalog}.published_days()")
        unchanged = by_day.keys() - {str(day) for day in changed}
        by_day |= {day: before[day] for day in unchanged if day in before}
    keys, values = (", ".join(f"'{each}'" for each in part) for part in (by_day, by_day.values()))
    connection.execute(
        f"create or replace macro {catalog}.published_days() as "
        f"map([{keys}]::varchar[], [{values}]::varchar[])"
    )


def published_days(reader: Reader) -> dict[str, str] | None:
    """Return the publication that changed each day last; None in a file of an earlier release."""
    try:
        row = reader.execute("select published_days()").fetchone()
    except QueryFailed:
        return None
    return dict(row[0]) if row else None
