"""What the warehouse knows before a round: feeds and gaps, contracts, the newest rows.

Belongs here: reading it, after loading what earlier runs landed. Does not belong here: the queries
(`warehouse.lookups`), what is requested because of it (`jobs.collect.plan`).
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any

from duckdb import DuckDBPyConnection

from jobs.collect.plan import is_due, overlap_of
from jobs.collect.scope import Scope
from jobs.instants import DAY
from jobs.runs import recorded_run, run_file
from jobs.settings import Settings
from jobs.writer import open_writer
from sources.venues.plausibility import SET_ASIDE, Observation
from warehouse import lookups
from warehouse.feed_ledger import Feed, Gap, read_feeds, read_gaps, refresh_gaps, widen_feeds
from warehouse.load import load_landing_files, waiting_files
from warehouse.lookups import ListedContract, StoredBrackets

# Each round compares the last hours of raw with the ledger of feeds; more where it requested more.
RECENT = timedelta(hours=6)


@dataclass(frozen=True, slots=True)
class WarehouseState:
    """What the warehouse knows before a round.

    Parameters
    ----------
    feeds : mapping of (venue, instrument, kind) to Feed
        Feeds that are followed.
    gaps : sequence of Gap
        What is missing of them and can still be fetched.
    listings : sequence of ListedContract
        Contracts as their venues last described them.
    interest_usd : mapping of (venue, instrument) to float
        Newest open interest [USD].
    interest : mapping of venue to mapping of instrument to Observation
        Newest open interest, and what was set aside since: jumps are judged by it.
    keys : mapping of kind to set of tuple
        Keys of the rows of irregular feeds that may come again.
    brackets : mapping of (venue, instrument) to StoredBrackets
        Newest margin brackets.
    sentiment_at : datetime or None
        Newest value of the Fear & Greed index.
    quotes : mapping of (market, pair) to (datetime, datetime)
        First and last close of each stablecoin.
    first_bar_at : datetime or None
        Start of the oldest bar.
    is_blind : bool
        Whether the warehouse was busy, so that nothing is known.
    """

    feeds: Mapping[tuple[str, str, str], Feed] = field(default_factory=dict)
    gaps: Sequence[Gap] = ()
    listings: Sequence[ListedContract] = ()
    interest_usd: Mapping[tuple[str, str], float] = field(default_factory=dict)
    interest: Mapping[str, Mapping[str, Observation]] = field(default_factory=dict)
    keys: Mapping[str, set[tuple[Any, ...]]] = field(default_factory=dict)
    brackets: Mapping[tuple[str, str], StoredBrackets] = field(default_factory=dict)
    sentiment_at: datetime | None = None
    quotes: Mapping[tuple[str, str], tuple[datetime, datetime]] = field(default_factory=dict)
    first_bar_at: datetime | None = None
    is_blind: bool = False


def read_warehouse_state(scope: Scope) -> WarehouseState:
    """Load what earlier runs landed, bring the gaps up to date and return what is known.

    Raises
    ------
    WarehouseBusy
        Another process writes.
    """
    now, wait_seconds = scope.clock(), scope.effort.wait_seconds
    with open_writer(scope.settings, wait_seconds=wait_seconds) as connection:
        _load_waiting(connection, scope.settings, now)
        start = now - RECENT
        if scope.span is not None:
            venues = {feed.venue for feed in read_feeds(connection).values()}
            widen_feeds(connection, scope.span[0], sorted(venues))
            start = min(start, scope.span[0])
        refresh_gaps(connection, start, now, checked_at=now)
        gaps = read_gaps(connection)
        oldest = min((gap.gap_from for gap in gaps if is_due(gap, now)), default=start)
        if oldest < start:
            # A round that was killed may have loaded what the ledger still calls missing.
            refresh_gaps(connection, oldest, now, checked_at=now)
            gaps = read_gaps(connection)
        feeds = read_feeds(connection)
        return WarehouseState(
            feeds=feeds,
            gaps=gaps,
            listings=lookups.known_listings(connection),
            interest_usd=lookups.open_interest_usd(connection, now - 7 * DAY),
            interest=_observations(connection, now - 30 * DAY),
            keys={
                kind: lookups.known_keys(connection, kind, _first_request(scope, kind, feeds, now))
                for kind in ("funding_rate", "realised_liquidation")
            },
            brackets=lookups.known_brackets(connection),
            sentiment_at=lookups.newest_sentiment(connection),
            quotes=lookups.quote_rate_spans(connection),
            first_bar_at=lookups.first_bar_start(connection),
        )


def _load_waiting(connection: DuckDBPyConnection, settings: Settings, now: datetime) -> None:
    if not waiting_files(connection, settings.landing):
        return
    with run_file(settings, "load") as run, recorded_run(connection, run):
        loaded = load_landing_files(connection, settings.landing, run_id=run.run_id, loaded_at=now)
        run.row_count = sum(loaded.rows_by_kind.values())
        run.detail = asdict(loaded)


def _first_request(
    scope: Scope, kind: str, feeds: Mapping[tuple[str, str, str], Feed], now: datetime
) -> datetime:
    """Return the earliest instant for which a round may request an irregular kind.

    Further back for feeds without an answer yet: a run may have been killed after landing theirs.
    """
    usual = now - overlap_of(kind, is_thorough=scope.is_thorough) - DAY
    unanswered = [
        feed.expected_from_at
        for feed in feeds.values()
        if feed.kind == kind and feed.complete_until_at is None
    ]
    return min([usual, *unanswered, *([scope.span[0]] if scope.span else [])])


def _observations(
    connection: DuckDBPyConnection, since: datetime
) -> dict[str, dict[str, Observation]]:
    """Return the newest open interest by venue and instrument, and what was set aside since."""
    found: dict[str, dict[str, Observation]] = defaultdict(dict)
    for one in lookups.newest_open_interest(connection, since, set_aside=SET_ASIDE):
        stored = asdict(one)
        venue, instrument = stored.pop("venue"), stored.pop("instrument")
        found[venue][instrument] = Observation(**stored)
    return found
