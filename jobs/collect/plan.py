"""What a round requests: from the gaps in feeds to requests, the most urgent first.

Belongs here: which spans to request, when to try again, margin brackets that are due. Does not
belong here: sending requests (`sources.venues.rounds`), what a gap is
(``sql/intermediate/int_feed_gap.sql``).
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import cast

from jobs.collect.followed_feeds import HOURLY_LAG, FollowedFeed, align
from jobs.instants import DAY, HOUR
from sources.venues.connection import Connection
from sources.venues.instruments import Instrument
from sources.venues.request import SPAN_KINDS, Request, RequestKind
from warehouse.feed_ledger import Feed, Gap
from warehouse.lookups import StoredBrackets

# Hourly feeds take turns: so many parts of the hour share them, and rounds take equally long.
_PARTS_OF_HOUR = 12
# Irregular feeds are requested again for spans already answered: an empty answer may be wrong, and
# no ledger knows what is missing. Now and then far back, where one answer holds weeks.
_OVERLAP = DAY
_LONG_OVERLAP = {"funding_rate": 35 * DAY}
# A gap that answers did not fill is requested again after 5, 20, 80 ... minutes.
_FIRST_DELAY = timedelta(minutes=5)
_LONGEST_DELAY = timedelta(days=7)
# Gaps closer than this many rows become one request: an answer holds hundreds.
_BRIDGED_ROWS = 50
_LONGEST_REQUEST = timedelta(days=7)
_MARGIN = timedelta(seconds=5)


def plan_requests(
    followed: Sequence[FollowedFeed],
    known: Mapping[tuple[str, str, str], Feed],
    gaps: Iterable[Gap],
    *,
    now: datetime,
    has_backoff: bool = True,
    is_thorough: bool = False,
) -> list[Request]:
    """Return the requests for feeds, most urgent first: snapshots, the last hour, what is older.

    Parameters
    ----------
    followed : sequence of FollowedFeed
        Feeds to follow.
    known : mapping of (venue, instrument, kind) to Feed
        Feeds in the ledger; others are requested in full.
    gaps : iterable of Gap
        What is missing of known feeds.
    now : datetime
        The time, UTC.
    has_backoff : bool
        Whether gaps that answers did not fill wait longer each time.
    is_thorough : bool
        Whether irregular feeds are requested again for weeks already answered.
    """
    gaps_of: dict[tuple[str, str, str], list[Gap]] = defaultdict(list)
    for gap in gaps:
        if not has_backoff or is_due(gap, now):
            gaps_of[gap.venue, gap.instrument, gap.kind].append(gap)
    snapshots: dict[tuple[str, bool], list[str]] = defaultdict(list)
    fresh: list[Request] = []
    old: list[tuple[datetime, Request]] = []
    turns = _turns(followed, now)
    for one in followed:
        feed, ledger = one.feed, known.get(one.feed.key)
        turn = turns.get(feed.key, now)
        if feed.period_seconds == 0:
            fresh += _irregular_requests(feed, ledger, now, turn, is_thorough=is_thorough)
            continue
        missing = _missing(one, ledger, gaps_of[feed.key], now, turn)
        slot = _running_slot(feed, now)
        if one.has_snapshot and _is_snapshot_wanted(feed, missing, slot, now):
            is_inverse = feed.instrument.endswith(f":{feed.asset}")
            snapshots[feed.venue, is_inverse].append(feed.instrument)
            missing = [
                replace(gap, gap_to=min(gap.gap_to, slot)) for gap in missing if gap.gap_from < slot
            ]
        if one.has_history:
            for request in _span_requests(feed, missing):
                if request.end is None or request.end >= now - HOUR:
                    fresh.append(request)
                else:
                    old.append((_forgotten_at(feed, request.end, now), request))
    rank = {kind: number for number, kind in enumerate(SPAN_KINDS)}
    return [
        *(
            Request(venue, "open_interest_now", tuple(names))
            for (venue, _), names in snapshots.items()
        ),
        *sorted(fresh, key=lambda request: rank[request.kind]),
        *(request for _, request in sorted(old, key=lambda item: item[0])),
    ]


def clip_requests(requests: Iterable[Request], span: tuple[datetime, datetime]) -> list[Request]:
    """Return the parts of requests within a span; those without a span of their own are dropped."""
    clipped = []
    for request in requests:
        if request.start is not None and request.end is not None:
            start, end = max(request.start, span[0]), min(request.end, span[1])
            if start < end:
                clipped.append(replace(request, start=start, end=end))
    return clipped


def bracket_requests(
    instruments: Iterable[Instrument],
    connections: Mapping[str, Connection],
    stored: Mapping[tuple[str, str], StoredBrackets],
    now: datetime,
) -> list[Request]:
    """Return requests for margin brackets: of new instruments, and of all once a day.

    Parameters
    ----------
    instruments : iterable of Instrument
        Instruments to follow.
    connections : mapping of str to Connection
        By venue; some venues publish brackets only to holders of a key.
    stored : mapping of (venue, instrument) to StoredBrackets
        What the warehouse has.
    now : datetime
        The time, UTC.
    """
    ingested_at: dict[str, datetime] = {}
    for (venue, _), one in stored.items():
        ingested_at[venue] = max(one.ingested_at, ingested_at.get(venue, one.ingested_at))
    due: dict[tuple[str, str], list[str]] = defaultdict(list)
    for instrument in instruments:
        venue, brackets = instrument.venue, instrument.product.brackets
        endpoint = getattr(brackets, "endpoint", None)
        needs_key = endpoint is not None and endpoint.needs_key
        if brackets is None or (needs_key and not connections[venue].has_key):
            continue
        is_new = (venue, instrument.instrument) not in stored
        is_midnight = now.hour == 0 and now - ingested_at.get(venue, now - DAY) > HOUR
        if is_new or is_midnight:
            due[venue, instrument.contract_kind].append(instrument.instrument)
    return [Request(venue, "leverage_bracket", tuple(names)) for (venue, _), names in due.items()]


def is_due(gap: Gap, now: datetime) -> bool:
    """Return whether to request a gap now: the wait grows with each answer that did not fill it."""
    if gap.answered_at is None or gap.answer_count == 0:
        return True
    delay = min(_FIRST_DELAY * 4.0 ** min(gap.answer_count - 1, 10), _LONGEST_DELAY)
    # Rounds do not start on the second.
    return now - gap.answered_at >= delay - timedelta(seconds=60)


def overlap_of(kind: str, *, is_thorough: bool) -> timedelta:
    """Return how far back an irregular feed is requested again after an answer."""
    return _LONG_OVERLAP.get(kind, _OVERLAP) if is_thorough else _OVERLAP


def _turns(followed: Sequence[FollowedFeed], now: datetime) -> dict[tuple[str, str, str], datetime]:
    """Return when each hourly feed last had its turn."""
    turns: dict[tuple[str, str, str], datetime] = {}
    counts: dict[tuple[str, str], int] = defaultdict(int)
    hourly = (one.feed for one in followed if one.is_hourly or one.feed.period_seconds == 0)
    for feed in sorted(hourly, key=lambda feed: feed.key):
        late = HOUR / _PARTS_OF_HOUR * (counts[feed.venue, feed.kind] % _PARTS_OF_HOUR)
        counts[feed.venue, feed.kind] += 1
        turns[feed.key] = align(now - late + timedelta(microseconds=1), 3600) - HOUR + late
    return turns


def _request(feed: Feed, start: datetime, end: datetime) -> Request:
    return Request(feed.venue, cast("RequestKind", feed.kind), (feed.instrument,), start, end)


def _irregular_requests(
    feed: Feed, ledger: Feed | None, now: datetime, turn: datetime, *, is_thorough: bool
) -> list[Request]:
    """Return a request from the last answer on, with an overlap, where its turn has come."""
    answered = None if ledger is None else ledger.complete_until_at
    if answered is not None and answered >= turn and not is_thorough:
        return []
    start = (ledger or feed).expected_from_at
    if answered is not None:
        start = max(start, answered - overlap_of(feed.kind, is_thorough=is_thorough))
    if feed.reach_seconds is not None:
        start = max(start, now - timedelta(seconds=feed.reach_seconds))
    return [_request(feed, start, now)]


def _running_slot(feed: Feed, now: datetime) -> datetime:
    seconds = now.timestamp() // feed.period_seconds * feed.period_seconds
    return datetime.fromtimestamp(seconds, tz=UTC)


def _is_snapshot_wanted(feed: Feed, missing: Sequence[Gap], slot: datetime, now: datetime) -> bool:
    """Return whether the running slot is missing and a snapshot would still count for it."""
    tolerance = timedelta(seconds=feed.tolerance_seconds) - _MARGIN
    is_in_time = now - slot <= max(tolerance, timedelta())
    return is_in_time and any(gap.gap_from <= slot < gap.gap_to for gap in missing)


def _missing(
    one: FollowedFeed, ledger: Feed | None, gaps: Sequence[Gap], now: datetime, turn: datetime
) -> list[Gap]:
    """Return what to request of a regular feed, oldest first."""
    feed = one.feed
    period = timedelta(seconds=feed.period_seconds)
    end = _running_slot(feed, now) + period
    if ledger is None:
        return [_gap(feed, feed.expected_from_at, end)]
    if not one.is_hourly:
        return list(gaps)
    newest = ledger.newest_at
    lag = timedelta(seconds=feed.lag_seconds) - HOURLY_LAG
    # Request the row after the newest if it was available when the feed last had its turn.
    if newest is None or newest + period + lag <= turn:
        start = align((newest or feed.expected_from_at) + period, feed.period_seconds)
        gaps = [*gaps, _gap(feed, max(start, feed.expected_from_at), end)]
    # The two may overlap: a row that falls due enters the ledger after a while.
    return _bridge(sorted(gaps, key=lambda gap: gap.gap_from), 0)


def _gap(feed: Feed, start: datetime, end: datetime) -> Gap:
    return Gap(feed.venue, feed.instrument, feed.kind, start, end, None, 0, None)


def _bridge(gaps: Sequence[Gap], period_seconds: int) -> list[Gap]:
    """Return gaps, those that lie close together made one."""
    bridge = timedelta(seconds=period_seconds * _BRIDGED_ROWS)
    joined: list[Gap] = []
    for gap in gaps:
        if joined and gap.gap_from - joined[-1].gap_to <= bridge:
            last = joined[-1]
            joined[-1] = replace(last, gap_to=max(last.gap_to, gap.gap_to))
        else:
            joined.append(gap)
    return joined


def _span_requests(feed: Feed, gaps: Sequence[Gap]) -> Iterable[Request]:
    for gap in _bridge(gaps, feed.period_seconds):
        start = gap.gap_from
        while gap.gap_to - start > _LONGEST_REQUEST:
            yield _request(feed, start, start + _LONGEST_REQUEST)
            start += _LONGEST_REQUEST
        yield _request(feed, start, gap.gap_to)


def _forgotten_at(feed: Feed, end: datetime, now: datetime) -> datetime:
    """Return when the venue drops rows before `end`; where it never does, newest first, last."""
    if feed.reach_seconds is not None:
        return end + timedelta(seconds=feed.reach_seconds)
    return now + timedelta(days=10_000) + (now - end)
