"""Which files of a public archive a span of days needs, and which days the archive lacks.

Belongs here: files by contract, dataset and day, compared with the ledger. Does not belong here:
the layout of the archive (`sources.archives.binance`), fetching (`jobs.collect.archives`).
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from jobs.collect.followed_feeds import BARS_BEFORE_INTEREST
from jobs.instants import DAY
from sources.archives.binance import (
    BAR_DATASETS,
    OTHER_DATASETS,
    ArchivedContract,
    ArchiveFile,
    Dataset,
    days,
    months,
)
from warehouse.archive_ledger import ArchiveEntry

# An absent file is requested again after this long: the archive fills holes now and then.
_ABSENT_FOR = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class ArchivePlan:
    """Files of a span, and what earlier runs know of them.

    Parameters
    ----------
    start, end : date
        Days wanted, the end not included. Bars are wanted from 30 days before, so that a model can
        place the first open interest.
    now : datetime
        The time, UTC.
    entries : dict of str to ArchiveEntry
        The ledger by path; a run adds to it.
    """

    start: date
    end: date
    now: datetime
    entries: dict[str, ArchiveEntry]

    @property
    def bars_from(self) -> datetime:
        """First instant of the bars wanted, UTC."""
        return datetime.combine(self.start - BARS_BEFORE_INTEREST, time(), tzinfo=UTC)

    def is_loaded(self, file: ArchiveFile) -> bool:
        """Return whether the rows of a file are in the warehouse."""
        entry = self.entries.get(file.path)
        return entry is not None and entry.status == "loaded"

    def is_wanted(self, file: ArchiveFile) -> bool:
        """Return whether to fetch a file: it is neither loaded nor known to be absent."""
        entry = self.entries.get(file.path)
        if entry is None or entry.status == "failed":
            return True
        return entry.status == "absent" and self.now - entry.checked_at >= _ABSENT_FOR

    def months_of_bars(self, contract: ArchivedContract, dataset: Dataset) -> Iterator[ArchiveFile]:
        """Yield the monthly files of bars."""
        return months(contract, dataset, self.bars_from.date(), self.end, self.now.date())

    def days_of_bars(self, contract: ArchivedContract, dataset: Dataset) -> Iterator[ArchiveFile]:
        """Yield the daily files of bars."""
        return days(contract, dataset, self.bars_from.date(), self.end, self.now.date())

    def wanted_months(self, contract: ArchivedContract, dataset: Dataset) -> list[ArchiveFile]:
        """Return the months of bars to fetch: none of their days is loaded yet."""
        loaded = {
            file.first_day.replace(day=1)
            for file in self.days_of_bars(contract, dataset)
            if self.is_loaded(file)
        }
        return [
            month
            for month in self.months_of_bars(contract, dataset)
            if self.is_wanted(month) and month.first_day not in loaded
        ]

    def wanted_days(
        self, contract: ArchivedContract, dataset: Dataset, fetched_months: Iterable[ArchiveFile]
    ) -> list[ArchiveFile]:
        """Return the days of bars to fetch: no month contains them."""
        whole = {file.first_day for file in fetched_months} | {
            month.first_day
            for month in self.months_of_bars(contract, dataset)
            if self.is_loaded(month)
        }
        return [
            day
            for day in self.days_of_bars(contract, dataset)
            if self.is_wanted(day) and day.first_day.replace(day=1) not in whole
        ]

    def wanted_others(self, contract: ArchivedContract) -> list[ArchiveFile]:
        """Return the files to fetch that contain no bars."""
        return [
            file
            for dataset in OTHER_DATASETS
            for file in (months if dataset.has_months else days)(
                contract, dataset, self.start, self.end, self.now.date()
            )
            if self.is_wanted(file)
        ]

    def wanted(self, contract: ArchivedContract) -> list[ArchiveFile]:
        """Return all files of a contract that are not loaded, bars by month and by day."""
        bars = [
            file
            for dataset in BAR_DATASETS
            for files in (self.months_of_bars, self.days_of_bars)
            for file in files(contract, dataset)
            if self.is_wanted(file)
        ]
        return bars + self.wanted_others(contract)

    def find_holes(self, contract: ArchivedContract) -> list[str] | None:
        """Return in words the days that are absent after the first loaded one, by dataset.

        None where nothing of the contract is loaded.
        """
        by_dataset: dict[str, list[ArchiveEntry]] = defaultdict(list)
        for entry in self.entries.values():
            if (entry.venue, entry.instrument) == (contract.venue, contract.instrument):
                by_dataset[entry.dataset].append(entry)
        holes = []
        is_published = False
        for dataset, entries in sorted(by_dataset.items()):
            loaded = _days_of(entries, "loaded")
            is_published = is_published or bool(loaded)
            absent = _days_of(entries, "absent") - loaded
            after = sorted(day for day in absent if loaded and day > min(loaded))
            where = f"{contract.venue} {contract.instrument} {dataset}"
            holes += [f"{where}: {days}" for days in _consecutive(after)]
        return holes if is_published else None


def _days_of(entries: Iterable[ArchiveEntry], status: str) -> set[date]:
    return {
        entry.first_day + number * DAY
        for entry in entries
        if entry.status == status
        for number in range((entry.end_day - entry.first_day).days)
    }


def _consecutive(ordered: Sequence[date]) -> Iterator[str]:
    """Yield runs of consecutive days in words.

    Examples
    --------
    >>> list(_consecutive([date(2026, 5, 1), date(2026, 5, 3), date(2026, 5, 4)]))
    ['2026-05-01', '2026-05-03 to 2026-05-04 (2 days)']
    """
    first = 0
    for position, day in enumerate(ordered):
        is_last = position + 1 == len(ordered)
        if is_last or ordered[position + 1] - day > DAY:
            count = position - first + 1
            yield f"{ordered[first]} to {day} ({count} days)" if count > 1 else str(day)
            first = position + 1
