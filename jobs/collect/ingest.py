"""Bringing in what venues tell: what is missing is asked for, landed as it comes, then loaded.

Belongs here: one round from the ledger of feeds over the venues to the landing folder and back
into the ledger. Does not belong here: what is asked for (`jobs.collect.feeds`), how a venue is
asked (`sources.venues`), what a gap is (``sql``).

The warehouse is open before and after, never while venues are asked: a round that is killed or
finds the warehouse busy has landed what it got, and the next one loads it.
"""

import asyncio
import logging
import math
import random
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa
from duckdb import DuckDBPyConnection

from jobs.collect.feeds import DAY, HOUR, Followed, feeds_of, is_due, overlap_of, plan_requests
from jobs.collect.landing import land, landing_name
from jobs.errors import AllVenuesFailed
from jobs.pipeline import open_writer
from jobs.runs import Run, recorded_run, run_file
from jobs.settings import Settings
from sources.checks import separate_bad_names
from sources.errors import SourceError
from sources.quotes import MOST_HOURS, QUOTE_MARKETS, QuoteMarket, ask_quote_rates
from sources.records import Batch
from sources.sentiment import ask_fear_greed
from sources.universe import (
    Change,
    Listing,
    Universe,
    choose_instruments,
    compare_listings,
    read_universe,
)
from sources.venue_names import venue_name
from sources.venues.client import Request, VenueClient
from sources.venues.connection import Connection
from sources.venues.instruments import Instrument
from sources.venues.pacer import Patience, VenueReport
from sources.venues.plausibility import SET_ASIDE, Observation
from sources.venues.rounds import Outcome, RoundReport, run_round
from warehouse.errors import WarehouseBusy
from warehouse.feed_ledger import (
    GRACE,
    AnsweredRequest,
    Feed,
    Gap,
    note_answers,
    read_feeds,
    read_gaps,
    refresh_gaps,
    widen_feeds,
    write_feeds,
)
from warehouse.load import LoadReport, load_landing_files, waiting_files
from warehouse.lookups import (
    ListedContract,
    StoredBrackets,
    first_bar_start,
    known_brackets,
    known_instants,
    known_listings,
    newest_open_interest,
    newest_sentiment,
    open_interest_usd,
    quote_rate_spans,
)

logger = logging.getLogger(__name__)

Clock = Callable[[], datetime]

# The ledger is held against raw this far back in each round; further back where a round asked.
_RECENT = timedelta(hours=6)
# An asset that is followed stays so while it is this close to the largest: ranks change daily.
_TOP_MARGIN = 1.2
_MESSAGES_KEPT = 5
_SENTIMENT = "alternative.me"
_QUOTES = "spot_markets"


@dataclass(frozen=True, slots=True)
class VenueOutcome:
    """What a round came to on one venue.

    Parameters
    ----------
    instruments : int
        Instruments followed.
    requests, done : int
        What was to be asked, and what of it was answered to its end.
    asked, received, retries, not_asked : int
        Calls made, answered, repeated, left out.
    rows, quarantined : int
        Records landed, rows and answers refused.
    seconds : float
        From the first call to the last answer.
    errors : dict of str to int
        How often each kind of error came, retried ones included.
    messages : tuple of str
        What went wrong, in words, without secrets; the first five.
    audit_rows, audit_median_ratio, audit_largest_ratio
        Amount times price over value of open interest: 1 where the units are right.
    """

    instruments: int = 0
    requests: int = 0
    done: int = 0
    asked: int = 0
    received: int = 0
    retries: int = 0
    not_asked: int = 0
    rows: int = 0
    quarantined: int = 0
    seconds: float = 0.0
    errors: dict[str, int] = field(default_factory=dict)
    messages: tuple[str, ...] = ()
    audit_rows: int = 0
    audit_median_ratio: float | None = None
    audit_largest_ratio: float | None = None

    @property
    def has_failed(self) -> bool:
        """Whether nothing of what was to be asked was answered."""
        return self.done == 0 and bool(self.messages)


@dataclass(frozen=True, slots=True)
class IngestReport:
    """What a round came to.

    Parameters
    ----------
    venues : dict of str to VenueOutcome
        By venue.
    listed, delisted : tuple of str
        Instruments, ``venue:instrument``, that trade and did not before, and the reverse.
    row_count : int
        Records landed.
    undone_count : int
        Requests that were not answered to their end; what they left missing is in the ledger.
    loaded : LoadReport or None
        What was loaded; None where the warehouse was busy to the end.
    """

    venues: dict[str, VenueOutcome]
    listed: tuple[str, ...]
    delisted: tuple[str, ...]
    row_count: int
    undone_count: int
    loaded: LoadReport | None


