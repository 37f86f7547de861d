"""Look at what maps hang on, once a day."""

from datetime import datetime

from prefect import flow

from flows.hours import run_name, take_hour
from flows.tasks import vary as swap


@flow(flow_run_name=run_name)
def vary(as_of: datetime | None = None, days: int = 31) -> None:
    """Swap one assumption at a time at each midnight that has not been looked at.

    Parameters
    ----------
    as_of : datetime, optional
        The last hour to look at, UTC; by default the one in which the run was scheduled.
    days : int
        How far back midnights are looked at.
    """
    swap(take_hour(as_of), days)
