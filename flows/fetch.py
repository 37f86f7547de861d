"""Fetch the maps of outside providers whose key is set."""

from datetime import datetime

from prefect import flow

from flows.hours import run_name, take_hour
from flows.tasks import fetch as fetch_task


@flow(flow_run_name=run_name)
def fetch(as_of: datetime | None = None) -> None:
    """Fetch the maps of each provider whose key is set; they are stamped with the hour of capture.

    Parameters
    ----------
    as_of : datetime, optional
        The hour of the run, UTC; by default the one in which the run was scheduled.
    """
    take_hour(as_of)
    fetch_task()
