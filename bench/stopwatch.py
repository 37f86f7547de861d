"""What benchmarks share: the machine, time and memory."""

import argparse
import os
import platform
import resource
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime

START = datetime(2026, 1, 1, tzinfo=UTC)
"""Where simulated spans begin."""


def print_machine() -> None:
    """Print processor, cores and Python."""
    processor = platform.processor() or platform.machine()
    print(f"{processor}, {os.cpu_count()} cores, Python {platform.python_version()}")


def speed_options(description: str, dense_bars: int) -> argparse.Namespace:
    """Print the machine and return the options of a command that measures a kernel."""
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("--dense-bars", type=int, default=dense_bars, help="bars in plain numpy")
    parser.add_argument("--repeats", type=int, default=5, help="runs of which the best counts")
    options = parser.parse_args()
    print_machine()
    return options


def best_seconds(function: Callable[[], object], repeats: int) -> float:
    """Return the least processor time of some calls [s]."""
    seconds = []
    for _ in range(repeats):
        begun = time.process_time()
        function()
        seconds.append(time.process_time() - begun)
    return min(seconds)


@contextmanager
def timed(label: str, figures: dict[str, float]) -> Iterator[None]:
    """Note the wall clock seconds of the block under a label."""
    begun = time.perf_counter()
    yield
    figures[label] = time.perf_counter() - begun


def time_steps(steps: Mapping[str, Callable[[], object]], figures: dict[str, float]) -> None:
    """Do some steps in order and note the wall clock seconds of each under its label."""
    for label, step in steps.items():
        with timed(label, figures):
            step()


def peak_mb() -> float:
    """Return the peak memory of this process [MB]."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
