"""What keeps an installation small and whole: once a day, beside the hourly work.

Belongs here: retention of what has been used, compaction, the whole ledger of gaps, asking again
for what is missing. Does not belong here: anything that changes a result.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from duckdb import DuckDBPyConnection

from jobs.errors import AllVenuesFailed
from jobs.feeds import DAY
from jobs.ingest import IngestReport, ingest
from jobs.pipeline import writer_run
from jobs.settings import Settings
from sources.universe import Universe
from warehouse.compact import delete_superseded, reclaim
from warehouse.feeds import GRACE, oldest_gap, prune_answers, refresh_gaps
from warehouse.load import forget_files, loaded_files, prune_ledgers

logger = logging.getLogger(__name__)

# The ledger is held against raw this far back, and further where a gap began before.
_LEDGER_DAYS = 35
_QUARANTINE_DAYS = 180
_RUN_DAYS = 400
_ANSWER_DAYS = 60
# What a newer row has replaced goes when nothing looks at it any more: older than the week that
# quality looks back, looked for as long as late rows come.
_SUPERSEDED_FROM_DAYS = 30
_SUPERSEDED_UNTIL_DAYS = 75


@dataclass(frozen=True, slots=True)
class MaintainReport:
    """What one maintenance did.

    Parameters
    ----------
    deleted_files, deleted_bytes : int
        Landing files that were loaded long enough ago.
    pruned : dict of str to int
        Rows that went, by table.
    ingested : IngestReport or None
        What asking for all that is missing came to; None where nothing is followed.
    """

    deleted_files: int
    deleted_bytes: int
    pruned: dict[str, int]
    ingested: IngestReport | None


def maintain(
    settings: Settings,
    *,
    clock: Callable[[], datetime],
    universe: Universe | None = None,
    landing_days: int | None = None,
    budget_seconds: float = 1800.0,
    is_asking: bool = True,
) -> MaintainReport:
    """Delete what is no longer needed, look at all gaps, ask for what can still be had.

    Parameters
    ----------
    settings : Settings
        Where things are.
    clock : callable
        Tells the time, UTC.
    universe : Universe, optional
        What is followed; by default what the universe file says.
    landing_days : int, optional
        Days that landing files are kept after they were loaded; by default as the settings say.
    budget_seconds : float
        Time for each venue.
    is_asking : bool
        Whether venues are asked for what is missing.
    """
    now = clock()
    keep = timedelta(days=settings.landing_days if landing_days is None else landing_days)
    with writer_run(settings, "maintain") as (connection, run):
        start = min(oldest_gap(connection) or now, now - timedelta(days=_LEDGER_DAYS))
        refresh_gaps(connection, start, now - GRACE, checked_at=now)
        deleted, size = _delete_landed(connection, settings.landing, now - keep)
        pruned = prune_ledgers(
            connection,
            quarantine_before=now - timedelta(days=_QUARANTINE_DAYS),
            runs_before=now - timedelta(days=_RUN_DAYS),
        )
        pruned |= delete_superseded(
            connection, now - _SUPERSEDED_UNTIL_DAYS * DAY, now - _SUPERSEDED_FROM_DAYS * DAY
        )
        pruned["meta.gap_answer"] = prune_answers(connection, now - timedelta(days=_ANSWER_DAYS))
        run.detail = {
            "deleted_files": deleted,
            "deleted_bytes": size,
            "pruned": pruned,
        }
        reclaim(connection)
    ingested: IngestReport | None = None
    if is_asking:
        try:
            ingested = ingest(
                settings,
                clock=clock,
                universe=universe,
                budget_seconds=budget_seconds,
                is_patient=False,
            )
        except AllVenuesFailed as exc:
            # The round is on record as failed; what was tidied stays tidy.
            logger.warning("%s", exc)
    return MaintainReport(deleted, size, pruned, ingested)


def _delete_landed(
    connection: DuckDBPyConnection, landing: Path, before: datetime
) -> tuple[int, int]:
    """Delete files loaded before an instant: their rows are in raw; return how many, how large."""
    size = 0
    loaded = set(loaded_files(connection, before))
    deleted = []
    for path in landing.glob("*/*.parquet"):
        name = f"{path.parent.name}/{path.name}"
        if name in loaded:
            size += path.stat().st_size
            path.unlink()
            deleted.append(name)
    forget_files(connection, deleted)
    return len(deleted), size
