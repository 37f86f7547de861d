"""Which hour a run is for, and how late runs catch up instead of piling up.

A run is for the hour it was scheduled in, however late it starts, and works through everything up
to that hour. Where several runs of one deployment are due, the first to start does the work of all
up to the newest hour, and the others are cancelled.
"""

from datetime import UTC, datetime
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterDeploymentId,
    FlowRunFilterExpectedStartTime,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.context import FlowRunContext
from prefect.runtime import flow_run
from prefect.states import Cancelled


def take_hour(as_of: datetime | None) -> datetime:
    """Return the hour to work up to, and cancel the due runs whose work this one does.

    A run with an explicit hour keeps to it and cancels nothing.

    Parameters
    ----------
    as_of : datetime, optional
        The explicit hour, UTC.
    """
    hour = hour_of_run(as_of)
    context = FlowRunContext.get()
    run = None if context is None else context.flow_run
    if as_of is not None or run is None or run.deployment_id is None:
        return hour
    with get_client(sync_client=True) as client:
        for other in _runs_due(client, run.deployment_id):
            state: State[None] = Cancelled(name="Superseded", message=f"done by the run {run.name}")
            client.set_flow_run_state(other.id, state, force=True)
            hour = max(hour, hour_of(other.expected_start_time or hour))
    return hour


def run_name() -> str:
    """Return the name of a run: its flow and its hour, UTC."""
    about = flow_run.parameters.get("as_of") or flow_run.scheduled_start_time
    instant = datetime.fromisoformat(str(about))
    return f"{flow_run.flow_name} {instant.astimezone(UTC):%Y-%m-%d %H:%M}"


def hour_of_run(as_of: datetime | None) -> datetime:
    """Return the explicit hour, or the one in which the run was scheduled, UTC."""
    return hour_of(flow_run.scheduled_start_time if as_of is None else as_of)


def hour_of(instant: datetime) -> datetime:
    """Return the start of the hour of an instant, UTC; an instant without a time zone is UTC."""
    utc = instant.astimezone(UTC) if instant.tzinfo is not None else instant
    # Prefect has a datetime class of its own whose differences are not timedeltas.
    return datetime(utc.year, utc.month, utc.day, utc.hour, tzinfo=UTC)


def _runs_due(client: SyncPrefectClient, deployment_id: UUID) -> list[FlowRun]:
    """Return the runs of a deployment that are due, have not started and have no explicit hour."""
    runs = client.read_flow_runs(
        flow_run_filter=FlowRunFilter(
            deployment_id=FlowRunFilterDeploymentId(any_=[deployment_id]),
            state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.SCHEDULED])),
            expected_start_time=FlowRunFilterExpectedStartTime.model_validate(
                {"before_": datetime.now(UTC)}
            ),
        )
    )
    return [run for run in runs if run.parameters.get("as_of") is None]
