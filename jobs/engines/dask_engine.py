"""Shards on Dask workers: handed over, watched, done again where a worker dies, given up in time.

Belongs here: everything that knows Dask. Does not belong here: what a shard is, and what becomes of
results: workers store nothing, so a shard can be run twice or given up at any point.

Inputs travel with the task and stay with the scheduler until it is done, which is why a shard of a
dead worker can be run again anywhere.
"""

import logging
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from queue import Empty, SimpleQueue
from typing import Any, Final
from uuid import uuid4

from jobs.engines.shard_engine import LostShard, Part, Result, ShardFunction
from jobs.engines.worker_versions import (
    own_versions,
    refuse_differences,
    version_differences,
)
from jobs.errors import EngineUnavailable, SettingsRejected, WorkersDiffer

try:
    import dask
    from distributed import Client, Future, KilledWorker, LocalCluster, get_worker
except ImportError as exc:
    raise SettingsRejected(
        f"the engine needs Dask, which is not installed ({exc}): install the extra `cluster`, "
        "`pip install -e '.[cluster]'`, or run on threads"
    ) from exc

logger = logging.getLogger(__name__)

SHARDS_A_THREAD: Final = 8
FEWEST_SHARDS: Final = 16
MOST_SHARDS: Final = 128
"""Enough for workers to end at about the same time, and few for a scheduler."""

CONNECT_SECONDS: Final = 30.0
"""Time in which a scheduler answers and has a worker."""

RESTART_SECONDS: Final = 10.0
"""Time in which a worker stops before it is killed."""

_CONFIGURATION: Final = {
    # Deaths of workers on one shard, after which it is lost. A running cluster has its own figure.
    "distributed.scheduler.allowed-failures": 3,
    # Shards are megabytes by design.
    "distributed.admin.large-graph-warning-threshold": "1GB",
    # Pages of the cluster: nobody is to see them.
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
}


@contextmanager
def local_engine(workers: int, shard_seconds: float) -> Iterator["DaskEngine"]:
    """Yield an engine on a cluster of processes on this machine, which ends with the block.

    Only this process can reach it: others on the machine have no certificate.
    """
    with (
        dask.config.set(_CONFIGURATION),
        LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            security=True,
            silence_logs=logging.CRITICAL,
        ) as cluster,
        # Results need not pass through the scheduler.
        Client(cluster, direct_to_workers=True) as client,
    ):
        yield DaskEngine(client, "the local cluster", shard_seconds)


@contextmanager
def cluster_engine(address: str, shard_seconds: float) -> Iterator["DaskEngine"]:
    """Yield an engine on a running cluster.

    Raises
    ------
    EngineUnavailable
        No scheduler answers, or it has no worker.
    WorkersDiffer
        The versions of a process of the cluster are not those of this one.
    """
    with dask.config.set(_CONFIGURATION):
        try:
            client = Client(address, timeout=CONNECT_SECONDS)
        except OSError as exc:
            raise EngineUnavailable(
                f"no Dask scheduler answers at {address}: start `dask scheduler` there, or run "
                "with --on threads (LIQHEAT_ON=threads)"
            ) from exc
        with client:
            try:
                client.wait_for_workers(1, timeout=CONNECT_SECONDS)
            except TimeoutError as exc:
                raise EngineUnavailable(
                    f"the Dask scheduler at {address} has no worker: start `dask worker {address}`"
                    " on some machine, or run with --on threads"
                ) from exc
            _refuse_other_versions(client, address)
            yield DaskEngine(client, address, shard_seconds)


def _refuse_other_versions(client: Client, address: str) -> None:
    """Raise where the scheduler or a worker computes with other versions."""
    found: dict[str, Mapping[str, str] | BaseException] = {
        f"the worker {worker}": versions
        for worker, versions in client.run(own_versions, on_error="return").items()
    }
    try:
        found[f"the scheduler {address}"] = client.run_on_scheduler(own_versions)
    except Exception as exc:  # noqa: BLE001  (whatever the other process raised)
        found[f"the scheduler {address}"] = exc
    refuse_differences(own_versions(), found)


@dataclass(frozen=True, slots=True)
class _Task:
    """What a worker is given besides the function and its shard."""

    number: int
    topic: str
    versions: Mapping[str, str]


def _run_on_worker(task: _Task, function: ShardFunction[Part, Result], shard: Part) -> Result:
    """Return what a function makes of a shard; report its begin, for the deadline."""
    worker = get_worker()
    # A worker may have joined since all were compared.
    differing = version_differences(task.versions, own_versions())
    if differing:
        raise WorkersDiffer(
            f"the worker {worker.address} computes with other versions: {differing}"
        )
    worker.log_event(task.topic, {"number": task.number, "worker": worker.address})
    with ThreadPoolExecutor(1) as pool:
        return function(shard, pool)


@dataclass(frozen=True, slots=True)
class _Begun:
    """A worker has begun a shard, perhaps once more."""

    number: int
    worker: str
    at: float


@dataclass(frozen=True, slots=True)
class _Ended:
    """The future of a shard has a result or an error, or was cancelled."""

    number: int


