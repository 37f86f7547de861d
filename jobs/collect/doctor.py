"""Asking each venue for one small answer of each kind, and holding it against its declaration.

Belongs here: what is asked in which order, what came of it, the report. Does not belong here: what
an answer must look like (`sources.venues.conformance`). Nothing is stored, and no warehouse needed.
"""

import asyncio
import importlib.metadata
import json
import platform
import random
import tempfile
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa

from jobs.collect.scope import Clock, configured_universe, venue_connections
from jobs.settings import Settings
from sources.archives.binance import ADDRESS, BAR_DATASETS, ArchiveFile, Contract
from sources.archives.download import ArchiveClient
from sources.errors import InputRejected, SourceError, VenueRejected, VenueUnavailable
from sources.quotes import QUOTE_MARKETS, QuoteMarket, ask_quote_rates
from sources.records import SCHEMAS
from sources.venue_names import venue_name
from sources.venues.client import Response, VenueClient
from sources.venues.conformance import (
    ALL_CONTRACTS,
    Declared,
    Difference,
    Examination,
    choose_sample,
    compare_kinds,
    declared_endpoints,
    examine,
    examine_clock,
    examine_described,
    in_lots,
)
from sources.venues.connection import Connection, HttpAnswer
from sources.venues.declaration import OpenInterest, Product, Venue
from sources.venues.declared import find_venue, venues_with_one_side
from sources.venues.instruments import Instrument, instrument_batch
from sources.venues.pacer import Patience, RequestSkipped
from sources.venues.payload import MalformedResponse
from sources.venues.responses import Context, read_page, to_ms
from warehouse.connect import select_model

Status = Literal["fits", "differs", "not checked", "left out"]
Progress = Callable[[str, str, float], None]

_PATIENCE = Patience(attempts=2, concurrency=1)
_EXCERPT = 600
_FEWEST_FIGURES = 40
# The largest have every kind of answer.
_ASSETS = ("BTC", "ETH", "SOL")
# Whose body is no answer of the venue: it is not reachable from here, whatever is declared.
_BARRED = frozenset({401, 403, 407, 451})
# What reading may raise over an answer nobody expected, or over a declaration that cannot be.
_UNREADABLE = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError)
# Files of a day are published within two days.
_ARCHIVE_DAYS = 4
_RATE_WORDS = ("limit", "used-weight", "order-count")


@dataclass(frozen=True, slots=True)
class Exchanged:
    """One request and the beginning of its answer, without secrets."""

    request: str
    sent: str | None = None
    status: int | None = None
    excerpt: str | None = None


@dataclass(frozen=True, slots=True)
class Examined:
    """What one answer came to.

    Parameters
    ----------
    venue, kind : str
        Whose answer, to what.
    instrument : str or None
        Of which contract.
    declaration : str
        The declaration it was held against, as an expression over `VENUES`.
    status : {'fits', 'differs', 'not checked', 'left out'}
        ``not checked``: no answer could be had. ``left out``: a key is missing, or figures are too
        few to judge.
    reason : str or None
        Why it was not checked or left out.
    rows : int
        Rows in the answer.
    differences : tuple of Difference
        What is otherwise than declared.
    notes : tuple of str
        What the answer could not show.
    exchanges : tuple of Exchanged
        What was asked and answered.
    """

    venue: str
    kind: str
    instrument: str | None
    declaration: str
    status: Status
    reason: str | None = None
    rows: int = 0
    differences: tuple[Difference, ...] = ()
    notes: tuple[str, ...] = ()
    exchanges: tuple[Exchanged, ...] = ()

    @property
    def whose(self) -> str:
        """Return whose answer it is in words."""
        return " ".join(filter(None, (self.venue, self.kind, self.instrument)))


