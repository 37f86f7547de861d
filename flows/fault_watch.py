"""The schedule's watch on its own runs: a thread beside the schedule that needs no run of any job.

It reads from Prefect's server how the runs of each deployment ended and hands that to
`jobs.alerts.faults`. A server that does not answer is a fault too. It also sends again what a
target did not take, so that nothing waits for the next run.
"""

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from jobs.alerts.faults import DeploymentHistory, EndedRun, report_faults
from jobs.settings import Settings, read_settings

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient

logger = logging.getLogger(__name__)

FIRST_CHECK_SECONDS = 5.0
CHECK_SECONDS = 60.0
"""The first check comes soon, since runs catch up at the start; waits double up to a minute."""

SERVER = "Prefect's server"
SERVER_PATIENCE = timedelta(minutes=10)

FAILURES_ALLOWED = {"ingest": 2}
"""Failures in a row that the next run makes up for, by deployment; by default none."""

LONGEST_GAPS = {"hourly": timedelta(minutes=90)}
"""Time without an ended run after which one is missing, by deployment."""


class FaultWatch:
    """What the watch remembers between two checks.

    Parameters
    ----------
    deployments : sequence of str
        Whose runs are watched.
    clock : Callable
        The present, UTC.
    """

    def __init__(
        self,
        deployments: Sequence[str],
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._deployments = deployments
        self._clock = clock
        self._since = self._answered_at = clock()

    def check(self, settings: Settings) -> None:
        """Report the faults there are, and send what waits."""
        from prefect.client.orchestration import get_client

        try:
            with get_client(sync_client=True) as client:
                histories = [read_history(client, name, self._since) for name in self._deployments]
        except Exception as exc:  # noqa: BLE001  (however it fails, it did not answer)
            histories = []
            answer = EndedRun(self._clock(), is_done=False, message=type(exc).__name__)
        else:
            self._answered_at = self._clock()
            answer = EndedRun(self._answered_at, is_done=True)
        if answer.is_done or self._clock() - self._answered_at > SERVER_PATIENCE:
            histories.append(DeploymentHistory(SERVER, (answer,)))
        report_faults(settings, histories, clock=self._clock)


def read_history(client: "SyncPrefectClient", name: str, since: datetime) -> DeploymentHistory:
    """Return how the newest runs of a deployment ended since the start of the schedule.

    Parameters
    ----------
    client : SyncPrefectClient
        Of the server that keeps the schedule.
    name : str
        The deployment.
    since : datetime
        The start of the schedule, UTC.
    """
    from prefect.client.schemas.filters import (
        DeploymentFilter,
        DeploymentFilterName,
        FlowRunFilter,
        FlowRunFilterEndTime,
        FlowRunFilterState,
        FlowRunFilterStateType,
    )
    from prefect.client.schemas.objects import StateType
    from prefect.client.schemas.sorting import FlowRunSort

    ended = [StateType.COMPLETED, StateType.FAILED, StateType.CRASHED]
    allowed = FAILURES_ALLOWED.get(name, 0)
    runs = client.read_flow_runs(
        deployment_filter=DeploymentFilter(name=DeploymentFilterName(any_=[name])),
        flow_run_filter=FlowRunFilter(
            state=FlowRunFilterState(type=FlowRunFilterStateType(any_=ended)),
            # Earlier runs were watched by an earlier process, or ended with it.
            end_time=FlowRunFilterEndTime.model_validate({"after_": since}),
        ),
        sort=FlowRunSort.END_TIME_DESC,
        limit=allowed + 1,
    )
    return DeploymentHistory(
        name,
        tuple(
            EndedRun(
                # Prefect has a datetime class of its own whose differences are not timedeltas.
                datetime.fromtimestamp((run.end_time or since).timestamp(), UTC),
                is_done=run.state_type == StateType.COMPLETED,
                message=(run.state and run.state.message) or "",
            )
            for run in runs
        ),
        failures_allowed=allowed,
        longest_gap=LONGEST_GAPS.get(name),
        watched_since=since,
    )


@contextmanager
def watching(
    deployments: Sequence[str], first_check_seconds: float = FIRST_CHECK_SECONDS
) -> Iterator[None]:
    """Watch in a thread of its own around the block; its own failures are logged and no more."""
    watch, stop = FaultWatch(deployments), threading.Event()

    def run() -> None:
        wait = first_check_seconds
        while not stop.wait(wait):
            try:
                watch.check(read_settings())
            except Exception as exc:  # noqa: BLE001  (the watch goes on, whatever one check met)
                logger.warning("the watch on the schedule: %s: %s", type(exc).__name__, exc)
            wait = min(2 * wait, CHECK_SECONDS)

    thread = threading.Thread(target=run, name="fault-watch", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(5.0)
