"""One whole hour, from what has landed to what people read."""

from datetime import datetime

from prefect import flow

from flows.hours import take_hour
from flows.tasks import build_maps, check, load, publish


@flow
def hourly(as_of: datetime | None = None) -> None:
    """Load what has landed, build the maps, check them, publish them.

    Parameters
    ----------
    as_of : datetime, optional
        The last hour to build, UTC; by default the one in which the run was scheduled.
    """
    hour = take_hour(as_of)
    load()
    build_maps(hour)
    check(hour)
    publish(hour)
