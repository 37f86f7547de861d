"""The tasks of all flows: each wraps one function of `jobs` and adds retries.

A task takes and returns plain values. It reads the settings and opens connections in the process
that runs it.
"""

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from prefect import Task
from prefect.artifacts import create_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.logging.handlers import APILogHandler
from prefect.tasks import exponential_backoff

from jobs.errors import LIQHEAT_ERRORS, TRANSIENT_ERRORS, SharedLandingFailed, StoppedByQuality
from jobs.settings import read_settings

if TYPE_CHECKING:
    from jobs.check.check_report import CheckReport


class _OneLine(logging.Filter):
    """Drops the traceback of our own errors, whose message says what happened and what to do."""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.exc_info and isinstance(record.exc_info[1], LIQHEAT_ERRORS):
            record.exc_info = None
        return True


for _logger in ("prefect.task_runs", "prefect.flow_runs"):
    logging.getLogger(_logger).addFilter(_OneLine())

# Prefect shows only its own loggers with a run; these are ours.
for _room in ("jobs", "quality", "sources", "transforms", "warehouse"):
    logging.getLogger(_room).setLevel(logging.INFO)
    logging.getLogger(_room).addHandler(APILogHandler())

Given = ParamSpec("Given")
Returned = TypeVar("Returned")


def is_transient(task: Task[..., Any], task_run: TaskRun, state: State[Any]) -> bool:  # noqa: ARG001  (Prefect passes all three)
    """Return whether a task failed with a transient error."""
    return isinstance(state.result(raise_on_failure=False), TRANSIENT_ERRORS)


def task_of_job(function: Callable[Given, Returned]) -> Task[Given, Returned]:
    """Return a task that retries transient errors and is never cached."""
    return Task(
        function,
        cache_policy=NO_CACHE,
        # 2, 4, 8 ... 128 s with jitter: four minutes for another writer to finish or for disk space
        # to be freed. The next run makes up for anything longer.
        retries=7,
        retry_delay_seconds=exponential_backoff(backoff_factor=2),
        retry_jitter_factor=0.5,
        retry_condition_fn=is_transient,
    )


def follows_venues() -> bool:
    """Return whether any venue is followed; ``venues: []`` in the universe file follows none."""
    from jobs.collect.scope import configured_universe

    return bool(configured_universe(read_settings()).venues)


@task_of_job
def ingest() -> int:
    """Fetch what is missing from venues and load it; return how many rows landed.

    A collector that could not send them fails: several failures in a row are a fault.
    """
    from jobs.collect.ingest import ingest

    report = ingest(read_settings(), clock=lambda: datetime.now(UTC))
    if report.transfer is not None and report.transfer.has_failed_to_send:
        raise SharedLandingFailed(report.transfer.messages[0])
    return report.row_count


@task_of_job
def maintain() -> int:
    """Tidy the home folder and fetch what is missing; return how many files were moved."""
    from jobs.maintain import maintain

    report = maintain(
        read_settings(), clock=lambda: datetime.now(UTC), is_fetching=follows_venues()
    )
    return report.moved_files


@task_of_job
def fetch() -> int:
    """Fetch the maps of providers whose key is set; return how many cells landed."""
    from jobs.collect.providers import fetch_providers

    return fetch_providers(read_settings(), clock=lambda: datetime.now(UTC)).row_count


@task_of_job
def measure_sensitivity(as_of: datetime, days: int) -> int:
    """Measure the sensitivity to assumptions at new midnights; return how many rows."""
    from jobs.compare.measure_sensitivity import measure_sensitivity

    return measure_sensitivity(read_settings(), as_of=as_of, days=days).row_count


@task_of_job
def calibrate_models(as_of: datetime, is_refitting: bool) -> int:
    """Fit what is due and score every model; return how many rows."""
    from jobs.calibrate.calibrate import calibrate

    return calibrate(read_settings(), as_of=as_of, is_refitting=is_refitting).row_count