@dataclass(frozen=True, slots=True)
class DoctorReport:
    """What examining venues came to.

    Parameters
    ----------
    made_at : datetime
        When.
    versions : mapping of str to str
        Of liqheat, ccxt, Python and the platform.
    examined : tuple of Examined
        One for each answer.
    rate_limits : mapping of str to mapping
        By venue: the last value of each header about limits.
    """

    made_at: datetime
    versions: Mapping[str, str]
    examined: tuple[Examined, ...]
    rate_limits: Mapping[str, Mapping[str, str]]

    def of_status(self, status: Status) -> list[Examined]:
        """Return the examinations that came to a status."""
        return [one for one in self.examined if one.status == status]

    def lines(self) -> list[str]:
        """Return in words what differs, and what could not be checked."""
        found = [
            f"differs: {one.whose}: {difference.words}"
            for one in self.of_status("differs")
            for difference in one.differences
        ]
        unchecked = self.of_status("not checked")
        return found + [f"not checked: {one.whose}: {one.reason}" for one in unchecked]

    @property
    def has_fitted(self) -> bool:
        """Return whether everything was checked and nothing differs."""
        return not self.of_status("differs") and not self.of_status("not checked")


def venues_to_examine(settings: Settings, named: Sequence[str]) -> tuple[str, ...]:
    """Return the venues named, by whichever of their names, or those of the universe.

    Raises
    ------
    VenueRejected
        Where none is called that.
    """
    if not named:
        return configured_universe(settings).venues
    return tuple(dict.fromkeys(find_venue(venue_name(one)).name for one in named))


def run_doctor(
    settings: Settings,
    *,
    clock: Clock,
    venues: Iterable[str],
    has_feeds: bool = True,
    budget_seconds: float = 120.0,
    patience: Patience = _PATIENCE,
    progress: Progress = lambda _step, _item, _share: None,
) -> DoctorReport:
    """Return what venues, the archive and the spot markets answer otherwise than declared.

    Parameters
    ----------
    settings : Settings
        Addresses, proxies and keys.
    clock : Callable
        Tells the time, UTC.
    venues : iterable of str
        Which venues.
    has_feeds : bool
        Whether the public archive and the spot markets of stablecoins are asked too.
    budget_seconds : float
        For each venue.
    patience : Patience
        How stubbornly to ask.
    progress : Callable
        Told venue, kind and share done.
    """
    return asyncio.run(
        _run(settings, clock, tuple(venues), has_feeds, budget_seconds, patience, progress)
    )


async def _run(
    settings: Settings,
    clock: Clock,
    venues: Sequence[str],
    has_feeds: bool,
    budget_seconds: float,
    patience: Patience,
    progress: Progress,
) -> DoctorReport:
    connections = venue_connections(settings, venues)
    visits = [
        _Visit(name, connections[name], clock, budget_seconds, patience, progress)
        for name in venues
    ]
    made_at = clock()
    visited = await asyncio.gather(
        *(visit.examine() for visit in visits),
        *([_examine_feeds(settings, made_at)] if has_feeds else []),
    )
    return DoctorReport(
        made_at=made_at,
        versions={
            "liqheat": importlib.metadata.version("liqheat"),
            "ccxt": importlib.metadata.version("ccxt"),
            "python": platform.python_version(),
            "platform": platform.platform(),
        },
        examined=tuple(one for examined in visited for one in examined),
        rate_limits={visit.name: visit.rate_limits for visit in visits if visit.rate_limits},
    )


