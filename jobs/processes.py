"""Processes of this machine, by their number.

Belongs here: whether one still runs. Does not belong here: records of runs (``jobs.runs``).
"""

import os


def is_running(process_id: int) -> bool:
    """Return whether a process of that number exists on this machine."""
    try:
        os.kill(process_id, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True
