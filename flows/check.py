"""Look whether what was built may be published."""

from datetime import datetime

from prefect import flow
from prefect.client.schemas.objects import State

from flows.hours import run_name, take_hour
from flows.tasks import check as look
from flows.verdicts import stopped
from jobs.errors import StoppedByQuality


@flow(flow_run_name=run_name)
def check(as_of: datetime | None = None) -> State[None] | None:
    """Run every suite over what was built and show the verdict on each asset.

    Parameters
    ----------
    as_of : datetime, optional
        The last hour to look at, UTC; by default the one in which the run was scheduled.
    """
    hour = take_hour(as_of)
    try:
        look(hour)
    except StoppedByQuality as exc:
        return stopped(exc)
    return None
