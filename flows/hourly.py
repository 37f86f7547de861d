"""One whole hour, from landing files to the published file."""

from datetime import datetime

from prefect import flow
from prefect.client.schemas.objects import State

from flows.end_states import run_unless_stopped
from flows.hours import run_name, take_hour
from flows.tasks import (
    alert_after_publication,
    alert_after_stop,
    build_maps,
    check,
    copy_after_publication,
    load,
    publish,
)


@flow(flow_run_name=run_name)
def hourly(as_of: datetime | None = None) -> State[None] | None:
    """Load what has landed, build the maps, check them, publish them, send alerts.

    What is published is then copied to PostgreSQL, where a database is set.

    A failed critical check ends the run as `StoppedByQuality`; nothing is published.

    Parameters
    ----------
    as_of : datetime, optional
        The last hour to build, UTC; by default the one in which the run was scheduled.
    """
    return update_maps(take_hour(as_of))


def update_maps(hour: datetime) -> State[None] | None:
    """Run the steps up to an hour; return the final state of the run where a check stops it."""
    load()
    build_maps(hour)
    stopped = run_unless_stopped(check, hour)
    if stopped is None:
        stopped = run_unless_stopped(publish, hour)
    if stopped is None:
        alert_after_publication()
        copy_after_publication()
    else:
        alert_after_stop(hour)
    return stopped
