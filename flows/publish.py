"""Publish what the warehouse holds."""

from datetime import datetime

from prefect import flow
from prefect.client.schemas.objects import State

from flows.end_states import run_unless_stopped
from flows.hours import run_name, take_hour
from flows.tasks import alert_after_publication, copy_after_publication
from flows.tasks import publish as publish_task


@flow(flow_run_name=run_name)
def publish(as_of: datetime | None = None) -> State[None] | None:
    """Swap in the file that readers open, and write the Parquet of days that changed; send alerts.

    What is published is then copied to PostgreSQL, where a database is set.

    Parameters
    ----------
    as_of : datetime, optional
        The last hour to publish, UTC; by default the one in which the run was scheduled.
    """
    stopped = run_unless_stopped(publish_task, take_hour(as_of))
    if stopped is None:
        alert_after_publication()
        copy_after_publication()
    return stopped
