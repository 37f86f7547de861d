"""What keeps an installation small and whole: once a day, beside the hourly work.

Belongs here: moving to raw history, retention and compaction, the whole ledger of gaps, asking
again for what is missing. Does not belong here: anything that changes a result.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from jobs.collect.ingest import ingest
from jobs.collect.receive_landing import names_in_shared_landing
from jobs.collect.round_report import IngestReport
from jobs.collect.scope import Effort
from jobs.errors import AllVenuesFailed, SharedLandingFailed
from jobs.instants import DAY
from jobs.settings import Settings
from jobs.writer import writer_run
from sources.universe import Universe
from warehouse.compact import delete_old_changes, delete_superseded
from warehouse.feed_ledger import GRACE, oldest_gap, prune_answers, refresh_gaps
from warehouse.history import move_to_history
from warehouse.load import prune_ledgers
from warehouse.storage import storage_at, tidy

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
# Twice what is measured on them; raw history keeps them all.
_CHANGE_DAYS = 60
# For whoever reads a lake while it is written, and to look back at what a run changed.
_VERSION_DAYS = 2
# Nobody waits for the daily round: it may fetch for half an hour from each venue.
_EFFORT = Effort(budget_seconds=1800.0)


@dataclass(frozen=True, slots=True)
class MaintainReport:
    """What one maintenance did.

    Parameters
    ----------
    moved_files, moved_bytes : int
        Landing files that were loaded long enough ago, moved to raw history.
    pruned : dict of str to int
        Rows that went, by table.
    ingested : IngestReport or None
        What asking for all that is missing came to; None where nothing is followed.
    """

    moved_files: int
    moved_bytes: int
    pruned: dict[str, int]
    ingested: IngestReport | None


def maintain(
    settings: Settings,
    *,
    clock: Callable[[], datetime],
    universe: Universe | None = None,
    landing_days: int | None = None,
    is_fetching: bool = True,
) -> MaintainReport:
    """Move what was loaded to raw history, prune, check all gaps, fetch what is missing.

    Parameters
    ----------
    settings : Settings
        Where things are.
    clock : callable
        Returns the time, UTC.
    universe : Universe, optional
        What is followed; by default what the universe file says.
    landing_days : int, optional
        Days after which loaded landing files move to raw history; by default as the settings say.
    is_fetching : bool
        Whether to request what is missing from venues.
    """
    now = clock()
    days = settings.landing_days if landing_days is None else landing_days
    shared = _still_shared(settings)
    with writer_run(settings, "maintain") as (connection, run):
        start = min(oldest_gap(connection) or now, now - timedelta(days=_LEDGER_DAYS))
        refresh_gaps(connection, start, now - GRACE, checked_at=now)
        moved = size = 0
        if shared is not None:
            moved, size = move_to_history(
                connection, settings.landing, settings.raw, now - days * DAY, keep=shared
            )
        pruned = prune_ledgers(
            connection,
            quarantine_before=now - timedelta(days=_QUARANTINE_DAYS),
            runs_before=now - timedelta(days=_RUN_DAYS),
        )
        pruned |= delete_superseded(
            connection, now - _SUPERSEDED_UNTIL_DAYS * DAY, now - _SUPERSEDED_FROM_DAYS * DAY
        )
        pruned |= delete_old_changes(connection, now - timedelta(days=_CHANGE_DAYS))
        pruned["meta.gap_answer"] = prune_answers(connection, now - timedelta(days=_ANSWER_DAYS))
        run.detail = {
            "moved_files": moved,
            "moved_bytes": size,
            "pruned": pruned,
        }
        storage_at(settings.warehouse_address).discard_unfinished()
        tidy(connection, now - timedelta(days=_VERSION_DAYS))
    ingested: IngestReport | None = None
    if is_fetching:
        try:
            ingested = ingest(
                settings,
                clock=clock,
                universe=universe,
                effort=_EFFORT,
                has_backoff=False,
            )
        except AllVenuesFailed as exc:
            # The round is on record as failed; what was tidied stays tidy.
            logger.warning("%s", exc)
    return MaintainReport(moved, size, pruned, ingested)


def _still_shared(settings: Settings) -> frozenset[str] | None:
    """Return the files that stay in the landing folder; None where all of them do.

    A collector's files leave when they are sent. A writer's stay while the shared landing has them
    too: once they are gone and forgotten here, they would be received and loaded again.
    """
    if settings.send_to is not None:
        return None
    try:
        return names_in_shared_landing(settings)
    except SharedLandingFailed as exc:
        logger.warning("landing files move to raw history by the next maintenance: %s", exc)
        return None
