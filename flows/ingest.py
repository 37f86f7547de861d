"""Bring in what venues tell, every few minutes: they forget it."""

from datetime import datetime

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from flows.hours import run_name, take_hour
from flows.tasks import follows_venues, load
from flows.tasks import ingest as ask_venues
from jobs.errors import WarehouseBusy


@flow(flow_run_name=run_name)
def ingest(as_of: datetime | None = None) -> State[None] | None:
    """Fetch what is missing and load it; where no venue is followed, load what has landed.

    Landing needs no warehouse: where that is being written for longer, nothing is lost by leaving
    the load to whoever comes next.

    Parameters
    ----------
    as_of : datetime, optional
        The hour to stand for, UTC; by default the one in which the run was scheduled.
    """
    take_hour(as_of)
    if follows_venues():
        # Where no venue answers the run has failed; the next one is due in five minutes.
        ask_venues.with_options(retries=0)()
        return None
    try:
        # Half a minute: the next run is due in five.
        load.with_options(retries=4)()
    except WarehouseBusy as exc:
        return Completed(name="Postponed", message=f"the next run loads what has landed: {exc}")
    return None
