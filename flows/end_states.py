"""The state of a run that quality stopped: automations recognise it by its name."""

from collections.abc import Callable
from datetime import datetime

from prefect.client.schemas.objects import State
from prefect.states import Failed

from jobs.errors import StoppedByQuality

STOPPED = "StoppedByQuality"
"""Name of the state; Prefect emits the event ``prefect.flow-run.StoppedByQuality``."""


def run_unless_stopped(step: Callable[[datetime], object], hour: datetime) -> State[None] | None:
    """Run a step for an hour; return the final state of the run where a critical check stops it."""
    try:
        step(hour)
    except StoppedByQuality as exc:
        state: State[None] = Failed(name=STOPPED, message=str(exc))
        return state
    return None
