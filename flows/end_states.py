"""The state of a run that quality stopped: automations recognise it by its name."""

from prefect.client.schemas.objects import State
from prefect.states import Failed

from jobs.errors import StoppedByQuality

STOPPED = "StoppedByQuality"
"""Name of the state; Prefect emits the event ``prefect.flow-run.StoppedByQuality``."""


def stopped_state(exc: StoppedByQuality) -> State[None]:
    """Return the final state of a run that a critical check stopped, with the error's message."""
    state: State[None] = Failed(name=STOPPED, message=str(exc))
    return state
