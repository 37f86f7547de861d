"""Fetch from venues every few minutes: they keep open interest for days only."""

from datetime import datetime

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from flows.hours import run_name, take_hour
from flows.tasks import alert_after_ingestion, follows_venues, load
from flows.tasks import ingest as ingest_task
from jobs.errors import WarehouseBusy


@flow(flow_run_name=run_name)
def ingest(as_of: datetime | None = None) -> State[None] | None:
    """Fetch what is missing and load it; where no venue is followed, load what has landed.

    Then alert rules that depend on the newest bar are evaluated on it.

    Landing needs no warehouse: while another writer has it open, the load is left to the next run.

    Parameters
    ----------
    as_of : datetime, optional
        The hour of the run, UTC; by default the one in which the run was scheduled.
    """
    take_hour(as_of)
    if follows_venues():
        # No retries: the next run is due in five minutes.
        ingest_task.with_options(retries=0)()
        alert_after_ingestion()
        return None
    try:
        # Half a minute of retries; the next run is due in five minutes.
        load.with_options(retries=4)()
    except WarehouseBusy as exc:
        return Completed(name="Postponed", message=f"the next run loads what has landed: {exc}")
    alert_after_ingestion()
    return None
