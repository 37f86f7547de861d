"""One whole hourly job: from what has landed to what people read."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from jobs.alerts.evaluate_alerts import AlertReport, alert_after_publication, alert_after_stop
from jobs.build.build_assets import BuildReport
from jobs.check.check_report import CheckReport
from jobs.check.run_suites import check
from jobs.configuration import check_configuration, has_usable_rules
from jobs.errors import StoppedByQuality
from jobs.pipeline import build_maps, load
from jobs.progress import Progress, silent
from jobs.publish.copy_to_postgres import copy_where_set
from jobs.publish.publish import PublishReport, publish
from jobs.settings import Settings
from warehouse.load import LoadReport
from warehouse.postgres.outlet import OutletReport


@dataclass(frozen=True, slots=True)
class HourReport:
    """What each step of the hour did."""

    loaded: LoadReport
    built: BuildReport
    checked: CheckReport
    published: PublishReport
    alerts: AlertReport | None = None
    copied: OutletReport | None = None


def run_hour(
    settings: Settings,
    *,
    as_of: datetime,
    progress: Progress = silent,
    clock: Callable[[], datetime] | None = None,
) -> HourReport:
    """Load what has landed, build, check, publish, send alerts; return what each step did.

    What is published is then copied to PostgreSQL, where a database is set.

    Parameters
    ----------
    settings, as_of, progress
        As for `build_maps`.
    clock : callable, optional
        Returns the time, UTC; without one no alerts are sent.

    Raises
    ------
    StoppedByQuality
        A critical check failed: nothing was published, the last good publication stays.
    InputRejected, ThresholdsRejected, EstimatorRejected
        A file of the home cannot be used; nothing was done.
    """
    check_configuration(settings)
    if clock is not None and not has_usable_rules(settings):
        clock = None
    loaded = load(settings)
    built = build_maps(settings, as_of=as_of, progress=progress)
    try:
        checked = check(settings, as_of=as_of, progress=progress)
        published = publish(settings, as_of=as_of, progress=progress)
    except StoppedByQuality:
        if clock is not None:
            alert_after_stop(settings, as_of=as_of, clock=clock)
        raise
    alerts = None if clock is None else alert_after_publication(settings, clock=clock)
    copied = copy_where_set(settings, progress=progress)
    return HourReport(loaded, built, checked, published, alerts, copied)
