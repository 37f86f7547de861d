"""Measure the pipeline around the kernel: backfill, hourly increment, publication, size, queries.

Run ``python -m bench.pipeline``. Prices are a random walk and volumes log-normal; what is measured
is the cost of moving rows, which does not depend on what they say. To compare two versions, run
this file with the Python of a checkout of each, in turns, with ``--first-release`` where one of
them has no ledgers; on a machine that does other work compare processor time.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from types import ModuleType
from unittest.mock import patch

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

import jobs.build.window_store
import jobs.hourly
import warehouse.models
from bench.stopwatch import START, peak_mb, print_machine
from bench.stopwatch import timed as elapsed
from jobs.collect.landing import land
from jobs.hourly import run_hour
from jobs.pipeline import build_maps, load
from jobs.publish.publish import publish
from jobs.read.query import query
from jobs.settings import Settings
from sources.records import INSTANT, Batch, make_batch
from transforms.estimators import ESTIMATORS, EstimatorParameters

BAR = timedelta(minutes=5)

_QUALITY_MODELS = ("intermediate.int_quality_measures", "intermediate.int_row_audit")


@contextmanager
def timed(label: str, figures: dict[str, float]) -> Iterator[None]:
    """Note wall clock seconds of the block under a label, and processor time beside them."""
    begun = time.process_time()
    with elapsed(label, figures):
        yield
    figures[label.replace("[s]", "[s of processor]")] = time.process_time() - begun


@contextmanager
def timed_calls(
    module: ModuleType,
    calls: dict[str, str],
    figures: dict[str, float],
    is_meant: Callable[..., bool] = lambda *arguments: True,  # noqa: ARG005
) -> Iterator[None]:
    """Note the seconds that functions of a module take, summed over the calls meant."""

    def timing(function: Callable[..., object], label: str) -> Callable[..., object]:
        def call(*arguments: object, **named: object) -> object:
            if not is_meant(*arguments):
                return function(*arguments, **named)
            begun = time.perf_counter()
            try:
                return function(*arguments, **named)
            finally:
                figures[label] = figures.get(label, 0.0) + time.perf_counter() - begun

        return call

    whole = {name: getattr(module, name) for name in calls}
    for name, label in calls.items():
        setattr(module, name, timing(whole[name], label))
    try:
        yield
    finally:
        for name, function in whole.items():
            setattr(module, name, function)


def market(n_series: int, n_assets: int, start: datetime, n_bars: int, seed: int) -> list[Batch]:
    """Return bars, marks and open interest of invented instruments over one span."""
    rng = np.random.default_rng(seed)
    assets = [f"A{i % n_assets:03d}" for i in range(n_series)]
    venue = pa.array([f"venue_{i // n_assets}" for i in range(n_series)])
    symbol = pa.array([f"{asset}/USDT:USDT" for asset in assets])
    stamp = {"source": "bench", "ingested_at": datetime(1970, 1, 1, tzinfo=UTC)}
    described = {
        "venue": venue,
        "instrument": symbol,
        "asset": assets,
        "quote": "USDT",
        "contract_kind": "linear",
        "is_active": True,
        "observed_at": START,
        **dict.fromkeys(("contract_size", "base_multiplier"), 1.0),
        **stamp,
    }
    # Venues agree on an asset's price, or they would be set apart from its sums.
    asset = np.arange(n_series) % n_assets
    returns = rng.standard_normal((n_assets, n_bars))[asset] * 0.0015
    level = np.log(rng.lognormal(3, 2, (n_assets, 1)) + 0.01)[asset]
    close = np.exp(level + np.cumsum(returns, axis=1) * 0.3)
    opened = np.concatenate((np.exp(level), close[:, :-1]), axis=1)
    spread = np.exp(np.abs(rng.standard_normal((n_series, n_bars))) * 0.001)
    high, low = np.maximum(opened, close) * spread, np.minimum(opened, close) / spread
    volume = rng.lognormal(8, 1, (n_series, n_bars)).ravel()
    held = 3e5 * np.exp(np.cumsum(rng.standard_normal((n_series, n_bars)) * 1e-4, axis=1))
    n_rows = n_series * n_bars
    row = pa.array(np.repeat(np.arange(n_series), n_bars))
    first = np.datetime64(start.replace(tzinfo=None), "us")
    starts = np.tile(first + np.arange(n_bars) * np.timedelta64(BAR), n_series)
    series = {"venue": venue.take(row), "instrument": symbol.take(row), **stamp}
    key = {**series, "bar_start_at": starts, "bar_seconds": 300}
    flat = {"open": opened, "high": high, "low": low, "close": close}
    prices = {name: value.ravel() for name, value in flat.items()}
    marks = {f"mark_{name}": value for name, value in prices.items()}
    traded = {"volume_quantity": volume, "taker_buy_quantity": volume * 0.5}
    ends = starts + np.timedelta64(BAR)
    return [
        make_batch("instrument", n_series, described),
        make_batch("ohlcv", n_rows, {**key, **prices, **traded}),
        make_batch("mark_ohlc", n_rows, {**key, **marks}),
        make_batch(
            "open_interest",
            n_rows,
            {**series, "observed_at": ends, "open_interest_quantity": held.ravel()},
        ),
    ]


def split_at(records: list[Batch], cut: datetime) -> tuple[list[Batch], list[Batch]]:
    """Return the rows of bars that end by an instant, and the rows of later ones."""
    early, late = [], []
    for batch in records:
        is_level = batch.kind == "open_interest"
        at = batch.table.column("observed_at" if is_level else "bar_start_at")
        # Open interest belongs to the bar that ends at its stamp.
        compare = pc.less_equal if is_level else pc.less
        is_early = compare(at, pa.scalar(cut, INSTANT))
        early.append(Batch(batch.kind, batch.table.filter(is_early)))
        late.append(Batch(batch.kind, batch.table.filter(pc.invert(is_early))))
    return early, late


def _land(batches: list[Batch], settings: Settings, name: str) -> None:
    for number, batch in enumerate(batches):
        land(batch, settings.landing, f"{name}-{number}")


def _size_mb(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


def series_year(
    home: Path, estimators: list[EstimatorParameters] | None = None, n_bars: int = 105_120
) -> dict[str, float]:
    """Measure one series over a year of bars from landing to published marts."""
    settings = Settings(home=home, publish_window_days=366, detail_hours=1 if estimators else 168)
    figures: dict[str, float] = {}
    _land(market(1, 1, START, n_bars, seed=1), settings, "year")
    with timed("series-year: landing to raw [s]", figures):
        load(settings)
    end = START + n_bars * BAR
    whole, comparing, grading = (
        "series-year: bars to rows in marts, all of it [s]",
        "series-year: part for comparisons, consensus, bands, cascades [s]",
        "series-year: part for measures of quality [s]",
    )
    with (
        timed(whole, figures),
        timed_calls(jobs.build.window_store, {"compare_maps": comparing}, figures),
        timed_calls(
            warehouse.models,
            {"_replace_rows": grading},
            figures,
            lambda _, model, *rest: model.name in _QUALITY_MODELS,  # noqa: ARG005
        ),
    ):
        report = build_maps(settings, as_of=end, estimators=estimators)
    figures["series-year: so bars to maps, leverage, books, context [s]"] = (
        figures[whole] - figures[comparing] - figures[grading]
    )
    figures["series-year: peak memory so far [MB]"] = peak_mb()
    with timed("series-year: publish 366 days, file and Parquet [s]", figures):
        publish(settings, as_of=end)
    assert report.bar_count == n_bars
    figures["series-year: peak memory with publishing [MB]"] = peak_mb()
    figures["series-year: warehouse on disk [MB]"] = settings.warehouse.stat().st_size / 1e6
    published = settings.published / "liqheat.duckdb"
    figures["series-year: published file [MB]"] = published.stat().st_size / 1e6
    figures["series-year: published Parquet [MB]"] = _size_mb(settings.published / "parquet")
    return figures


QUERIES = {
    "the newest map of an asset": "select side, price_low, price_high, liquidation_usd "
    "from marts.liquidation_heatmap_hourly where asset = 'A000' and provider = 'turnover' "
    "and venue = 'all' and as_of = (select max(as_of) from marts.market_context_hourly "
    "where asset = 'A000') order by price_low",
    "a week of positions within 5 % of price": "select as_of, side, sum(liquidation_usd) as usd "
    "from marts.liquidation_heatmap_hourly where asset = 'A000' and provider = 'turnover' "
    "and venue = 'all' and abs(ln(price_low / price)) < 0.05 "
    "and as_of > (select max(as_of) from marts.market_context_hourly) - interval 7 day "
    "group by as_of, side order by as_of",
    "leverage of every asset in the newest hour": "select asset, tier, sum(position_usd) as usd "
    "from marts.liquidation_by_leverage_hourly where provider = 'turnover' and venue = 'all' "
    "and as_of = (select max(as_of) from marts.market_context_hourly) "
    "group by asset, tier order by usd desc",
}


def many_series(
    home: Path, n_series: int, n_assets: int, days: float, n_estimators: int | None = None
) -> dict[str, float]:
    """Measure one hour more for many series, its publication, and queries on the result.

    With a number of estimators only so many are run, and no ledgers.
    """
    settings = Settings(home=home)
    chosen = None if n_estimators is None else list(ESTIMATORS.values())[:n_estimators]
    figures: dict[str, float] = {}
    n_bars = round(days * 24) * 12
    described, *records = market(n_series, n_assets, START, n_bars + 12, seed=2)
    _land([described], settings, "described")
    early, late = split_at(records, START + n_bars * BAR)
    _land(early, settings, "first")
    label = f"{n_series} series ({n_assets} assets)"

    def job(span: str, end: datetime) -> None:
        steps = {"load": "load", "build_maps": "build", "check": "check", "publish": "publish"}
        labelled = {name: f"{label}: {span}, {step} [s]" for name, step in steps.items()}
        with (
            patch.object(jobs.hourly, "build_maps", partial(build_maps, estimators=chosen)),
            timed_calls(jobs.hourly, labelled, figures),
            timed(f"{label}: {span}, the whole job [s]", figures),
        ):
            report = run_hour(settings, as_of=end)
        assert report.built.series_count == n_series

    job(f"{days:g} days", START + n_bars * BAR)
    parquet = settings.published / "parquet"
    sizes = settings.warehouse.stat().st_size, _size_mb(parquet)
    _land(late, settings, "hour")
    job("one hour more", START + (n_bars + 12) * BAR)
    grown = (settings.warehouse.stat().st_size - sizes[0]) / 1e6
    figures[f"{label}: one hour more, growth of the warehouse [MB]"] = grown
    figures[f"{label}: one hour more, growth of Parquet [MB]"] = _size_mb(parquet) - sizes[1]
    figures[f"{label}: peak memory [MB]"] = peak_mb()
    figures[f"{label}: warehouse on disk [MB]"] = settings.warehouse.stat().st_size / 1e6
    figures[f"{label}: published file [MB]"] = (
        settings.published / "liqheat.duckdb"
    ).stat().st_size / 1e6
    for name, sql in QUERIES.items() if chosen is None else ():
        seconds = []
        for _ in range(5):
            begun = time.perf_counter()
            with query(settings, sql) as answer:
                assert list(answer.rows)
            seconds.append(time.perf_counter() - begun)
        figures[f"query, {name} (median of 5, opening included) [ms]"] = (
            float(np.median(seconds)) * 1e3
        )
    return figures


def main() -> None:
    """Run and print every figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--series", type=int, default=500)
    parser.add_argument("--assets", type=int, default=100)
    parser.add_argument("--days", type=float, default=3.0)
    parser.add_argument("--only", choices=("year", "many"))
    parser.add_argument(
        "--estimators", type=int, help="with many series, run only so many, and no ledgers"
    )
    parser.add_argument(
        "--first-release",
        action="store_true",
        help="in the year, estimators of 0.1.0 alone: no ledgers, maps by tier of one hour",
    )
    arguments = parser.parse_args()
    print_machine()
    with tempfile.TemporaryDirectory() as folder:
        # Compilation is paid once a machine, not once a run.
        warm = Settings(home=Path(folder) / "warm")
        _land(market(1, 1, START, 600, seed=3), warm, "warm")
        load(warm)
        build_maps(warm, as_of=START + 600 * BAR)
        figures = {}
        if arguments.only != "many":
            estimators = list(ESTIMATORS.values()) if arguments.first_release else None
            figures |= series_year(Path(folder) / "year", estimators)
        if arguments.only != "year":
            figures |= many_series(
                Path(folder) / "many",
                arguments.series,
                arguments.assets,
                arguments.days,
                arguments.estimators,
            )
    for label, value in figures.items():
        print(f"{label:<76} {value:>10,.2f}")


if __name__ == "__main__":
    sys.exit(main())
