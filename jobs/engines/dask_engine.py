"""Shards on Dask workers: handed over, watched, done again where a worker dies, given up in time.

Belongs here: everything that knows Dask. Does not belong here: what a shard is, and what becomes of
results: workers commit nothing, so a shard can be run twice or given up at any point.

Inputs travel with the task and stay with the scheduler until it is done, which is why a shard of a
dead worker can be run again anywhere.
"""

import logging
import os
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from queue import Empty, SimpleQueue
from ssl import SSLError
from threading import Timer
from typing import Any, Final, Generic
from uuid import uuid4

import dask
from distributed import Client, Future, KilledWorker, LocalCluster, get_worker

from jobs.engines.shard_engine import LostShard, Part, Result, ShardFunction
from jobs.engines.shard_files import ValueFile, load_value, private_folder, store_value
from jobs.engines.worker_slots import WorkerSlots
from jobs.engines.worker_versions import (
    own_versions,
    refuse_differences,
    version_differences,
)
from jobs.errors import EngineUnavailable, SettingsRejected, WorkersDiffer

logger = logging.getLogger(__name__)

# Each sets a level of its own, at which it reports every connection it makes and ends, some with a
# traceback. What matters to a run is said by our own messages.
for _name in ("distributed", "distributed.client", "distributed.gc"):
    logging.getLogger(_name).setLevel(logging.CRITICAL)

SHARDS_A_THREAD: Final = 8
FEWEST_SHARDS: Final = 16
MOST_SHARDS: Final = 128
"""Enough for workers to end at about the same time, and few for a scheduler."""

STREAMED_A_THREAD: Final = 2
"""Shards of a stream in memory for each thread: at work, ready for it, or waiting for an earlier
one to be done."""

COUNTED_SECONDS: Final = 1.0
"""Time for which a count of the cluster's threads holds: each is a request to the scheduler."""

CONNECT_SECONDS: Final = 30.0
"""Time in which a scheduler answers and has a worker."""

ANNOUNCED_SECONDS: Final = 3.0
"""Time after which a wait is announced."""

RESTART_SECONDS: Final = 10.0
"""Time in which a worker stops before it is killed."""

_CONFIGURATION: Final = {
    # Deaths of workers on one shard, after which it is lost. A running cluster has its own figure.
    "distributed.scheduler.allowed-failures": 3,
    # Shards are megabytes by design.
    "distributed.admin.large-graph-warning-threshold": "1GB",
    # What processes look after many times a second while they wait, and nobody reads.
    "distributed.admin.tick.interval": "500ms",
    "distributed.worker.profile.enabled": False,
    # Pages of the cluster: nobody is to see them.
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
    # With Dask's own value memory of arrays is returned to the system and fetched again each time,
    # a fifth of the workers' time in a build.
    "distributed.nanny.pre-spawn-environ.MALLOC_TRIM_THRESHOLD_": None,
}