@dataclass(slots=True)
class _Visit:
    """The examination of one venue: its calls one after the other, so that each has its answer."""

    name: str
    connection: Connection
    clock: Clock
    budget_seconds: float
    patience: Patience
    progress: Progress
    rate_limits: dict[str, str] = field(default_factory=dict)
    examined: list[Examined] = field(default_factory=list)
    heard: list[HttpAnswer] = field(default_factory=list)
    is_over: bool = False
    # One call serves several kinds where it is the same.
    answered: dict[str, tuple[Response, tuple[HttpAnswer, ...]]] = field(default_factory=dict)
    snapshots: dict[str, Response] = field(default_factory=dict)

    def _hear(self, answer: HttpAnswer) -> None:
        self.heard.append(answer)
        for name, value in answer.headers.items():
            if any(word in name for word in _RATE_WORDS):
                self.rate_limits[name] = value

    def _exchanges(self) -> tuple[Exchanged, ...]:
        """Return what was exchanged since the last time."""
        exchanged = tuple(
            Exchanged(f"{one.method} {one.url}", one.sent, one.status, one.body[:_EXCERPT])
            for one in self.heard
        )
        self.heard.clear()
        return exchanged

    async def examine(self) -> list[Examined]:
        """Return what the venue's answers came to."""
        client = VenueClient(
            self.name,
            clock=self.clock,
            rng=random.Random(self.name),  # noqa: S311  (jitter)
            connection=self.connection,
            patience=self.patience,
            listener=self._hear,
        )
        async with client:
            client.allow(self.budget_seconds)
            self.progress(self.name, "instruments", 0.0)
            listed = await self._examine_instruments(client)
            if listed is not None:
                await self._examine_listed(client, listed)
        self.progress(self.name, "done", 1.0)
        return self.examined

    async def _examine_listed(self, client: VenueClient, listed: Mapping[str, Instrument]) -> None:
        """Examine all that can be asked for once the contracts are known."""
        place = f'VENUES["{self.name}"]'
        await self._attempt("clock", None, place, self._examine_clock(client))
        figures: list[dict[str, Any]] = []
        for number, product in enumerate(client.venue.products):
            chosen = choose_contract(product, listed.values())
            if chosen is not None:
                share = number / len(client.venue.products)
                figures += await self._examine_product(client, chosen, listed, share)
        self._examine_sides(client.venue, listed, figures)

    async def _attempt(
        self, kind: str, instrument: str | None, place: str, work: Awaitable[Examination]
    ) -> Examination | None:
        """Note what work came to, and return it where there was an answer with rows."""
        status: Status = "not checked"
        reason: str | None = None
        done: Examination | None = None
        differences: tuple[Difference, ...] = ()
        try:
            done = await work
        except RequestSkipped as exc:
            self.is_over = True
            reason = f"{exc}. Nor was anything after it"
        except (VenueUnavailable, VenueRejected) as exc:
            difference = _contradiction(exc, place)
            differences = () if difference is None else (difference,)
            reason = str(exc)
        except _UNREADABLE as exc:
            words = f"the answer cannot be read by it ({type(exc).__name__}: {exc})"
            differences = (Difference("answer", words, "an answer that fits", place),)
        else:
            differences = done.differences
        if differences:
            status = "differs"
        elif done is not None:
            status = "fits"
        self.examined.append(
            Examined(
                venue=self.name,
                kind=kind,
                instrument=instrument,
                declaration=place,
                status=status,
                reason=reason,
                rows=0 if done is None else done.rows,
                differences=differences,
                notes=() if done is None else done.notes,
                exchanges=self._exchanges(),
            )
        )
        return done

    async def _examine_instruments(self, client: VenueClient) -> dict[str, Instrument] | None:
        """Return the listed contracts; None where they could not be had."""
        place = f'VENUES["{self.name}"]'
        listed: dict[str, Instrument] = {}

        async def work() -> Examination:
            batches = await client.instruments()
            listed.update(await client.known_instruments())
            differences = [
                Difference(
                    "market",
                    f"no active {product.contract_kind} perpetual in {'/'.join(product.quotes)} "
                    "is listed",
                    f"{product.contract_kind} contracts",
                    f"{place}.products[{number}].quotes",
                )
                for number, product in enumerate(client.venue.products)
                if choose_contract(product, listed.values()) is None
            ]
            notes = [
                f"{row['instrument'] or 'a market'}: {row['reason']}"
                for one in batches
                if one.kind == "quarantine"
                for row in one.table.to_pylist()
            ]
            return Examination(len(listed), tuple(differences), tuple(notes[:10]))

        done = await self._attempt("instruments", None, f"{place}.markets_method", work())
        return None if done is None else listed

    async def _examine_clock(self, client: VenueClient) -> Examination:
        sent_ms = to_ms(self.clock())
        server_ms = await client.server_time()
        received_ms = to_ms(self.clock())
        if server_ms is None:
            return Examination(0, notes=("the venue has no endpoint for its time",))
        found = examine_clock(server_ms, sent_ms, received_ms, self.name)
        return Examination(1, tuple(found))

    async def _examine_product(
        self,
        client: VenueClient,
        chosen: Instrument,
        listed: Mapping[str, Instrument],
        share: float,
    ) -> list[dict[str, Any]]:
        """Examine all that is declared of a product; return figures that show sides."""
        prices: dict[str, float] = {}
        first: dict[str, Declared] = {}
        records: dict[str, list[dict[str, Any]]] = {}
        endpoints = list(declared_endpoints(client.venue, chosen.product))
        # Brackets come last: some are valued by the mark prices asked for before.
        for at, declared in enumerate(endpoints):
            done_share = share + at / len(endpoints) / len(client.venue.products)
            self.progress(self.name, f"{declared.name} {chosen.instrument}", done_share)
            done = await self._examine_endpoint(client, declared, chosen, prices)
            if declared.newer is not None:
                continue
            first.setdefault(declared.kind, declared)
            if done is None:
                continue
            prices |= done.prices or {}
            if done.differences:
                # What is wrong already is held against no other kind.
                continue
            kind = "open_interest" if declared.kind == "open_interest_now" else declared.kind
            records.setdefault(declared.kind, []).extend(
                row for one in done.batches if one.kind == kind for row in one.table.to_pylist()
            )
        for kind, difference in compare_kinds(first, records):
            self._add(first[kind], chosen, difference)
        history = records.get("open_interest", [])
        if len(history) >= _FEWEST_FIGURES or "open_interest_now" not in first:
            return history
        return self._figures_of_all(first["open_interest_now"], chosen, listed)

    async def _examine_endpoint(
        self,
        client: VenueClient,
        declared: Declared,
        chosen: Instrument,
        prices: Mapping[str, float],
    ) -> Examination | None:
        if self.is_over:
            return None
        endpoint = declared.endpoint
        if endpoint is not None and endpoint.needs_key and not self.connection.has_key:
            self.examined.append(
                Examined(
                    venue=self.name,
                    kind=declared.name,
                    instrument=chosen.instrument,
                    declaration=declared.place,
                    status="left out",
                    reason=f"needs an API key: set LIQHEAT_KEYS__{self.name.upper()}__API_KEY "
                    "and __SECRET",
                )
            )
            return None
        sample = choose_sample(declared, to_ms(self.clock()))

        async def work() -> Examination:
            if endpoint is None:
                context = Context(
                    self.name, {chosen.market_id: chosen}, self.clock(), declared.place
                )
                return examine_described(declared, chosen, context, prices)
            span = () if sample is None else (sample.first_ms, sample.last_ms, sample.limit)
            key = json.dumps([endpoint.method, dict(endpoint.params), span], default=str)
            key += chosen.instrument
            if key not in self.answered:
                answered = await client.answer(endpoint, [chosen], *span)
                self.answered[key] = answered, tuple(self.heard)
            answered, self.heard[:] = self.answered[key]
            instruments = {str(chosen.market.get(endpoint.id_key, chosen.market_id)): chosen}
            context = replace(answered.context, instruments=instruments, seen=set())
            self.snapshots[declared.place] = answered
            return examine(declared, answered.answer, context, sample, prices)

        return await self._attempt(declared.name, chosen.instrument, declared.path, work())

    def _add(self, declared: Declared, chosen: Instrument, difference: Difference) -> None:
        """Add a difference to what was noted of an endpoint."""
        for number, one in enumerate(self.examined):
            if one.declaration == declared.path and one.instrument == chosen.instrument:
                self.examined[number] = replace(
                    one, status="differs", differences=(*one.differences, difference)
                )

    def _figures_of_all(
        self, declared: Declared, chosen: Instrument, listed: Mapping[str, Instrument]
    ) -> list[dict[str, Any]]:
        """Return open interest of all contracts of a product, as one answer tells it, in lots."""
        answered, endpoint = self.snapshots.get(declared.place), declared.endpoint
        if answered is None or endpoint is None or endpoint.per != "product":
            return []
        members = {
            str(one.market.get(endpoint.id_key, one.market_id)): one
            for one in listed.values()
            if one.product is chosen.product
        }
        context = replace(answered.context, instruments=members)
        page = read_page(declared.reading, endpoint, answered.answer, context)
        batches = [one for one in page.batches if one.kind == "open_interest"]
        return [row for batch in batches for row in in_lots(batch, listed)]

    def _examine_sides(
        self,
        venue: Venue,
        listed: Mapping[str, Instrument],
        figures: Sequence[dict[str, Any]],
    ) -> None:
        """Hold the share of odd lots against the sides declared, by the rule of the warehouse."""
        place = next(
            (
                one.place
                for product in venue.products
                for one in declared_endpoints(venue, product)
                if isinstance(one.reading, OpenInterest)
            ),
            None,
        )
        if place is None or not figures:
            return
        words, differences, is_seen = _judge_sides(self.name, place, listed, figures)
        judged: Status = "differs" if differences else "fits"
        self.examined.append(
            Examined(
                venue=self.name,
                kind="sides of open interest",
                instrument=None,
                declaration=f"{place}.sides_counted",
                status=judged if is_seen else "left out",
                reason=words,
                rows=len(figures),
                differences=tuple(differences),
            )
        )