@dataclass(frozen=True, slots=True)
class _Known:
    """What the warehouse knows before a round."""

    feeds: Mapping[tuple[str, str, str], Feed] = field(default_factory=dict)
    gaps: Sequence[Gap] = ()
    listings: Sequence[ListedContract] = ()
    interest_usd: Mapping[tuple[str, str], float] = field(default_factory=dict)
    interest: Mapping[str, Mapping[str, Observation]] = field(default_factory=dict)
    instants: Mapping[str, set[tuple[Any, ...]]] = field(default_factory=dict)
    brackets: Mapping[tuple[str, str], StoredBrackets] = field(default_factory=dict)
    sentiment_at: datetime | None = None
    quotes: Mapping[tuple[str, str], tuple[datetime, datetime]] = field(default_factory=dict)
    first_bar_at: datetime | None = None
    is_blind: bool = False


@dataclass(slots=True)
class _Got:
    """What a round brought, beside what it landed."""

    report: RoundReport = field(default_factory=lambda: RoundReport({}, ()))
    followed: list[Followed] = field(default_factory=list)
    listed_venues: list[str] = field(default_factory=list)
    change: Change = field(default_factory=lambda: Change((), ()))
    beside: dict[str, VenueOutcome] = field(default_factory=dict)  # what is asked of no venue
    unlisted: dict[str, str] = field(default_factory=dict)
    rows: int = 0


def universe_of(settings: Settings, assets: Sequence[str] = ()) -> Universe:
    """Return what is to be followed: the file's, or the defaults where there is none.

    With `assets`, these on the same venues.
    """
    path = settings.universe_file
    is_default = settings.universe is None and not path.exists()
    universe = Universe() if is_default else read_universe(path)
    return replace(universe, assets=tuple(assets)) if assets else universe


def connections_of(settings: Settings, venues: Iterable[str]) -> dict[str, Connection]:
    """Return how each venue is reached."""

    def said(secret: Any) -> str | None:  # noqa: ANN401  (pydantic's, or None)
        return None if secret is None else str(secret.get_secret_value())

    connections = {}
    keys = {venue_name(spelled): key for spelled, key in settings.keys.items()}
    for venue in venues:
        key = keys.get(venue)
        connections[venue] = Connection(
            base_url=settings.venue_url,
            api_key=said(key.api_key) if key else None,
            secret=said(key.secret) if key else None,
            password=said(key.password) if key else None,
            http_proxy=said(settings.http_proxy),
            https_proxy=said(settings.https_proxy),
            socks_proxy=said(settings.socks_proxy),
            ws_proxy=said(settings.ws_proxy),
            wss_proxy=said(settings.wss_proxy),
            ws_socks_proxy=said(settings.ws_socks_proxy),
        )
    return connections


def ingest(
    settings: Settings,
    *,
    clock: Clock,
    universe: Universe | None = None,
    budget_seconds: float = 240.0,
    patience: Patience | None = None,
    seed: int = 0,
    wait_seconds: float = 60.0,
    is_patient: bool = True,
) -> IngestReport:
    """Ask venues for all that is missing and load it; return what came of it.

    Parameters
    ----------
    settings : Settings
        Where things are, and how venues are reached.
    clock : callable
        Tells the time, UTC.
    universe : Universe, optional
        What is followed; by default what the universe file says.
    budget_seconds : float
        Time for each venue; what does not fit into it is asked for by the next round.
    patience : Patience, optional
        How stubbornly a venue is asked.
    seed : int
        For the jitter between tries.
    wait_seconds : float
        How long another writer of the warehouse is waited for, before and after.
    is_patient : bool
        Whether gaps that answers did not fill wait longer each time, and irregular feeds are asked
        for the last day only.

    Raises
    ------
    AllVenuesFailed
        No venue answered anything.
    InputRejected
        The universe file cannot be used.
    """
    with run_file(settings, "ingest") as run:
        universe = universe or universe_of(settings)
        now = clock()
        try:
            known = when_writable(
                lambda: _read_ledger(settings, now, None, is_thorough=not is_patient), wait_seconds
            )
        except WarehouseBusy as exc:
            logger.warning("asking for the last hour without the ledger: %s", exc)
            known = _Known(is_blind=True)
        got = asyncio.run(
            _ask(settings, universe, known, clock, budget_seconds, patience, seed, None, is_patient)
        )
        return _settle(settings, known, got, clock, wait_seconds, run)


