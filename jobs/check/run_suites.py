"""Checking: every suite over the hours just built, results stored, and a grade for each asset.

Belongs here: which hours are checked and where results go. Does not belong here: what is checked
(``quality``), the frames (``jobs.check.frames``) and how assets are graded
(``sql/marts/asset_quality_hourly.sql``).
"""

import logging
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

import pyarrow as pa
from duckdb import DuckDBPyConnection

from jobs.build.hourly_maps import newest_hour
from jobs.check.check_report import CheckReport, Verdict, describe_failure
from jobs.check.frames import suite_frames
from jobs.check.gates_in_force import read_gates, store_gates
from jobs.check.held_back import held_back, stops_everything
from jobs.errors import StoppedByQuality
from jobs.instants import HOUR
from jobs.progress import Progress, silent
from jobs.runs import record_done
from jobs.settings import Settings
from jobs.writer import writer_run
from quality.gates import Gates, venue_gates
from quality.results import CheckResult
from quality.suites import SUITES, suites
from warehouse.connect import insert_rows, transaction
from warehouse.contracts import relations
from warehouse.models import run_incremental_models, set_window
from warehouse.queries import named_query

logger = logging.getLogger(__name__)

# Hours checked after a long build, newest first: a day of 500 assets, a month of a few.
MOST_ASSET_HOURS = 12_000
MOST_HOURS = 31 * 24

# The scope of the row that sums up a check.
ALL = "all"

PAGES_FOLDER = "data_docs"


def check(
    settings: Settings,
    *,
    as_of: datetime,
    hours: int | None = None,
    progress: Progress = silent,
) -> CheckReport:
    """Run every suite over the hours that have not passed yet and return the results.

    Results are stored, passed or failed; they and the grades are in the next publication.

    Parameters
    ----------
    settings : Settings
        Where things are.
    as_of : datetime
        The last hour to check, UTC; the newest hour that was built, if that is earlier.
    hours : int, optional
        Hours to check, back from the last; by default all that were built since a check passed,
        up to ``MOST_ASSET_HOURS``, and those in which a critical check has failed.
    progress : callable
        Called with the suite and the share done.

    Raises
    ------
    StoppedByQuality
        A critical check failed for every asset, or for rows without an asset: nothing can be
        published.
    InputRejected, ThresholdsRejected
        The file of levels is wrong; nothing was checked.
    """
    with writer_run(settings, "check", as_of) as (connection, run):
        gates = read_gates(settings)
        newest = newest_hour(connection, as_of)
        count = hours if hours is not None else _hours_in_doubt(connection, newest)
        # What it finds is stored with its record, or not at all.
        with transaction(connection):
            progress("check", "gates", 0.0)
            store_gates(connection, gates)
            _measure_silent_instruments(connection, newest)
            results = _run_suites(connection, settings, gates, newest, count, run.run_id, progress)
            held = held_back(connection, newest)
            report = CheckReport(
                as_of=newest,
                hour_count=count,
                results=results,
                verdicts=_verdicts(connection, newest),
                held=held,
                pages=settings.home / PAGES_FOLDER,
            )
            run.row_count = sum(result.row_count for result in results)
            run.detail = _detail(report)
            is_stopped = stops_everything(connection, newest, held) is not None
            if not is_stopped:
                record_done(connection, run)
        logger.info("checked: %s", run.detail)
        if is_stopped:
            raise StoppedByQuality(describe_failure(report.critical, newest), report)
    return report


def _detail(report: CheckReport) -> dict[str, Any]:
    """Return what the record of the run keeps."""
    return {
        "as_of": report.as_of,
        "hour_count": report.hour_count,
        "check_count": len(report.results),
        "critical": [result.check.name for result in report.critical],
        "warnings": [result.check.name for result in report.warnings],
        "held_back": [str(each) for each in report.held],
    }


