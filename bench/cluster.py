"""Measure builds on Dask against builds on threads: history, then one hour more, on the same cores.

Both start from copies of one loaded home; the market is that of ``bench.pipeline``. Processor time
is that of this process, which is the writer and holds the scheduler, and of its workers, from the
start of the cluster to its end. At the end rows of both homes are compared. Run it from the project
root with

    .venv/bin/python -m bench.cluster [--series 20] [--assets 4] [--days 30] [--workers 2]
"""

import argparse
import os
import resource
import shutil
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from workbench import differences

from bench.pipeline import BAR, market, split_at
from bench.stopwatch import START, print_machine
from jobs.collect.landing import land
from jobs.engines.engine_choice import LOCAL_DASK, THREADS
from jobs.pipeline import build_maps, load
from jobs.settings import Settings
from sources.records import Batch


def land_market(settings: Settings, n_series: int, n_assets: int, n_bars: int) -> list[Batch]:
    """Land the bars of some days and return those of one hour more."""
    described, *records = market(n_series, n_assets, START, n_bars + 12, seed=2)
    land(described, settings.landing, "described")
    early, late = split_at(records, START + n_bars * BAR)
    for batch in early:
        land(batch, settings.landing, "first")
    return late


def processor_seconds() -> tuple[float, float]:
    """Return the processor time of this process, and of the children that have ended [s]."""
    used = os.times()
    return used.user + used.system, used.children_user + used.children_system


def print_build(label: str, settings: Settings, hours: float) -> None:
    """Build up to some hours after the start, and print what it took."""
    begun, used = time.perf_counter(), processor_seconds()
    report = build_maps(settings, as_of=START + timedelta(hours=hours))
    wall = time.perf_counter() - begun
    own, workers = (after - before for before, after in zip(used, processor_seconds(), strict=True))
    assert not report.left_out
    peak = max(
        resource.getrusage(who).ru_maxrss
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    print(
        f"{label:<44} wall {wall:8.1f} s  processor {own + workers:8.1f} s, "
        f"{workers:.1f} s of it workers'  largest process so far {peak / 1e3:,.0f} MB",
        flush=True,
    )


def main() -> None:
    """Build on both engines, print every figure, fail where rows differ."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--series", type=int, default=20)
    parser.add_argument("--assets", type=int, default=4)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    print_machine()
    print(f"load of the machine: {os.getloadavg()[0]:.1f}")
    n_bars = arguments.days * 288
    with tempfile.TemporaryDirectory(prefix="cluster-") as folder:
        homes = {on: Path(folder) / on for on in (THREADS, LOCAL_DASK)}
        first = Settings(home=homes[THREADS])
        late = land_market(first, arguments.series, arguments.assets, n_bars)
        load(first)
        shutil.copytree(homes[THREADS], homes[LOCAL_DASK])
        chosen = {
            on: Settings(home=home, on=on, threads=arguments.workers) for on, home in homes.items()
        }
        for on, settings in chosen.items():
            label = f"{arguments.series} series, {arguments.days} days, {on}"
            print_build(label, settings, arguments.days * 24.0)
        for on, settings in chosen.items():
            for batch in late:
                land(batch, settings.landing, "hour")
            load(settings)
            print_build(f"one hour more, {on}", settings, arguments.days * 24.0 + 1)
        found = differences(*(settings.warehouse for settings in chosen.values()))
        print(f"relations with rows that differ: {sorted(found) or 'none'}")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