def choose_contract(product: Product, listed: Iterable[Instrument]) -> Instrument | None:
    """Return the contract of a product that stands for all; None where none is listed."""
    members = [one for one in listed if one.product is product and one.is_active]

    def rank(one: Instrument) -> tuple[int, int, str]:
        known = _ASSETS.index(one.asset) if one.asset in _ASSETS else len(_ASSETS)
        return known, product.quotes.index(one.quote), one.instrument

    return min(members, key=rank, default=None)


def _contradiction(exc: VenueUnavailable | VenueRejected, place: str) -> Difference | None:
    """Return what an error says against a declaration; None where there was no answer to judge."""
    is_endpoint = ".products[" in place
    cause = exc.__cause__
    if isinstance(cause, MalformedResponse):
        mend = f"{place}.rows" if is_endpoint else place
        return Difference("rows", str(cause), "rows where the declaration says", mend)
    if isinstance(exc, VenueRejected) and getattr(cause, "http_status", None) not in _BARRED:
        mend = f"{place}.params" if is_endpoint else place
        return Difference("request", str(exc), "a request the venue takes", mend)
    return None


def _judge_sides(
    venue: str,
    place: str,
    listed: Mapping[str, Instrument],
    figures: Sequence[dict[str, Any]],
) -> tuple[str, list[Difference], bool]:
    """Return in words what the share of odd lots shows, what it contradicts, if it shows any."""
    if venue in venues_with_one_side():
        return "the venue's own figure of one side is held against each row", [], False
    now = figures[0]["ingested_at"]
    instruments = instrument_batch(listed.values(), source="", observed_at=now).table.to_pylist()
    # What `in_lots` counts together is an instrument of its own, of one lot a contract.
    pooled = instruments[0] | {
        "instrument": ALL_CONTRACTS,
        "contract_kind": "linear",
        "contract_size": 1.0,
        "lot_quantity": 1.0,
    }
    (row,) = select_model(
        "intermediate.int_odd_lot",
        {
            "raw.open_interest": pa.Table.from_pylist(
                list(figures), schema=SCHEMAS["open_interest"]
            ),
            "staging.stg_instrument": pa.Table.from_pylist(
                [*instruments, pooled], schema=SCHEMAS["instrument"]
            ),
        },
    )
    if row["sides_seen"] is None:
        return f"not seen: {row['reason']}", [], False
    shown = "one side" if row["sides_seen"] == 1 else "both sides"
    words = (
        f"{row['odd_share_ratio']:.0%} of {row['figure_count']} figures are odd multiples of the "
        f"smallest lot, which shows {shown} counted"
    )
    if not row["contradiction_count"]:
        return words, [], True
    counted = f"sides_counted {row['sides_counted']}"
    return words, [Difference("sides", words, counted, f"{place}.sides_counted")], True


