"""The ledger of feeds: what is followed, which of it is missing, which requests brought nothing.

Belongs here: reading and writing ``meta.feed``, ``meta.feed_gap`` and ``meta.gap_answer``. Does not
belong here: what a gap is (``sql/intermediate/int_feed_gap.sql``), when it is lost
(``sql/marts/data_gaps.sql``), which gaps to fetch (jobs).
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timedelta

import duckdb

from warehouse.connect import insert_rows, registered, scalar, transaction
from warehouse.contracts import raw_relation, table_of
from warehouse.lookups import FEED_KINDS
from warehouse.models import set_window
from warehouse.queries import named_query

# Venues often publish a slot a moment after it falls due: no gap yet.
GRACE = timedelta(minutes=5)

_GAP_WITHIN_REQUEST = (
    "gap.venue = request.venue and gap.instrument = request.instrument "
    "and gap.kind = request.kind "
    "and gap.gap_from < request.asked_to_at and gap.gap_to > request.asked_from_at"
)


@dataclass(frozen=True, slots=True)
class Feed:
    """One kind of record of one instrument that is followed; columns of ``meta.feed``.

    Parameters
    ----------
    venue, instrument, kind, asset : str
        What is followed.
    period_seconds : int
        Spacing of the expected instants [seconds]; 0 where irregular.
    rows_per_slot : int
        Rows that make an instant complete.
    tolerance_seconds : int
        How far after its instant a row still counts for it [seconds].
    lag_seconds : int
        How long after its instant the venue publishes a row [seconds].
    reach_seconds : float or None
        How far back the venue's history goes [seconds]; None without bound.
    expected_from_at : datetime
        First instant wanted.
    complete_until_at : datetime or None
        Irregular feeds: the venue has answered up to here.
    newest_at : datetime or None
        Instant of the newest row.
    checked_at : datetime or None
        How far the feed has been compared with raw.
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
        """Venue, instrument and kind, which identify a feed."""
        return self.venue, self.instrument, self.kind


@dataclass(frozen=True, slots=True)
class Gap:
    """Instants [gap_from, gap_to) of a feed without a row, which the venue still publishes.

    Parameters
    ----------
    venue, instrument, kind : str
        The feed.
    gap_from, gap_to : datetime
        First missing instant, and the one after the last.
    available_until_at : datetime or None
        When the last of it leaves the venue's history.
    answer_count : int
        Requests for it that were answered without it.
    answered_at : datetime or None
        The last of these answers.
    """

    venue: str
    instrument: str
    kind: str
    gap_from: datetime
    gap_to: datetime
    available_until_at: datetime | None
    answer_count: int
    answered_at: datetime | None


@dataclass(frozen=True, slots=True)
class CollectorGap:
    """What a collector misses of a feed, for the writer; columns of ``marts.data_gaps``."""

    venue: str
    instrument: str
    kind: str
    asset: str
    gap_from: datetime
    gap_to: datetime
    missing_count: int
    is_lost: bool
    lost_since: datetime | None
    lost_reason: str | None
    available_until_at: datetime | None
    answer_count: int
    answered_at: datetime | None
    checked_at: datetime


@dataclass(frozen=True, slots=True)
class _StoredGap(CollectorGap):
    """A row of ``meta.collector_gap``."""

    collector: str


@dataclass(frozen=True, slots=True)
class AnsweredRequest:
    """A request for the instants [asked_from_at, asked_to_at), answered in full.

    Columns of ``meta.gap_answer``.
    """

    venue: str
    instrument: str
    kind: str
    asked_from_at: datetime
    asked_to_at: datetime
    answered_at: datetime


def read_feeds(connection: duckdb.DuckDBPyConnection) -> dict[tuple[str, str, str], Feed]:
    """Return the feeds that are followed, by venue, instrument and kind."""
    columns = ", ".join(field.name for field in fields(Feed))
    rows = connection.execute(f"select {columns} from meta.feed where expected_until_at is null")
    return {feed.key: feed for feed in (Feed(*row) for row in rows.fetchall())}


def write_feeds(
    connection: duckdb.DuckDBPyConnection,
    feeds: Sequence[Feed],
    *,
    venues: Sequence[str],
    at: datetime,
) -> None:
    """Replace the feeds followed on some venues; their other feeds end.

    The ledger keeps the earliest instant wanted of a feed, how far it is complete and how far it
    was checked. Instants wanted only from this call on have not been checked: `refresh_gaps` starts
    there.

    Parameters
    ----------
    connection : DuckDBPyConnection
        The writer's.
    feeds : sequence of Feed
        All feeds of these venues.
    venues : sequence of str
        Venues whose feeds are replaced.
    at : datetime
        The time: feeds that are no longer followed end here.
    """
    with transaction(connection), registered(connection, "wanted", table_of("meta.feed", feeds)):
        connection.execute(
            f"create or replace temp table followed as {named_query('followed_feeds')}"
        )
        connection.execute(
            "delete from meta.feed where (venue, instrument, kind) "
            "in (select (venue, instrument, kind) from followed)"
        )
        connection.execute(
            "update meta.feed set expected_until_at = ? "
            "where expected_until_at is null and list_contains(?, venue)",
            [at, list(venues)],
        )
        connection.execute("insert into meta.feed by name from followed; drop table followed")


def widen_feeds(
    connection: duckdb.DuckDBPyConnection, start: datetime, venues: Sequence[str]
) -> None:
    """Expect the feeds of some venues from an earlier instant on, unless they have no history."""
    connection.execute(
        """
        update meta.feed set
            expected_from_at = least(expected_from_at, to_timestamp(if(
                period_seconds > 0,
                ceil(epoch($start::timestamptz) / period_seconds) * period_seconds,
                epoch($start::timestamptz)
            ))),
            complete_until_at = if(expected_from_at > $start, null, complete_until_at),
            checked_at = if(expected_from_at > $start, $start, checked_at)
        where
            expected_until_at is null
            and reach_seconds is distinct from 0
            and list_contains($venues, venue)
        """,
        {"start": start, "venues": list(venues)},
    )