class DaskEngine:
    """Runs shards on the workers of a cluster.

    Parameters
    ----------
    client : distributed.Client
        Of the cluster.
    name : str
        The cluster, for messages.
    shard_seconds : float
        Time after which a shard is given up, from when a worker begins it [s].
    """

    def __init__(self, client: Client, name: str, shard_seconds: float) -> None:
        self._client = client
        self._name = name
        self._shard_seconds = shard_seconds
        self._topic = f"liqheat-{uuid4()}"
        self._numbers = count()
        self._events: SimpleQueue[_Begun | _Ended] = SimpleQueue()
        client.subscribe_topic(self._topic, self._note_begin)

    def _note_begin(self, event: tuple[float, dict[str, Any]]) -> None:
        _, begun = event
        self._events.put(_Begun(begun["number"], begun["worker"], time.monotonic()))

    @property
    def shard_count(self) -> int:
        """Into how many shards work is best cut: some for each thread of the cluster."""
        return min(max(SHARDS_A_THREAD * self._threads(), FEWEST_SHARDS), MOST_SHARDS)

    def run(
        self, function: ShardFunction[Part, Result], shards: Sequence[Part]
    ) -> list[Result | LostShard]:
        """Return what a function makes of each shard; what it raises is raised here.

        A thread has one shard at a time: Dask holds the death of a worker against all that it has.
        A shard is lost where it takes too long, where workers die on it again and again, and where
        no worker is left to begin it.

        Raises
        ------
        EngineUnavailable
            The scheduler is gone.
        """
        waiting = deque(zip(self._numbers, shards, strict=False))
        order = [number for number, _ in waiting]
        futures: dict[int, Future] = {}
        begun: dict[int, _Begun] = {}
        outcomes: dict[int, Result | LostShard] = {}
        quiet_since = time.monotonic()
        try:
            while len(outcomes) < len(order):
                while waiting and len(futures) < self._threads():
                    number, shard = waiting.popleft()
                    futures[number] = self._hand_over(number, function, shard)
                clocks = [begun[number].at for number in futures if number in begun]
                event = self._next_event(min(clocks, default=quiet_since))
                if event is None:
                    outcomes |= self._give_up(futures, begun)
                elif event.number in futures and isinstance(event, _Begun):
                    begun[event.number] = event
                elif event.number in futures:
                    outcomes[event.number] = self._outcome(futures.pop(event.number))
                quiet_since = time.monotonic()
        finally:
            for future in futures.values():
                future.cancel()
        return [outcomes[number] for number in order]

    def _threads(self) -> int:
        """Return how many threads the workers have, at least one."""
        workers = self._client.scheduler_info(n_workers=-1)["workers"].values()
        threads: int = sum(worker["nthreads"] for worker in workers)
        return max(threads, 1)

    def _hand_over(self, number: int, function: ShardFunction[Part, Result], shard: Part) -> Future:
        future = self._client.submit(
            _run_on_worker,
            _Task(number, self._topic, own_versions()),
            function,
            shard,
            key=f"{self._topic}-{number}",
            pure=False,
        )
        future.add_done_callback(lambda _: self._events.put(_Ended(number)))
        return future

    def _next_event(self, since: float) -> _Begun | _Ended | None:
        """Return what happens next; None where nothing does within the time of a shard."""
        seconds = since + self._shard_seconds - time.monotonic()
        try:
            return self._events.get(timeout=max(seconds, 0.0))
        except Empty:
            return None

    def _outcome(self, future: Future) -> Any:  # noqa: ANN401  (what the function returns)
        """Return the result of a shard, or why it has none."""
        if future.status == "cancelled":
            raise EngineUnavailable(
                f"the Dask scheduler of {self._name} is gone; what it had under way is not stored "
                "and the next run does it: start the scheduler again, or run with --on threads"
            )
        try:
            return future.result()
        except KilledWorker as exc:
            deaths = exc.allowed_failures + 1
            return LostShard(
                f"{deaths} workers died on it, the last {exc.last_worker.address}: most often "
                "memory is short"
            )

    def _give_up(
        self, futures: dict[int, Future], begun: Mapping[int, _Begun]
    ) -> dict[int, LostShard]:
        """Drop the shards that took too long, or all where none is at work; free their workers."""
        due = time.monotonic() - self._shard_seconds
        at_work = {number: begun[number] for number in futures if number in begun}
        late = {number: each for number, each in at_work.items() if each.at <= due}
        lost = {
            number: LostShard(f"not done after {self._shard_seconds:g} s on {each.worker}")
            for number, each in late.items()
        }
        if not at_work:
            reason = f"no worker of {self._name} began it within {self._shard_seconds:g} s"
            lost = dict.fromkeys(futures, LostShard(reason))
        for number in lost:
            futures.pop(number).cancel()
        # A thread cannot be stopped from outside. A worker without a nanny stays as it is.
        workers = sorted({each.worker for each in late.values()})
        with suppress(Exception):
            self._client.restart_workers(workers, timeout=RESTART_SECONDS, raise_for_error=False)
        return lost
