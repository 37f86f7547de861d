"""Hold models against published liquidations, once a day."""

from datetime import datetime

from prefect import flow

from flows.hours import run_name, take_hour
from flows.tasks import calibrate_models


@flow(flow_run_name=run_name)
def calibrate(as_of: datetime | None = None, is_refitting: bool = False) -> None:
    """Score every model up to midnight, and fit again those whose fit is 30 days old.

    Parameters
    ----------
    as_of : datetime, optional
        The last hour to use, UTC; by default the one in which the run was scheduled.
    is_refitting : bool
        Fit every model again, whatever the age of its fit.
    """
    calibrate_models(take_hour(as_of), is_refitting)
