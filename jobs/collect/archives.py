"""History from venues' public archives: fetched, verified, imported, loaded, contract by contract.

Belongs here: which files are still wanted, and bringing them in. Does not belong here: the layout
of an archive and downloads (`sources.archives`), reading files (`sources.recorded`).

It may be killed at any time. A file lands on the disk whole, in ``<home>/archive/.fetching``. A
contract's files are imported together, and deleted once the ledger has them as loaded. The next run
imports what it finds there before it fetches anything: the same files make the same landing files,
which are loaded once.
"""

import asyncio
import hashlib
import logging
import random
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from typing import Any

import pyarrow as pa
import pyarrow.compute

from jobs.collect.imports import label_notes, stored_closes
from jobs.collect.known import when_writable
from jobs.collect.landing import land
from jobs.collect.listings import followed_contracts
from jobs.collect.scope import Clock, Effort, Round, configured_universe, file_proxy
from jobs.errors import NothingToDo
from jobs.pipeline import Progress, open_writer, silent
from jobs.runs import recorded_run, run_file
from jobs.settings import Settings
from sources.archives.binance import (
    ADDRESS,
    BAR_DATASETS,
    MARKETS,
    OTHER_DATASETS,
    ArchiveFile,
    Contract,
    Dataset,
    days,
    guess_symbol,
    months,
)
from sources.archives.download import DEFAULT_PATIENCE, ArchiveClient, Fetched
from sources.errors import InputRejected
from sources.recorded.file_import import import_file
from sources.recorded.known_closes import KnownCloses
from sources.recorded.mapping import Mapping, load_mapping
from sources.records import Batch
from sources.universe import Universe
from sources.venues.pacer import Patience
from warehouse.archive_ledger import ArchiveEntry, read_archive_files, write_archive_files
from warehouse.feed_ledger import refresh_gaps
from warehouse.load import load_landing_files

logger = logging.getLogger(__name__)

# The published type information of pyarrow does not let one call's answer go into the next.
pc: Any = pyarrow.compute

# Bars are fetched from this long before the first open interest, so that a model can place it.
BARS_BEFORE = timedelta(days=30)
# An absent file is looked for again after this long: holes are filled now and then.
_ABSENT_FOR = timedelta(days=30)
# The last row of a day may carry the next midnight, and stand for five minutes after it.
_OVERHANG = timedelta(minutes=10)
_INSTANTS = {
    "ohlcv": "bar_start_at",
    "mark_ohlc": "bar_start_at",
    "open_interest": "observed_at",
    "funding_rate": "funded_at",
    "long_short_ratio": "observed_at",
}


@dataclass(slots=True)
class ArchiveReport:
    """What a run brought from the archive.

    Parameters
    ----------
    contracts : int
        Contracts looked for.
    files : Counter
        Files by what became of them: loaded, absent, failed, or early (not due yet).
    rows_by_kind : Counter
        Rows landed, those set aside under ``quarantine``.
    reasons : Counter
        Rows set aside by reason.
    failed : list of str
        One message for each file that could not be had or used; the next run tries again.
    holes : list of str
        Days that are absent after the first that is there, in words.
    unpublished : list of str
        Contracts of which the archive has nothing.
    notes : list of str
        What a reader of the rows should know; nothing of it is an error.
    """

    contracts: int = 0
    files: Counter[str] = field(default_factory=Counter)
    rows_by_kind: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)
    holes: list[str] = field(default_factory=list)
    unpublished: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def detail(self) -> dict[str, Any]:
        """Return what the run's record says."""
        return {
            "source": "archive",
            "contract_count": self.contracts,
            "files": dict(self.files),
            "rows_by_kind": dict(self.rows_by_kind),
            "set_aside_by_reason": dict(self.reasons),
            "failed": self.failed,
            "holes": self.holes,
            "unpublished": self.unpublished,
        }


