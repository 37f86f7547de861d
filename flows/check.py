"""Check what was built before it is published."""

from datetime import datetime

from prefect import flow
from prefect.client.schemas.objects import State

from flows.end_states import stopped_state
from flows.hours import run_name, take_hour
from flows.tasks import check as check_task
from jobs.errors import StoppedByQuality


@flow(flow_run_name=run_name)
def check(as_of: datetime | None = None) -> State[None] | None:
    """Run every suite over what was built and show the grade of each asset.

    Parameters
    ----------
    as_of : datetime, optional
        The last hour to check, UTC; by default the one in which the run was scheduled.
    """
    hour = take_hour(as_of)
    try:
        check_task(hour)
    except StoppedByQuality as exc:
        return stopped_state(exc)
    return None
