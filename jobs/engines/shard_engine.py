"""The seam between what is computed and where: pure functions of shards, run by an engine.

Belongs here: what an engine is, and the one of this process. Does not belong here: what a shard
holds (the job that cuts it), and Dask (``dask_engine``).
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, Protocol, TypeVar

_NAMED = 3


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
class LostShard(Generic[Part]):
    """A shard without a result.

    Parameters
    ----------
    shard : Shard
        Which one.
    reason : str
        Why, in words that follow its label.
    """

    shard: Part
    reason: str

    def __str__(self) -> str:
        """Return which shard is lost and why."""
        return f"{self.shard.label}: {self.reason}"


def name_span(assets: Sequence[str], start: datetime, end: datetime) -> str:
    """Return some assets and hours in words, for the label of a shard.

    Examples
    --------
    >>> at = datetime(2026, 1, 2)
    >>> name_span(["ADA", "BTC", "ETH", "SOL"], at, at)
    'ADA, BTC, ETH and 1 more, 2026-01-02 00:00 to 2026-01-02 00:00'
    """
    more = f" and {len(assets) - _NAMED} more" if len(assets) > _NAMED else ""
    return f"{', '.join(assets[:_NAMED])}{more}, {start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M}"


class ShardEngine(Protocol):
    """Runs a function over shards; several threads may use it at once."""

    @property
    def shard_count(self) -> int:
        """Into how many shards work is best cut."""

    @property
    def shares_memory(self) -> bool:
        """Whether shards run in this process, so that results cost nothing to hand over."""

    def run(
        self, function: ShardFunction[Part, Result], shards: Sequence[Part]
    ) -> list[Result | LostShard[Part]]:
        """Return what a function makes of each shard, in their order.

        Parameters
        ----------
        function : callable
            Of a shard and of threads. It may change the shard, and returns what is wanted of it.
        shards : sequence of Shard
            The work.
        """

    def stream(
        self, function: ShardFunction[Part, Result], shards: Iterable[Part]
    ) -> Iterator[Result | LostShard[Part]]:
        """Yield what a function makes of each shard, in their order.

        Shards are taken from the iterable as they are needed, in the caller's thread: it may read
        them from a connection. Only a few are in memory at once, with their results.

        Parameters
        ----------
        function : callable
            As in `run`.
        shards : iterable of Shard
            The work.
        """


class ThreadEngine:
    """Runs shards in this process, each on all threads.

    Parameters
    ----------
    pool : ThreadPoolExecutor
        The threads.
    """

    shard_count = 1
    shares_memory = True

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self._pool = pool

    def run(
        self, function: ShardFunction[Part, Result], shards: Sequence[Part]
    ) -> list[Result | LostShard[Part]]:
        """Return what a function makes of each shard; what it raises is raised here."""
        return [function(shard, self._pool) for shard in shards]

    def stream(
        self, function: ShardFunction[Part, Result], shards: Iterable[Part]
    ) -> Iterator[Result | LostShard[Part]]:
        """Yield what a function makes of each shard; while the caller has one the next is made."""
        under_way: deque[Future[Result]] = deque()
        with ThreadPoolExecutor(1) as ahead:
            for shard in shards:
                under_way.append(ahead.submit(function, shard, self._pool))
                if len(under_way) > 1:
                    yield under_way.popleft().result()
            # The iterator's last shard need not outlive its result.
            shard = None  # type: ignore[assignment]
            while under_way:
                yield under_way.popleft().result()


@contextmanager
def thread_engine(threads: int) -> Iterator[ThreadEngine]:
    """Yield an engine of some threads."""
    with ThreadPoolExecutor(threads) as pool:
        yield ThreadEngine(pool)
