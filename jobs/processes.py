"""Processes of this machine, by their number.

Belongs here: whether one still runs. Does not belong here: records of runs (``jobs.runs``).
"""

import os
from pathlib import Path

_BOOT = Path("/proc/sys/kernel/random/boot_id")

# Field of /proc/<number>/stat that has the start, counted from the one after the name.
_START = 19


def is_running(process_id: int, start: str | None = None) -> bool:
    """Return whether a process of that number exists on this machine.

    Parameters
    ----------
    process_id : int
        Its number. Numbers come back: the first process of a container always has number 1.
    start : str, optional
        Its start, as `process_start` gave it; another process of the number has another.
    """
    try:
        os.kill(process_id, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    now = None if start is None else process_start(process_id)
    return now is None or now == start


def process_start(process_id: int) -> str | None:
    """Return the boot in which a process started and when in it; None where that is not known.

    Examples
    --------
    >>> process_start(os.getpid()) == process_start(os.getpid())
    True
    """
    try:
        boot = _BOOT.read_text().strip()
        # The name, in brackets, may hold anything.
        fields = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return f"{boot} {fields[_START]}"
