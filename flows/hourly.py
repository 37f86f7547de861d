"""One whole hour, from what has landed to what people read."""

from datetime import datetime

from prefect import flow
from prefect.client.schemas.objects import State

from flows.hours import run_name, take_hour
from flows.tasks import build_maps, check, load, publish
from flows.verdicts import stopped
from jobs.errors import StoppedByQuality


@flow(flow_run_name=run_name)
def hourly(as_of: datetime | None = None) -> State[None] | None:
    """Load what has landed, build the maps, check them, publish them.

    Where a critical check fails nothing is published, and the run ends as `StoppedByQuality`.

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
        return stopped(exc)
    publish(hour)
    return None
