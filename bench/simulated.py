"""Time and memory of the simulated market.

Run ``taskset -c 0 python -m bench.simulated`` for figures of one core. Compilation is timed apart,
as a fresh machine or changed code pays it once.
"""

import argparse
import time

from bench.stopwatch import START, peak_mb
from sources.simulated import MarketParameters, realistic_market, simulate


def time_first_call() -> float:
    """Return seconds of the first use: compilation, or loading what was compiled before."""
    began = time.perf_counter()
    for _ in simulate(MarketParameters(start=START, days=1 / 24, seed=1, warm_up_days=1)):
        pass
    return time.perf_counter() - began


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=30, help="length of the span [d]")
    parser.add_argument("--seed", type=int, default=1, help="which market")
    parser.add_argument("--realistic", action="store_true", help="with all conduct of accounts")
    options = parser.parse_args()

    print(f"first call, compiling or loading the compiled: {time_first_call():.1f} s")
    make = realistic_market if options.realistic else MarketParameters
    parameters = make(START, options.days, options.seed)
    began, began_cpu = time.perf_counter(), time.process_time()
    rows: dict[str, int] = {}
    for batch in simulate(parameters):
        rows[batch.kind] = rows.get(batch.kind, 0) + batch.table.num_rows
    wall, cpu = time.perf_counter() - began, time.process_time() - began_cpu
    n_contracts = len(parameters.venues) * len(parameters.assets)
    print(
        f"{options.days} days of {n_contracts} contracts and {parameters.warm_up_days} days of "
        f"warm-up: {wall:.2f} s wall, {cpu:.2f} s CPU, peak {peak_mb():.0f} MB"
    )
    print("rows: " + ", ".join(f"{kind} {count:,}" for kind, count in sorted(rows.items())))


if __name__ == "__main__":
    main()
