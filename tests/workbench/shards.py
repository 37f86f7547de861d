"""Shards for engines, and what goes wrong with them: functions that workers import.

Belongs here: shards without content, and functions around others that kill, delay or fail. Does not
belong here: engines.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from subprocess import DEVNULL
from typing import Any

import dask
from distributed import LocalCluster

from jobs.engines.shard_engine import ShardEngine

# Workers import the functions below, from a package whose own imports take seconds.
PRELOAD = f"""
import sys, types
sys.modules["workbench"] = types.ModuleType("workbench")
sys.modules["workbench"].__path__ = [{str(Path(__file__).resolve().parent)!r}]
"""


@dataclass(frozen=True, slots=True)
class Numbered:
    """A shard that is nothing but its number."""

    number: int

    @property
    def label(self) -> str:
        """Return its number in words."""
        return f"shard {self.number}"


def square(shard: Numbered, pool: ThreadPoolExecutor) -> int:
    """Return the square of a shard's number."""
    return sum(pool.map(lambda value: value * shard.number, [shard.number]))


def fail(shard: Numbered, pool: ThreadPoolExecutor) -> int:
    """Raise for any shard."""
    raise ValueError(shard.label)


def kill_own_process(
    times: int, word: str, folder: str, function: Callable[..., Any], shard: Any, pool: Any
) -> Any:
    """Kill the worker that runs a shard whose label has a word, some times; then run the function.

    The files in a folder count the kills.
    """
    if word in shard.label:
        for number in range(times):
            with_name = Path(folder) / f"kill-{number}"
            if not with_name.exists():
                with_name.touch()
                os.kill(os.getpid(), signal.SIGKILL)
    return function(shard, pool)


def kill_other_process(
    process_id: int, word: str, function: Callable[..., Any], shard: Any, pool: Any
) -> Any:
    """Kill another process when a shard whose label has a word is run."""
    if word in shard.label:
        os.kill(process_id, signal.SIGKILL)
        time.sleep(30)
    return function(shard, pool)


def be_slow(word: str, seconds: float, function: Callable[..., Any], shard: Any, pool: Any) -> Any:
    """Wait before a shard whose label has a word is run."""
    if word in shard.label:
        time.sleep(seconds)
    return function(shard, pool)


class Disturbed:
    """An engine whose function is run inside others.

    Parameters
    ----------
    engine : ShardEngine
        Which runs it.
    around : callable
        Each of the function within it, a shard and threads.
    """

    def __init__(self, engine: ShardEngine, *around: Callable[..., Any]) -> None:
        self._engine = engine
        self._around = around
        self.shard_count = engine.shard_count
        self.shares_memory = engine.shares_memory

    def run(self, function: Any, shards: Any) -> Any:
        """Run the function inside the others."""
        return self._engine.run(self._inside(function), shards)

    def stream(self, function: Any, shards: Any) -> Any:
        """Run the function inside the others."""
        return self._engine.stream(self._inside(function), shards)

    def _inside(self, function: Callable[..., Any]) -> Callable[..., Any]:
        for around in self._around:
            function = partial(around, function)
        return function


@contextmanager
def small_cluster(workers: int = 2) -> Iterator[LocalCluster]:
    """Yield a cluster of processes without certificates: two deaths of workers lose a shard."""
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 1}),
        LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            silence_logs=50,
            preload=[PRELOAD],
        ) as cluster,
    ):
        yield cluster


@contextmanager
def killable_cluster(
    workers: int = 1, threads: int = 2
) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """Yield the process of a scheduler, which has some workers, and its address."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    address = f"tcp://127.0.0.1:{port}"
    run = [sys.executable, "-m", "dask"]
    shared = ["--host", "127.0.0.1", "--no-dashboard", "--preload", PRELOAD]
    at_work = ["--nworkers", f"{workers}", "--nthreads", f"{threads}", "--death-timeout", "120"]
    with (
        subprocess.Popen(
            [*run, "scheduler", "--port", str(port), *shared], stderr=DEVNULL
        ) as first,
        subprocess.Popen([*run, "worker", address, *at_work, *shared], stderr=DEVNULL) as second,
    ):
        try:
            yield first, address
        finally:
            first.kill()
            second.terminate()
