"""Tidy the home folder and fill gaps, once a day."""

from datetime import datetime

from prefect import flow

from flows.hours import run_name, take_hour
from flows.tasks import maintain as maintain_task


@flow(flow_run_name=run_name)
def maintain(as_of: datetime | None = None) -> None:
    """Move loaded landing files to raw history and fetch what is missing, as far back as served.

    Parameters
    ----------
    as_of : datetime, optional
        The hour of the run, UTC; by default the one in which the run was scheduled.
    """
    take_hour(as_of)
    maintain_task()
