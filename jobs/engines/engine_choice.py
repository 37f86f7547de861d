"""Which engine a name means, and opening it.

Belongs here: the names of engines, as in ``LIQHEAT_ON``. Does not belong here: engines.
"""

import os
import re
from contextlib import AbstractContextManager
from dataclasses import dataclass

from jobs.engines.shard_engine import ShardEngine, thread_engine
from jobs.errors import SettingsRejected

THREADS = "threads"
LOCAL_DASK = "dask"

_ADDRESS = re.compile(r"(tcp|tls)://[^\s/]+:\d+")


@dataclass(frozen=True, slots=True)
class EngineChoice:
    """Where to run shards, and how long one may take.

    Parameters
    ----------
    on : str
        ``threads``, ``dask`` for a cluster of processes on this machine, or the address of the
        scheduler of a running one.
    workers : int, optional
        Threads of the first, processes of the second; by default one a core.
    shard_seconds : float
        Time after which a shard on Dask is given up [s].
    """

    on: str = THREADS
    workers: int | None = None
    shard_seconds: float = 600.0


def checked_engine(on: str) -> str:
    """Return the name of an engine.

    Raises
    ------
    ValueError
        It is none.

    Examples
    --------
    >>> checked_engine("tcp://10.0.0.5:8786")
    'tcp://10.0.0.5:8786'
    """
    if on in (THREADS, LOCAL_DASK) or _ADDRESS.fullmatch(on):
        return on
    raise ValueError(
        f"{on!r} is no engine: threads, dask, or a scheduler's address like tcp://10.0.0.5:8786"
    )


def open_engine(choice: EngineChoice) -> AbstractContextManager[ShardEngine]:
    """Return the engine as a context.

    Raises
    ------
    SettingsRejected
        Dask is not installed.
    EngineUnavailable
        There is no scheduler or worker at the address.
    WorkersDiffer
        The versions of a worker are not those of this process.
    """
    workers = choice.workers or os.cpu_count() or 1
    if choice.on == THREADS:
        return thread_engine(workers)
    try:
        # Takes a second to import, and is an extra.
        from jobs.engines.dask_engine import cluster_engine, local_engine
    except ImportError as exc:
        raise SettingsRejected(
            f"the engine needs Dask, which is not installed ({exc}): install the extra `cluster`, "
            "`pip install -c requirements-dev.lock -e '.[cluster]'`, or run on threads"
        ) from exc

    if choice.on == LOCAL_DASK:
        return local_engine(workers, choice.shard_seconds)
    return cluster_engine(choice.on, choice.shard_seconds)
