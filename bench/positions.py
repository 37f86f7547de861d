"""Measured positions of Hyperliquid at speed, held against a population whose true book is known.

A stand-in of the venue with 50,000 accounts and 150 trades a second lives in a process of its own,
many times as fast as the clock on the wall; the collector runs beside it in another, by the same
clock, from an empty home. The clock waits for both (`standin.shared_clock`). After a warm-up each
full hour is a map hour: the map that landed is held against the true book of that instant, and the
age of every position against the last time the stand-in sent its account's state. Run it from the
project root with

    .venv/bin/python -m bench.positions [--hours 6] [--warm-up 4] [--speed 30]
    .venv/bin/python -m bench.positions --map   # what one hourly map of 200 coins costs
"""

import argparse
import sys
import time
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from standin import Population, large_population
from standin.population.market import simulated_market
from standin.shared_clock import SharedClock
from workbench.positions import (
    EPOCH,
    HOUR_MS,
    LARGE_USD,
    NEAR,
    Agreement,
    Hour,
    StandinProcess,
    collecting,
    compare,
    contexts_of,
    cpu_seconds,
    instant,
    read_hours,
    resident_mb,
    store_states,
)

from bench.stopwatch import print_machine
from jobs.positions.account_book import AccountBook
from jobs.positions.book_file import book_path
from jobs.positions.hourly_map import land_hourly_map
from jobs.settings import Settings

START = 1_772_323_200_000  # 2026-03-01
STATES = {"venue": "hyperliquid", "endpoint": "account_state"}
SOCKET = {"venue": "hyperliquid", "endpoint": "socket"}
FAULTS = [
    *(
        STATES | {"kind": kind, "probability": 0.002}
        for kind in (
            "too_many_requests", "server_error", "truncated", "empty", "missing_field", "zero_size",
            "null_value", "wrong_type", "stale_state", "cut_in_answer", "clock_skew",
        )
    ),
    SOCKET | {"kind": "socket_cut", "probability": 0.00005},
    SOCKET | {"kind": "socket_garbage", "probability": 0.0001},
    {"venue": "hyperliquid", "endpoint": "leaderboard", "kind": "reorganised_list", "after": 1},
]  # fmt: skip
"""What ``--faults`` switches on after the warm-up."""


