"""How much memory DuckDB may use where no setting says so.

DuckDB itself would take 80 % of the machine's. Arrays of a build, Python and the page cache live in
the same memory, and a machine without swap kills what goes beyond it; what DuckDB cannot hold it
writes to its spill folder. So half of it is DuckDB's.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def memory_config(limit_bytes: int | None = None) -> dict[str, Any]:
    """Return DuckDB's configuration for a limit [bytes]; None for `default_memory_bytes`."""
    limit = default_memory_bytes() if limit_bytes is None else limit_bytes
    return {"memory_limit": f"{limit}B"}


def default_memory_bytes(root: Path = Path("/")) -> int:
    """Return half of the memory of the machine, or of the container that this process runs in.

    Parameters
    ----------
    root : Path
        Where ``proc`` and ``sys`` are.
    """
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min((physical, *_container_limits(root))) // 2


def _container_limits(root: Path) -> Iterator[int]:
    """Yield the limits [bytes] of the control groups this process is in, of both versions."""
    groups = root / "sys/fs/cgroup"
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except (OSError, ValueError):
        return
    for line in lines:
        _, _, rest = line.partition(":")
        controllers, _, group = rest.partition(":")
        if not controllers:
            place, name = groups, "memory.max"
        elif "memory" in controllers.split(","):
            place, name = groups / "memory", "memory.limit_in_bytes"
        else:
            continue
        # Those above hold too. Within a container the path may be that of the machine.
        own = Path(group.strip("/"))
        for each in (own, *own.parents):
            try:
                text = (place / each / name).read_text().strip()
            except (OSError, ValueError):
                continue
            if text.isdecimal() and int(text) > 0:
                yield int(text)
