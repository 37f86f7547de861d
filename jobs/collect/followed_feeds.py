"""Which feeds of an instrument to follow: what a venue's declaration promises, and from when on.

Belongs here: from declarations to feeds. Does not belong here: what is missing of a feed
(``sql/intermediate/int_feed_gap.sql``), what a round requests of it (`jobs.collect.plan`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from jobs.instants import DAY
from sources.venues.endpoints import Endpoint
from sources.venues.instruments import Instrument
from sources.venues.request import SPAN_KINDS, RequestKind, endpoints_of, specs_of
from warehouse.feed_ledger import Feed

SNAPSHOT_PERIOD_SECONDS = 300
# A snapshot that is requested at the end of a bar arrives some seconds later.
_SNAPSHOT_TOLERANCE_SECONDS = 30
_HOURLY_KINDS = ("long_short_ratio", "funding_rate", "realised_liquidation")
# A kind that is requested once an hour may arrive that much later, and fail once.
HOURLY_LAG = timedelta(hours=2)
# The first open interest of a series is spread over this much trading before it (`build.replay`).
BARS_BEFORE_INTEREST = 30 * DAY
_ROWS_PER_SLOT = {"realised_liquidation": 2}


@dataclass(frozen=True, slots=True)
class FollowedFeed:
    """A feed and how its venue publishes it.

    Parameters
    ----------
    feed : Feed
        What is expected.
    has_history : bool
        Whether the venue publishes past values.
    has_snapshot : bool
        Whether the venue publishes the current value.
    is_hourly : bool
        Whether it is requested once an hour instead of in each round.
    """

    feed: Feed
    has_history: bool
    has_snapshot: bool
    is_hourly: bool


@dataclass(frozen=True, slots=True)
class _Grid:
    """When rows of a feed are expected; fields as in `Feed`."""

    period_seconds: int
    tolerance_seconds: int
    lag_seconds: int
    reach_seconds: float | None


_SNAPSHOTS_ONLY = _Grid(SNAPSHOT_PERIOD_SECONDS, SNAPSHOT_PERIOD_SECONDS - 1, 0, 0.0)


def align(instant: datetime, period_seconds: int) -> datetime:
    """Return the first instant of a period's grid at or after an instant.

    Examples
    --------
    >>> align(datetime(2026, 3, 1, 0, 3, tzinfo=UTC), 300).minute
    5
    """
    seconds = max(period_seconds, 1)
    return datetime.fromtimestamp(-(-instant.timestamp() // seconds) * seconds, tz=UTC)


def followed_feeds(
    instrument: Instrument, *, now: datetime, history: timedelta
) -> list[FollowedFeed]:
    """Return the feeds of an instrument to follow from now on.

    Parameters
    ----------
    instrument : Instrument
        As its venue lists it.
    now : datetime
        The time, UTC.
    history : timedelta
        How far back rows are wanted where the venue publishes them. Bars are wanted from
        ``BARS_BEFORE_INTEREST`` further back, since a series spreads its first open interest over
        them, unless the history is shorter than that.
    """
    feeds = (_followed_feed(instrument, kind, now, history) for kind in SPAN_KINDS)
    return [feed for feed in feeds if feed is not None]


def _followed_feed(
    instrument: Instrument, kind: RequestKind, now: datetime, history: timedelta
) -> FollowedFeed | None:
    product = instrument.product
    specs = specs_of(product, kind)
    has_snapshot = kind == "open_interest" and product.open_interest_now is not None
    if not specs and not has_snapshot:
        return None
    endpoints = [endpoint for spec in specs for endpoint in endpoints_of(spec)]
    grid = _SNAPSHOTS_ONLY
    if endpoints:
        shift = min(int(getattr(one, "label_shift_seconds", 0)) for one in specs)
        grid = _history_grid(kind, endpoints, shift, has_snapshot=has_snapshot)
    interest = specs_of(product, "open_interest")
    # What comes with the answers of open interest costs no request of its own.
    is_carried = bool(endpoints and interest) and endpoints_of(interest[0])[0].is_same_call(
        endpoints[0]
    )
    is_hourly = kind in _HOURLY_KINDS and not is_carried
    is_bar = kind in ("ohlcv", "mark_ohlc")
    back = history
    if is_bar and history >= BARS_BEFORE_INTEREST:
        back += BARS_BEFORE_INTEREST
    if grid.reach_seconds is not None:
        back = min(back, timedelta(seconds=grid.reach_seconds))
    first = align(now - back, grid.period_seconds)
    if grid.reach_seconds == 0:
        # The current slot.
        first -= timedelta(seconds=grid.period_seconds)
    feed = Feed(
        venue=instrument.venue,
        instrument=instrument.instrument,
        kind=kind,
        asset=instrument.asset,
        period_seconds=grid.period_seconds,
        rows_per_slot=len(specs) if kind == "long_short_ratio" else _ROWS_PER_SLOT.get(kind, 1),
        tolerance_seconds=grid.tolerance_seconds,
        lag_seconds=grid.lag_seconds + (HOURLY_LAG.seconds if is_hourly else 0),
        reach_seconds=grid.reach_seconds,
        expected_from_at=first,
    )
    return FollowedFeed(feed, bool(endpoints), has_snapshot, is_hourly)


def _history_grid(
    kind: RequestKind, endpoints: Sequence[Endpoint], shift_seconds: int, *, has_snapshot: bool
) -> _Grid:
    reaches = [_reach_seconds(endpoint) for endpoint in endpoints]
    bounded = [reach for reach in reaches if reach is not None]
    # Payments of funding follow no fixed grid: intervals change.
    is_irregular = kind == "funding_rate"
    period = 0 if is_irregular else max(endpoint.period_seconds for endpoint in endpoints)
    settled = max(endpoint.settles_after_seconds for endpoint in endpoints)
    tolerance = 0
    if has_snapshot:
        is_fine = period <= SNAPSHOT_PERIOD_SECONDS
        tolerance = _SNAPSHOT_TOLERANCE_SECONDS if is_fine else SNAPSHOT_PERIOD_SECONDS - 1
    return _Grid(
        period_seconds=period,
        tolerance_seconds=tolerance,
        lag_seconds=max(0, settled - shift_seconds),
        reach_seconds=None if len(bounded) < len(reaches) else max(bounded),
    )


def _reach_seconds(endpoint: Endpoint) -> float | None:
    """Return how far back an endpoint goes [seconds]; None without bound."""
    if endpoint.reach is not None:
        return endpoint.reach.total_seconds()
    if endpoint.paging == "latest" and endpoint.period_seconds:
        return endpoint.period_seconds * endpoint.limit
    return None
