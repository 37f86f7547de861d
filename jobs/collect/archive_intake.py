"""Files of a public archive on their way into the warehouse: read, checked, landed, loaded.

Belongs here: the files of one contract, once they are on the disk. Does not belong here: fetching
them (`jobs.collect.archives`), reading a file (`sources.recorded`).
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from functools import cache
from typing import Any

import pyarrow as pa
import pyarrow.compute

from jobs.collect.archive_plan import ArchivePlan
from jobs.collect.imports import known_closes, label_notes
from jobs.collect.landing import land
from jobs.collect.scope import Clock
from jobs.settings import Settings
from jobs.writer import open_writer
from sources.archives.binance import BAR_DATASETS, ArchivedContract, ArchiveFile
from sources.archives.download import FetchedFile
from sources.errors import InputRejected
from sources.recorded.file_import import import_file
from sources.recorded.known_closes import KnownCloses
from sources.recorded.mapping import load_mapping
from sources.records import Batch
from warehouse.archive_ledger import ArchiveEntry, write_archive_files
from warehouse.contracts import raw_relation
from warehouse.load import load_landing_files
from warehouse.lookups import FEED_KINDS

# The published type information of pyarrow does not let one call's answer go into the next.
pc: Any = pyarrow.compute

# The last row of a day may carry the next midnight, and stay valid for five minutes after it.
_OVERHANG = timedelta(minutes=10)
_mapping = cache(load_mapping)


@dataclass(slots=True)
class ArchiveReport:
    """What a run brought from the archive.

    Parameters
    ----------
    contracts : int
        Contracts wanted.
    files : Counter
        Files by outcome: loaded, absent, failed, or early (not due yet).
    rows_by_kind : Counter
        Rows landed, those set aside under ``quarantine``.
    reasons : Counter
        Rows set aside by reason.
    failed : list of str
        One message for each file that could not be fetched or read; the next run tries again.
    holes : list of str
        Days that are absent after the first one published, in words.
    unpublished : list of str
        Contracts of which the archive has nothing.
    notes : list of str
        What a reader of the rows should know; none is an error.
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
        """Return what the record of the run holds."""
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


