"""What is followed of an instrument, and what a round asks a venue for.

Belongs here: from declarations to feeds, from gaps to requests. Does not belong here: asking
(`sources.venues.rounds`), what a gap is (``sql/intermediate/int_feed_gap.sql``).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from sources.venues.client import SPAN_KINDS, Request, RequestKind, readings_of
from sources.venues.instruments import Instrument
from warehouse.feed_ledger import Feed, Gap

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
SNAPSHOT_PERIOD_SECONDS = 300
# A snapshot asked for at a bar's end is answered some seconds later.
SNAPSHOT_TOLERANCE_SECONDS = 30
# What changes slowly is asked for once an hour, not of all instruments in the same round: so many
# parts of the hour share it, and no round is much longer than another.
_PARTS_OF_HOUR = 12
_HOURLY_KINDS = ("long_short_ratio", "funding_rate", "realised_liquidation")
# What is asked for once an hour may be that much later, and fail once.
_HOURLY_LAG = timedelta(hours=2)
# Irregular feeds are asked again for what was already answered: an empty answer may be wrong, and
# no ledger tells of what is missing. Now and then far back, where an answer holds weeks.
OVERLAP = DAY
_LONG_OVERLAP = {"funding_rate": 35 * DAY}
# A gap that answers did not fill is asked for again after 5, 20, 80 ... minutes.
_FIRST_PATIENCE = timedelta(minutes=5)
_LONGEST_PATIENCE = timedelta(days=7)
# Gaps closer than this many rows are asked for as one: a call answers hundreds.
_BRIDGED_ROWS = 50
_LONGEST_REQUEST = timedelta(days=7)
_MARGIN = timedelta(seconds=5)
# The first open interest of a series is spread over this much trading before it (`build.replay`).
BARS_BEFORE_INTEREST = 30 * DAY
_BARS = ("ohlcv", "mark_ohlc")


@dataclass(frozen=True, slots=True)
class Followed:
    """A feed with what the venue declares of it.

    Parameters
    ----------
    feed : Feed
        What is expected.
    has_history : bool
        Whether the venue tells the past; else only what stands.
    has_snapshot : bool
        Whether the venue tells what stands.
    is_hourly : bool
        Whether it is asked for once an hour instead of each round.
    """

    feed: Feed
    has_history: bool
    has_snapshot: bool
    is_hourly: bool


def align(instant: datetime, period_seconds: int) -> datetime:
    """Return the first instant of a period's grid at or after an instant.

    Examples
    --------
    >>> align(datetime(2026, 3, 1, 0, 3, tzinfo=UTC), 300).minute
    5
    """
    seconds = max(period_seconds, 1)
    return datetime.fromtimestamp(-(-instant.timestamp() // seconds) * seconds, tz=UTC)


def feeds_of(instrument: Instrument, *, now: datetime, history: timedelta) -> list[Followed]:
    """Return what can be followed of an instrument from now on.

    Parameters
    ----------
    instrument : Instrument
        As its venue lists it.
    now : datetime
        The time, UTC.
    history : timedelta
        How far back is wanted where the venue tells it. Bars are wanted from
        ``BARS_BEFORE_INTEREST`` further back, since a series spreads its first open interest over
        them, unless the history is shorter than that.
    """
    followed: list[Followed] = []
    interest = readings_of(instrument.product, "open_interest")
    for kind in SPAN_KINDS:
        readings = readings_of(instrument.product, kind)
        has_snapshot = kind == "open_interest" and instrument.product.open_interest_now is not None
        if not readings and not has_snapshot:
            continue
        endpoints = [endpoint for _, several in readings for endpoint in several]
        reach: float | None = 0.0
        period = tolerance = SNAPSHOT_PERIOD_SECONDS
        tolerance -= 1
        lag = 0
        if endpoints:
            reaches = [
                endpoint.period_seconds * endpoint.limit
                if endpoint.reach is None
                and endpoint.paging == "latest"
                and endpoint.period_seconds
                else None
                if endpoint.reach is None
                else endpoint.reach.total_seconds()
                for endpoint in endpoints
            ]
            bounded = [one for one in reaches if one is not None]
            reach = None if len(bounded) < len(reaches) else max(bounded)
            period = (
                0
                if kind == "funding_rate"
                else max(endpoint.period_seconds for endpoint in endpoints)
            )
            shift = min(int(getattr(one, "label_shift_seconds", 0)) for one, _ in readings)
            lag = max(0, max(endpoint.settles_after_seconds for endpoint in endpoints) - shift)
            tolerance = 0
            if has_snapshot:
                is_fine = period <= SNAPSHOT_PERIOD_SECONDS
                tolerance = SNAPSHOT_TOLERANCE_SECONDS if is_fine else SNAPSHOT_PERIOD_SECONDS - 1
        is_carried = (
            bool(endpoints) and bool(interest) and interest[0][1][0].is_same_call(endpoints[0])
        )
        is_hourly = kind in _HOURLY_KINDS and not is_carried
        rows = {"long_short_ratio": len(readings), "realised_liquidation": 2}.get(kind, 1)
        is_longer = kind in _BARS and history >= BARS_BEFORE_INTEREST
        back = history + BARS_BEFORE_INTEREST if is_longer else history
        wanted = back if reach is None else min(back, timedelta(seconds=reach))
        feed = Feed(
            venue=instrument.venue,
            instrument=instrument.instrument,
            kind=kind,
            asset=instrument.asset,
            period_seconds=period,
            rows_per_slot=rows,
            tolerance_seconds=tolerance,
            lag_seconds=lag + (_HOURLY_LAG // timedelta(seconds=1) if is_hourly else 0),
            reach_seconds=reach,
            expected_from_at=_first_instant(now - wanted, period, reach),
        )
        followed.append(Followed(feed, bool(endpoints), has_snapshot, is_hourly))
    return followed


def _first_instant(start: datetime, period_seconds: int, reach: float | None) -> datetime:
    if reach == 0:
        # The slot that is running.
        return align(start, period_seconds) - timedelta(seconds=period_seconds)
    return align(start, period_seconds)


def plan_requests(
    followed: Sequence[Followed],
    known: Mapping[tuple[str, str, str], Feed],
    gaps: Iterable[Gap],
    *,
    now: datetime,
    is_patient: bool = True,
    is_thorough: bool = False,
) -> list[Request]:
    """Return what to ask for, most urgent first: what stands, what has just ended, what is old.

    Parameters
    ----------
    followed : sequence of Followed
        What is followed.
    known : mapping of (venue, instrument, kind) to Feed
        What the ledger knows of it; what it does not know is asked for in full.
    gaps : iterable of Gap
        What is missing of what is known.
    now : datetime
        The time, UTC.
    is_patient : bool
        Whether gaps that answers did not fill wait longer each time.
    is_thorough : bool
        Whether irregular feeds are asked again for what was answered weeks ago.
    """
    gaps_of: dict[tuple[str, str, str], list[Gap]] = {}
    for gap in gaps:
        gaps_of.setdefault((gap.venue, gap.instrument, gap.kind), []).append(gap)
    standing: dict[tuple[str, str], list[str]] = {}
    fresh: list[Request] = []
    old: list[tuple[datetime, Request]] = []
    turns = _turns(followed, now)
    for one in followed:
        feed = one.feed
        ledger = known.get(feed.key)
        turn = turns.get(feed.key, now)
        if feed.period_seconds == 0:
            request = _irregular_request(feed, ledger, now, turn, is_thorough=is_thorough)
            if request is not None:
                fresh.append(request)
            continue
        gaps_of_feed = gaps_of.get(feed.key, [])
        missing = _missing(one, ledger, gaps_of_feed, now, turn, is_patient=is_patient)
        if one.has_snapshot:
            slot = _running_slot(feed, now)
            is_in_time = now - slot <= timedelta(
                seconds=max(feed.tolerance_seconds - _MARGIN.total_seconds(), 0)
            )
            is_wanted = any(gap.gap_from <= slot < gap.gap_to for gap in missing)
            if is_wanted and is_in_time:
                kind = "inverse" if feed.instrument.endswith(f":{feed.asset}") else "linear"
                standing.setdefault((feed.venue, kind), []).append(feed.instrument)
                missing = [
                    replace(gap, gap_to=min(gap.gap_to, slot))
                    for gap in missing
                    if gap.gap_from < slot
                ]
        if not one.has_history:
            continue
        for gap in _bridge(missing, feed.period_seconds):
            for start, end in _cut(gap.gap_from, gap.gap_to):
                request = Request(feed.venue, _kind(feed.kind), (feed.instrument,), start, end)
                if end >= now - HOUR:
                    fresh.append(request)
                else:
                    old.append((_urgency(feed, end, now), request))
    snapshots = [
        Request(venue, "open_interest_now", tuple(names)) for (venue, _), names in standing.items()
    ]
    rank = {kind: number for number, kind in enumerate(SPAN_KINDS)}
    fresh.sort(key=lambda request: rank[request.kind])
    old.sort(key=lambda item: item[0])
    return [*snapshots, *fresh, *(request for _, request in old)]


def _turns(followed: Sequence[Followed], now: datetime) -> dict[tuple[str, str, str], datetime]:
    """Return when each feed that is asked for once an hour last had its turn to be asked."""
    turns: dict[tuple[str, str, str], datetime] = {}
    counts: dict[tuple[str, str], int] = {}
    hourly = (one.feed for one in followed if one.is_hourly or one.feed.period_seconds == 0)
    for feed in sorted(hourly, key=lambda feed: feed.key):
        number = counts.get((feed.venue, feed.kind), 0)
        counts[feed.venue, feed.kind] = number + 1
        late = HOUR / _PARTS_OF_HOUR * (number % _PARTS_OF_HOUR)
        turns[feed.key] = align(now - late + timedelta(microseconds=1), 3600) - HOUR + late
    return turns


def _kind(kind: str) -> RequestKind:
    return next(one for one in SPAN_KINDS if one == kind)


def _running_slot(feed: Feed, now: datetime) -> datetime:
    seconds = now.timestamp() // feed.period_seconds * feed.period_seconds
    return datetime.fromtimestamp(seconds, tz=UTC)


def _missing(
    one: Followed,
    ledger: Feed | None,
    gaps: Sequence[Gap],
    now: datetime,
    turn: datetime,
    *,
    is_patient: bool,
) -> list[Gap]:
    """Return what of a feed is to be asked for, oldest first."""
    feed = one.feed
    period = timedelta(seconds=feed.period_seconds)
    end = _running_slot(feed, now) + period
    if ledger is None:
        return [_gap(feed, feed.expected_from_at, end)]
    wanted = [gap for gap in gaps if not is_patient or is_due(gap, now)]
    if one.is_hourly:
        newest = ledger.newest_at
        lag = timedelta(seconds=feed.lag_seconds) - _HOURLY_LAG
        # The row after the newest could be had when it last had its turn.
        if newest is None or newest + period + lag <= turn:
            start = align((newest or feed.expected_from_at) + period, feed.period_seconds)
            wanted.append(_gap(feed, max(start, feed.expected_from_at), end))
        # The two may overlap: what falls due is in the ledger after a while.
        wanted = _joined(wanted)
    return wanted


def _gap(feed: Feed, start: datetime, end: datetime) -> Gap:
    return Gap(feed.venue, feed.instrument, feed.kind, start, end, None, 0, None)


def is_due(gap: Gap, now: datetime) -> bool:
    """Return whether a gap is to be asked for: answers that did not fill it make it wait longer."""
    if gap.answered_at is None or gap.answer_count == 0:
        return True
    patience = min(_FIRST_PATIENCE * 4.0 ** min(gap.answer_count - 1, 10), _LONGEST_PATIENCE)
    # Rounds do not start on the second.
    return now - gap.answered_at >= patience - timedelta(seconds=60)


def _joined(gaps: Iterable[Gap]) -> list[Gap]:
    return _bridge(sorted(gaps, key=lambda gap: gap.gap_from), 0)


def _bridge(gaps: Sequence[Gap], period_seconds: int) -> list[Gap]:
    """Return gaps with those that lie close together made one."""
    bridge = timedelta(seconds=period_seconds * _BRIDGED_ROWS)
    joined: list[Gap] = []
    for gap in gaps:
        if joined and gap.gap_from - joined[-1].gap_to <= bridge:
            last = joined[-1]
            joined[-1] = replace(last, gap_to=max(last.gap_to, gap.gap_to))
        else:
            joined.append(gap)
    return joined


def _cut(start: datetime, end: datetime) -> Iterable[tuple[datetime, datetime]]:
    while end - start > _LONGEST_REQUEST:
        yield start, start + _LONGEST_REQUEST
        start += _LONGEST_REQUEST
    yield start, end


def _urgency(feed: Feed, end: datetime, now: datetime) -> datetime:
    """Return when the venue forgets it; what it keeps comes last, newest first."""
    if feed.reach_seconds is not None:
        return end + timedelta(seconds=feed.reach_seconds)
    return now + timedelta(days=10_000) + (now - end)


def overlap_of(kind: str, *, is_thorough: bool) -> timedelta:
    """Return how far back an irregular feed is asked again for what was already answered."""
    return _LONG_OVERLAP.get(kind, OVERLAP) if is_thorough else OVERLAP


def _irregular_request(
    feed: Feed, ledger: Feed | None, now: datetime, turn: datetime, *, is_thorough: bool
) -> Request | None:
    answered = None if ledger is None else ledger.complete_until_at
    if answered is not None and answered >= turn and not is_thorough:
        return None
    wanted = feed.expected_from_at if ledger is None else ledger.expected_from_at
    overlap = overlap_of(feed.kind, is_thorough=is_thorough)
    start = wanted if answered is None else max(wanted, answered - overlap)
    if feed.reach_seconds is not None:
        start = max(start, now - timedelta(seconds=feed.reach_seconds))
    return Request(feed.venue, _kind(feed.kind), (feed.instrument,), start, now)
