"""Rounds of live ingestion against the stand-in exchange: calls, seconds, memory.

Runs `liqheat ingest` as it is, from the ledger over the venues to raw: a first round that fetches
a day of everything, then rounds five minutes of the stand-in's clock apart. Each has open interest,
bars and mark bars of every asset on every venue, and a twelfth of what is fetched once an hour
(funding, ratios), at 50 ms a call and with the venues' own rate limits. They start a minute of real
time apart at least, so that each has the limits of a minute for itself, as in a schedule.

The stand-in runs in a process of its own. Run it from the project root with

    .venv/bin/python bench/live_round.py [--assets 50] [--rounds 3] [--venues a,b] [--no-limits]
"""

import argparse
import datetime as dt
import json
import subprocess
import sys
import time
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.request import urlopen

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from standin.__main__ import assets_of

from bench.stopwatch import peak_mb
from jobs.collect.ingest import ingest
from jobs.collect.scope import Effort
from jobs.settings import Settings
from sources.universe import Universe
from sources.venues.declared import VENUES

ROOT = Path(__file__).resolve().parents[1]
BAR = dt.timedelta(minutes=5)


def _measure_rounds(base_url: str, arguments: argparse.Namespace) -> None:
    moved, began = dt.timedelta(), _wall_clock()
    with (
        TemporaryDirectory() as folder,
        # Each round in a process of its own, as a schedule runs it: memory is that of one round.
        ProcessPoolExecutor(1, get_context("spawn"), max_tasks_per_child=1) as processes,
    ):
        for number in range(arguments.rounds + 1):
            print(f"round {number}" if number else "the first round, a day of everything")
            seconds, report = processes.submit(
                _run_round, base_url, arguments, folder, moved
            ).result()
            print(report, flush=True)
            if number < arguments.rounds:
                # The first round leaves limits spent; the next is due five minutes after it began.
                time.sleep(60.0 if number == 0 else max(0.0, 60.0 - seconds))
                began += BAR * -(-(_wall_clock() + moved - began) // BAR)
                step = began - (_wall_clock() + moved)
                moved += step
                body = json.dumps({"advance": round(step / dt.timedelta(milliseconds=1))}).encode()
                urlopen(f"{base_url}/_control/clock", data=body).close()  # noqa: S310 (our own)


def _run_round(
    base_url: str, arguments: argparse.Namespace, folder: str, moved: dt.timedelta
) -> tuple[float, str]:
    """Run one round and return its seconds and what there is to say of it."""
    universe = Universe(
        venues=tuple(arguments.venues.split(",")), assets=tuple(assets_of(arguments.assets))
    )
    settings = Settings(home=Path(folder), venue_url=base_url, history_days=1)
    started = time.monotonic()
    report = ingest(
        settings,
        clock=lambda: _wall_clock() + moved,
        universe=universe,
        effort=Effort(budget_seconds=arguments.budget),
    )
    seconds = time.monotonic() - started
    return seconds, (
        f"{_table(report.venues)}\n{report.row_count} records, {report.undone_count} requests not "
        f"done, {seconds:.1f} s, {time.process_time():.1f} s of processor, {peak_mb():.0f} MB"
    )


def _table(venues: Mapping[str, Any]) -> str:
    lines = [f"{'venue':<14}{'calls':>7}{'rows':>8}{'repeats':>9}{'seconds':>9}  errors"]
    lines += [
        f"{name:<14}{venue.asked:>7}{venue.rows:>8}{venue.retries:>9}{venue.seconds:>9.1f}  "
        f"{dict(venue.errors) or ''}"
        for name, venue in venues.items()
    ]
    return "\n".join(lines)


def _wall_clock() -> dt.datetime:
    return dt.datetime.now(tz=dt.UTC)


def main() -> None:
    """Start a stand-in, run rounds against it, print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--assets", type=int, default=50)
    parser.add_argument("--venues", default=",".join(VENUES))
    parser.add_argument("--latency-ms", type=float, default=50.0)
    parser.add_argument("--budget", type=float, default=240.0, help="seconds for each venue")
    parser.add_argument("--rounds", type=int, default=3, help="after the first")
    parser.add_argument("--no-limits", action="store_true")
    arguments = parser.parse_args()
    # The stand-in serves both of Binance's products under one name.
    served = dict.fromkeys(arguments.venues.replace("binancecoinm", "binance").split(","))
    command = [sys.executable, str(ROOT / "tests" / "standin"), "--assets", str(arguments.assets)]
    command += ["--latency-ms", str(arguments.latency_ms)]
    command += ["--days", "2", "--venues", ",".join(served)]
    command += ["--no-limits"] if arguments.no_limits else []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as standin:  # noqa: S603
        try:
            assert standin.stdout is not None
            base_url = standin.stdout.readline().strip()
            _measure_rounds(base_url, arguments)
        finally:
            standin.terminate()


if __name__ == "__main__":
    main()
