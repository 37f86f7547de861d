"""History from venues' public archives: fetched, verified, imported, loaded, contract by contract.

Belongs here: the order of a run. Does not belong here: which files are wanted
(`jobs.collect.archive_plan`), taking them in (`jobs.collect.archive_intake`), downloads
(`sources.archives`).

It may be killed at any time. A file appears on the disk whole, in ``<home>/archive/.fetching``. A
contract's files are imported together, and deleted once the ledger has them as loaded. The next run
imports what it finds there before it fetches anything: the same files make the same landing files,
which are loaded once.
"""

import asyncio
import random
import shutil
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial

from jobs.collect.archive_intake import ArchiveIntake, ArchiveReport
from jobs.collect.archive_plan import ArchivePlan
from jobs.collect.listings import followed_contracts
from jobs.collect.scope import Clock, Effort, Scope, configured_universe, file_proxy
from jobs.errors import NothingToDo
from jobs.progress import Progress, silent
from jobs.runs import recorded_run, run_file
from jobs.settings import Settings
from jobs.writer import open_writer
from sources.archives.binance import (
    ARCHIVE_ADDRESS,
    BAR_DATASETS,
    MARKET_FOLDERS,
    ArchivedContract,
    guess_symbol,
)
from sources.archives.download import DEFAULT_POLICY, ArchiveClient, FetchedFile
from sources.universe import Universe
from warehouse.archive_ledger import read_archive_files
from warehouse.feed_ledger import refresh_gaps

_EFFORT = Effort(60.0, DEFAULT_POLICY)


def archived_contracts(
    settings: Settings,
    *,
    clock: Clock,
    universe: Universe | None = None,
    effort: Effort = _EFFORT,
) -> list[ArchivedContract]:
    """Return the followed contracts of venues that have an archive.

    Parameters
    ----------
    settings, clock, universe
        As for `jobs.collect.ingest.ingest`.
    effort : Effort
        Time for each venue to list its contracts, retries.

    Raises
    ------
    NothingToDo
        There is none, or no venue lists any.
    WarehouseBusy
        Another process writes.
    """
    scope = Scope(settings, clock, universe or configured_universe(settings), effort)
    contracts = [
        ArchivedContract(venue, instrument, market_id or guess_symbol(venue, instrument))
        for venue, instrument, market_id in followed_contracts(scope)
        if venue in MARKET_FOLDERS
    ]
    if not contracts:
        raise NothingToDo(
            "none of the followed contracts has a public archive: "
            f"{', '.join(MARKET_FOLDERS)} have one. Where these venues cannot be reached, import "
            "files fetched elsewhere with `liqheat import`; else look at the universe file"
        )
    return contracts


def backfill_from_archive(
    settings: Settings,
    *,
    clock: Clock,
    span: tuple[datetime, datetime],
    contracts: Sequence[ArchivedContract],
    is_keeping: bool = False,
    effort: Effort = _EFFORT,
    progress: Progress = silent,
) -> ArchiveReport:
    """Load what Binance's archive has of a span and return the report.

    Parameters
    ----------
    settings : Settings
        Folders and addresses.
    clock : callable
        Returns the time, UTC.
    span : (datetime, datetime)
        Days wanted, UTC, the last not included; bars from 30 days before.
    contracts : sequence of ArchivedContract
        Whose files.
    is_keeping : bool
        Whether files stay in ``<home>/archive`` once they are loaded.
    effort : Effort
        Retries, and how many files are fetched at once.
    progress : callable
        Takes step, file and share done.

    Raises
    ------
    WarehouseBusy
        Another process writes; fetched files stay, and the next run continues.
    """
    start, end = span
    writer = partial(open_writer, settings, wait_seconds=effort.wait_seconds)
    with run_file(settings, "backfill") as run:
        now = clock()
        with writer() as connection:
            entries = read_archive_files(connection)
        plan = ArchivePlan(start.date(), min(end, now).date(), now, entries)
        report = ArchiveReport(contracts=len(contracts))
        intake = ArchiveIntake(
            settings, clock, plan, run.run_id, effort.wait_seconds, is_keeping, report
        )
        asyncio.run(_take_in_all(intake, contracts, effort, progress))
        for contract in contracts:
            holes = plan.find_holes(contract)
            if holes is None:
                report.unpublished.append(f"{contract.venue} {contract.instrument}")
            else:
                report.holes += holes
        run.row_count = report.rows_by_kind.total()
        run.detail = report.detail()
        with writer() as connection, recorded_run(connection, run):
            refresh_gaps(connection, plan.bars_from, clock(), checked_at=clock())
    return report


async def _take_in_all(
    intake: ArchiveIntake, contracts: Sequence[ArchivedContract], effort: Effort, progress: Progress
) -> None:
    settings, plan = intake.settings, intake.plan
    kept = settings.home / "archive"
    fetching = kept / ".fetching"
    async with ArchiveClient(
        settings.archive_url or ARCHIVE_ADDRESS,
        fetching,
        kept,
        rng=random.Random(effort.seed),  # noqa: S311  (jitter)
        policy=effort.policy,
        proxy=file_proxy(settings),
    ) as client:
        for number, contract in enumerate(contracts):
            others = len(plan.wanted_others(contract))
            on_file = _count_files(progress, number / len(contracts), others * len(contracts))
            found = (client.find(file) for file in plan.wanted(contract))
            intake.take_in(contract, [one for one in found if one is not None])
            fetched: list[FetchedFile] = []
            for dataset in BAR_DATASETS:
                # By month where a month is published and none of its days is loaded, else by day.
                months = await client.fetch_all(plan.wanted_months(contract, dataset), on_file)
                here = [one.file for one in months if one.status == "here"]
                days = plan.wanted_days(contract, dataset, here)
                fetched += [*months, *await client.fetch_all(days, on_file)]
            fetched += await client.fetch_all(plan.wanted_others(contract), on_file)
            intake.take_in(contract, fetched)
    # Anything left was loaded by a run that was killed before it could delete it.
    shutil.rmtree(fetching, ignore_errors=True)


def _count_files(progress: Progress, begun: float, files: int) -> Callable[[FetchedFile], None]:
    """Return what reports progress file by file: each contract is an equal share of the whole."""
    done = 0

    def on_file(one: FetchedFile) -> None:
        nonlocal done
        done += one.file.dataset not in BAR_DATASETS
        progress("archive", one.file.path.rpartition("/")[2], begun + done / max(files, 1))

    return on_file
