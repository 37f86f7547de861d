"""Measure the stage that sets maps side by side: from stored maps to stored rows.

Run ``python -m bench.compare``. 8 providers speak of 'all', 5 of them of 3 venues each as well.
First 8 assets over 480 hours, then one hour of 500 assets; each read from DuckDB, compared and
written back in one transaction. Maps are random: what is measured does not depend on what they say.
"""

import argparse
import platform
import resource
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
from duckdb import DuckDBPyConnection

from jobs.compare.compare_maps import COMPARISON_TABLES, compare_maps
from transforms.grid import published_bins
from warehouse.connect import open_warehouse, transaction

START = datetime(2026, 1, 1, tzinfo=UTC)
PROVIDERS, OWN = 8, 5
VENUES = ("alpha", "beta", "gamma")
HOUR = 3600 * 1_000_000
HISTORY_HOURS = 240


def _instants(hours: np.ndarray) -> pa.Array:
    first = (START - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    return pa.array(first + hours * HOUR).cast(pa.timestamp("us", tz="UTC"))


def _store_maps(connection: DuckDBPyConnection, n_assets: int, n_hours: int) -> int:
    generator = np.random.default_rng(0)
    price = np.exp(
        generator.uniform(-3, 11, (n_assets, 1))
        + np.cumsum(generator.normal(0, 0.004, (n_assets, n_hours)), axis=1)
    )
    scopes = [(f"provider_{p}", "all") for p in range(PROVIDERS)]
    scopes += [(f"provider_{p}", venue) for p in range(OWN) for venue in VENUES]
    n_maps = 0
    for asset in range(n_assets):
        first, width = published_bins(price[asset])
        half = int(width.min()) // 2
        for provider, venue in scopes:
            n_rows = 2 * n_hours
            values = generator.lognormal(10, 1.5, (n_rows, half)).astype(np.float32)
            n_maps += n_hours
            rows = pa.table(  # noqa: F841  (DuckDB finds it by name)
                {
                    "asset": pa.repeat(f"A{asset:03}", n_rows),
                    "as_of": _instants(np.repeat(np.arange(1, n_hours + 1), 2)),
                    "provider": pa.repeat(provider, n_rows),
                    "venue": pa.repeat(venue, n_rows),
                    "side": pa.array(["long", "short"] * n_hours),
                    "price": np.repeat(price[asset], 2),
                    "first_bin_index": (np.repeat(first, 2) + np.tile([0, half], n_hours)).astype(
                        np.int32
                    ),
                    "liquidation_usd": pa.ListArray.from_arrays(
                        np.arange(n_rows + 1, dtype=np.int32) * half, pa.array(values.ravel())
                    ),
                    "unit": pa.repeat("usd", n_rows),
                    "semantics": pa.repeat("standing", n_rows),
                    "params_hash": pa.repeat(provider, n_rows),
                    "run_id": pa.repeat("bench", n_rows),
                }
            )
            connection.execute("insert into derived.heatmap by name select * from rows")
    return n_maps


def _store_hours(connection: DuckDBPyConnection, n_assets: int, n_hours: int) -> None:
    connection.execute(
        "insert into intermediate.int_instrument_hour by name "
        "select venue, 'I' as instrument, 'A' || lpad(asset::varchar, 3, '0') as asset, "
        "'linear' as contract_kind, $start::timestamptz + to_hours(hour::integer) as as_of, "
        "300 as bar_seconds, 12 as bar_count, 1.0 as open, 1.0 as high, 1.0 as low, 1.0 as close, "
        "1e-5 as squared_log_return, 1e6 as volume_quantity, 1e6 as volume_base, "
        "1e6 as volume_usd, 0 as zero_volume_bar_count, 12 as open_interest_observed_count, "
        "11 as change_observed_count, 0 as violation_count, 0 as unchanged_traded_bar_count "
        "from unnest($venues::varchar[]) as venue(venue), range($n_assets) as asset(asset), "
        "range($first, $last) as hour(hour)",
        {
            "start": START,
            "venues": list(VENUES),
            "n_assets": n_assets,
            "first": 1 - HISTORY_HOURS,
            "last": n_hours + 1,
        },
    )


def measure(n_assets: int, n_hours: int, threads: int | None) -> None:
    """Print the seconds of one stage."""
    with (
        tempfile.TemporaryDirectory() as folder,
        open_warehouse(Path(folder) / "bench.duckdb", threads=threads) as connection,
    ):
        n_maps = _store_maps(connection, n_assets, n_hours)
        _store_hours(connection, n_assets, n_hours)
        assets = [f"A{asset:03}" for asset in range(n_assets)]
        seconds = []
        for _ in range(2):
            begun, worked = time.perf_counter(), time.process_time()
            with transaction(connection):
                n_rows = compare_maps(
                    connection, assets, START, START + timedelta(hours=n_hours), "bench"
                )
            seconds.append((time.perf_counter() - begun, time.process_time() - worked))
        wall, worked = min(seconds)
        print(
            f"{n_assets} assets x {n_hours} hours: {n_maps:,} maps to {n_rows:,} rows "
            f"in {wall:.1f} s ({worked:.1f} s of cores)"
        )
        for name in COMPARISON_TABLES:
            count = connection.execute(f"select count(*) from {name}").fetchone()
            print(f"    {name}: {count[0] if count else 0:,} rows")


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, help="threads of DuckDB; by default all cores")
    options = parser.parse_args()
    print(f"{platform.processor() or platform.machine()}, python {platform.python_version()}")
    measure(8, 480, options.threads)
    measure(500, 1, options.threads)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"peak memory {peak:,.0f} MB")


if __name__ == "__main__":
    main()
