"""Time and memory of the simulated market, and how plausible what it makes is.

Run ``taskset -c 0 python -m bench.simulated`` for figures of one core; ``--days`` and ``--seed``
change the span. Compilation is timed apart, as a fresh machine or changed code pays it once.
"""

import argparse
import resource
import time
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa

from sources.simulated import MarketParameters, simulate
from sources.simulated.book import ContractBook, make_contract

START = datetime(2026, 1, 1, tzinfo=UTC)


def time_first_call() -> float:
    """Return seconds of the first use: compilation, or loading what was compiled before."""
    began = time.perf_counter()
    for _ in simulate(MarketParameters(start=START, days=1 / 24, seed=1, warm_up_days=1)):
        pass
    return time.perf_counter() - began


def time_traders(days: int) -> float:
    """Return seconds to trade one BTC contract for some days, without making records."""
    parameters = MarketParameters(start=START, days=1, seed=1)
    contract = make_contract(parameters, parameters.venues[0], parameters.assets[0])
    log_price = np.log(parameters.assets[0].price_usd)
    book = ContractBook(contract, log_price, np.random.default_rng(1))
    moves = np.random.default_rng(2).standard_normal((days, 1440)) * 0.022 / 1440**0.5
    path = log_price + np.cumsum(moves).reshape(days, 1440)
    began = time.perf_counter()
    for day in range(days):
        book.advance(np.random.default_rng(day), path[day], np.ones(1440))
    return time.perf_counter() - began


def print_plausibility(tables: dict[str, pa.Table], days: float) -> None:
    """Print per contract what a reader would hold against real venues."""
    frames = {kind: table.to_pandas() for kind, table in tables.items()}
    truth = frames["provider_map"]
    print(
        f"{'contract':>26} {'OI':>10} {'volume':>7} {'moved/h':>8} "
        f"{'liq long':>9} {'liq short':>9} {'3 bars':>7} {'<2 %':>6} {'<5 %':>6} {'<10 %':>6}"
    )
    print(
        f"{'':>26} {'[M USD]':>10} {'[OI/d]':>7} {'[% OI]':>8} {'[% OI/d]':>9} {'[% OI/d]':>9} "
        f"{'[%]':>7}   [% of OI, truth]"
    )
    liquidations = frames["realised_liquidation"].groupby(["venue", "instrument", "side"])
    liquidated = liquidations.liquidated_usd.sum()
    volumes = frames["ohlcv"].groupby(["venue", "instrument"]).volume_quantity.sum()
    for key, rows in frames["open_interest"].groupby(["venue", "instrument"]):
        venue, instrument = key
        quantity = rows.open_interest_quantity.to_numpy()
        value = rows.received_value.mean()
        changes = np.abs(np.diff(quantity))
        whole_days = changes[: changes.size // 288 * 288].reshape(-1, 288)
        top_three = np.sort(whole_days, axis=1)[:, -3:].sum(axis=1) / whole_days.sum(axis=1)
        moved = np.abs(np.diff(quantity[::12])).mean() / quantity.mean()
        standing = truth[(truth.venue_scope == venue) & (truth.asset == instrument.split("/")[0])]
        distance = np.abs(np.log(standing.price_low / standing.reference_price))
        # Each side sums to its observed share of open interest at each hour.
        whole = standing.groupby(["as_of", "side"]).agg(
            usd=("value", "sum"), share=("observed_open_interest_ratio", "first")
        )
        total = (whole.usd / whole.share).sum()
        near = [100 * standing.value[distance < reach].sum() / total for reach in (0.02, 0.05, 0.1)]
        shares = [
            100 * liquidated[(venue, instrument, side)] / days / value for side in ("long", "short")
        ]
        print(
            f"{venue + ' ' + instrument:>26} {value / 1e6:>10.2f} "
            f"{volumes[key] / days / quantity.mean():>7.2f} {100 * moved:>8.2f} "
            f"{shares[0]:>9.2f} {shares[1]:>9.2f} {100 * np.median(top_three):>7.0f} "
            f"{near[0]:>6.2f} {near[1]:>6.2f} {near[2]:>6.2f}"
        )


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=30, help="length of the span [d]")
    parser.add_argument("--seed", type=int, default=1, help="which market")
    options = parser.parse_args()

    print(f"first call, compiling or loading the compiled: {time_first_call():.1f} s")
    parameters = MarketParameters(start=START, days=options.days, seed=options.seed)
    began, began_cpu = time.perf_counter(), time.process_time()
    rows: dict[str, int] = {}
    for batch in simulate(parameters):
        rows[batch.kind] = rows.get(batch.kind, 0) + batch.table.num_rows
    wall, cpu = time.perf_counter() - began, time.process_time() - began_cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    n_contracts = len(parameters.venues) * len(parameters.assets)
    print(
        f"{options.days} days of {n_contracts} contracts and {parameters.warm_up_days} days of "
        f"warm-up: {wall:.2f} s wall, {cpu:.2f} s CPU, peak {peak:.0f} MB"
    )
    print("rows: " + ", ".join(f"{kind} {count:,}" for kind, count in sorted(rows.items())))
    print(f"traders of one contract alone, {options.days} days: {time_traders(options.days):.2f} s")

    parts: dict[str, list[pa.Table]] = {}
    wanted = ("ohlcv", "open_interest", "realised_liquidation", "provider_map")
    dropped = (
        "raw_sha256",
        "source",
        "provider",
        "model",
        "semantics",
        "unit",
        "window",
        "leverage",
    )
    for batch in simulate(parameters):
        if batch.kind in wanted:
            names = [name for name in batch.table.column_names if name not in dropped]
            parts.setdefault(batch.kind, []).append(batch.table.select(names))
    print_plausibility(
        {kind: pa.concat_tables(tables) for kind, tables in parts.items()}, options.days
    )


if __name__ == "__main__":
    main()
