"""Bring in what outside providers say, where a key is set."""

from datetime import datetime

from prefect import flow

from flows.hours import run_name, take_hour
from flows.tasks import fetch as ask


@flow(flow_run_name=run_name)
def fetch(as_of: datetime | None = None) -> None:
    """Ask each provider whose key is set for its maps; they stand for the hour they are taken in.

    Parameters
    ----------
    as_of : datetime, optional
        The hour to stand for, UTC; by default the one in which the run was scheduled.
    """
    take_hour(as_of)
    ask()