@task_of_job
def watch_positions() -> str:
    """Return when the collector of positions last wrote its state; fail where it has stopped."""
    from jobs.positions.collector_report import watch_collector

    at = watch_collector(read_settings(), now=datetime.now(UTC))
    return "never ran here" if at is None else at.isoformat()


@task_of_job
def load() -> int:
    """Load what has landed; return how many rows."""
    from jobs.pipeline import load

    return sum(load(read_settings()).rows_by_kind.values())


@task_of_job
def build_maps(as_of: datetime) -> int:
    """Build the maps up to an hour; return how many rows."""
    from jobs.pipeline import build_maps

    return build_maps(read_settings(), as_of=as_of).row_count


@task_of_job
def check(as_of: datetime) -> int:
    """Run the checks and show the grades with the run; return the number of warnings.

    Critical failures that leave nothing to publish raise `StoppedByQuality`.
    """
    from jobs.check.check_report import CheckReport
    from jobs.check.run_suites import check

    try:
        report = check(read_settings(), as_of=as_of)
    except StoppedByQuality as exc:
        if isinstance(exc.report, CheckReport):
            _show(exc.report)
        raise
    _show(report)
    return len(report.warnings)


def _show(report: "CheckReport") -> None:
    """Store the grades and the failed checks as tables that Prefect shows with the run."""
    hour = f"{report.as_of:%Y-%m-%d %H:%M} UTC"
    create_table_artifact(
        key="asset-quality",
        description=f"Which assets can be trusted at {hour}, worst first.",
        table=[
            {
                "asset": verdict.asset,
                "grade": verdict.grade,
                "low-cap": verdict.is_low_cap,
                "noisy": verdict.is_noisy,
                "open interest on venues graded A": verdict.graded_a_open_interest_ratio,
                "reasons": ", ".join(verdict.reasons),
            }
            for verdict in report.verdicts
        ],
    )
    create_table_artifact(
        key="failed-checks",
        description=f"{len(report.results)} checks over {report.hour_count} hours to {hour}: "
        f"{len(report.critical)} critical and {len(report.warnings)} warnings. "
        f"Pages: {report.pages / 'index.html'}",
        table=[
            {
                "check": f"{result.check.suite}: {result.check.name}",
                "severity": result.check.severity,
                "rows against it": result.unexpected_count,
                "observed": result.observed,
                "allowed": result.check.level,
                "for example": next(iter(result.sample), ""),
            }
            for result in (*report.critical, *report.warnings)
        ],
    )


@task_of_job
def publish(as_of: datetime) -> str:
    """Publish what readers open; return its path."""
    from jobs.publish.publish import publish

    return str(publish(read_settings(), as_of=as_of).path)


@task_of_job
def copy_to_postgres() -> int:
    """Copy what is published to the PostgreSQL database; return how many rows were copied."""
    from jobs.publish.copy_to_postgres import copy_to_postgres

    return copy_to_postgres(read_settings()).row_count


def copy_after_publication() -> None:
    """Copy what is published where a database is set; a failure fails its task alone.

    The next publication makes up for it, so retries end soon.
    """
    if read_settings().postgres_url is not None:
        copy_to_postgres.with_options(retries=3)(return_state=True)


@task_of_job
def alert_after_publication() -> int:
    """Evaluate alert rules on what was published; return how many alerts fired."""
    from jobs.alerts.evaluate_alerts import alert_after_publication

    return alert_after_publication(read_settings(), clock=lambda: datetime.now(UTC)).recorded.fired


@task_of_job
def alert_after_ingestion() -> int:
    """Evaluate alert rules on the newest bars; return how many alerts fired."""
    from jobs.alerts.evaluate_alerts import alert_after_ingestion

    return alert_after_ingestion(read_settings(), clock=lambda: datetime.now(UTC)).recorded.fired


@task_of_job
def alert_after_stop(as_of: datetime) -> int:
    """Evaluate alert rules for an hour that checks held back; return how many alerts fired."""
    from jobs.alerts.evaluate_alerts import alert_after_stop

    settings = read_settings()
    return alert_after_stop(settings, as_of=as_of, clock=lambda: datetime.now(UTC)).recorded.fired
