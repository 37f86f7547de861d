"""Checking: every suite over the hours just built, results stored, and a verdict for each asset.

Belongs here: the frames the suites look at, where their results go, and what stops publishing.
Does not belong here: what is checked (``quality.suites``) and how assets are graded
(``sql/marts/asset_quality_hourly.sql``).
"""

import logging
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
from duckdb import DuckDBPyConnection

from jobs.build.hourly_maps import newest_hour
from jobs.check.held_back import HeldAsset, held_back, stops_everything
from jobs.errors import StoppedByQuality
from jobs.progress import Progress, silent
from jobs.settings import Settings
from jobs.writer import writer_run
from quality.results import CheckResult
from quality.suites import SUITES, suites
from quality.thresholds import Thresholds, all_gates, override, venue_gates
from sources.user_files import read_yaml
from sources.venues.declared import venues_with_one_side
from warehouse.connect import insert_rows, transaction
from warehouse.contracts import relations
from warehouse.models import models, run_incremental_models, set_window

logger = logging.getLogger(__name__)

HOUR = timedelta(hours=1)

# What is looked at after a long build, newest first: a day of 500 assets, a month of a few.
MOST_ASSET_HOURS = 12_000
MOST_HOURS = 31 * 24

ALL = "all"

THRESHOLDS_FILE = "quality_thresholds.yaml"
PAGES_FOLDER = "data_docs"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one check found, in short.

    Parameters
    ----------
    suite, name, severity : str
        The check.
    success : bool
        Whether all rows hold.
    observed, threshold : float or None
        The worst value, and what it was held against.
    row_count, unexpected_count : int
        Rows looked at, and those that speak against it.
    sample : tuple of str
        Some of them.
    description : str
        What the check says.
    """

    suite: str
    name: str
    severity: str
    success: bool
    observed: float | None
    threshold: float | None
    row_count: int
    unexpected_count: int
    sample: tuple[str, ...]
    description: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """The grade of one asset, all venues together.

    Parameters
    ----------
    asset, grade : str
        A, B or C.
    is_low_cap, is_noisy : bool
        As in ``marts.asset_quality_hourly``.
    graded_a_open_interest_ratio : float or None
        Share of its open interest that stands on venues graded A.
    reasons : tuple of str
        Names of what is beyond its gate.
    """

    asset: str
    grade: str
    is_low_cap: bool
    is_noisy: bool
    graded_a_open_interest_ratio: float | None
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What one run of the suites found.

    Parameters
    ----------
    as_of : datetime
        The newest hour looked at.
    hour_count : int
        Hours looked at.
    outcomes : tuple of Outcome
        Every check, in order of the suites.
    verdicts : tuple of Verdict
        Every asset at `as_of`, worst first.
    held : tuple of HeldAsset
        Assets that are not published from some hour on.
    pages : Path
        Folder of the Data Docs.
    """

    as_of: datetime
    hour_count: int
    outcomes: tuple[Outcome, ...]
    verdicts: tuple[Verdict, ...]
    held: tuple[HeldAsset, ...]
    pages: Path

    @property
    def critical(self) -> tuple[Outcome, ...]:
        """Failed checks that hold back what they speak against."""
        return self._failed("critical")

    @property
    def warnings(self) -> tuple[Outcome, ...]:
        """Failed checks that became flags."""
        return self._failed("warning")

    def _failed(self, severity: str) -> tuple[Outcome, ...]:
        return tuple(
            outcome
            for outcome in self.outcomes
            if not outcome.success and outcome.severity == severity
        )


def read_thresholds(settings: Settings) -> Thresholds:
    """Return the gates in force: our own, with the levels of ``quality_thresholds.yaml`` if any."""
    path = settings.home / THRESHOLDS_FILE
    if not path.exists():
        return Thresholds()
    return override(Thresholds(), read_yaml(path), where=str(path))


class ChecksFailed(StoppedByQuality):
    """Critical checks failed.

    Parameters
    ----------
    message : str
        What failed and what to do.
    report : CheckReport
        The results of all checks.
    """

    def __init__(self, message: str, report: CheckReport) -> None:
        super().__init__(message, report)
        self.report = report

    def __str__(self) -> str:
        """Return the message alone."""
        return str(self.args[0])


