"""One whole hourly job: from what has landed to what people read."""

from dataclasses import dataclass
from datetime import datetime

from jobs.build.build_assets import BuildReport
from jobs.check.check_report import CheckReport
from jobs.check.run_suites import check
from jobs.pipeline import build_maps, load
from jobs.progress import Progress, silent
from jobs.publish.publish import PublishReport, publish
from jobs.settings import Settings
from warehouse.load import LoadReport


@dataclass(frozen=True, slots=True)
class HourReport:
    """What each step of the hour did."""

    loaded: LoadReport
    built: BuildReport
    checked: CheckReport
    published: PublishReport


def run_hour(settings: Settings, *, as_of: datetime, progress: Progress = silent) -> HourReport:
    """Load what has landed, build, check, publish; return what each step did.

    Raises
    ------
    StoppedByQuality
        A critical check failed: nothing was published, the last good publication stays.
    """
    loaded = load(settings)
    built = build_maps(settings, as_of=as_of, progress=progress)
    checked = check(settings, as_of=as_of, progress=progress)
    published = publish(settings, as_of=as_of, progress=progress)
    return HourReport(loaded, built, checked, published)
