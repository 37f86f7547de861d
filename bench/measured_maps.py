"""Hourly maps of measured positions: seconds an hour, and what a day of them takes on disk.

A population of accounts holds positions in coins of very different size; every hour prices move and
one position in ten changes. Each hour is landed as the collector lands it, with the changes, then a
day of hours is loaded, built and published. No other data is in the home, so that what is on disk
is of measured positions alone. Run it from the project root with

    .venv/bin/python -m bench.measured_maps [--accounts 50000] [--coins 200] [--hours 24]
"""

import argparse
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from bench.stopwatch import START, peak_mb, print_machine, time_steps, timed
from jobs.check.run_suites import check
from jobs.collect.landing import land, landing_name
from jobs.instants import HOUR
from jobs.pipeline import build_maps, load
from jobs.positions.book_records import HeldPositions
from jobs.positions.hourly_map import land_hourly_map
from jobs.publish.publish import publish
from jobs.settings import Settings
from sources.accounts.info_client import CoinContext
from sources.records import make_batch
from transforms.series import SIDES

POSITIONS_PER_ACCOUNT = 3
CHANGED_RATIO = 0.1
"""Share of positions with a change to log in an hour."""

WITHOUT_PRICE_RATIO = 0.2


class Population:
    """Accounts with positions whose liquidation prices lie 2 to 60 % from the mark price."""

    def __init__(self, accounts: int, coins: int, seed: int = 1) -> None:
        self.random = np.random.default_rng(seed)
        self.names = np.array([f"COIN{number:03d}" for number in range(coins)])
        weight = 1.0 / np.arange(1, coins + 1)
        count = accounts * POSITIONS_PER_ACCOUNT
        self.coin = np.sort(self.random.choice(coins, count, p=weight / weight.sum()))
        self.account = self.random.integers(0, accounts, count)
        self.mark = np.exp(self.random.uniform(-5.0, 10.0, coins))
        self.side = self.random.integers(0, 2, count)
        self.quantity = np.empty(count)
        self.price = np.empty(count)
        self.renew(np.arange(count))

    def renew(self, chosen: np.ndarray) -> None:
        """Give some positions another size and liquidation price."""
        mark = self.mark[self.coin[chosen]]
        away = np.exp(self.random.uniform(np.log(0.02), np.log(0.6), len(chosen)))
        self.quantity[chosen] = self.random.pareto(1.2, len(chosen)) * 1000.0 / mark
        self.quantity[chosen] = _digits(self.quantity[chosen], 4)
        self.price[chosen] = mark * np.exp(np.where(self.side[chosen] == 0, -away, away))
        without = self.random.random(len(chosen)) < WITHOUT_PRICE_RATIO
        self.price[chosen[without]] = np.nan

    def move(self) -> np.ndarray:
        """Let an hour pass; return the positions that changed."""
        self.mark *= np.exp(self.random.normal(0.0, 0.005, len(self.mark)))
        changed = np.flatnonzero(self.random.random(len(self.coin)) < CHANGED_RATIO)
        self.renew(changed)
        return changed

    def held(self, at: datetime) -> HeldPositions:
        """Return the positions as the account book returns them."""
        count = len(self.coin)
        age = np.minimum(self.random.exponential(3600.0, count), 80_000.0)
        # Large ones are due every half hour.
        is_large = self.quantity * self.mark[self.coin] >= 1e5
        age[is_large] = self.random.uniform(0.0, 1800.0, int(is_large.sum()))
        observed = np.datetime64(at.replace(tzinfo=None), "us") - (age * 1e6).astype("m8[us]")
        mark = self.mark[self.coin]
        return HeldPositions(
            account_id=self.account,
            coin=self.names[self.coin],
            dex=np.full(count, "", dtype=np.str_),
            asset=self.names[self.coin],
            side=np.array(SIDES)[self.side],
            quantity=self.quantity,
            entry_price=mark,
            liquidation_price=self.price,
            leverage=np.full(count, 10.0),
            is_cross=self.account % 3 > 0,
            margin_usd=self.quantity * mark / 10.0,
            mark_price=mark,
            observed_at=observed,
            traded_at=np.full(count, np.datetime64("NaT", "us")),
            first_seen_at=START - timedelta(days=30),
            account_count=count // POSITIONS_PER_ACCOUNT,
        )

    def contexts(self) -> dict[str, dict[str, CoinContext]]:
        """Return mark prices and open interest of all coins."""
        total = np.bincount(self.coin, self.quantity, len(self.names))
        rows = zip(self.names.tolist(), self.mark.tolist(), total.tolist(), strict=True)
        return {"": {name: CoinContext(name, name, "", mark, oi, 40.0) for name, mark, oi in rows}}


