"""The steps that change the warehouse: load, build, publish, and one whole run of them."""

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict
from datetime import date, datetime, timedelta
from pathlib import Path

from duckdb import DuckDBPyConnection

from jobs.build.build_assets import BuildReport, build_assets
from jobs.build.estimator_choice import configured_estimators
from jobs.check.held_back import Held, held_back, stops_everything
from jobs.collect.symbol_overrides import store_symbols
from jobs.errors import NothingToDo, StoppedByQuality
from jobs.runs import Run, recorded_run, run_file
from jobs.settings import Settings
from transforms.estimators import EstimatorParameters
from warehouse.connect import open_warehouse, replaced_warehouse
from warehouse.errors import WarehouseDamaged
from warehouse.history import has_history, restore
from warehouse.load import LoadReport, load_landing_files
from warehouse.publish import PublishReport, changed_days, lost_days, publish_days, publish_file

logger = logging.getLogger(__name__)

Progress = Callable[[str, str, float], None]
"""Told the step, what it is at, and the share of the step that is done."""


def silent(step: str, item: str, share: float) -> None:
    """Show no progress."""


@contextmanager
def open_writer(settings: Settings) -> Iterator[DuckDBPyConnection]:
    """Yield the writer's connection with the limits of the settings.

    Raises
    ------
    WarehouseDamaged
        The warehouse is gone or cannot be read; the message says what to do.
    """
    path = settings.warehouse
    is_lost = not path.exists() or path.stat().st_size == 0
    if is_lost and has_history(settings.raw):
        raise WarehouseDamaged(
            f"{path} is gone, and {settings.raw} holds what was in it: "
            "run `liqheat rebuild`, which makes it again"
        )
    with _opened(settings, path) as connection:
        yield connection


def _opened(settings: Settings, path: Path) -> AbstractContextManager[DuckDBPyConnection]:
    megabytes = settings.memory_limit_mb
    return open_warehouse(
        path,
        threads=settings.threads,
        memory_limit_bytes=None if megabytes is None else megabytes * 1_000_000,
    )


@contextmanager
def writer_run(
    settings: Settings, job: str, as_of: datetime | None = None
) -> Iterator[tuple[DuckDBPyConnection, Run]]:
    """Yield the writer's connection and the run of a job, recorded as it starts and ends."""
    with (
        run_file(settings, job, as_of) as run,
        open_writer(settings) as connection,
        recorded_run(connection, run),
    ):
        yield connection, run


def load(settings: Settings) -> LoadReport:
    """Load what has landed into raw and return what was done; files loaded before are passed by."""
    with writer_run(settings, "load") as (connection, run):
        report = load_landing_files(
            connection, settings.landing, run_id=run.run_id, loaded_at=run.started_at
        )
        run.row_count = sum(report.rows_by_kind.values())
        run.detail = asdict(report)
        return report


def rebuild(settings: Settings, *, progress: Progress = silent) -> LoadReport:
    """Make the warehouse again from raw history and landing files; return what was loaded.

    Raw is then as it was, row for row. All maps are to be built and published again. The old file
    is put aside; what it alone knew is lost: older runs, and which gaps venues had answered for.

    Raises
    ------
    WarehouseBusy
        A writer has the warehouse open.
    WarehouseError
        A file of raw history cannot be read; the message names it and the old warehouse stays.
    NothingToDo
        There is nothing to make it from; the old warehouse stays.
    """
    with (
        run_file(settings, "rebuild") as run,
        replaced_warehouse(settings.warehouse) as making,
        _opened(settings, making) as connection,
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
    """Bring every map that is out of date up to an hour and return what was done.

    Parameters
    ----------
    settings : Settings
        Where things are.
    as_of : datetime
        The last hour to build, UTC.
    estimators : sequence of EstimatorParameters, optional
        Whose maps to make; by default the shipped ones and those the user has described.
    progress : callable
        Told how far it is.
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
    """Publish what the warehouse holds and return what was written.

    The file for readers holds ``publish_window_days`` up to the newest hour at or before `as_of`;
    Parquet is written for each day that changed.

    Assets of which an hour failed a critical check, and has not passed since, are left out from
    that hour on; their hours before it are published.

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


def newest_hour(connection: DuckDBPyConnection, as_of: datetime) -> datetime:
    """Return the newest hour that has a map, at or before `as_of`; `as_of` itself without any."""
    row = connection.execute(
        "select max(as_of) from derived.heatmap where as_of <= ?", [as_of]
    ).fetchone()
    newest: datetime = row[0] if row and row[0] is not None else as_of
    return newest