def backfill_from_archive(
    settings: Settings,
    *,
    clock: Clock,
    start: datetime,
    end: datetime | None = None,
    universe: Universe | None = None,
    contracts: Sequence[Contract] | None = None,
    is_keeping: bool = False,
    patience: Patience = DEFAULT_PATIENCE,
    seed: int = 0,
    wait_seconds: float = 60.0,
    progress: Progress = silent,
) -> ArchiveReport:
    """Bring in what Binance's archive has of a span and return what came of it.

    Parameters
    ----------
    settings : Settings
        Where things are.
    clock : callable
        Tells the time, UTC.
    start, end : datetime
        Days wanted, UTC, bars from 30 days before; the end is today where not given.
    universe : Universe, optional
        What is followed; by default what the universe file says.
    contracts : sequence of Contract, optional
        Whose files; by default those of the universe, as their venues list them.
    is_keeping : bool
        Whether files stay in ``<home>/archive`` once they are loaded.
    patience : Patience
        How many files are fetched at once, and how stubbornly; venues are asked alike.
    seed : int
        For the jitter between tries.
    wait_seconds : float
        How long another writer of the warehouse is waited for.
    progress : callable
        Told how far it is.

    Raises
    ------
    NothingToDo
        Nobody tells which contracts there are.
    WarehouseBusy
        Another process writes; what was fetched stays, and the next run goes on.
    """
    if contracts is None:
        contracts = _find_contracts(settings, clock, universe, patience, wait_seconds)
    with run_file(settings, "backfill") as run:
        haul = _Haul(settings, clock, start.date(), end.date() if end else None, is_keeping)
        haul.wait_seconds, haul.run_id = wait_seconds, run.run_id
        haul.report.contracts = len(contracts)
        asyncio.run(_bring_all(haul, contracts, patience, seed, progress))
        _describe_holes(haul, contracts)
        run.row_count = haul.report.rows_by_kind.total()
        run.detail = haul.report.detail()

        def finish() -> None:
            with open_writer(settings) as connection, recorded_run(connection, run):
                begins = datetime.combine(haul.start - BARS_BEFORE, time(), tzinfo=UTC)
                refresh_gaps(connection, begins, clock(), checked_at=clock())

        when_writable(finish, wait_seconds)
    return haul.report


def _find_contracts(
    settings: Settings,
    clock: Clock,
    universe: Universe | None,
    patience: Patience,
    wait_seconds: float,
) -> list[Contract]:
    """Return the followed contracts of venues that have an archive."""
    universe = universe or configured_universe(settings)
    effort = Effort(60.0, patience, wait_seconds=wait_seconds)
    chosen = followed_contracts(Round(settings, clock, universe, effort))
    contracts = [
        Contract(venue, instrument, symbol or guess_symbol(venue, instrument))
        for venue, instrument, symbol in chosen
        if venue in MARKETS
    ]
    if not contracts:
        raise NothingToDo(
            f"none of the contracts that are followed has a public archive: {', '.join(MARKETS)} "
            "have one. Where these venues cannot be reached, import files that were fetched "
            "elsewhere with `liqheat import`; else look at the universe file"
        )
    return contracts


class _Haul:
    """A run under way: the span, the ledger, and what came so far."""

    def __init__(
        self, settings: Settings, clock: Clock, start: date, end: date | None, is_keeping: bool
    ) -> None:
        self.settings = settings
        self.clock = clock
        self.today = clock().date()
        self.start = start
        self.end = min(end or self.today, self.today)
        self.is_keeping = is_keeping
        self.wait_seconds = 0.0
        self.run_id = ""
        self.fetching = settings.home / "archive" / ".fetching"
        self.kept = settings.home / "archive"
        self.report = ArchiveReport()
        self.entries: dict[str, ArchiveEntry] = {}

    def read_ledger(self) -> None:
        """Take over what is known of files from earlier runs."""

        def read() -> dict[str, ArchiveEntry]:
            with open_writer(self.settings) as connection:
                return read_archive_files(connection)

        self.entries = when_writable(read, self.wait_seconds)

    def is_loaded(self, file: ArchiveFile) -> bool:
        """Return whether the rows of a file are in."""
        entry = self.entries.get(file.path)
        return entry is not None and entry.status == "loaded"

    def is_wanted(self, file: ArchiveFile) -> bool:
        """Return whether a file is to be fetched: neither loaded nor known to be absent."""
        entry = self.entries.get(file.path)
        if entry is None or entry.status == "failed":
            return True
        return entry.status == "absent" and self.clock() - entry.checked_at >= _ABSENT_FOR

    def bring_in(self, contract: Contract, fetched: Sequence[Fetched]) -> None:
        """Import, land and load the files of a contract, and write down what became of each."""
        now = self.clock()
        entries = []
        for one in fetched:
            if one.status == "failed":
                entries.append(_entry(one, now, "failed"))
            elif one.status == "absent" and one.file.is_overdue(self.today):
                entries.append(_entry(one, now, "absent"))
            elif one.status == "absent":
                self.report.files["early"] += 1
        here = [one for one in fetched if one.status == "here"]
        loaded, batches = self._import(here, now)
        entries += loaded
        self._land(contract, here, batches)
        if entries:
            when_writable(lambda: self._load(entries, now), self.wait_seconds)
        for entry in entries:
            self.entries[entry.path] = entry
            self.report.files[entry.status] += 1
            if entry.message is not None:
                self.report.failed.append(entry.message)
        for one in here:
            self._put_away(one)

    def _import(
        self, here: Sequence[Fetched], now: datetime
    ) -> tuple[list[ArchiveEntry], dict[str, list[pa.Table]]]:
        closes = KnownCloses(
            lambda venue, instrument: stored_closes(self.settings, venue, instrument)
        )
        entries: list[ArchiveEntry] = []
        tables: dict[str, list[pa.Table]] = {}
        # The prices of bars tell what the labels of metrics stand for.
        for one in sorted(here, key=lambda one: one.file.dataset not in BAR_DATASETS):
            try:
                batches = list(_read(one, now, closes))
                _check_content(one.file, batches)
            except InputRejected as exc:
                entries.append(_entry(one, now, "failed", message=f"{one.file.path}: {exc}"))
                continue
            rows = 0
            for batch in batches:
                closes.add(batch.kind, batch.table)
                tables.setdefault(batch.kind, []).append(batch.table)
                rows += batch.table.num_rows if batch.kind != "instrument" else 0
            entries.append(_entry(one, now, "loaded", row_count=rows))
        self.report.notes += label_notes(closes)
        return entries, tables

    def _land(
        self, contract: Contract, here: Sequence[Fetched], tables: dict[str, list[pa.Table]]
    ) -> None:
        digest = hashlib.sha256(
            repr(sorted((one.file.path, one.sha256) for one in here)).encode()
        ).hexdigest()
        for kind, several in tables.items():
            table = pa.concat_tables(several)
            if kind == "instrument":
                # One description will do, from the first row on.
                table = table.sort_by("observed_at").slice(0, 1)
            elif kind == "quarantine":
                self.report.reasons.update(table["reason"].to_pylist())
            self.report.rows_by_kind[kind] += table.num_rows
            name = f"archive-{contract.venue}-{contract.symbol}-{digest[:16]}"
            land(Batch(kind, table.combine_chunks()), self.settings.landing, name)

    def _load(self, entries: Sequence[ArchiveEntry], now: datetime) -> None:
        with open_writer(self.settings) as connection:
            load_landing_files(connection, self.settings.landing, run_id=self.run_id, loaded_at=now)
            write_archive_files(connection, entries)

    def _put_away(self, one: Fetched) -> None:
        """Keep a file that was loaded where this is asked for; delete it else."""
        if one.path is None or not one.path.is_relative_to(self.fetching):
            return
        if self.is_keeping and self.is_loaded(one.file):
            target = self.kept / one.file.path
            target.parent.mkdir(parents=True, exist_ok=True)
            one.path.replace(target)
        else:
            one.path.unlink(missing_ok=True)