def refresh_gaps(
    connection: duckdb.DuckDBPyConnection, start: datetime, end: datetime, *, checked_at: datetime
) -> None:
    """Compare raw with what is expected within a window and replace the gaps there.

    The window begins no later than where a feed was last checked: what fell due in runs that were
    killed or never started is checked too.

    Parameters
    ----------
    connection : DuckDBPyConnection
        The writer's.
    start, end : datetime
        The window; older gaps stay.
    checked_at : datetime
        The time.
    """
    with transaction(connection):
        start = min(start, _first_unchecked(connection) or start)
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
        for kind in FEED_KINDS:
            instant = raw_relation(kind).instant
            connection.execute(
                "update meta.feed set newest_at = greatest(feed.newest_at, came.newest_at) from ("
                f"select venue, instrument, max({instant}) as newest_at from raw.{kind} "
                f"where {instant} >= ? group by all) as came where feed.kind = ? "
                "and feed.venue = came.venue and feed.instrument = came.instrument",
                [start, kind],
            )


def _first_unchecked(connection: duckdb.DuckDBPyConnection) -> datetime | None:
    """Return the first instant of a followed feed that was never compared with raw."""
    # A check passes over what fell due within the grace and what was not published yet.
    found: datetime | None = scalar(
        connection,
        "select min(greatest(expected_from_at, checked_at - to_seconds(lag_seconds) - ?)) "
        "from meta.feed where expected_until_at is null and period_seconds > 0",
        [GRACE],
    )
    return found


def read_gaps(connection: duckdb.DuckDBPyConnection) -> list[Gap]:
    """Return the gaps of followed feeds that can still be fetched."""
    rows = connection.execute(named_query("open_gaps")).fetchall()
    return [Gap(*row) for row in rows]


def missing_by_venue(connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """Return how many instants each venue still owes that can be fetched; none without any."""
    rows = connection.execute(
        "select venue, sum(missing_count)::bigint from marts.data_gaps "
        "semi join marts.data_feeds using (venue, instrument, kind) "
        "where not is_lost group by venue order by venue"
    )
    return dict(rows.fetchall())


def newest_gaps(connection: duckdb.DuckDBPyConnection, most: int) -> tuple[CollectorGap, ...]:
    """Return the newest gaps of this home, at most some."""
    columns = ", ".join(field.name for field in fields(CollectorGap))
    rows = connection.execute(
        f"select {columns} from marts.data_gaps "
        "semi join marts.data_feeds using (venue, instrument, kind) "
        "order by gap_to desc, venue, instrument, kind, gap_from limit ?",
        [most],
    )
    return tuple(CollectorGap(*row) for row in rows.fetchall())


def replace_collector_gaps(
    connection: duckdb.DuckDBPyConnection, gaps: Mapping[str, Sequence[CollectorGap]]
) -> None:
    """Replace what other collectors miss by what they last said.

    Parameters
    ----------
    connection : DuckDBPyConnection
        The writer's.
    gaps : mapping of str to sequence of CollectorGap
        By identity of the collector, of every collector there is.
    """
    rows = [
        _StoredGap(**asdict(gap), collector=collector)
        for collector, own in gaps.items()
        for gap in own
    ]
    table = table_of("meta.collector_gap", rows)
    known = connection.execute("select * from meta.collector_gap").to_arrow_table()
    # Written only where something changed: on a lake each write is a file.
    if sorted(map(str, known.to_pylist())) == sorted(map(str, table.to_pylist())):
        return
    with transaction(connection):
        connection.execute("delete from meta.collector_gap")
        if rows:
            insert_rows(connection, "meta.collector_gap", table)


def note_answers(
    connection: duckdb.DuckDBPyConnection,
    answers: Sequence[AnsweredRequest],
    complete: Sequence[AnsweredRequest],
) -> None:
    """Record the requests whose answers left a gap, and how far irregular feeds are complete.

    Parameters
    ----------
    connection : DuckDBPyConnection
        The writer's, its gaps refreshed.
    answers : sequence of AnsweredRequest
        Of regular feeds; those that left no gap are not recorded.
    complete : sequence of AnsweredRequest
        Of irregular feeds.
    """
    with transaction(connection):
        with registered(connection, "request", table_of("meta.gap_answer", answers)):
            connection.execute(
                "insert into meta.gap_answer by name from request "
                f"semi join meta.feed_gap as gap on {_GAP_WITHIN_REQUEST}"
            )
        with registered(connection, "request", table_of("meta.gap_answer", complete)):
            connection.execute(
                "update meta.feed set complete_until_at = request.asked_to_at from request "
                "where (feed.venue, feed.instrument, feed.kind) "
                "= (request.venue, request.instrument, request.kind) "
                "and coalesce(request.asked_from_at <= feed.complete_until_at, true)"
            )


def prune_answers(connection: duckdb.DuckDBPyConnection, before: datetime) -> int:
    """Delete the answers before an instant whose gaps are closed; return how many."""
    return int(
        scalar(
            connection,
            "delete from meta.gap_answer as request where answered_at < ? "
            f"and not exists (from meta.feed_gap as gap where {_GAP_WITHIN_REQUEST})",
            [before],
        )
    )


def oldest_gap(connection: duckdb.DuckDBPyConnection) -> datetime | None:
    """Return where the first gap begins; None where nothing is missing."""
    found: datetime | None = scalar(connection, "select min(gap_from) from meta.feed_gap")
    return found
