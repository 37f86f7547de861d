"""Check what was built before it is published."""

from datetime import datetime

from prefect import flow
from prefect.client.schemas.objects import State

from flows.end_states import run_unless_stopped
from flows.hours import run_name, take_hour
from flows.tasks import check as check_task


@flow(flow_run_name=run_name)
def check(as_of: datetime | None = None) -> State[None] | None:
    """Run every suite over what was built and show the grade of each asset.

    Parameters
    ----------
    as_of : datetime, optional
        The last hour to check, UTC; by default the one in which the run was scheduled.
    """
    return run_unless_stopped(check_task, take_hour(as_of))
