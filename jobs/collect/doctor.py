"""The doctor: one small request of each kind, its response compared with the declaration.

Belongs here: running it over venues, the lake, the shared landing, the public archive and the spot
markets of stablecoins. Does not belong here: the examination of a venue
(`jobs.collect.venue_examination`) and of a lake (`jobs.collect.lake_examination`). Nothing is
stored, and no warehouse is needed.
"""

import asyncio
import importlib.metadata
import platform
import random
import tempfile
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from jobs.collect.doctor_report import DoctorReport, ExaminedResponse, Exchange, Status
from jobs.collect.lake_examination import examine_lake_of
from jobs.collect.receive_landing import names_in_shared_landing
from jobs.collect.scope import Clock, Effort, configured_universe, file_proxy, venue_connections
from jobs.collect.send_landing import files_to_send
from jobs.collect.venue_examination import VenueExaminer
from jobs.errors import SharedLandingFailed
from jobs.instants import HOUR
from jobs.progress import Progress, silent
from jobs.settings import Settings
from sources.archives.binance import ARCHIVE_ADDRESS, BAR_DATASETS, ArchivedContract, ArchiveFile
from sources.archives.download import ArchiveClient
from sources.errors import InputRejected, SourceError
from sources.quotes import QUOTE_MARKETS, QuoteMarket, fetch_quote_rates
from sources.venue_names import venue_name
from sources.venues.declared import find_venue
from sources.venues.declared_endpoints import Difference
from sources.venues.pacer import RequestPolicy

DOCTOR_EFFORT = Effort(budget_seconds=120.0, policy=RequestPolicy(attempts=2, concurrency=1))
# Files of a day are published within two days.
_ARCHIVE_DAYS = 4


