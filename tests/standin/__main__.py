"""Run a stand-in of the venues on loopback until Ctrl-C: python tests/standin --port 8765.

The first line of output is its address, the next ones the settings that point liqheat at it.
"""

import argparse
import asyncio
import contextlib
import sys
import time
from pathlib import Path

if __package__ in (None, ""):
    # Run by path: the package's folder is on sys.path, its parent is not.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from standin import (
    DAY,
    HOUR,
    MINUTE,
    VENUES,
    MarketData,
    Pace,
    PopulationParameters,
    Standin,
    large_population,
    market_from_recording,
    synthetic_market,
)
from standin.population.market import simulated_market
from standin.shared_clock import SharedClock

FEW = 5_000  # accounts, from which there are bots and makers as on the venue
RECORDING_START = 1_771_027_200_000  # 2026-02-14


def assets_of(count: int) -> dict[str, float]:
    """Return names and first prices of so many assets, real names first."""
    named = {
        "BTC": 70_000.0, "ETH": 2_100.0, "SOL": 90.0, "XRP": 1.4, "DOGE": 0.095, "BNB": 630.0,
        "AVAX": 9.4, "PEPE": 4e-6,
    }  # fmt: skip
    extra = {
        f"COIN{number}": 0.01 * 1.4 ** (number % 30) for number in range(max(0, count - len(named)))
    }
    return dict(list((named | extra).items())[:count])


def _market(arguments: argparse.Namespace, now: int) -> MarketData:
    if arguments.recording is not None:
        recorded = market_from_recording(
            arguments.recording, start=RECORDING_START, end=RECORDING_START + 20 * DAY
        )
        # The last recorded day but one ends now.
        return recorded.shifted((now - RECORDING_START - 18 * DAY) // HOUR * HOUR)
    if arguments.simulated:
        start = now // HOUR * HOUR
        return simulated_market(
            start=start, days=arguments.days, coins=arguments.assets, seed=arguments.seed
        )
    start = (now // DAY - arguments.days) * DAY
    return synthetic_market(
        start=start,
        end=now // DAY * DAY + 2 * DAY,
        venues=arguments.venues.split(","),
        assets=assets_of(arguments.assets),
        inverse_assets=("BTC", "ETH"),
        pace=Pace(bar_milliseconds=arguments.bar_minutes * MINUTE),
        seed=arguments.seed,
    )


def _accounts(arguments: argparse.Namespace) -> PopulationParameters | None:
    if not arguments.accounts:
        return None
    if arguments.accounts >= FEW:
        return large_population(arguments.accounts, arguments.seed)
    return PopulationParameters(accounts=arguments.accounts, seed=arguments.seed)


async def _serve(arguments: argparse.Namespace) -> None:
    now = arguments.now if arguments.now is not None else time.time_ns() // 1_000_000
    standin = Standin(
        _market(arguments, now),
        now=now,
        latency_seconds=arguments.latency_ms / 1000,
        enforce_limits=not arguments.no_limits,
        accounts=_accounts(arguments),
    )
    await standin.start(arguments.port)
    if arguments.now is None:
        # Making the market takes seconds, which its clock would otherwise lag behind.
        standin.now = time.time_ns() // 1_000_000
    driver = None
    if arguments.clock is None:
        standin.run(arguments.speed)
    else:
        shared = SharedClock(arguments.clock, arguments.speed)
        driver = asyncio.create_task(shared.drive(now, lambda at: setattr(standin, "now", at)))
    sys.stdout.write(
        f"{standin.base_url}\n"
        f"LIQHEAT_VENUE_URL={standin.base_url}\n"
        f"LIQHEAT_POSITIONS_URL={standin.base_url}/hyperliquid\n"
    )
    sys.stdout.flush()
    try:
        await asyncio.Event().wait()
    finally:
        if driver is not None:
            driver.cancel()
        await standin.stop()


def main() -> None:
    """Serve until interrupted; the first line of output is the base address."""
    parser = argparse.ArgumentParser(prog="standin", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0: any free one (default)")
    parser.add_argument(
        "--venues", default=",".join(VENUES), help="separated by commas; all by default"
    )
    parser.add_argument("--assets", type=int, default=8, help="number of assets, 8 by default")
    parser.add_argument("--days", type=int, default=3, help="days of history, 3 by default")
    parser.add_argument("--bar-minutes", type=int, default=5, help="stored bars, 5 by default")
    parser.add_argument(
        "--accounts", type=int, default=0, help="accounts of Hyperliquid; none by default"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--simulated",
        action="store_true",
        help="Hyperliquid alone, with the market of `liqheat demo`",
    )
    parser.add_argument("--recording", type=Path, help="folder of market_1h Parquet files")
    parser.add_argument("--now", type=int, help="first instant in ms; the wall clock by default")
    parser.add_argument(
        "--speed", type=float, default=1.0, help="of its clock, 1 by default; 0 stops it"
    )
    parser.add_argument(
        "--clock", type=Path, help="file of a clock shared with one client, which waits for it"
    )
    parser.add_argument("--latency-ms", type=float, default=0.0, help="delay of each answer")
    parser.add_argument("--no-limits", action="store_true", help="enforce no rate limit")
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(parser.parse_args()))


if __name__ == "__main__":
    main()