async def _examine_feeds(settings: Settings, now: datetime) -> list[Examined]:
    """Return what the public archive and the spot markets of stablecoins came to."""
    found: list[Examined] = []
    # A stand-in for venues has neither, and the real ones belong to another time.
    if settings.venue_url is None or settings.archive_url is not None:
        found.append(await _examine_archive(settings, now))
    if settings.venue_url is None or settings.quotes_url is not None:
        found += await asyncio.gather(
            *(_examine_quotes(settings, market, now) for market in QUOTE_MARKETS)
        )
    return found


async def _examine_archive(settings: Settings, now: datetime) -> Examined:
    day = now.date() - timedelta(days=_ARCHIVE_DAYS)
    contract = Contract("binance", "BTC/USDT:USDT", "BTCUSDT")
    file = ArchiveFile(contract, BAR_DATASETS[0], "daily", day, day + timedelta(days=1))
    address = settings.archive_url or ADDRESS
    proxy = settings.https_proxy or settings.http_proxy or settings.socks_proxy
    with tempfile.TemporaryDirectory() as folder:
        client = ArchiveClient(
            address,
            Path(folder) / "fetched",
            Path(folder) / "kept",
            rng=random.Random(0),  # noqa: S311  (jitter)
            patience=_PATIENCE,
            proxy=None if proxy is None else proxy.get_secret_value(),
            timeout_seconds=20.0,
        )
        async with client:
            (fetched,) = await client.fetch_all([file], lambda _: None)
    difference = Difference(
        "file",
        f"{file.path} is not published",
        f"a file a day below {address}",
        "ADDRESS and ArchiveFile.path",
        "sources/archives/binance.py",
    )
    status: dict[str, Status] = {"here": "fits", "absent": "differs", "failed": "not checked"}
    return Examined(
        venue="archive",
        kind="klines of a day",
        instrument=contract.instrument,
        declaration="sources/archives/binance.py",
        status=status[fetched.status],
        reason=fetched.message,
        rows=int(fetched.status == "here"),
        differences=(difference,) if fetched.status == "absent" else (),
        exchanges=(Exchanged(f"GET {address}/{file.path}"),),
    )