def venues_to_examine(settings: Settings, named: Sequence[str]) -> tuple[str, ...]:
    """Return the venues named, by any of their names; those of the universe where none is named.

    Raises
    ------
    VenueRejected
        No venue has that name.
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
    effort: Effort = DOCTOR_EFFORT,
    progress: Progress = silent,
) -> DoctorReport:
    """Return where venues, the archive and the spot markets differ from their declarations.

    Parameters
    ----------
    settings : Settings
        Addresses, proxies and keys.
    clock : callable
        Returns the time, UTC.
    venues : iterable of str
        Which venues.
    has_feeds : bool
        Whether to examine the lake, the shared landing, the public archive and the spot markets of
        stablecoins too.
    effort : Effort
        Time for each venue, retries.
    progress : callable
        Takes venue, kind and share done.
    """
    connections = venue_connections(settings, venues)
    examiners = [
        VenueExaminer(name, connection, clock, effort, progress)
        for name, connection in connections.items()
    ]
    made_at = clock()

    async def examine_all() -> list[list[ExaminedResponse]]:
        feeds = [_examine_feeds(settings, made_at)] if has_feeds else []
        if has_feeds:
            feeds.append(asyncio.to_thread(examine_lake_of, settings))
        return await asyncio.gather(*(one.examine() for one in examiners), *feeds)

    results = asyncio.run(examine_all())
    return DoctorReport(
        made_at=made_at,
        versions={
            "liqheat": importlib.metadata.version("liqheat"),
            "ccxt": importlib.metadata.version("ccxt"),
            "python": platform.python_version(),
            "platform": platform.platform(),
        },
        examined=tuple(one for examined in results for one in examined),
        rate_limits={one.name: one.rate_limits for one in examiners if one.rate_limits},
    )


async def _examine_feeds(settings: Settings, now: datetime) -> list[ExaminedResponse]:
    examinations = []
    if settings.send_to is not None or settings.receive_from is not None:
        examinations.append(_examine_shared_landing(settings))
    # A stand-in for venues has neither, and the real ones live in another time.
    if settings.venue_url is None or settings.archive_url is not None:
        examinations.append(_examine_archive(settings, now))
    if settings.venue_url is None or settings.quotes_url is not None:
        examinations += [_examine_quotes(settings, market, now) for market in QUOTE_MARKETS]
    return await asyncio.gather(*examinations)


async def _examine_archive(settings: Settings, now: datetime) -> ExaminedResponse:
    day = now.date() - timedelta(days=_ARCHIVE_DAYS)
    contract = ArchivedContract("binance", "BTC/USDT:USDT", "BTCUSDT")
    file = ArchiveFile(contract, BAR_DATASETS[0], "daily", day, day + timedelta(days=1))
    address = settings.archive_url or ARCHIVE_ADDRESS
    with tempfile.TemporaryDirectory() as folder:
        client = ArchiveClient(
            address,
            Path(folder) / "fetched",
            Path(folder) / "kept",
            rng=random.Random(0),  # noqa: S311  (jitter)
            policy=DOCTOR_EFFORT.policy,
            proxy=file_proxy(settings),
            timeout_seconds=20.0,
        )
        async with client:
            (fetched,) = await client.fetch_all([file], lambda _: None)
    difference = Difference(
        "file",
        f"{file.path} is not published",
        f"a file a day below {address}",
        "ARCHIVE_ADDRESS and ArchiveFile.path",
        "sources/archives/binance.py",
    )
    status: dict[str, Status] = {"here": "fits", "absent": "differs", "failed": "not checked"}
    return ExaminedResponse(
        venue="archive",
        kind="klines of a day",
        instrument=contract.instrument,
        declaration="sources/archives/binance.py",
        status=status[fetched.status],
        reason=fetched.message,
        rows=int(fetched.status == "here"),
        differences=(difference,) if fetched.status == "absent" else (),
        exchanges=(Exchange(f"GET {address}/{file.path}"),),
    )


async def _examine_shared_landing(settings: Settings) -> ExaminedResponse:
    """List the shared landing, and count what waits on either side."""
    notes: list[str] = []
    if settings.send_to is not None:
        notes.append(f"{len(files_to_send(settings)):,} files wait to be sent")
    reason: str | None = None
    names: frozenset[str] = frozenset()
    try:
        names = await asyncio.to_thread(names_in_shared_landing, settings)
        notes.append(f"{len(names):,} files wait to be received")
    except SharedLandingFailed as exc:
        reason = str(exc)
    return ExaminedResponse(
        venue="shared landing",
        kind="files that wait",
        instrument=None,
        declaration="LIQHEAT_SEND_TO or LIQHEAT_RECEIVE_FROM",
        status="fits" if reason is None else "not checked",
        reason=reason,
        rows=len(names),
        notes=tuple(notes),
    )


async def _examine_quotes(
    settings: Settings, market: QuoteMarket, now: datetime
) -> ExaminedResponse:
    until = now.replace(minute=0, second=0, microsecond=0)
    since, address = until - 6 * HOUR, settings.quotes_url
    reason: str | None = None
    found: list[tuple[str, str]] = []
    rows = 0
    try:
        batches = await fetch_quote_rates(
            market, since=since, until=until, now=now, base_url=address
        )
    except InputRejected as exc:
        found.append(("rows", str(exc)))
    except SourceError as exc:
        reason = str(exc)
    else:
        rows = sum(one.table.num_rows for one in batches if one.kind == "quote_rate")
        refused = [one.table.to_pylist()[0] for one in batches if one.kind == "quarantine"]
        found += [(row["column_name"], row["reason"]) for row in refused]
        if not rows and not found:
            found.append(("rows", "none of the last six hours"))
    declared = f"hourly candles of {market.pair}"
    mend = f"QUOTE_MARKETS, {market.venue} {market.pair}"
    status: Status = "fits" if reason is None else "not checked"
    return ExaminedResponse(
        venue=market.venue,
        kind=f"quote rate {market.pair}",
        instrument=None,
        declaration="QUOTE_MARKETS in sources/quotes.py",
        status="differs" if found else status,
        reason=reason,
        rows=rows,
        differences=tuple(
            Difference(name, words, declared, mend, "sources/quotes.py") for name, words in found
        ),
        exchanges=(Exchange(f"GET {market.url}"),),
    )