def backfill(
    settings: Settings,
    *,
    clock: Clock,
    start: datetime,
    end: datetime | None = None,
    universe: Universe | None = None,
    round_seconds: float = 600.0,
    patience: Patience | None = None,
    seed: int = 0,
    wait_seconds: float = 60.0,
    on_round: Callable[[IngestReport, int], None] | None = None,
) -> IngestReport:
    """Ask for what is missing between two instants until nothing more comes; return the last round.

    It may be stopped at any time: what is loaded is no longer missing, so the next one goes on.

    Parameters
    ----------
    settings : Settings
        Where things are, and how venues are reached.
    clock : callable
        Tells the time, UTC.
    start, end : datetime
        Instants wanted, UTC; the end is now where not given.
    universe : Universe, optional
        What is followed; by default what the universe file says.
    round_seconds : float
        After this much time what has landed is loaded.
    patience, seed, wait_seconds
        As for `ingest`.
    on_round : callable, optional
        Told each round's report and how many requests are left.

    Raises
    ------
    AllVenuesFailed
        No venue answered anything.
    """
    universe = universe or universe_of(settings)
    before: int | None = None
    while True:
        with run_file(settings, "backfill") as run:
            now = clock()
            span = (start, min(end or now, now))
            known = when_writable(
                lambda now=now, span=span: _read_ledger(settings, now, span, is_thorough=False),  # type: ignore[misc]
                wait_seconds,
            )
            got = asyncio.run(
                _ask(settings, universe, known, clock, round_seconds, patience, seed, span, False)
            )
            report = _settle(settings, known, got, clock, wait_seconds, run, span=span)
        if on_round is not None:
            on_round(report, report.undone_count)
        if report.undone_count == 0 or report.loaded is None:
            return report
        # Rounds that bring nothing new end it: what is left, the venue does not answer.
        if before is not None and report.row_count == 0:
            return report
        before = report.undone_count