def check(
    settings: Settings,
    *,
    as_of: datetime,
    hours: int | None = None,
    progress: Progress = silent,
) -> CheckReport:
    """Run every suite over the hours not yet known to be sound and return what they found.

    Results are stored whatever they are; they and the verdicts show up with the next publication.

    Parameters
    ----------
    settings : Settings
        Where things are.
    as_of : datetime
        The last hour to look at, UTC; the newest hour that was built, if that is earlier.
    hours : int, optional
        Hours to look at, back from the last; by default all that were built since a check passed,
        up to ``MOST_ASSET_HOURS``, and those in which a critical check has failed.
    progress : callable
        Told how far it is.

    Raises
    ------
    ChecksFailed
        A critical check failed for every asset, or for something that is of no asset: nothing can
        be published.
    ThresholdsRejected
        The file of thresholds is wrong.
    """
    with writer_run(settings, "check", as_of) as (connection, run):
        thresholds = read_thresholds(settings)
        newest = newest_hour(connection, as_of)
        count = hours if hours is not None else _hours_in_doubt(connection, newest)
        progress("check", "gates", 0.0)
        store_thresholds(connection, thresholds)
        _measure_what_is_silent(connection, newest)
        results = _run_suites(
            connection,
            thresholds,
            newest,
            count,
            run.run_id,
            settings.home / PAGES_FOLDER,
            progress,
        )
        held = held_back(connection, newest)
        report = CheckReport(
            as_of=newest,
            hour_count=count,
            outcomes=tuple(map(_outcome, results)),
            verdicts=_verdicts(connection, newest),
            held=held,
            pages=settings.home / PAGES_FOLDER,
        )
        run.row_count = sum(outcome.row_count for outcome in report.outcomes)
        run.detail = {
            "as_of": newest,
            "hour_count": count,
            "check_count": len(report.outcomes),
            "critical": [outcome.name for outcome in report.critical],
            "warnings": [outcome.name for outcome in report.warnings],
            "held_back": [str(each) for each in held],
        }
        logger.info(
            "checked %d hours to %s: %d checks, %d critical and %d warnings, held back: %s",
            count,
            newest,
            len(report.outcomes),
            len(report.critical),
            len(report.warnings),
            ", ".join(map(str, held)) or "nothing",
        )
        if stops_everything(connection, newest, held):
            raise ChecksFailed(_stopped(report.critical, newest), report)
    return report


def _stopped(critical: Sequence[Outcome], as_of: datetime) -> str:
    first = critical[0]
    told = f"{first.suite}: {first.name} fails for {first.unexpected_count} rows"
    if first.observed is not None and first.threshold is not None:
        told += f" (observed {first.observed:.6g}, allowed {first.threshold:g})"
    if first.sample:
        told += f", as {first.sample[0]}"
    more = f"; {len(critical) - 1} more critical checks fail" if len(critical) > 1 else ""
    return (
        f"{told} at {as_of:%Y-%m-%d %H:%M} ({first.description}){more}; "
        "the last publication stays, `liqheat check` tells more"
    )


