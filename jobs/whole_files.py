"""Small files that readers see whole or not at all, and whether their writer is still alive.

Does not belong here: records (`jobs.collect.landing`).
"""

import os
from pathlib import Path

from warehouse.connect import translated


def write_whole(path: Path, content: bytes) -> None:
    """Write a file that readers see whole or not at all; create its folder where missing."""
    with translated(f"writing {path}"):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.writing")
        temporary.write_bytes(content)
        temporary.replace(path)


def is_running(process_id: int) -> bool:
    """Return whether a process of that number exists on this machine."""
    try:
        os.kill(process_id, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True