def _hours_in_doubt(connection: DuckDBPyConnection, newest: datetime) -> int:
    """Return how many hours to check, back from the newest.

    Late bars rebuild hours that were checked before. Hours that failed a critical check are checked
    until they pass, however long that takes.
    """
    built_from, asset_count = connection.execute(
        named_query("hours_made_since_check"),
        {"from_at": newest - MOST_HOURS * HOUR, "until_at": newest},
    ).fetchone() or (None, 0)
    checked_until, failed_at = connection.execute(
        "select max(as_of) filter (where scope = ? and as_of < ?), "
        "min(as_of) filter (where severity = 'critical' and not success) "
        "from quality.check_results where as_of <= ?",
        [ALL, newest, newest],
    ).fetchone() or (None, None)
    starts = [] if built_from is None else [built_from - HOUR]
    starts += [] if checked_until is None else [checked_until]
    most = max(24, min(MOST_HOURS, MOST_ASSET_HOURS // max(asset_count, 1)))
    start = max(min(starts, default=newest - 24 * HOUR), newest - most * HOUR)
    if failed_at is not None:
        start = min(start, failed_at - HOUR)
    return max(1, int((newest - start) / HOUR))


def _measure_silent_instruments(connection: DuckDBPyConnection, as_of: datetime) -> None:
    """Give every active instrument a row of measures at the hour, even without any data.

    Building leaves out assets whose last bar is more than a day old, and those that never had one.
    A feed of several venues together (``binance+bybit``) has no instruments of its own.
    """
    missing = named_query("silent_instruments")
    silent_assets = [
        row[0]
        for row in connection.execute(
            f"select distinct asset from ({missing}) as missing order by asset", {"as_of": as_of}
        ).fetchall()
    ]
    if not silent_assets:
        return
    run_incremental_models(connection, silent_assets, as_of - HOUR, as_of)
    connection.execute(
        "insert into intermediate.int_quality_measures by name "
        "select asset, venue, $as_of::timestamptz as as_of, "
        "0 as venue_count, 0 as instrument_count, "
        "0 as bar_coverage_24h_ratio, 0 as bar_coverage_7d_ratio, "
        "0 as open_interest_coverage_24h_ratio, 0 as open_interest_coverage_7d_ratio "
        f"from ({missing}) as missing",
        {"as_of": as_of},
    )


def _run_suites(
    connection: DuckDBPyConnection,
    settings: Settings,
    gates: Gates,
    newest: datetime,
    hours: int,
    run_id: str,
    progress: Progress,
) -> tuple[CheckResult, ...]:
    """Return the results of all suites; each is stored before the next, which may read it."""
    from quality.validation import Validation

    start = newest - hours * HOUR
    checks = suites(gates)
    results: list[CheckResult] = []
    connection.execute(
        "delete from quality.check_results where as_of > ? and as_of <= ?", [start, newest]
    )
    connection.execute(
        "insert into meta.pending_publish select distinct as_of::date from "
        "intermediate.int_quality_measures where as_of > ? and as_of <= ?",
        [start, newest],
    )
    validation = Validation(settings.home / PAGES_FOLDER)
    for number, suite in enumerate(SUITES):
        progress("check", suite, (number + 0.5) / len(SUITES))
        set_window(connection, None, start, newest)
        frames = suite_frames(connection, suite, gates)
        set_window(connection, None, None, None)
        found = validation.run([check for check in checks if check.suite == suite], frames)
        _store_results(connection, found, newest, run_id, venue_gates(gates))
        results += found
    validation.write_pages()
    return tuple(results)


def _store_results(
    connection: DuckDBPyConnection,
    results: Sequence[CheckResult],
    newest: datetime,
    run_id: str,
    by_venue: Collection[str],
) -> None:
    """Store a row for each check, and one for each asset and venue that fails it."""
    rows: list[dict[str, Any]] = []
    for result in results:
        check = result.check
        common = {
            "suite": check.suite,
            "check_name": check.name,
            "severity": check.severity,
            "threshold": check.level,
            "description": check.description,
            "run_id": run_id,
        }
        rows.append(
            common
            | {
                "scope": ALL,
                "as_of": newest,
                "success": result.success,
                "observed": result.observed,
                "row_count": result.row_count,
                "unexpected_count": result.unexpected_count,
                "sample": list(result.sample),
            }
        )
        if check.name in by_venue:
            # marts.asset_quality_hourly shows venue by venue what fails a gate.
            continue
        rows += [
            common
            | {
                "scope": f"{found.asset} on {found.venue}",
                "asset": found.asset,
                "venue": found.venue,
                "as_of": found.as_of,
                "success": False,
                "observed": found.observed,
                "row_count": found.row_count,
                "unexpected_count": found.row_count,
                "sample": [found.sample],
            }
            for found in result.findings
        ]
    name = "quality.check_results"
    schema = relations()[name].arrow_schema
    insert_rows(connection, name, pa.Table.from_pylist(rows, schema=schema))


def _verdicts(connection: DuckDBPyConnection, as_of: datetime) -> tuple[Verdict, ...]:
    set_window(connection, None, as_of - HOUR, as_of)
    rows = connection.execute(
        "select asset, grade, is_low_cap, is_noisy, graded_a_open_interest_ratio, reason_names "
        "from marts.asset_quality_hourly where venue = 'all' order by grade desc, asset"
    ).fetchall()
    set_window(connection, None, None, None)
    return tuple(
        Verdict(asset, grade, is_low_cap, is_noisy, ratio, tuple(reasons))
        for asset, grade, is_low_cap, is_noisy, ratio, reasons in rows
    )
