"""Keep the installation small and whole, once a day."""

from datetime import datetime

from prefect import flow

from flows.hours import run_name, take_hour
from flows.tasks import maintain as tidy


@flow(flow_run_name=run_name)
def maintain(as_of: datetime | None = None) -> None:
    """Delete what is no longer needed and ask for what is missing, as far back as it is told.

    Parameters
    ----------
    as_of : datetime, optional
        The hour to stand for, UTC; by default the one in which the run was scheduled.
    """
    take_hour(as_of)
    tidy()
