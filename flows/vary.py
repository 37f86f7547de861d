"""Measure how sensitive maps are to each assumption, once a day."""

from datetime import datetime

from prefect import flow

from flows.hours import run_name, take_hour
from flows.tasks import measure_sensitivity


@flow(flow_run_name=run_name)
def vary(as_of: datetime | None = None, days: int = 31) -> None:
    """Change one assumption at a time at each midnight that has not been measured.

    Parameters
    ----------
    as_of : datetime, optional
        The last hour to measure, UTC; by default the one in which the run was scheduled.
    days : int
        Days of midnights to measure, back from that hour.
    """
    measure_sensitivity(take_hour(as_of), days)
