"""Watch the collector of positions, which runs beside the schedule."""

from datetime import datetime

from prefect import flow

from flows.hours import run_name, take_hour
from flows.tasks import watch_positions


@flow(flow_run_name=run_name)
def watch(as_of: datetime | None = None) -> None:
    """Fail where the collector of positions ran before and has stopped, or is stuck.

    Parameters
    ----------
    as_of : datetime, optional
        The hour of the run, UTC; by default the one in which the run was scheduled.
    """
    take_hour(as_of)
    watch_positions()