def _hours_in_doubt(connection: DuckDBPyConnection, newest: datetime) -> int:
    """Return how many hours to look at, back from the newest.

    Late bars build hours again that were looked at before. Hours that failed a critical check are
    looked at until they pass, however long that takes.
    """
    built_from, asset_count = connection.execute(
        "select min(heatmap.as_of), count(distinct asset) from derived.heatmap "
        "inner join meta.pipeline_run using (run_id) "
        "where heatmap.as_of > ? and heatmap.as_of <= ? and started_at > coalesce("
        "(select max(started_at) from meta.pipeline_run where job = 'check' and status = 'done'), "
        "'-infinity'::timestamptz)",
        [newest - MOST_HOURS * HOUR, newest],
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


def store_thresholds(connection: DuckDBPyConnection, thresholds: Thresholds) -> None:
    """Replace the stored gates; days graded by others are published again."""
    rows = [
        (
            name,
            position,
            gate.measure,
            gate.unit,
            gate.direction,
            gate.role,
            gate.soft,
            gate.hard,
            gate.is_required,
            gate.reason,
        )
        for position, (name, gate) in enumerate(all_gates(thresholds).items(), start=1)
    ]
    known = connection.execute("select * from quality.threshold order by position").fetchall()
    if known == rows:
        return
    with transaction(connection):
        connection.execute("delete from quality.threshold")
        connection.executemany(
            "insert into quality.threshold values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows
        )
        connection.execute(
            "insert into meta.pending_publish "
            "select distinct as_of::date from intermediate.int_quality_measures"
        )


def _measure_what_is_silent(connection: DuckDBPyConnection, as_of: datetime) -> None:
    """Give every instrument that should trade a row at the hour, those without any data too.

    Building leaves out assets whose last bar is more than a day old; what has never had a bar has
    nothing to be measured. A feed of several venues together (``binance+bybit``) is no venue that
    trades.
    """
    missing = (
        "select distinct asset, venue from staging.stg_instrument "
        "where is_active and not contains(venue, '+') "
        "except select asset, venue from intermediate.int_quality_measures where as_of = ?"
    )
    silent_assets = [
        row[0]
        for row in connection.execute(
            f"select distinct asset from ({missing}) as missing order by asset", [as_of]
        ).fetchall()
    ]
    if not silent_assets:
        return
    with transaction(connection):
        run_incremental_models(connection, silent_assets, as_of - HOUR, as_of)
        connection.execute(
            "insert into intermediate.int_quality_measures by name "
            "select asset, venue, ?::timestamptz as as_of, "
            "0 as venue_count, 0 as instrument_count, "
            "0 as bar_coverage_24h_ratio, 0 as bar_coverage_7d_ratio, "
            "0 as open_interest_coverage_24h_ratio, 0 as open_interest_coverage_7d_ratio "
            f"from ({missing}) as missing",
            [as_of, as_of],
        )


def _frame(connection: DuckDBPyConnection, sql: str, parameters: Iterable[Any] = ()) -> Any:  # noqa: ANN401
    """Return the rows of a query as a pandas frame."""
    return connection.execute(sql, list(parameters)).to_arrow_table().to_pandas()


def _frames(connection: DuckDBPyConnection, suite: str, thresholds: Thresholds) -> dict[str, Any]:
    """Return the frames of a suite for the hours the connection's window is set to."""
    measures = ", ".join(
        dict.fromkeys(
            gate.measure for gate in venue_gates(thresholds).values() if gate.role == "noise"
        )
    )
    measured = (
        f"select asset, venue, as_of, {measures} from intermediate.int_quality_measures "
        "where as_of > getvariable('window_start') and as_of <= getvariable('window_end')"
    )
    if suite == "door":
        return {
            "schema": _frame(connection, *_schema_query()),
            "unknown": _frame(connection, "from intermediate.int_unknown_instrument"),
            "sides": _frame(
                connection,
                "select venue, sides_counted, sides_seen, odd_share_ratio, figure_count, "
                # A venue's own figure of one side, held against each row, is the better evidence.
                "if(list_contains(?, venue), null, contradiction_count) as contradiction_count "
                "from intermediate.int_odd_lot",
                [venues_with_one_side()],
            ),
            "measures": _frame(connection, measured),
        }
    if suite == "bars":
        return {
            "hours": _frame(
                connection,
                "select asset, venue, instrument, as_of, high, low, close, volume_quantity, "
                "open_interest_quantity, bar_count * bar_seconds as covered_seconds, "
                "epoch(last_bar_end_at - as_of) as ahead_seconds "
                "from intermediate.int_instrument_hour "
                "where as_of > getvariable('window_start') and as_of <= getvariable('window_end')",
            ),
            "measures": _frame(connection, measured),
            "quotes": _frame(
                connection,
                "select asset, 'all' as venue, as_of, quote_deviation_bps "
                "from marts.market_context_hourly "
                "where as_of > getvariable('window_start') and as_of <= getvariable('window_end')",
            ),
        }
    if suite == "maps":
        return {
            "maps": _frame(
                connection,
                "select asset, venue, provider, as_of, not_finite_side_count, smallest, "
                "books_error_ratio, range_ratio, sum_deviation_ratio, "
                # What outsiders draw beyond price is theirs to answer for.
                "if(is_estimate, wrong_side_ratio, null) as wrong_side_ratio, "
                "if(is_estimate, change_ratio - explained_ratio, null) "
                "as unexplained_change_ratio from intermediate.int_map_audit",
            )
        }
    return {
        "relations": _frame(connection, *_relations_query()),
        "verdicts": _frame(
            connection,
            "select asset, 'all' as venue, as_of, grade, "
            "(grade <> 'A' and len(reasons) = 0)::integer as unexplained_count "
            "from (select distinct asset, as_of from derived.series_hour "
            "where as_of > getvariable('window_start') and as_of <= getvariable('window_end')) "
            "left join (from marts.asset_quality_hourly where venue = 'all') "
            "using (asset, as_of)",
        ),
    }


def _schema_query() -> tuple[str, list[Any]]:
    """Return the query that puts every stored column beside its declaration."""
    views = {model.name for model in models() if model.materialized != "incremental"}
    declared = [
        (relation.name, column.name, column.type)
        for relation in relations().values()
        if relation.name not in views
        for column in relation.columns
    ]
    return (
        "with declared as (select unnest(?::varchar[]) as relation, "
        "unnest(?::varchar[]) as column_name, unnest(?::varchar[]) as declared_type), "
        "stored as (select schema_name || '.' || table_name as relation, column_name, "
        "data_type as stored_type from duckdb_columns() "
        "where database_name = current_catalog()) "
        "select relation, column_name, coalesce(stored_type, 'missing') as stored_type, "
        "coalesce(declared_type, 'not declared') as declared_type from declared "
        "left join stored using (relation, column_name)",
        [list(column) for column in zip(*declared, strict=True)],
    )


def _relations_query() -> tuple[str, list[Any]]:
    """Return the query that counts rows, repeated keys and missing values of what is published.

    A row for each asset and hour at fault, and one for all others of a relation. A view over
    compact rows is checked by the rows it unfolds.
    """
    views = {model.name for model in models() if model.materialized == "view"}
    parts = []
    for relation in relations().values():
        is_checked = relation.is_public or relation.name == "derived.heatmap"
        if not is_checked or relation.name in views or "as_of" not in relation.grain:
            continue
        key = ", ".join(f'"{name}"' for name in relation.grain)
        required = [column.name for column in relation.columns if not column.is_nullable]
        nulls = " + ".join(f'("{name}" is null)::integer' for name in required)
        parts.append(
            f"select '{relation.name}' as relation, asset, as_of, count(*) as row_count, "
            f"count(*) - count(distinct ({key})) as duplicate_count, "
            f"coalesce(sum({nulls}), 0)::bigint as null_count from {relation.name} "
            "where as_of > getvariable('window_start') and as_of <= getvariable('window_end') "
            "group by asset, as_of"
        )
    return (
        "select relation, if(is_at_fault, asset, null) as asset, 'all' as venue, "
        "if(is_at_fault, as_of, null) as as_of, sum(row_count)::bigint as row_count, "
        "sum(duplicate_count)::bigint as duplicate_count, sum(null_count)::bigint as null_count "
        "from (select *, duplicate_count + null_count > 0 as is_at_fault "
        f"from ({' union all '.join(parts)})) group by all",
        [],
    )


def _run_suites(
    connection: DuckDBPyConnection,
    thresholds: Thresholds,
    newest: datetime,
    hours: int,
    run_id: str,
    pages: Path,
    progress: Progress,
) -> tuple[CheckResult, ...]:
    """Return the results of all suites; those about data are stored before marts are looked at."""
    from quality.validation import Validation

    start = newest - hours * HOUR
    checks = suites(thresholds)
    results: list[CheckResult] = []
    with transaction(connection):
        connection.execute(
            "delete from quality.check_results where as_of > ? and as_of <= ?", [start, newest]
        )
        connection.execute(
            "insert into meta.pending_publish select distinct as_of::date from "
            "intermediate.int_quality_measures where as_of > ? and as_of <= ?",
            [start, newest],
        )
    validation = Validation(pages)
    for number, suite in enumerate(SUITES):
        progress("check", suite, (number + 0.5) / len(SUITES))
        set_window(connection, None, start, newest)
        frames = _frames(connection, suite, thresholds)
        set_window(connection, None, None, None)
        found = validation.run([check for check in checks if check.suite == suite], frames)
        _store_results(connection, found, newest, run_id, venue_gates(thresholds))
        results += found
    validation.write_pages()
    return tuple(results)


def _outcome(result: CheckResult) -> Outcome:
    return Outcome(
        suite=result.check.suite,
        name=result.check.name,
        severity=result.check.severity,
        success=result.success,
        observed=result.observed,
        threshold=result.check.level,
        row_count=result.row_count,
        unexpected_count=result.unexpected_count,
        sample=result.sample,
        description=result.check.description,
    )


def _store_results(
    connection: DuckDBPyConnection,
    results: Sequence[CheckResult],
    newest: datetime,
    run_id: str,
    by_venue: Collection[str],
) -> None:
    """Store a row for each check, and one for each venue of an asset it speaks against."""
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
            {
                **common,
                "scope": ALL,
                "as_of": newest,
                "success": result.success,
                "observed": result.observed,
                "row_count": result.row_count,
                "unexpected_count": result.unexpected_count,
                "sample": list(result.sample),
            }
        )
        rows += [
            {
                **common,
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
            # What is beyond a gate is told venue by venue in marts.asset_quality_hourly.
            for found in result.findings
            if check.name not in by_venue
        ]
    with transaction(connection):
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
