"""The ledger of feeds: what is followed, what of it is missing, what was asked for in vain.

Belongs here: reading and writing ``meta.feed``, ``meta.feed_gap`` and ``meta.gap_answer``. Does not
belong here: what a gap is (``sql/intermediate/int_feed_gap.sql``), when it is lost
(``sql/marts/data_gaps.sql``), what is asked for (jobs).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import duckdb

from warehouse.connect import transaction
from warehouse.lookups import INSTANTS
from warehouse.models import set_window

# A slot that has just fallen due is often told a moment later: no gap yet.
GRACE = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Feed:
    """One kind of record of one instrument that is followed.

    Parameters
    ----------
    venue, instrument, kind, asset : str
        Of what.
    period_seconds : int
        Spacing of the instants expected [seconds]; 0 where irregular.
    rows_per_slot : int
        Rows that make an instant whole.
    tolerance_seconds : int
        How far after its instant a row still counts for it [seconds].
    lag_seconds : int
        How long after its instant it can be had [seconds].
    reach_seconds : float or None
        How far back the venue tells it [seconds]; None without bound.
    expected_from_at : datetime
        First instant wanted.
    complete_until_at : datetime or None
        Irregular feeds: the venue has answered up to here.
    newest_at : datetime or None
        Instant of the newest row.
    checked_at : datetime or None
        How far it has been held against raw.
    """

    venue: str
    instrument: str
    kind: str
    asset: str
    period_seconds: int
    rows_per_slot: int
    tolerance_seconds: int
    lag_seconds: int
    reach_seconds: float | None
    expected_from_at: datetime
    complete_until_at: datetime | None = None
    newest_at: datetime | None = None
    checked_at: datetime | None = None

    @property
    def key(self) -> tuple[str, str, str]:
        """What tells feeds apart."""
        return self.venue, self.instrument, self.kind


@dataclass(frozen=True, slots=True)
class Gap:
    """Instants [gap_from, gap_to) of a feed without a row, that the venue still tells.

    Parameters
    ----------
    venue, instrument, kind : str
        Of which feed.
    gap_from, gap_to : datetime
        First missing instant, and the one after the last.
    told_until_at : datetime or None
        When the venue stops to tell the last of it.
    answer_count : int
        How often it was asked for and the answer came without it.
    answered_at : datetime or None
        The last time.
    """

    venue: str
    instrument: str
    kind: str
    gap_from: datetime
    gap_to: datetime
    told_until_at: datetime | None
    answer_count: int
    answered_at: datetime | None


@dataclass(frozen=True, slots=True)
class AnsweredRequest:
    """A request for the instants [asked_from_at, asked_to_at) that was answered to its end."""

    venue: str
    instrument: str
    kind: str
    asked_from_at: datetime
    asked_to_at: datetime
    answered_at: datetime


def read_feeds(connection: duckdb.DuckDBPyConnection) -> dict[tuple[str, str, str], Feed]:
    """Return the feeds that are followed, by venue, instrument and kind."""
    rows = connection.execute(
        "select venue, instrument, kind, asset, period_seconds, rows_per_slot, tolerance_seconds, "
        "lag_seconds, reach_seconds, expected_from_at, complete_until_at, newest_at, checked_at "
        "from meta.feed where expected_until_at is null"
    ).fetchall()
    return {feed.key: feed for feed in (Feed(*row) for row in rows)}


def write_feeds(
    connection: duckdb.DuckDBPyConnection,
    feeds: Sequence[Feed],
    *,
    venues: Sequence[str],
    at: datetime,
) -> None:
    """Make the feeds given those that are followed on some venues; others are followed no more.

    What is known of a feed is kept: the earliest instant wanted, how far it was answered and held
    against raw. What was not wanted before has not been held against raw, so that `refresh_gaps`
    starts there, whenever it comes to it.

    Parameters
    ----------
    connection : DuckDBPyConnection
        The writer's.
    feeds : sequence of Feed
        What is followed.
    venues : sequence of str
        Venues whose feeds these are all of.
    at : datetime
        The time: what is followed no more is expected until then.
    """
    with transaction(connection):
        connection.execute(
            "create or replace temp table followed as select * from meta.feed limit 0"
        )
        if feeds:
            connection.execute(
                "insert into followed select unnest($venue), unnest($instrument), unnest($kind), "
                "unnest($asset), unnest($period), unnest($rows), unnest($tolerance), unnest($lag), "
                "unnest($reach::double[]), unnest($expected), null, null, null, unnest($expected)",
                {
                    "venue": [feed.venue for feed in feeds],
                    "instrument": [feed.instrument for feed in feeds],
                    "kind": [feed.kind for feed in feeds],
                    "asset": [feed.asset for feed in feeds],
                    "period": [feed.period_seconds for feed in feeds],
                    "rows": [feed.rows_per_slot for feed in feeds],
                    "tolerance": [feed.tolerance_seconds for feed in feeds],
                    "lag": [feed.lag_seconds for feed in feeds],
                    "reach": [feed.reach_seconds for feed in feeds],
                    "expected": [feed.expected_from_at for feed in feeds],
                },
            )
        connection.execute(
            "update followed set expected_from_at = least(followed.expected_from_at, "
            "known.expected_from_at), complete_until_at = known.complete_until_at, "
            "newest_at = known.newest_at, checked_at = if(followed.expected_from_at < "
            "known.expected_from_at, followed.expected_from_at, known.checked_at) "
            "from meta.feed as known "
            "where (followed.venue, followed.instrument, followed.kind) "
            "= (known.venue, known.instrument, known.kind)"
        )
        connection.execute(
            "delete from meta.feed as feed where exists (from followed where "
            "(followed.venue, followed.instrument, followed.kind) "
            "= (feed.venue, feed.instrument, feed.kind))"
        )
        connection.execute(
            "update meta.feed set expected_until_at = ? "
            "where expected_until_at is null and list_contains(?, venue)",
            [at, list(venues)],
        )
        connection.execute("insert into meta.feed select * from followed")
        connection.execute("drop table followed")


def widen_feeds(
    connection: duckdb.DuckDBPyConnection, start: datetime, venues: Sequence[str]
) -> None:
    """Want the feeds of some venues from an earlier instant on; those told only now keep theirs."""
    connection.execute(
        "update meta.feed set expected_from_at = least(expected_from_at, "
        "to_timestamp(if(period_seconds > 0, ceil(epoch(?::timestamptz) / period_seconds) "
        "* period_seconds, epoch(?::timestamptz)))), "
        "complete_until_at = if(expected_from_at > ?, null, complete_until_at), "
        "checked_at = if(expected_from_at > ?, ?, checked_at) "
        "where expected_until_at is null and reach_seconds is distinct from 0 "
        "and list_contains(?, venue)",
        [start] * 5 + [list(venues)],
    )


def refresh_gaps(
    connection: duckdb.DuckDBPyConnection, start: datetime, end: datetime, *, checked_at: datetime
) -> None:
    """Hold raw against what is expected within a window and write the gaps anew.

    The window is widened to where feeds have been held against raw: what fell due since then, in
    runs that were killed or never came, is looked at too.

    Parameters
    ----------
    connection : DuckDBPyConnection
        The writer's.
    start, end : datetime
        The window; what is older is left as it stands.
    checked_at : datetime
        The time.
    """
    with transaction(connection):
        start = min(start, _unchecked_from(connection, start))
        # A gap that ends within a slot would not be found again.
        start = start.replace(minute=0, second=0, microsecond=0)
        connection.execute(
            "update meta.feed set checked_at = ? where expected_until_at is null", [checked_at]
        )
        set_window(connection, None, start, end)
        try:
            connection.execute(
                "delete from meta.feed_gap where gap_from >= ? or gap_to <= gap_from", [start]
            )
            connection.execute("update meta.feed_gap set gap_to = ? where gap_to > ?", [start] * 2)
            connection.execute(
                "insert into meta.feed_gap select venue, instrument, kind, gap_from, gap_to "
                "from intermediate.int_feed_gap"
            )
        finally:
            set_window(connection, None, None, None)
        for kind, instant in INSTANTS.items():
            connection.execute(
                "update meta.feed set newest_at = greatest(feed.newest_at, came.newest_at) from ("
                f"select venue, instrument, max({instant}) as newest_at from raw.{kind} "
                f"where {instant} >= ? group by all) as came where feed.kind = ? "
                "and feed.venue = came.venue and feed.instrument = came.instrument",
                [start, kind],
            )


def _unchecked_from(connection: duckdb.DuckDBPyConnection, default: datetime) -> datetime:
    """Return the first instant of a followed feed that has not been held against raw."""
    # What fell due within the grace was not looked at, nor what could not be had yet.
    row = connection.execute(
        "select min(greatest(expected_from_at, checked_at - to_seconds(lag_seconds) - ?)) "
        "from meta.feed where expected_until_at is null and period_seconds > 0",
        [GRACE],
    ).fetchone()
    found: datetime | None = row[0] if row else None
    return found or default


def read_gaps(connection: duckdb.DuckDBPyConnection, *, start: datetime | None = None) -> list[Gap]:
    """Return the gaps that can still be fetched, of the feeds that are followed.

    Parameters
    ----------
    connection : DuckDBPyConnection
        The writer's.
    start : datetime, optional
        Only gaps that end after this.
    """
    rows = connection.execute(
        "select gap.venue, gap.instrument, gap.kind, gap.gap_from, gap.gap_to, gap.told_until_at, "
        "gap.answer_count, gap.answered_at from marts.data_gaps as gap "
        "inner join meta.feed as feed on gap.venue = feed.venue "
        "and gap.instrument = feed.instrument and gap.kind = feed.kind "
        "where feed.expected_until_at is null "
        "and coalesce(gap.lost_reason, '') != 'older than what the venue tells' "
        "and gap.gap_to > coalesce(?::timestamptz, '-infinity'::timestamptz) "
        "order by gap.venue, gap.instrument, gap.kind, gap.gap_from",
        [start],
    ).fetchall()
    return [Gap(*row) for row in rows]


def note_answers(
    connection: duckdb.DuckDBPyConnection,
    answers: Sequence[AnsweredRequest],
    complete: Sequence[AnsweredRequest],
) -> None:
    """Remember what was answered without what was asked for, and how far irregular feeds got.

    Parameters
    ----------
    connection : DuckDBPyConnection
        The writer's, its gaps brought up to date.
    answers : sequence of AnsweredRequest
        Requests of regular feeds answered to their end; those that left no gap are forgotten.
    complete : sequence of AnsweredRequest
        The same of irregular feeds.
    """

    def columns(chosen: Sequence[AnsweredRequest]) -> list[list[Any]]:
        return [
            [one.venue for one in chosen],
            [one.instrument for one in chosen],
            [one.kind for one in chosen],
            [one.asked_from_at for one in chosen],
            [one.asked_to_at for one in chosen],
            [one.answered_at for one in chosen],
        ]

    told = (
        "select unnest(?::varchar[]) as venue, unnest(?::varchar[]) as instrument, "
        "unnest(?::varchar[]) as kind, unnest(?::timestamptz[]) as asked_from_at, "
        "unnest(?::timestamptz[]) as asked_to_at, unnest(?::timestamptz[]) as answered_at"
    )
    with transaction(connection):
        if answers:
            connection.execute(
                f"insert into meta.gap_answer select answer.* from ({told}) as answer "
                "where exists (from meta.feed_gap as gap where gap.venue = answer.venue "
                "and gap.instrument = answer.instrument and gap.kind = answer.kind "
                "and gap.gap_from < answer.asked_to_at and gap.gap_to > answer.asked_from_at)",
                columns(answers),
            )
        if complete:
            connection.execute(
                f"update meta.feed set complete_until_at = answer.asked_to_at from ({told}) "
                "as answer where feed.venue = answer.venue "
                "and feed.instrument = answer.instrument and feed.kind = answer.kind "
                "and (feed.complete_until_at is null "
                "or answer.asked_from_at <= feed.complete_until_at)",
                columns(complete),
            )


def prune_answers(connection: duckdb.DuckDBPyConnection, before: datetime) -> int:
    """Forget what was answered before an instant and left nothing missing; return how much."""
    row = connection.execute(
        "delete from meta.gap_answer as answer where answered_at < ? "
        "and not exists (from meta.feed_gap as gap where gap.venue = answer.venue "
        "and gap.instrument = answer.instrument and gap.kind = answer.kind "
        "and gap.gap_from < answer.asked_to_at and gap.gap_to > answer.asked_from_at)",
        [before],
    ).fetchone()
    return int(row[0]) if row else 0


def oldest_gap(connection: duckdb.DuckDBPyConnection) -> datetime | None:
    """Return where the first gap begins; None where nothing is missing."""
    row = connection.execute("select min(gap_from) from meta.feed_gap").fetchone()
    found: datetime | None = row[0] if row else None
    return found