@contextmanager
def local_engine(workers: int, shard_seconds: float) -> Iterator["DaskEngine"]:
    """Yield an engine on a cluster of processes on this machine, which ends with the block.

    Only this process can reach it: others on the machine have no certificate. Shards and results
    are files in a folder of this user alone, which costs a fraction of sending them.
    """
    with (
        private_folder() as folder,
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
        yield DaskEngine(client, "the local cluster", shard_seconds, folder)


@contextmanager
def cluster_engine(address: str, shard_seconds: float) -> Iterator["DaskEngine"]:
    """Yield an engine on a running cluster.

    Raises
    ------
    EngineUnavailable
        No scheduler answers, it has no worker, or it ends.
    SettingsRejected
        Dask's own settings have no certificates.
    WorkersDiffer
        The versions of a process of the cluster are not those of this one.
    """
    with dask.config.set(_CONFIGURATION):
        try:
            with _announced_wait(f"waiting for the Dask scheduler at {address}"):
                client = Client(address, timeout=CONNECT_SECONDS)
        except (TypeError, FileNotFoundError, SSLError) as exc:
            # Dask without certificates raises the first.
            raise SettingsRejected(
                f"{address} needs certificates, and those of Dask's own settings cannot be used: "
                "set DASK_DISTRIBUTED__COMM__TLS__CA_FILE, and __CLIENT__CERT and __CLIENT__KEY in "
                "place of __CA_FILE, to files of this machine"
            ) from exc
        except OSError as exc:
            raise EngineUnavailable(
                f"no Dask scheduler answers at {address}: start `dask scheduler` there, or run "
                "with --on threads (LIQHEAT_ON=threads)"
            ) from exc
        with client:
            try:
                with _announced_wait(f"waiting for a worker of the Dask scheduler at {address}"):
                    client.wait_for_workers(1, timeout=CONNECT_SECONDS)
                with _announced_wait(
                    f"waiting for the versions of workers of the Dask scheduler at {address}",
                    "its worker-ttl, five minutes by default",
                ):
                    _refuse_other_versions(client, address)
            except TimeoutError as exc:
                raise EngineUnavailable(
                    f"the Dask scheduler at {address} has no worker: start `dask worker {address}`"
                    " on some machine, or run with --on threads"
                ) from exc
            except OSError as exc:
                raise EngineUnavailable(
                    f"the Dask scheduler at {address} is gone, and nothing was run: start it "
                    "again, or run with --on threads"
                ) from exc
            yield DaskEngine(client, address, shard_seconds)


@contextmanager
def _announced_wait(what: str, longest: str | None = None) -> Iterator[None]:
    """Log what the block waits for, and for how long, once it has waited for some seconds."""
    text = f"{what}, at most {longest or f'{CONNECT_SECONDS:.0f} s'}"
    timer = Timer(ANNOUNCED_SECONDS, logger.warning, ("%s", text))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


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
    folder: Path | None


def _run_on_worker(
    task: _Task, function: ShardFunction[Part, Result], shard: Part | ValueFile
) -> Result | ValueFile:
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
        result = function(load_value(shard), pool)
    if task.folder is None:
        return result
    # A shard may run twice, and never in one process at once.
    stored: ValueFile = store_value(result, task.folder / f"{task.number}-{os.getpid()}.result")
    return stored


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


@dataclass(frozen=True, slots=True)
class _Woken:
    """A slot of the cluster may be free."""


_Event = _Begun | _Ended | _Woken


@dataclass(slots=True)
class _Call(Generic[Part, Result]):
    """The shards of one call, from when they are taken until their result is returned.

    Parameters
    ----------
    caller : int
        Grows from call to call.
    function : callable
        What is run.
    order : deque of int
        Numbers of its shards, in their order.
    shards : dict of int to Shard
        Those without a result.
    ready : deque of int
        Those that are not handed over.
    futures, begun : dict
        Those that are, and those of them that a worker has begun.
    outcomes : dict
        Results that are not returned.
    events : SimpleQueue
        What happens to it.
    """

    caller: int
    function: ShardFunction[Part, Result]
    order: deque[int] = field(default_factory=deque)
    shards: dict[int, Part] = field(default_factory=dict)
    ready: deque[int] = field(default_factory=deque)
    futures: dict[int, Future] = field(default_factory=dict)
    begun: dict[int, _Begun] = field(default_factory=dict)
    outcomes: dict[int, Result | LostShard[Part]] = field(default_factory=dict)
    events: SimpleQueue[_Event] = field(default_factory=SimpleQueue)

    def take(self, number: int, shard: Part) -> None:
        """Add a shard."""
        self.order.append(number)
        self.shards[number] = shard
        self.ready.append(number)

    def lose(self, number: int, reason: str) -> LostShard[Part]:
        """Return a shard of it as lost."""
        return LostShard(self.shards[number], reason)

    def end(self, number: int, outcome: Result | LostShard[Part]) -> None:
        """Note what came of a shard."""
        self.futures.pop(number, None)
        self.begun.pop(number, None)
        self.shards.pop(number)
        self.outcomes[number] = outcome


class DaskEngine:
    """Runs shards on the workers of a cluster.

    A thread has one shard at a time: Dask holds the death of a worker against all that it has. A
    shard is lost where it takes too long, where workers die on it again and again, and where no
    worker is left to begin it.

    Parameters
    ----------
    client : distributed.Client
        Of the cluster.
    name : str
        The cluster, for messages.
    shard_seconds : float
        Time after which a shard is given up, from when a worker begins it [s].
    folder : Path, optional
        Where shards and results are files, if all workers have it; by default they are sent.
    """

    shares_memory = False

    def __init__(
        self, client: Client, name: str, shard_seconds: float, folder: Path | None = None
    ) -> None:
        self._client = client
        self._name = name
        self._shard_seconds = shard_seconds
        self._folder = folder
        self._topic = f"liqheat-{uuid4()}"
        self._numbers = count()
        self._slots = WorkerSlots()
        self._calls: dict[int, SimpleQueue[_Event]] = {}
        self._counted = (-COUNTED_SECONDS, 1)
        client.subscribe_topic(self._topic, self._note_begin)

    def _note_begin(self, event: tuple[float, dict[str, Any]]) -> None:
        _, begun = event
        events = self._calls.get(begun["number"])
        if events is not None:
            events.put(_Begun(begun["number"], begun["worker"], time.monotonic()))

    @property
    def shard_count(self) -> int:
        """Into how many shards work is best cut: some for each thread of the cluster."""
        return min(max(SHARDS_A_THREAD * self._threads(), FEWEST_SHARDS), MOST_SHARDS)

    def run(
        self, function: ShardFunction[Part, Result], shards: Sequence[Part]
    ) -> list[Result | LostShard[Part]]:
        """Return what a function makes of each shard; what it raises is raised here.

        Raises
        ------
        EngineUnavailable
            The scheduler is gone.
        """
        return list(self._outcomes(function, shards, len(shards)))

    def stream(
        self, function: ShardFunction[Part, Result], shards: Iterable[Part]
    ) -> Iterator[Result | LostShard[Part]]:
        """Yield what a function makes of each shard; what it raises is raised here.

        Raises
        ------
        EngineUnavailable
            The scheduler is gone.
        """
        yield from self._outcomes(function, shards, STREAMED_A_THREAD * self._threads())

    def _outcomes(
        self, function: ShardFunction[Part, Result], shards: Iterable[Part], most: int
    ) -> Iterator[Result | LostShard[Part]]:
        """Yield the outcomes of shards in their order, with at most some in memory."""
        call = _Call(next(self._numbers), function)
        source: Iterator[Part] | None = iter(shards)
        try:
            while True:
                self._hand_over(call)
                if call.order and call.order[0] in call.outcomes:
                    self._slots.leave(call.caller)
                    yield call.outcomes.pop(call.order.popleft())
                elif source is not None and len(call.order) < most:
                    shard = next(source, None)
                    if shard is None:
                        source = None
                    else:
                        call.take(next(self._numbers), shard)
                elif call.order:
                    self._follow(call)
                else:
                    return
        finally:
            for number, future in call.futures.items():
                future.cancel()
                self._slots.release(number)
            for number in call.order:
                self._forget(number)
            self._slots.leave(call.caller)

    def _threads(self) -> int:
        """Return how many threads the workers have, at least one."""
        at, threads = self._counted
        if time.monotonic() - at >= COUNTED_SECONDS:
            workers = self._client.scheduler_info(n_workers=-1)["workers"].values()
            threads = max(sum(worker["nthreads"] for worker in workers), 1)
            self._counted = time.monotonic(), threads
        return threads

    def _hand_over(self, call: _Call[Part, Result]) -> None:
        """Give shards that are ready to threads that have none."""
        while call.ready and self._slots.claim(
            call.ready[0], call.caller, self._threads(), lambda: call.events.put(_Woken())
        ):
            number = call.ready.popleft()
            self._calls[number] = call.events
            call.futures[number] = self._submit(call, number)

    def _submit(self, call: _Call[Part, Result], number: int) -> Future:
        shard, path = call.shards[number], self._shard_file(number)
        future = self._client.submit(
            _run_on_worker,
            _Task(number, self._topic, own_versions(), self._folder),
            call.function,
            shard if path is None else store_value(shard, path),
            key=f"{self._topic}-{number}",
            pure=False,
        )

        def note_end(_: Future) -> None:
            self._slots.release(number)
            call.events.put(_Ended(number))

        future.add_done_callback(note_end)
        return future

    def _shard_file(self, number: int) -> Path | None:
        return None if self._folder is None else self._folder / f"{number}.shard"

    def _forget(self, number: int) -> None:
        """Remove what there is of a shard outside its call."""
        self._calls.pop(number, None)
        path = self._shard_file(number)
        if path is not None:
            path.unlink(missing_ok=True)

    def _follow(self, call: _Call[Part, Result]) -> None:
        """Wait for what happens next to a call, and note it; give up what takes too long."""
        try:
            event = call.events.get(timeout=self._seconds_left(call))
        except Empty:
            self._give_up(call)
            return
        if isinstance(event, _Begun) and event.number in call.futures:
            call.begun[event.number] = event
        elif isinstance(event, _Ended) and event.number in call.futures:
            call.end(event.number, self._outcome(call, event.number))
            self._forget(event.number)

    def _seconds_left(self, call: _Call[Part, Result]) -> float | None:
        """Return the time until some shard is late; None where no worker is to have any."""
        if not call.futures:
            return None
        # Without a begun shard the time runs from the last event.
        since = min((each.at for each in call.begun.values()), default=time.monotonic())
        return max(since + self._shard_seconds - time.monotonic(), 0.0)

    def _outcome(self, call: _Call[Part, Result], number: int) -> Any:  # noqa: ANN401
        """Return the result of a shard, or why it has none."""
        future = call.futures[number]
        if future.status == "cancelled":
            raise EngineUnavailable(
                f"the Dask scheduler of {self._name} is gone; what it had under way is not stored "
                "and the next run does it: start the scheduler again, or run with --on threads"
            )
        try:
            result = future.result()
        except KilledWorker as exc:
            deaths = exc.allowed_failures + 1
            return call.lose(
                number,
                f"{deaths} workers died on it, the last {exc.last_worker.address}: most often "
                "memory is short",
            )
        value = load_value(result)
        if isinstance(result, ValueFile):
            result.path.unlink(missing_ok=True)
        return value

    def _give_up(self, call: _Call[Part, Result]) -> None:
        """Drop the shards that took too long, or all where none is at work; free their workers."""
        due = time.monotonic() - self._shard_seconds
        late = {number: each for number, each in call.begun.items() if each.at <= due}
        reasons = {
            number: f"not done after {self._shard_seconds:g} s on {each.worker}"
            for number, each in late.items()
        }
        if not call.begun:
            reason = f"no worker of {self._name} began it within {self._shard_seconds:g} s"
            reasons = dict.fromkeys(call.futures, reason)
        for number, reason in reasons.items():
            call.futures[number].cancel()
            self._slots.release(number)
            self._forget(number)
            call.end(number, call.lose(number, reason))
        # A thread cannot be stopped from outside. A worker without a nanny stays as it is.
        workers = sorted({each.worker for each in late.values()})
        with suppress(Exception):
            self._client.restart_workers(workers, timeout=RESTART_SECONDS, raise_for_error=False)