def _entry(
    one: Fetched, now: datetime, status: str, *, row_count: int = 0, message: str | None = None
) -> ArchiveEntry:
    file = one.file
    return ArchiveEntry(
        path=file.path,
        venue=file.contract.venue,
        instrument=file.contract.instrument,
        dataset=file.dataset.name,
        period=file.period,
        first_day=file.first_day,
        end_day=file.end_day,
        status=status,
        row_count=row_count,
        sha256=one.sha256,
        message=message or one.message,
        checked_at=now,
    )


@cache
def _mapping(name: str) -> Mapping:
    return load_mapping(name)


def _read(one: Fetched, now: datetime, closes: KnownCloses) -> Iterator[Batch]:
    if one.path is None:
        raise InputRejected("is not on the disk; run the same command again")
    return import_file(one.path, _mapping(one.file.mapping), ingested_at=now, closes=closes)


def _check_content(file: ArchiveFile, batches: Iterable[Batch]) -> None:
    """Refuse a file that holds another contract or other days than its name says."""
    first = datetime.combine(file.first_day, time(), tzinfo=UTC)
    end = datetime.combine(file.end_day, time(), tzinfo=UTC) + _OVERHANG
    for batch in batches:
        if batch.kind not in _INSTANTS:
            continue
        others = set(batch.table["instrument"].unique().to_pylist()) - {file.contract.instrument}
        if others:
            raise InputRejected(
                f"holds rows of {', '.join(sorted(others))} instead of {file.contract.instrument}; "
                "nothing of it was taken"
            )
        extent = pc.min_max(batch.table[_INSTANTS[batch.kind]]).as_py()
        if extent["min"] < first or extent["max"] > end:
            raise InputRejected(
                f"holds rows from {extent['min']:%Y-%m-%d %H:%M} to {extent['max']:%Y-%m-%d %H:%M},"
                " other days than its name says; nothing of it was taken"
            )