def _land_changes(settings: Settings, people: Population, changed: np.ndarray, at: datetime) -> int:
    """Land the log of an hour's changes; return its rows."""
    columns = people.held(at)
    keys = np.array(
        [f"{number * 0x9E3779B97F4A7C15 % 2**64:016x}" for number in people.account.tolist()]
    )
    batch = make_batch(
        "account_position",
        len(changed),
        {
            "account_key": keys[changed],
            "venue_scope": "hyperliquid",
            "asset": columns.asset[changed],
            "observed_at": columns.observed_at[changed],
            "previous_at": columns.observed_at[changed] - np.timedelta64(3600, "s"),
            "change": "increased",
            "side": columns.side[changed],
            "quantity": columns.quantity[changed],
            "previous_quantity": _digits(columns.quantity[changed] * 0.9, 4),
            "entry_price": _digits(columns.entry_price[changed] * 1.01, 6),
            "liquidation_price": columns.liquidation_price[changed],
            "leverage": columns.leverage[changed],
            "is_cross": columns.is_cross[changed],
            "margin_usd": np.round(columns.margin_usd[changed], 6),
            "mark_price": columns.mark_price[changed],
            "account_value_usd": np.round(columns.margin_usd[changed] * 3.3, 6),
            "source": "hyperliquid:clearinghouseState",
            "ingested_at": at,
        },
    )
    land(batch, settings.landing, landing_name(batch, at, prefix="hyperliquid_positions-"))
    return len(changed)


def _digits(values: np.ndarray, count: int) -> np.ndarray:
    """Return figures rounded to some digits, as a venue sends them."""
    scale = 10.0 ** (count - 1 - np.floor(np.log10(values)))
    rounded: np.ndarray = np.round(values * scale) / scale
    return rounded


def _size_mb(path: Path) -> float:
    """Return the size of a file or of all files below a folder [MB]; links are not followed."""
    paths = path.rglob("*") if path.is_dir() else [path]
    return (
        sum(each.stat().st_size for each in paths if each.is_file() and not each.is_symlink()) / 1e6
    )


def _land_hours(settings: Settings, people: Population, hours: list[datetime]) -> None:
    """Land the maps and changes of some hours and print what they came to."""
    figures: dict[str, float] = {}
    seconds: list[float] = []
    cells = changes = 0
    for at in hours:
        changed = people.move()
        held, contexts = people.held(at), people.contexts()
        with timed("map", figures):
            cells += land_hourly_map(settings, held, contexts, at).cells
        seconds.append(figures["map"])
        changes += _land_changes(settings, people, changed, at)
    print(f"{len(people.coin):,} positions; hourly map {np.median(seconds):.2f} s", end="")
    print(f", at most {max(seconds):.2f} s")
    print(f"{cells / len(hours):,.0f} cells and {changes / len(hours):,.0f} changes an hour")


def _process(settings: Settings, as_of: datetime) -> float:
    """Load, build, check and publish; print the seconds and return the size after the load."""
    figures: dict[str, float] = {}
    with timed("load", figures):
        load(settings)
    size = _size_mb(settings.warehouse)
    jobs = {"build": build_maps, "check": check, "publish": publish}
    time_steps({name: partial(job, settings, as_of=as_of) for name, job in jobs.items()}, figures)
    print(", ".join(f"{name} {seconds:.1f} s" for name, seconds in figures.items()))
    return size


def main() -> None:
    """Land, load, build and publish a day of measured maps, then an hour more; print figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--accounts", type=int, default=50_000)
    parser.add_argument("--coins", type=int, default=200)
    parser.add_argument("--hours", type=int, default=24)
    arguments = parser.parse_args()
    print_machine()
    people = Population(arguments.accounts, arguments.coins)
    with TemporaryDirectory() as folder:
        settings = Settings(home=Path(folder))
        hours = [START + number * HOUR for number in range(1, arguments.hours + 1)]
        _land_hours(settings, people, hours)
        for kind in ("provider_map", "position_coverage", "account_position"):
            print(f"landed {kind}: {_size_mb(settings.landing / kind) / len(hours):.2f} MB an hour")
        after_load = _process(settings, hours[-1])
        built = _size_mb(settings.warehouse) - after_load
        sizes = {
            "raw": after_load,
            "built": built,
            "published file": _size_mb(settings.published / "versions"),
            "published Parquet": _size_mb(settings.published / "parquet"),
        }
        for name, size in sizes.items():
            print(f"{name}: {size / len(hours):.2f} MB an hour")
        print("an hour more")
        _land_hours(settings, people, [hours[-1] + HOUR])
        _process(settings, hours[-1] + HOUR)
        print(f"{peak_mb():.0f} MB of memory")


if __name__ == "__main__":
    main()
