"""Rebuild the maps of past hours and publish them."""

from datetime import datetime

from prefect import flow
from prefect.client.schemas.objects import State

from flows.hourly import update_maps
from flows.hours import hour_of, hour_of_run, run_name


@flow(flow_run_name=run_name)
def backfill(start_at: datetime, as_of: datetime | None = None) -> State[None] | None:
    """Load what has landed, build from the first changed bar, check, publish.

    Parameters
    ----------
    start_at : datetime
        The first hour, UTC; it must be before the last.
    as_of : datetime, optional
        The last hour, UTC; by default the one in which the run was scheduled.
    """
    hour = hour_of_run(as_of)
    if hour_of(start_at) >= hour:
        raise ValueError(f"start_at {start_at} is not before {hour}; give an earlier start_at")
    return update_maps(hour)
