"""Bring the maps up to date."""

from datetime import datetime

from prefect import flow

from flows.hours import run_name, take_hour
from flows.tasks import build_maps, load


@flow(flow_run_name=run_name)
def build(as_of: datetime | None = None) -> None:
    """Load what has landed, then build the maps that are out of date.

    Parameters
    ----------
    as_of : datetime, optional
        The last hour to build, UTC; by default the one in which the run was scheduled.
    """
    hour = take_hour(as_of)
    load()
    build_maps(hour)