@dataclass(frozen=True, slots=True)
class ArchiveIntake:
    """Takes in the files of one contract after the other.

    Parameters
    ----------
    settings : Settings
        Folders.
    clock : callable
        Returns the time, UTC.
    plan : ArchivePlan
        What is wanted; its ledger grows.
    run_id : str
        The run that loads.
    wait_seconds : float
        How long to wait for another writer of the warehouse.
    is_keeping : bool
        Whether files stay in ``<home>/archive`` once they are loaded.
    report : ArchiveReport
        Counts so far.
    """

    settings: Settings
    clock: Clock
    plan: ArchivePlan
    run_id: str
    wait_seconds: float
    is_keeping: bool
    report: ArchiveReport

    def take_in(self, contract: ArchivedContract, fetched: Sequence[FetchedFile]) -> None:
        """Import, land and load the files of a contract, and record the outcome of each."""
        now = self.clock()
        entries = []
        for one in fetched:
            if one.status == "failed":
                entries.append(_entry(one, now, "failed"))
            elif one.status == "absent" and one.file.is_overdue(self.plan.now.date()):
                entries.append(_entry(one, now, "absent"))
            elif one.status == "absent":
                self.report.files["early"] += 1
        here = [one for one in fetched if one.status == "here"]
        loaded, tables = self._import(here, now)
        entries += loaded
        self._land(contract, here, tables)
        if entries:
            self._load(entries, now)
        for entry in entries:
            self.plan.entries[entry.path] = entry
            self.report.files[entry.status] += 1
            if entry.message is not None:
                self.report.failed.append(entry.message)
        for one in here:
            self._put_away(one)

    def _import(
        self, here: Sequence[FetchedFile], now: datetime
    ) -> tuple[list[ArchiveEntry], dict[str, list[pa.Table]]]:
        closes = known_closes(self.settings)
        entries: list[ArchiveEntry] = []
        tables: dict[str, list[pa.Table]] = defaultdict(list)
        # Prices of bars decide how the labels of metrics are meant.
        for one in sorted(here, key=lambda one: one.file.dataset not in BAR_DATASETS):
            try:
                batches = _read(one, now, closes)
            except InputRejected as exc:
                entries.append(_entry(one, now, "failed", message=f"{one.file.path}: {exc}"))
                continue
            for batch in batches:
                closes.add(batch.kind, batch.table)
                tables[batch.kind].append(batch.table)
            rows = sum(batch.table.num_rows for batch in batches if batch.kind != "instrument")
            entries.append(_entry(one, now, "loaded", row_count=rows))
        self.report.notes += label_notes(closes)
        return entries, tables

    def _land(
        self,
        contract: ArchivedContract,
        here: Sequence[FetchedFile],
        tables: dict[str, list[pa.Table]],
    ) -> None:
        contents = sorted((one.file.path, one.sha256) for one in here)
        digest = hashlib.sha256(repr(contents).encode()).hexdigest()
        for kind, several in tables.items():
            table = pa.concat_tables(several)
            if kind == "instrument":
                # One description suffices, from the first row on.
                table = table.sort_by("observed_at").slice(0, 1)
            elif kind == "quarantine":
                self.report.reasons.update(table["reason"].to_pylist())
            self.report.rows_by_kind[kind] += table.num_rows
            name = f"archive-{contract.venue}-{contract.symbol}-{digest[:16]}"
            land(Batch(kind, table.combine_chunks()), self.settings.landing, name)

    def _load(self, entries: Sequence[ArchiveEntry], now: datetime) -> None:
        with open_writer(self.settings, wait_seconds=self.wait_seconds) as connection:
            load_landing_files(connection, self.settings.landing, run_id=self.run_id, loaded_at=now)
            write_archive_files(connection, entries)

    def _put_away(self, one: FetchedFile) -> None:
        """Keep a loaded file where that is wanted, else delete it; kept files stay in place."""
        kept = self.settings.home / "archive"
        if one.path is None or one.path == kept / one.file.path:
            return
        if self.is_keeping and self.plan.is_loaded(one.file):
            target = kept / one.file.path
            target.parent.mkdir(parents=True, exist_ok=True)
            one.path.replace(target)
        else:
            one.path.unlink(missing_ok=True)


def _entry(
    one: FetchedFile, now: datetime, status: str, *, row_count: int = 0, message: str | None = None
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


def _read(one: FetchedFile, now: datetime, closes: KnownCloses) -> list[Batch]:
    if one.path is None:
        raise InputRejected("is not on the disk; run the same command again")
    mapping = _mapping(one.file.mapping)
    batches = list(import_file(one.path, mapping, ingested_at=now, closes=closes))
    _check_content(one.file, batches)
    return batches


def _check_content(file: ArchiveFile, batches: Iterable[Batch]) -> None:
    """Reject a file of another contract or of other days than its name gives."""
    first = datetime.combine(file.first_day, time(), tzinfo=UTC)
    end = datetime.combine(file.end_day, time(), tzinfo=UTC) + _OVERHANG
    for batch in batches:
        if batch.kind not in FEED_KINDS:
            continue
        others = set(batch.table["instrument"].unique().to_pylist()) - {file.contract.instrument}
        if others:
            raise InputRejected(
                f"holds rows of {', '.join(sorted(others))} instead of {file.contract.instrument}; "
                "none was taken"
            )
        extent = pc.min_max(batch.table[raw_relation(batch.kind).instant]).as_py()
        if extent["min"] < first or extent["max"] > end:
            raise InputRejected(
                f"holds rows from {extent['min']:%Y-%m-%d %H:%M} to {extent['max']:%Y-%m-%d %H:%M},"
                " other days than its name says; none was taken"
            )
