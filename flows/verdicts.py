"""How a run ends that quality stopped: in a state of its own, for automations to tell it by."""

from prefect.client.schemas.objects import State
from prefect.states import Failed

from jobs.errors import StoppedByQuality

STOPPED = "StoppedByQuality"
"""Name of the state; Prefect tells of it as the event ``prefect.flow-run.StoppedByQuality``."""


def stopped(exc: StoppedByQuality) -> State[None]:
    """Return the state of a run that a critical check stopped; its message says which and why."""
    state: State[None] = Failed(name=STOPPED, message=str(exc))
    return state
