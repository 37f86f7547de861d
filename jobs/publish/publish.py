"""Publishing what the warehouse holds, without what checks hold back.

Does not belong here: how files are written and swapped in (``warehouse.publication``) and what is
held back (``jobs.check.held_back``).
"""

import logging
import os
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

from duckdb import DuckDBPyConnection

from jobs.build.hourly_maps import newest_hour
from jobs.check.held_back import HeldAsset, held_back, stops_everything
from jobs.errors import StoppedByQuality
from jobs.progress import Progress, silent
from jobs.runs import record_done, recorded_run, run_file
from jobs.settings import Settings
from jobs.writer import open_writer
from warehouse.connect import transaction
from warehouse.parquet_by_day import changed_days, lost_days
from warehouse.publication import publication

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PublishReport:
    """What one publication wrote.

    Parameters
    ----------
    path : Path
        The published file.
    size_bytes : int
        Its size.
    row_counts : dict of str to int
        Rows of each public relation stored in it; a view counts the rows it is made from.
    day_count : int
        Days whose Parquet was written.
    """

    path: Path
    size_bytes: int
    row_counts: dict[str, int]
    day_count: int


def publish(settings: Settings, *, as_of: datetime, progress: Progress = silent) -> PublishReport:
    """Publish what the warehouse holds and return what was written.

    The file for readers holds ``publish_window_days`` up to the newest hour at or before `as_of`;
    Parquet is written for each day that changed.

    An asset with an hour that failed a critical check, and has not passed since, is left out from
    that hour on; its hours before it are published.

    Raises
    ------
    StoppedByQuality
        Critical checks leave nothing to publish: the last publication stays.
    """
    with run_file(settings, "publish", as_of) as run, open_writer(settings) as connection:
        held = _held_back(connection, as_of)
        folder = settings.published
        window = timedelta(days=settings.publish_window_days)
        window_start = newest_hour(connection, as_of) - window
        with publication(
            connection,
            folder,
            window_start=window_start,
            published_at=run.started_at,
            kept_share=settings.publish_kept_percent / 100,
        ) as made:
            # The published table of runs shows this one as done.
            with recorded_run(connection, run):
                made.fill()
                days = sorted({*changed_days(connection), *lost_days(connection, folder)})

                def on_day(day: date) -> None:
                    progress("publish", day.isoformat(), (days.index(day) + 1) / len(days))

                threads = settings.threads or os.cpu_count() or 1
                made.write_days(days, threads=threads, on_day=on_day)
                run.detail = {"day_count": len(days), "held_back": [str(each) for each in held]}
                with transaction(connection):
                    made.record()
                    record_done(connection, run)
            path, row_counts = made.swap_in()
        report = PublishReport(path, path.stat().st_size, row_counts, len(days))
        logger.info("published %s", report)
        return report


def _held_back(connection: DuckDBPyConnection, as_of: datetime) -> tuple[HeldAsset, ...]:
    """Return the assets that are held back, or refuse to publish where that is everything."""
    held = held_back(connection, as_of)
    stopping = stops_everything(connection, as_of, held)
    if stopping is not None:
        name, failed_at = stopping
        raise StoppedByQuality(
            f"{name} failed at {failed_at:%Y-%m-%d %H:%M} and has not passed since; the last "
            "publication stays, `liqheat check` shows what failed"
        )
    if held:
        logger.warning("held back: %s", ", ".join(map(str, held)))
    return held