def when_writable(work: Callable[[], Any], seconds: float) -> Any:  # noqa: ANN401  (what the work returns)
    """Return what the work returns, waiting for another writer of the warehouse."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return work()
        except WarehouseBusy:
            if time.monotonic() >= deadline:
                raise
            time.sleep(min(1.0, max(seconds / 10, 0.01)))


def _read_ledger(
    settings: Settings,
    now: datetime,
    span: tuple[datetime, datetime] | None,
    *,
    is_thorough: bool,
) -> _Known:
    with open_writer(settings) as connection:
        if waiting_files(connection, settings.landing):
            with run_file(settings, "load") as run, recorded_run(connection, run):
                loaded = load_landing_files(
                    connection, settings.landing, run_id=run.run_id, loaded_at=now
                )
                run.row_count = sum(loaded.rows_by_kind.values())
                run.detail = asdict(loaded)
        start = now - _RECENT
        if span is not None:
            venues = {feed.venue for feed in read_feeds(connection).values()}
            widen_feeds(connection, span[0], sorted(venues))
            start = min(start, span[0])
        refresh_gaps(connection, start, now, checked_at=now)
        gaps = read_gaps(connection)
        oldest = min((gap.gap_from for gap in gaps if is_due(gap, now)), default=start)
        if oldest < start:
            # A round that was killed may have loaded what the ledger still calls missing.
            refresh_gaps(connection, oldest, now, checked_at=now)
            gaps = read_gaps(connection)
        feeds = read_feeds(connection)
        usual = {
            kind: now - overlap_of(kind, is_thorough=is_thorough) - DAY
            for kind in ("funding_rate", "realised_liquidation")
        }
        return _Known(
            feeds=feeds,
            gaps=gaps,
            listings=known_listings(connection),
            interest_usd=open_interest_usd(connection, now - 7 * DAY),
            interest=_observations(connection, now - 30 * DAY),
            instants={
                kind: known_instants(connection, kind, _asked_since(kind, since, feeds, span))
                for kind, since in usual.items()
            },
            brackets=known_brackets(connection),
            sentiment_at=newest_sentiment(connection),
            quotes=quote_rate_spans(connection),
            first_bar_at=first_bar_start(connection),
        )


def _asked_since(
    kind: str,
    usual: datetime,
    feeds: Mapping[tuple[str, str, str], Feed],
    span: tuple[datetime, datetime] | None,
) -> datetime:
    """Return since when an irregular kind may be asked for: further back where a run was killed."""
    unanswered = [
        feed.expected_from_at
        for feed in feeds.values()
        if feed.kind == kind and feed.complete_until_at is None
    ]
    return min([usual, *unanswered, *(span[:1] if span else [])])


def _observations(
    connection: DuckDBPyConnection, since: datetime
) -> dict[str, dict[str, Observation]]:
    """Return the last accepted open interest by venue and instrument, and what is held since."""
    found: dict[str, dict[str, Observation]] = {}
    for one in newest_open_interest(connection, since, set_aside=SET_ASIDE):
        found.setdefault(one.venue, {})[one.instrument] = Observation(
            one.observed_at,
            one.quantity,
            one.held_quantity,
            one.held_count,
            one.held_for,
            one.is_held_price,
        )
    return found


class _Lander:
    """Lands batches under names that their contents give, without what is known already."""

    def __init__(self, settings: Settings, known: _Known, now: datetime, got: _Got) -> None:
        self._folder = settings.landing
        self._known = known
        self._at = now
        self._got = got

    def __call__(self, batch: Batch) -> None:
        for part in separate_bad_names(batch):
            self._land(part)

    def _land(self, batch: Batch) -> None:
        table = self._unknown(batch)
        if table.num_rows == 0:
            return
        kept = Batch(batch.kind, table)
        land(kept, self._folder, landing_name(kept, self._at))
        if batch.kind != "quarantine":
            self._got.rows += table.num_rows

    def _unknown(self, batch: Batch) -> pa.Table:
        table = batch.table
        if batch.kind in self._known.instants:
            seen = self._known.instants[batch.kind]
            names = ["venue", "instrument"]
            if batch.kind == "funding_rate":
                names += ["funded_at"]
            else:
                names += ["period_start_at", "side", "order_key"]
            keys = zip(*(table[name].to_pylist() for name in names), strict=True)
            return table.filter(pa.array([key not in seen for key in keys], pa.bool_()))
        if batch.kind == "leverage_bracket":
            names = [
                "bracket",
                "notional_floor_usd",
                "notional_cap_usd",
                "maintenance_margin_ratio",
                "maintenance_deduction_usd",
                "max_leverage",
                "liquidation_fee_ratio",
            ]
            told: dict[tuple[str, str], list[tuple[Any, ...]]] = {}
            rows = table.to_pylist()
            for row in rows:
                key = (row["venue"], row["instrument"])
                told.setdefault(key, []).append(tuple(row[name] for name in names))
            changed = {
                key
                for key, brackets in told.items()
                if key not in self._known.brackets
                or self._known.brackets[key][1] != sorted(brackets)
            }
            keep = [(row["venue"], row["instrument"]) in changed for row in rows]
            return table.filter(pa.array(keep, pa.bool_()))
        return table


async def _ask(
    settings: Settings,
    universe: Universe,
    known: _Known,
    clock: Clock,
    budget_seconds: float,
    patience: Patience | None,
    seed: int,
    span: tuple[datetime, datetime] | None,
    is_patient: bool,
) -> _Got:
    got = _Got()
    now = clock()
    lander = _Lander(settings, known, now, got)
    connections = connections_of(settings, universe.venues)
    async with AsyncExitStack() as stack:
        clients = await _open_clients(stack, universe, connections, clock, patience, seed)
        listed = await _list_all(clients, budget_seconds, got)
        usable = [client for client in clients if client.venue.name in listed]
        listings = await _listings(usable, listed, universe, known, budget_seconds)
        await _land_instruments(usable, listed, known, clock, lander, got)
        chosen = _choose(universe, listings, known)
        history = timedelta(hours=1) if known.is_blind else timedelta(days=settings.history_days)
        if span is not None:
            history = max(history, clock() - span[0])
        asked_at = clock()
        for one in chosen:
            instrument = listed[one.venue][one.instrument]
            got.followed += feeds_of(instrument, now=asked_at, history=history)
        known = _with_new_feeds(settings, known, got, asked_at)
        requests = plan_requests(
            got.followed,
            known.feeds,
            known.gaps,
            now=asked_at,
            is_patient=is_patient,
            is_thorough=not is_patient and span is None,
        )
        if span is not None:
            requests = _within(requests, span)
        else:
            requests += _bracket_requests(chosen, listed, connections, known, asked_at)
        asking_beside = asyncio.gather(
            _ask_sentiment(settings, known, asked_at, lander),
            _ask_quotes(settings, known, asked_at, history, lander),
        )
        try:
            got.report = await run_round(
                usable, requests, lander, budget_seconds=budget_seconds, previous=known.interest
            )
            outcomes = zip((_SENTIMENT, _QUOTES), await asking_beside, strict=True)
            got.beside = {name: one for name, one in outcomes if one is not None}
        finally:
            asking_beside.cancel()
        got.report = RoundReport(
            {client.venue.name: client.report() for client in clients}, got.report.outcomes
        )
    return got


def _with_new_feeds(settings: Settings, known: _Known, got: _Got, now: datetime) -> _Known:
    """Return what is known, with what is followed for the first time held against raw.

    It is written down before it is requested: a round that is killed then goes on where it was, and
    a rebuilt warehouse requests nothing that it holds. Where the warehouse is busy all of it is
    requested, and the end of the round writes it down.
    """
    if known.is_blind or all(one.feed.key in known.feeds for one in got.followed):
        return known
    feeds = [one.feed for one in got.followed]
    try:
        with open_writer(settings) as connection:
            write_feeds(connection, feeds, venues=got.listed_venues, at=now)
            start = min(feed.expected_from_at for feed in feeds)
            refresh_gaps(connection, start, now, checked_at=now)
            return replace(known, feeds=read_feeds(connection), gaps=read_gaps(connection))
    except WarehouseBusy as exc:
        logger.warning("what is followed is written down at the end of the round: %s", exc)
        return known


async def _open_clients(
    stack: AsyncExitStack,
    universe: Universe,
    connections: Mapping[str, Connection],
    clock: Clock,
    patience: Patience | None,
    seed: int,
) -> list[VenueClient]:
    """Return a client for each venue of a universe, closed with the stack."""
    return [
        await stack.enter_async_context(
            VenueClient(
                name,
                clock=clock,
                rng=random.Random(f"{seed} {name} {clock().isoformat()}"),  # noqa: S311  (jitter)
                connection=connections[name],
                patience=patience,
            )
        )
        for name in universe.venues
    ]


def chosen_contracts(
    settings: Settings,
    *,
    clock: Clock,
    universe: Universe | None = None,
    budget_seconds: float = 60.0,
    patience: Patience | None = None,
    seed: int = 0,
    wait_seconds: float = 60.0,
) -> list[tuple[str, str, str | None]]:
    """Return the contracts that are followed: venue, unified symbol, the venue's own name.

    Nothing is landed. A venue that does not answer has the contracts it listed last, whose own
    names are not known (None).

    Parameters
    ----------
    settings, clock, universe, patience, seed, wait_seconds
        As for `ingest`.
    budget_seconds : float
        Time for each venue to list its contracts.
    """
    universe = universe or universe_of(settings)
    known = when_writable(
        lambda: _read_ledger(settings, clock(), None, is_thorough=False), wait_seconds
    )

    async def ask() -> list[tuple[str, str, str | None]]:
        got = _Got()
        async with AsyncExitStack() as stack:
            connections = connections_of(settings, universe.venues)
            clients = await _open_clients(stack, universe, connections, clock, patience, seed)
            listed = await _list_all(clients, budget_seconds, got)
            usable = [client for client in clients if client.venue.name in listed]
            listings = await _listings(usable, listed, universe, known, budget_seconds)
        for message in got.unlisted.values():
            logger.warning("%s", message)
        listings += [
            Listing(row[0], row[1], row[2], row[8], known.interest_usd.get((row[0], row[1])))
            for row in known.listings
            if row[0] in got.unlisted
        ]
        names = {
            (venue, name): one.market_id
            for venue, instruments in listed.items()
            for name, one in instruments.items()
        }
        return [
            (one.venue, one.instrument, names.get((one.venue, one.instrument)))
            for one in _choose(universe, listings, known)
        ]

    return asyncio.run(ask())


async def _list_all(
    clients: Sequence[VenueClient], budget_seconds: float, got: _Got
) -> dict[str, Mapping[str, Instrument]]:
    """Return what each venue lists; those that do not answer are left out, with the reason."""

    async def one(client: VenueClient) -> Mapping[str, Instrument] | str:
        client.allow(budget_seconds)
        try:
            async with asyncio.timeout(budget_seconds):
                return await client.known_instruments()
        except SourceError as exc:
            return str(exc)
        except TimeoutError:
            return f"{client.venue.name}: no list of contracts within {budget_seconds:g} s"

    answers = await asyncio.gather(*(one(client) for client in clients))
    listed: dict[str, Mapping[str, Instrument]] = {}
    for client, answer in zip(clients, answers, strict=True):
        if isinstance(answer, str):
            got.unlisted[client.venue.name] = answer
        else:
            listed[client.venue.name] = answer
            got.listed_venues.append(client.venue.name)
    return listed


async def _listings(
    clients: Sequence[VenueClient],
    listed: Mapping[str, Mapping[str, Instrument]],
    universe: Universe,
    known: _Known,
    budget_seconds: float,
) -> list[Listing]:
    """Return what can be chosen from, with open interest where it is known or quickly told."""
    usd = dict(known.interest_usd)
    if not universe.assets and not usd:
        usd = await _ask_sizes(clients, listed, budget_seconds)
    return [
        Listing(venue, name, one.asset, one.is_active, usd.get((venue, name)))
        for venue, instruments in listed.items()
        for name, one in instruments.items()
    ]


async def _ask_sizes(
    clients: Sequence[VenueClient],
    listed: Mapping[str, Mapping[str, Instrument]],
    budget_seconds: float,
) -> dict[tuple[str, str], float]:
    """Return open interest in USD of all contracts of the venues that tell it in one call."""
    sizes: dict[tuple[str, str], float] = {}

    def take(batch: Batch) -> None:
        if batch.kind != "open_interest":
            return
        for row in batch.table.to_pylist():
            if row["received_value"] is not None and row["received_value_unit"] == "usd":
                sizes[row["venue"], row["instrument"]] = row["received_value"]

    requests = []
    for client in clients:
        names = tuple(
            name
            for name, one in listed[client.venue.name].items()
            if one.product.open_interest_now is not None
            and one.product.open_interest_now.value_unit == "usd"
            and one.product.open_interest_now.endpoint.per == "product"
        )
        if names:
            requests.append(Request(client.venue.name, "open_interest_now", names))
    if requests:
        await run_round(clients, requests, take, budget_seconds=budget_seconds)
    return sizes


def _choose(universe: Universe, listings: Sequence[Listing], known: _Known) -> list[Listing]:
    """Return the instruments to follow; who is followed and nearly among the largest stays."""
    chosen = choose_instruments(universe, listings)
    if universe.assets or not known.feeds:
        return chosen
    wider = replace(universe, top=math.ceil(universe.top * _TOP_MARGIN))
    followed = {feed.asset for feed in known.feeds.values()}
    taken = {(one.venue, one.instrument) for one in chosen}
    return chosen + [
        one
        for one in choose_instruments(wider, listings)
        if one.asset in followed and (one.venue, one.instrument) not in taken
    ]


_DESCRIPTION = (
    "venue",
    "instrument",
    "asset",
    "quote",
    "contract_kind",
    "contract_size",
    "base_multiplier",
    "tick_size",
    "lot_quantity",
    "is_active",
)


async def _land_instruments(
    clients: Sequence[VenueClient],
    listed: Mapping[str, Mapping[str, Instrument]],
    known: _Known,
    clock: Clock,
    lander: _Lander,
    got: _Got,
) -> None:
    """Land the contracts whose description changed, and those that are listed no more."""
    before = {(row[0], row[1]): tuple(row) for row in known.listings}
    for client in clients:
        name = client.venue.name
        for batch in await client.instruments():
            table = batch.table
            if batch.kind == "instrument":
                rows = table.to_pylist()
                keep = [
                    before.get((row["venue"], row["instrument"]))
                    != tuple(row[column] for column in _DESCRIPTION)
                    for row in rows
                ]
                table = table.filter(pa.array(keep, pa.bool_()))
            elif any(row[0] == name for row in known.listings):
                # Markets that cannot be used are told once, not each round.
                continue
            lander(Batch(batch.kind, table))
        gone = [
            {
                **dict(zip(_DESCRIPTION, row, strict=True)),
                "is_active": False,
                "observed_at": clock(),
                "source": "listing",
                "ingested_at": clock(),
            }
            for (venue, instrument), row in before.items()
            if venue == name and instrument not in listed[name] and row[-1]
        ]
        if gone:
            schema = (await client.instruments())[0].table.schema
            lander(Batch("instrument", pa.Table.from_pylist(gone, schema=schema)))
    current = [
        Listing(venue, name, one.asset, one.is_active)
        for venue, instruments in listed.items()
        for name, one in instruments.items()
    ]
    earlier = {row[0] for row in known.listings}
    got.change = compare_listings(
        [Listing(row[0], row[1], row[2], row[-1]) for row in known.listings],
        # The first listing of a venue is no news.
        [one for one in current if one.venue in earlier],
    )


def _within(requests: Sequence[Request], span: tuple[datetime, datetime]) -> list[Request]:
    """Return the requests, cut to a span."""
    cut = []
    for request in requests:
        if request.start is None or request.end is None:
            continue
        start, end = max(request.start, span[0]), min(request.end, span[1])
        if start < end:
            cut.append(replace(request, start=start, end=end))
    return cut


def _bracket_requests(
    chosen: Sequence[Listing],
    listed: Mapping[str, Mapping[str, Instrument]],
    connections: Mapping[str, Connection],
    known: _Known,
    now: datetime,
) -> list[Request]:
    """Return what to ask for margin brackets that were not asked for within a day."""
    asked_at: dict[str, datetime] = {}
    for (venue, _), (ingested_at, _) in known.brackets.items():
        asked_at[venue] = max(ingested_at, asked_at.get(venue, ingested_at))
    due: dict[tuple[str, str], list[str]] = {}
    for one in chosen:
        instrument = listed[one.venue][one.instrument]
        brackets = instrument.product.brackets
        endpoint = getattr(brackets, "endpoint", None)
        if brackets is None or (
            endpoint and endpoint.needs_key and not connections[one.venue].has_key
        ):
            continue
        is_new = (one.venue, one.instrument) not in known.brackets
        is_day = now.hour == 0 and now - asked_at.get(one.venue, now - DAY) > HOUR
        if is_new or is_day:
            key = (one.venue, instrument.contract_kind)
            due.setdefault(key, []).append(one.instrument)
    return [Request(venue, "leverage_bracket", tuple(names)) for (venue, _), names in due.items()]


async def _ask_sentiment(
    settings: Settings, known: _Known, now: datetime, lander: _Lander
) -> VenueOutcome | None:
    """Ask for the Fear & Greed index of the days since the last, at most once a day."""
    if settings.venue_url is not None and settings.sentiment_url is None:
        # A stand-in for venues has no index, and the real one belongs to another time.
        return None
    if known.is_blind or (known.sentiment_at and known.sentiment_at.date() >= now.date()):
        return None
    days = 0 if known.sentiment_at is None else (now - known.sentiment_at).days + 1
    started = time.monotonic()
    try:
        batches = await ask_fear_greed(days=days, now=now, base_url=settings.sentiment_url)
    except SourceError as exc:
        seconds = time.monotonic() - started
        return VenueOutcome(
            requests=1,
            asked=1,
            seconds=seconds,
            errors={type(exc).__name__: 1},
            messages=(str(exc),),
        )
    rows = 0
    for batch in batches:
        table = batch.table
        if batch.kind == "sentiment" and known.sentiment_at is not None:
            stamps = table["observed_at"].to_pylist()
            keep = [stamp > known.sentiment_at for stamp in stamps]
            table = table.filter(pa.array(keep, pa.bool_()))
        lander(Batch(batch.kind, table))
        rows += table.num_rows
    seconds = time.monotonic() - started
    return VenueOutcome(requests=1, done=1, asked=1, received=1, rows=rows, seconds=seconds)


def _due_quotes(
    known: _Known, now: datetime, history: timedelta
) -> list[tuple[QuoteMarket, datetime, datetime]]:
    """Return what to ask of which market, between which instants, at most once an hour.

    What came since the last close, and a piece further back while bars are older than the first.
    """
    hour = now.replace(minute=0, second=0, microsecond=0)
    due = []
    for market in QUOTE_MARKETS:
        first = hour - min(history, MOST_HOURS * HOUR)
        oldest, newest = known.quotes.get((market.venue, market.pair), (None, first))
        if newest >= hour:
            continue
        due.append((market, newest, now))
        if oldest is not None and known.first_bar_at is not None and market.until_param:
            since = max(known.first_bar_at, oldest - MOST_HOURS * HOUR)
            if since < oldest - HOUR:
                due.append((market, since, oldest - HOUR))
    return due


async def _ask_quotes(
    settings: Settings, known: _Known, now: datetime, history: timedelta, lander: _Lander
) -> VenueOutcome | None:
    """Ask spot markets for the closes of stablecoins that are due."""
    if known.is_blind or (settings.venue_url is not None and settings.quotes_url is None):
        # As with sentiment: a stand-in for venues belongs to another time.
        return None
    due = _due_quotes(known, now, history)
    if not due:
        return None
    started = time.monotonic()
    answers = await asyncio.gather(
        *(
            ask_quote_rates(market, since=since, until=until, now=now, base_url=settings.quotes_url)
            for market, since, until in due
        ),
        return_exceptions=True,
    )
    rows, errors = 0, []
    for answer in answers:
        if isinstance(answer, SourceError):
            errors.append(answer)
        elif isinstance(answer, BaseException):
            raise answer
        else:
            for batch in answer:
                lander(batch)
                rows += batch.table.num_rows
    return VenueOutcome(
        requests=len(due),
        done=len(due) - len(errors),
        asked=len(due),
        received=len(due) - len(errors),
        rows=rows,
        seconds=time.monotonic() - started,
        errors=dict(Counter(type(one).__name__ for one in errors)),
        messages=tuple(str(one) for one in errors)[:_MESSAGES_KEPT],
    )


def _outcomes(got: _Got) -> dict[str, VenueOutcome]:
    by_venue: dict[str, list[Outcome]] = {}
    for outcome in got.report.outcomes:
        by_venue.setdefault(outcome.request.venue, []).append(outcome)
    found: dict[str, VenueOutcome] = {}
    for name, report in got.report.venues.items():
        outcomes = by_venue.get(name, [])
        instruments = {one.feed.instrument for one in got.followed if one.feed.venue == name}
        messages = [one.message for one in outcomes if one.message is not None]
        if name in got.unlisted:
            messages.insert(0, got.unlisted[name])
        found[name] = _venue_outcome(report, outcomes, len(instruments), messages)
    return found | got.beside


def _venue_outcome(
    report: VenueReport, outcomes: Sequence[Outcome], instruments: int, messages: Sequence[str]
) -> VenueOutcome:
    audit = report.unit_audit
    return VenueOutcome(
        instruments=instruments,
        requests=len(outcomes),
        done=sum(one.status == "done" for one in outcomes),
        asked=report.asked,
        received=report.received,
        retries=report.retries,
        not_asked=report.not_asked,
        rows=sum(one.rows for one in outcomes),
        quarantined=report.quarantined,
        seconds=round(report.seconds, 3),
        errors=dict(report.errors),
        messages=tuple(dict.fromkeys(messages))[:_MESSAGES_KEPT],
        audit_rows=audit.rows,
        audit_median_ratio=audit.median_ratio if audit.rows else None,
        audit_largest_ratio=audit.largest_ratio if audit.rows else None,
    )


def _settle(
    settings: Settings,
    known: _Known,
    got: _Got,
    clock: Clock,
    wait_seconds: float,
    run: Run,
    *,
    span: tuple[datetime, datetime] | None = None,
) -> IngestReport:
    """Load what has landed, bring the ledger up to date, record the run."""
    venues = _outcomes(got)
    undone = sum(one.status != "done" for one in got.report.outcomes)
    report = IngestReport(
        venues=venues,
        listed=tuple(f"{one.venue}:{one.instrument}" for one in got.change.listed),
        delisted=tuple(f"{one.venue}:{one.instrument}" for one in got.change.delisted),
        row_count=got.rows,
        undone_count=undone,
        loaded=None,
    )
    run.row_count = got.rows
    run.detail = _detail(report, None)
    asked = {name: one for name, one in venues.items() if name not in got.beside}
    failed = [name for name, one in asked.items() if one.has_failed]

    def work() -> LoadReport:
        with open_writer(settings) as connection, recorded_run(connection, run):
            loaded = load_landing_files(
                connection, settings.landing, run_id=run.run_id, loaded_at=clock()
            )
            run.detail = _detail(report, loaded)
            _update_ledger(connection, known, got, clock(), span)
            if asked and len(failed) == len(asked):
                first = next(iter(asked[failed[0]].messages))
                raise AllVenuesFailed(
                    f"none of {', '.join(asked)} answered; the first said: {first}. Look at the "
                    "network, then run `liqheat ingest` again: what is missing is asked for then"
                )
            return loaded

    try:
        loaded: LoadReport = when_writable(work, wait_seconds)
    except WarehouseBusy as exc:
        logger.warning("what has landed is loaded by the next run: %s", exc)
        return report
    for name, one in venues.items():
        for message in one.messages:
            logger.warning("%s: %s", name, message)
    return replace(report, loaded=loaded)


def _detail(report: IngestReport, loaded: LoadReport | None) -> dict[str, Any]:
    return {
        "venues": {name: asdict(one) for name, one in report.venues.items()},
        "listed": report.listed,
        "delisted": report.delisted,
        "undone_count": report.undone_count,
        **({"rows_by_kind": loaded.rows_by_kind, "rejected": loaded.rejected} if loaded else {}),
    }


def _update_ledger(
    connection: DuckDBPyConnection,
    known: _Known,
    got: _Got,
    now: datetime,
    span: tuple[datetime, datetime] | None,
) -> None:
    if not known.is_blind:
        write_feeds(
            connection, [one.feed for one in got.followed], venues=got.listed_venues, at=now
        )
    periods = {one.feed.key: one.feed.period_seconds for one in got.followed}

    def is_regular(request: Request) -> bool:
        return periods.get((request.venue, request.instruments[0], request.kind), 0) > 0

    # What is irregular has no gaps, and overlaps what was answered by a day.
    starts = [
        one.request.start
        for one in got.report.outcomes
        if one.request.start is not None and is_regular(one.request)
    ]
    start = min([now - _RECENT, *starts, *([span[0]] if span else [])])
    refresh_gaps(connection, start, now - GRACE, checked_at=now)
    regular: list[AnsweredRequest] = []
    irregular: list[AnsweredRequest] = []
    for outcome in got.report.outcomes:
        request = outcome.request
        if outcome.status != "done" or request.start is None or request.end is None:
            continue
        answer = AnsweredRequest(
            request.venue, request.instruments[0], request.kind, request.start, request.end, now
        )
        (regular if is_regular(request) else irregular).append(answer)
    note_answers(connection, _joined(regular), irregular)


def _joined(answers: Iterable[AnsweredRequest]) -> list[AnsweredRequest]:
    """Return answers with adjoining ones of one feed made one: long spans are asked in pieces."""
    joined: list[AnsweredRequest] = []
    for one in sorted(
        answers,
        key=lambda answer: (answer.venue, answer.instrument, answer.kind, answer.asked_from_at),
    ):
        last = joined[-1] if joined else None
        if (
            last is not None
            and (last.venue, last.instrument, last.kind) == (one.venue, one.instrument, one.kind)
            and one.asked_from_at <= last.asked_to_at
        ):
            joined[-1] = replace(last, asked_to_at=max(last.asked_to_at, one.asked_to_at))
        else:
            joined.append(one)
    return joined
