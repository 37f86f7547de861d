"""One whole hour, from landing files to the published file."""

from datetime import datetime

from prefect import flow
from prefect.client.schemas.objects import State

from flows.end_states import stopped_state
from flows.hours import run_name, take_hour
from flows.tasks import build_maps, check, load, publish
from jobs.errors import StoppedByQuality


@flow(flow_run_name=run_name)
def hourly(as_of: datetime | None = None) -> State[None] | None:
    """Load what has landed, build the maps, check them, publish them.

    A failed critical check ends the run as `StoppedByQuality`; nothing is published.

    Parameters
    ----------
    as_of : datetime, optional
        The last hour to build, UTC; by default the one in which the run was scheduled.
    """
    hour = take_hour(as_of)
    load()
    build_maps(hour)
    try:
        check(hour)
    except StoppedByQuality as exc:
        return stopped_state(exc)
    publish(hour)
    return None