def run_at_speed(arguments: argparse.Namespace, folder: Path) -> bool:
    """Run stand-in and collector, print the figures, and return whether all of them hold."""
    home, books, log = folder / "home", folder / "books", folder / "collector.log"
    home.mkdir()
    books.mkdir()
    hours = arguments.warm_up + arguments.hours
    clock = folder / "clock"
    options = [
        "--simulated", "--accounts", str(arguments.accounts), "--assets", str(arguments.coins),
        "--days", str(hours // 24 + 2), "--now", str(START), "--seed", str(arguments.seed),
        "--speed", str(arguments.speed), "--clock", str(clock),
    ]  # fmt: skip
    most_mb, begun = 0.0, time.monotonic()
    with StandinProcess(*options) as standin:
        shared = SharedClock(clock, arguments.speed)
        url = f"{standin.base_url}/hyperliquid"
        with collecting(home, url, clock, arguments.speed, log) as collector:
            reported = 0
            while collector.poll() is None:
                time.sleep(1)
                most_mb = max(most_mb, resident_mb(collector.pid))
                passed = shared.milliseconds - START
                if passed // HOUR_MS > reported:
                    reported = passed // HOUR_MS
                    if arguments.faults and reported == arguments.warm_up:
                        standin.control("faults", add=FAULTS)
                    seconds = time.monotonic() - begun
                    print(_progress(reported, standin, collector.pid, most_mb, seconds), flush=True)
                # A map is made up to five minutes after its hour.
                is_over = time.monotonic() - begun > 60 * arguments.most_minutes
                if passed > hours * HOUR_MS + 5 * 60_000 or is_over:
                    break
            if collector.poll() is not None:
                print(f"the collector ended by itself; see {log}\n{log.read_text()[-3000:]}")
                return False
        state = standin.control("population", save=str(books))
    return report(home, read_hours(books)[arguments.warm_up - 1 :], state, most_mb)


def _progress(hour: int, standin: StandinProcess, pid: int, most_mb: float, seconds: float) -> str:
    state = standin.control("state")
    counts = state["counts"]
    return (
        f"hour {hour}: {counts.get('hyperliquid account_state', 0):,} states sent, "
        f"{state['refused'].get('hyperliquid', 0)} refused, most weight in a minute "
        f"{state['peaks'].get('hyperliquid weight', 0):.0f}, collector {most_mb:.0f} MB, "
        f"{cpu_seconds(pid):.0f} s of processor, {hour * 3600 / seconds:.1f} times as fast"
    )


def report(
    home: Path,
    hours: list[Hour],
    state: dict[str, Any],
    most_mb: float,
) -> bool:
    """Print every figure with the bound it is held to; return whether all hold."""
    peak = state["peaks"]["hyperliquid weight"]
    landing = Settings(home=home).landing
    agreements = [compare(hour, landing) for hour in hours]
    missing = [hour.at for hour, one in zip(hours, agreements, strict=True) if one is None]
    print(
        f"{len(hours)} map hours, {state['population']['trades']:,} trades, "
        f"{state['population']['positions']:,} positions at the end"
    )
    checks = {
        f"weight in any minute {peak:.0f} <= 1200": peak <= 1200,
        f"hours without a map {len(missing)} = 0": not missing,
        f"memory {most_mb:.0f} MB < 500": most_mb < 500,
    }
    for name, is_builder in (("the venue's own coins", False), ("builders' coins", True)):
        print(name)
        urgent, others = _ages_of(hours, is_builder)
        print(_ages("large or near", urgent))
        print(_ages("all others", others))
        pairs = [
            one.take(hour.is_builder_coin == is_builder)
            for hour, one in zip(hours, agreements, strict=True)
            if one is not None
        ]
        for one in pairs:
            print(_describe(one))
        if not is_builder:
            checks |= _held(urgent, others, pairs)
    for text, holds in checks.items():
        print(f"{'holds' if holds else 'FAILS'}  {text}")
    return all(checks.values())


def _held(urgent: np.ndarray, others: np.ndarray, pairs: list[Agreement]) -> dict[str, bool]:
    """Return what is held to a bound, and whether it holds."""
    fresh = float((urgent <= 3600).mean())
    recent = float((others <= 86_400).mean())
    overlaps = [one.weighted_overlap for one in pairs] or [0.0]
    totals = [one.total_ratio for one in pairs] or [0.0]
    farthest = max(totals, key=lambda ratio: abs(ratio - 1))
    return {
        f"large or near at most an hour old {fresh:.4f} >= .99": fresh >= 0.99,
        f"all others at most a day old {recent:.4f} = 1": recent == 1.0,
        f"overlap, least of hours {min(overlaps):.4f} > .95": min(overlaps) > 0.95,
        f"total, farthest of hours {farthest:.4f} within 2 %": abs(farthest - 1) <= 0.02,
    }


def _ages_of(hours: list[Hour], is_builder: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return ages of states [s] of large or near positions and of all others.

    Of accounts that a list or a trade has named: nobody can know of others. One that was named and
    never requested is infinitely old.
    """
    urgent, others = [], []
    for hour in hours:
        chosen = (hour.is_of_builder == is_builder) & hour.is_named
        is_urgent = (hour.usd >= LARGE_USD) | (hour.distance <= NEAR)
        urgent.append(hour.age_seconds[chosen & is_urgent])
        others.append(hour.age_seconds[chosen & ~is_urgent])
        unnamed = hour.usd[(hour.is_of_builder == is_builder) & ~hour.is_named].sum()
        whole = hour.usd[hour.is_of_builder == is_builder].sum()
        print(
            f"  {EPOCH + timedelta(milliseconds=hour.at):%H:%M} large or near, an hour old at "
            f"most: {(urgent[-1] <= 3600).mean():.4f} of {len(urgent[-1]):,}; held by accounts "
            f"that nothing has named {unnamed / whole:.5f} of USD"
        )
    return np.concatenate(urgent), np.concatenate(others)


def _ages(name: str, seconds: np.ndarray) -> str:
    known = np.isfinite(seconds)
    quantiles = np.quantile(seconds[known], (0.5, 0.9, 0.99, 1.0)) / 60 if known.any() else [0] * 4
    return (
        f"  {name}: {len(seconds):,} positions and hours, minutes p50 {quantiles[0]:.1f} p90 "
        f"{quantiles[1]:.1f} p99 {quantiles[2]:.1f} max {quantiles[3]:.1f}; never requested "
        f"{(~known).sum():,}"
    )


def _describe(one: Agreement) -> str:
    large = one.true_usd >= 0.01 * one.true_usd.sum()
    return (
        f"  {EPOCH + timedelta(milliseconds=one.at):%H:%M} overlap {one.weighted_overlap:.4f} "
        f"(coins from 1 % of all: least {np.nanmin(one.overlap[large]):.4f}; median coin "
        f"{np.nanmedian(one.overlap):.4f}), total {one.total_ratio:.4f} of "
        f"{one.true_usd.sum() / 1e6:.1f} M USD"
    )


# -- the cost of one map


def time_map(accounts: int, coins: int, folder: Path) -> bool:
    """Fill an account book with a population's states and time one hourly map from it."""
    market = simulated_market(start=START, days=1, coins=coins - 10)
    people = Population(
        market,
        start=START,
        names=[one.instrument.base for one in market.of_venue("hyperliquid")],
        parameters=large_population(accounts),
    )
    settings = Settings(home=folder)
    at = START + HOUR_MS
    with closing(AccountBook(book_path(settings))) as book:
        begun = time.perf_counter()
        store_states(book, people, at - 60_000)
        print(f"{accounts:,} accounts stored in {time.perf_counter() - begun:.1f} s")
        begun, begun_cpu = time.perf_counter(), time.process_time()
        held = book.positions_of(instant(at))
        read = time.perf_counter() - begun
        made = land_hourly_map(settings, held, contexts_of(people), instant(at))
    seconds, cpu = time.perf_counter() - begun, time.process_time() - begun_cpu
    landed = list(settings.landing.rglob("*.parquet"))
    size = sum(one.stat().st_size for one in landed) / 1e6
    print(
        f"map of {made.assets} coins from {len(held):,} positions of {accounts:,} accounts: "
        f"{seconds:.2f} s ({cpu:.2f} s of processor, {read:.2f} s reading the book), "
        f"{made.cells:,} cells, {size:.2f} MB landed; "
        f"reason for none: {made.reason}"
    )
    return seconds < 10 and made.assets >= 0.9 * coins


def main() -> None:
    """Run one of the two and exit with 1 where a figure does not hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=int, default=6, help="map hours, after the warm-up")
    parser.add_argument("--warm-up", type=int, default=4, help="hours from an empty home")
    parser.add_argument("--speed", type=float, default=30.0, help="of time, at most")
    parser.add_argument("--most-minutes", type=float, default=120.0, help="of the machine")
    parser.add_argument("--accounts", type=int, default=50_000)
    parser.add_argument("--coins", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--faults", action="store_true", help="break one answer in fifty")
    parser.add_argument("--map", action="store_true", help="time one map of 200 coins instead")
    parser.add_argument("--keep", type=Path, help="folder to leave home and books in")
    arguments = parser.parse_args()
    print_machine()
    with TemporaryDirectory(prefix="positions-") as temporary:
        folder = arguments.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        if arguments.map:
            holds = time_map(arguments.accounts, 200, folder)
        else:
            holds = run_at_speed(arguments, folder)
    sys.exit(not holds)


if __name__ == "__main__":
    main()