async def _examine_quotes(settings: Settings, market: QuoteMarket, now: datetime) -> Examined:
    until = now.replace(minute=0, second=0, microsecond=0)
    reason: str | None = None
    differences: list[Difference] = []
    rows = 0
    try:
        batches = await ask_quote_rates(
            market,
            since=until - timedelta(hours=6),
            until=until,
            now=now,
            base_url=settings.quotes_url,
        )
    except InputRejected as exc:
        differences.append(_quote_difference("rows", str(exc), market))
    except SourceError as exc:
        reason = str(exc)
    else:
        rows = sum(one.table.num_rows for one in batches if one.kind == "quote_rate")
        for one in batches:
            if one.kind == "quarantine":
                row = one.table.to_pylist()[0]
                differences.append(_quote_difference(row["column_name"], row["reason"], market))
        if not rows and not differences:
            differences.append(_quote_difference("rows", "none of the last six hours", market))
    status: Status = "fits" if reason is None else "not checked"
    return Examined(
        venue=market.venue,
        kind=f"quote rate {market.pair}",
        instrument=None,
        declaration="QUOTE_MARKETS in sources/quotes.py",
        status="differs" if differences else status,
        reason=reason,
        rows=rows,
        differences=tuple(differences),
        exchanges=(Exchanged(f"GET {market.url}"),),
    )


def _quote_difference(name: str, found: str, market: QuoteMarket) -> Difference:
    declared = f"hourly candles of {market.pair}"
    mend = f"QUOTE_MARKETS, {market.venue} {market.pair}"
    return Difference(name, found, declared, mend, "sources/quotes.py")


def write_report(report: DoctorReport, path: Path) -> None:
    """Write a report that can be sent: JSON, without secrets, with each difference in words."""
    content = {"lines": report.lines(), **asdict(report)}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=2, default=str, ensure_ascii=False) + "\n")
