"""Build the home that the page is measured on: ten assets, 90 days, all estimators, published.

Run ``python -m bench.page_home FOLDER``; it takes minutes and some gigabytes. The market is
simulated and goes through the pipeline like any other.
"""

import argparse
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bench.stopwatch import peak_mb, print_machine, time_steps, timed
from jobs.calibrate.calibrate import calibrate
from jobs.collect.landing import land
from jobs.pipeline import build_maps, load
from jobs.publish.publish import publish
from jobs.settings import Settings
from sources.simulated import SimulatedAsset, realistic_market, simulate
from sources.simulated.parameters import ASSETS, REALISTIC_VENUES

START = datetime(2026, 1, 1, tzinfo=UTC)
DAYS = 90
_SEED = 11

# The five assets of the simulated market and one like each of them.
_LIKE = {"BTC": "LTC", "ETH": "AVAX", "SOL": "LINK", "DOGE": "PEPE", "THIN": "SLIM"}
_CHEAPER = 0.6


def ten_assets() -> tuple[SimulatedAsset, ...]:
    """Return ten assets, of which two are thin."""
    others = [
        replace(
            asset,
            name=_LIKE[asset.name],
            price_usd=asset.price_usd * _CHEAPER,
            open_interest_usd=asset.open_interest_usd * _CHEAPER,
        )
        for asset in ASSETS
    ]
    return (*ASSETS, *others)


def build_home(folder: Path, days: int = DAYS) -> dict[str, float]:
    """Simulate the market into a folder, build, fit and publish it; return seconds by step."""
    settings = Settings(home=folder)
    end = START + timedelta(days=days)
    market = replace(
        realistic_market(START, days, _SEED),
        assets=ten_assets(),
        venues=REALISTIC_VENUES[:2],
    )
    figures: dict[str, float] = {}
    with timed("simulate and land [s]", figures):
        for number, batch in enumerate(simulate(market, ingested_at=end)):
            land(batch, settings.landing, f"simulated-{number:05d}")
    steps = {
        "load [s]": lambda: load(settings),
        "build [s]": lambda: build_maps(settings, as_of=end),
        "publish [s]": lambda: publish(settings, as_of=end),
        "calibrate [s]": lambda: calibrate(settings, as_of=end),
        "publish again [s]": lambda: publish(settings, as_of=end),
    }
    time_steps(steps, figures)
    figures["published file [MB]"] = (settings.published / "liqheat.duckdb").stat().st_size / 1e6
    figures["peak memory [MB]"] = peak_mb()
    return figures


def main() -> int:
    """Build the home and print what it took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--days", type=int, default=DAYS)
    options = parser.parse_args()
    print_machine()
    begun = time.perf_counter()
    for label, value in build_home(options.folder, options.days).items():
        print(f"{label:<32} {value:>10,.1f}")
    print(f"{'all [s]':<32} {time.perf_counter() - begun:>10,.1f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
