"""The seam between what is computed and where: pure functions of shards, run by an engine.

Belongs here: what an engine is, and the one of this process. Does not belong here: what a shard
holds (the job that cuts it), and Dask (``dask_engine``).
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol, TypeVar


class Shard(Protocol):
    """A part of the work: everything that its computation reads, and nothing that others share."""

    @property
    def label(self) -> str:
        """Which part it is, in words for a message."""


Part = TypeVar("Part", bound=Shard)
Result = TypeVar("Result")

ShardFunction = Callable[[Part, ThreadPoolExecutor], Result]
"""A function at the top of a module: of a shard, and of threads it may use."""


@dataclass(frozen=True, slots=True)
class LostShard:
    """A shard without a result.

    Parameters
    ----------
    reason : str
        Why, in words that follow the shard's label.
    """

    reason: str


class ShardEngine(Protocol):
    """Runs a function over shards."""

    @property
    def shard_count(self) -> int:
        """Into how many shards work is best cut."""

    def run(
        self, function: ShardFunction[Part, Result], shards: Sequence[Part]
    ) -> list[Result | LostShard]:
        """Return what a function makes of each shard, in their order.

        Parameters
        ----------
        function : callable
            Of a shard and of threads. It may change the shard, and returns what is wanted of it.
        shards : sequence of Shard
            The work.
        """


class ThreadEngine:
    """Runs shards in this process, one after the other, each on all threads.

    Parameters
    ----------
    pool : ThreadPoolExecutor
        The threads.
    """

    shard_count = 1

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self._pool = pool

    def run(
        self, function: ShardFunction[Part, Result], shards: Sequence[Part]
    ) -> list[Result | LostShard]:
        """Return what a function makes of each shard; what it raises is raised here."""
        return [function(shard, self._pool) for shard in shards]


@contextmanager
def thread_engine(threads: int) -> Iterator[ThreadEngine]:
    """Yield an engine of some threads."""
    with ThreadPoolExecutor(threads) as pool:
        yield ThreadEngine(pool)
