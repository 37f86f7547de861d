"""Which of several callers gives the next shard to a worker.

Belongs here: one shard a thread of the cluster, whichever caller it is of. Does not belong here:
handing it over (``dask_engine``).
"""

from collections.abc import Callable
from threading import Lock


class WorkerSlots:
    """One shard for each thread of a cluster; of callers that wait, the newest goes first.

    The newest is the writer, which compares what is replayed: what it waits for holds up the
    transaction.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._taken: set[int] = set()
        self._waiting: dict[int, Callable[[], None]] = {}

    def claim(self, number: int, caller: int, count: int, wake: Callable[[], None]) -> bool:
        """Return whether a caller may hand over a shard; else it is woken when that may change.

        Parameters
        ----------
        number : int
            Of the shard.
        caller : int
            Grows from caller to caller.
        count : int
            Threads of the cluster.
        wake : callable
            Called from any thread, perhaps for nothing.

        Examples
        --------
        >>> slots = WorkerSlots()
        >>> [slots.claim(number, 0, 2, lambda: print("woken")) for number in (1, 2, 3)]
        [True, True, False]
        >>> slots.release(1)
        woken
        """
        with self._lock:
            newest = max(self._waiting, default=caller)
            if len(self._taken) >= count or newest > caller:
                self._waiting[caller] = wake
                return False
            self._taken.add(number)
        self.leave(caller)
        return True

    def release(self, number: int) -> None:
        """Free the slot of a shard that is done or given up."""
        with self._lock:
            self._taken.discard(number)
        self._wake()

    def leave(self, caller: int) -> None:
        """Let others go first: a caller does not wait."""
        with self._lock:
            was_waiting = self._waiting.pop(caller, None)
        if was_waiting:
            self._wake()

    def _wake(self) -> None:
        with self._lock:
            waiting = list(self._waiting.values())
        for wake in waiting:
            wake()