async def _bring_all(
    haul: _Haul, contracts: Sequence[Contract], patience: Patience, seed: int, progress: Progress
) -> None:
    settings = haul.settings
    haul.read_ledger()
    async with ArchiveClient(
        settings.archive_url or ADDRESS,
        haul.fetching,
        haul.kept,
        rng=random.Random(seed),  # noqa: S311  (jitter)
        patience=patience,
        proxy=file_proxy(settings),
    ) as client:
        for number, contract in enumerate(contracts):
            others = [file for file in _other_files(haul, contract) if haul.is_wanted(file)]
            tell = _Teller(progress, number, len(contracts), len(others))
            left = [
                found
                for file in _all_files(haul, contract)
                if haul.is_wanted(file) and (found := client.find(file)) is not None
            ]
            haul.bring_in(contract, left)
            fetched = []
            for dataset in BAR_DATASETS:
                fetched += await _fetch_bars(client, haul, contract, dataset, tell)
            others = [file for file in others if haul.is_wanted(file)]
            fetched += await client.fetch_all(others, tell)
            haul.bring_in(contract, fetched)
    # Whatever is left was loaded by a run that was killed before it could delete it.
    shutil.rmtree(haul.fetching, ignore_errors=True)


class _Teller:
    """Tells progress file by file: each contract is an equal share of the whole."""

    def __init__(self, progress: Progress, number: int, contracts: int, files: int) -> None:
        self._progress = progress
        self._number, self._contracts = number, contracts
        self._files, self._done = max(files, 1), 0

    def __call__(self, one: Fetched) -> None:
        self._done += one.file.dataset not in BAR_DATASETS
        share = (self._number + min(self._done / self._files, 1.0)) / self._contracts
        self._progress("archive", one.file.path.rpartition("/")[2], share)


async def _fetch_bars(
    client: ArchiveClient,
    haul: _Haul,
    contract: Contract,
    dataset: Dataset,
    tell: "_Teller",
) -> list[Fetched]:
    """Fetch bars by month where a month is published and nothing of it is in yet, else by day."""
    start = haul.start - BARS_BEFORE
    wanted, done = [], set()
    for month in months(contract, dataset, start, haul.end, haul.today):
        of_month = days(contract, dataset, month.first_day, month.end_day, haul.today)
        if haul.is_loaded(month):
            done.add(month.first_day)
        elif haul.is_wanted(month) and not any(haul.is_loaded(day) for day in of_month):
            wanted.append(month)
    fetched = await client.fetch_all(wanted, tell)
    done |= {one.file.first_day for one in fetched if one.status == "here"}
    by_day = [
        day
        for day in days(contract, dataset, start, haul.end, haul.today)
        if day.first_day.replace(day=1) not in done and haul.is_wanted(day)
    ]
    return fetched + await client.fetch_all(by_day, tell)


def _other_files(haul: _Haul, contract: Contract) -> Iterator[ArchiveFile]:
    for dataset in OTHER_DATASETS:
        files = months if dataset.has_months else days
        yield from files(contract, dataset, haul.start, haul.end, haul.today)


def _all_files(haul: _Haul, contract: Contract) -> Iterator[ArchiveFile]:
    for dataset in BAR_DATASETS:
        span = (haul.start - BARS_BEFORE, haul.end, haul.today)
        yield from months(contract, dataset, *span)
        yield from days(contract, dataset, *span)
    yield from _other_files(haul, contract)


def _describe_holes(haul: _Haul, contracts: Sequence[Contract]) -> None:
    """Say which days are absent after the first that is there, and what has no file at all."""
    by_feed: dict[tuple[str, str], dict[str, list[ArchiveEntry]]] = {}
    for entry in haul.entries.values():
        feeds = by_feed.setdefault((entry.venue, entry.instrument), {})
        feeds.setdefault(entry.dataset, []).append(entry)
    for contract in contracts:
        feeds = by_feed.get((contract.venue, contract.instrument), {})
        where = f"{contract.venue} {contract.instrument}"
        if not any(entry.status == "loaded" for several in feeds.values() for entry in several):
            haul.report.unpublished.append(where)
            continue
        for dataset, entries in sorted(feeds.items()):
            loaded = _days_of(entries, "loaded")
            absent = _days_of(entries, "absent") - loaded
            after = sorted(day for day in absent if loaded and day > min(loaded))
            haul.report.holes += [f"{where} {dataset}: {said}" for said in _runs(after)]


def _days_of(entries: Iterable[ArchiveEntry], status: str) -> set[date]:
    return {
        entry.first_day + timedelta(days=number)
        for entry in entries
        if entry.status == status
        for number in range((entry.end_day - entry.first_day).days)
    }


def _runs(ordered: Sequence[date]) -> Iterator[str]:
    """Yield runs of days in words.

    Examples
    --------
    >>> list(_runs([date(2026, 5, 1), date(2026, 5, 3), date(2026, 5, 4)]))
    ['2026-05-01', '2026-05-03 to 2026-05-04 (2 days)']
    """
    begin = 0
    for position, day in enumerate(ordered):
        is_last = position + 1 == len(ordered)
        if is_last or ordered[position + 1] - day > timedelta(days=1):
            count = position - begin + 1
            more = f" to {day} ({count} days)" if count > 1 else ""
            yield f"{ordered[begin]}{more}"
            begin = position + 1
