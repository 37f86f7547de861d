"""The steps that change the warehouse: load, rebuild, build the maps, publish."""

import logging
import os
from collections.abc import Sequence
from dataclasses import asdict
from datetime import date, datetime, timedelta

from duckdb import DuckDBPyConnection

from jobs.build.build_assets import BuildReport, build_assets
from jobs.build.estimator_choice import configured_estimators
from jobs.build.hourly_maps import newest_hour
from jobs.check.held_back import Held, held_back, stops_everything
from jobs.collect.symbol_overrides import store_symbols
from jobs.errors import NothingToDo, StoppedByQuality
from jobs.progress import Progress, silent
from jobs.runs import recorded_run, run_file
from jobs.settings import Settings
from jobs.writer import open_within_limits, open_writer, writer_run
from transforms.estimators import EstimatorParameters
from warehouse.connect import replaced_warehouse
from warehouse.history import restore
from warehouse.load import LoadReport, load_landing_files
from warehouse.publish import PublishReport, changed_days, lost_days, publish_days, publish_file

logger = logging.getLogger(__name__)


def load(settings: Settings) -> LoadReport:
    """Load what has landed into raw, except files loaded before; return the counts."""
    with writer_run(settings, "load") as (connection, run):
        report = load_landing_files(
            connection, settings.landing, run_id=run.run_id, loaded_at=run.started_at
        )
        run.row_count = sum(report.rows_by_kind.values())
        run.detail = asdict(report)
        return report


def rebuild(settings: Settings, *, progress: Progress = silent) -> LoadReport:
    """Restore the warehouse from raw history and landing files; return the counts.

    Raw is then as it was, row for row. All maps have to be built and published again. The old file
    is kept aside; lost is what it alone held: older runs, and which gaps venues have confirmed.

    Raises
    ------
    WarehouseBusy
        A writer has the warehouse open.
    WarehouseError
        A file of raw history cannot be read; the message names it and the old warehouse stays.
    NothingToDo
        There is nothing to restore from; the old warehouse stays.
    """
    with (
        run_file(settings, "rebuild") as run,
        replaced_warehouse(settings.warehouse) as making,
        open_within_limits(settings, making) as connection,
        recorded_run(connection, run),
    ):
        report = restore(
            connection,
            settings.landing,
            settings.raw,
            run_id=run.run_id,
            loaded_at=run.started_at,
            on_month=lambda item, share: progress("rebuild", item, share),
        )
        if not report.file_count and not report.rejected:
            raise NothingToDo(
                f"neither {settings.raw} nor {settings.landing} holds a file to rebuild from: "
                "put the backup of raw history there; the warehouse stays as it is"
            )
        run.row_count = sum(report.rows_by_kind.values())
        run.detail = asdict(report)
        return report


def build_maps(
    settings: Settings,
    *,
    as_of: datetime,
    estimators: Sequence[EstimatorParameters] | None = None,
    progress: Progress = silent,
) -> BuildReport:
    """Bring the maps that are out of date up to an hour; return the counts.

    Parameters
    ----------
    settings : Settings
        Where things are.
    as_of : datetime
        The last hour to build, UTC.
    estimators : sequence of EstimatorParameters, optional
        Whose maps to make; by default the shipped ones and the user's.
    progress : callable
        Called with the step, the item and the share that is done.
    """
    with writer_run(settings, "build", as_of) as (connection, run):
        chosen = configured_estimators(settings) if estimators is None else estimators
        store_symbols(settings, connection)
        report = build_assets(
            connection,
            as_of=as_of,
            estimators=chosen,
            run_id=run.run_id,
            threads=settings.threads,
            on_progress=lambda item, share: progress("build", item, share),
        )
        run.row_count = report.row_count
        run.detail = asdict(report)
        return report


def publish(settings: Settings, *, as_of: datetime, progress: Progress = silent) -> PublishReport:
    """Publish what the warehouse holds; return what was written.

    The file for readers holds ``publish_window_days`` up to the newest hour at or before `as_of`;
    Parquet is written for each day that changed.

    An asset with an hour that failed a critical check, and has not passed since, is left out from
    that hour on.

    Raises
    ------
    StoppedByQuality
        Critical checks leave nothing to publish: what was published stays.
    """
    with run_file(settings, "publish", as_of) as run, open_writer(settings) as connection:
        held = _held_back(connection, as_of)
        with recorded_run(connection, run):
            days = sorted({*changed_days(connection), *lost_days(connection, settings.published)})

            def on_day(day: date) -> None:
                progress("publish", day.isoformat(), (days.index(day) + 1) / len(days))

            publish_days(
                connection,
                settings.published,
                days,
                threads=settings.threads or os.cpu_count() or 1,
                on_day=on_day,
            )
            run.detail = {"day_count": len(days), "held_back": [str(each) for each in held]}
        newest = newest_hour(connection, as_of)
        window_start = newest - timedelta(days=settings.publish_window_days)
        path, row_counts = publish_file(connection, settings.published, window_start=window_start)
        report = PublishReport(path, path.stat().st_size, row_counts, len(days))
        logger.info("published %s", report)
        return report


def _held_back(connection: DuckDBPyConnection, as_of: datetime) -> tuple[Held, ...]:
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
