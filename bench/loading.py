"""From landing files to raw: a million bars and more, as a long backfill leaves them.

Lands bars of five minutes in files of 5,000 rows, as rounds do, and loads them into a new
warehouse. Run it from the project root with ``.venv/bin/python -m bench.loading``.
"""

import argparse
import resource
import time
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa

from jobs.collect.landing import land
from jobs.settings import Settings
from sources.records import SCHEMAS, Batch
from sources.venues.rounds import ROWS_PER_LANDING
from warehouse.connect import open_warehouse
from warehouse.load import load_landing_files

BAR_US = 300_000_000
START_US = 1_772_323_200_000_000  # 2026-03-01
AT = datetime(2026, 6, 1, tzinfo=UTC)


def _bars(number: int, rows: int) -> Batch:
    """Return the bars of one instrument, prices of a random walk."""
    rng = np.random.default_rng(number)
    close = 70_000.0 * np.exp(np.cumsum(rng.normal(0.0, 1e-3, rows)))
    starts = START_US + BAR_US * np.arange(rows)
    columns = {
        "bar_start_at": pa.array(starts).cast(SCHEMAS["ohlcv"].field("bar_start_at").type),
        "open": close, "high": close * 1.001, "low": close * 0.999, "close": close,
        "volume_quantity": rng.exponential(10.0, rows),
        "taker_buy_quantity": rng.exponential(5.0, rows),
        "trade_count": rng.integers(1, 1000, rows),
    }  # fmt: skip
    constants = {
        "venue": "binance",
        "instrument": f"COIN{number}/USDT:USDT",
        "bar_seconds": 300,
        "source": "ccxt:fapiPublicGetKlines",
        "ingested_at": AT,
    }
    arrays = []
    for field in SCHEMAS["ohlcv"]:
        if field.name in columns:
            arrays.append(pa.array(columns[field.name], field.type))
        else:
            arrays.append(pa.repeat(pa.scalar(constants[field.name], field.type), rows))
    return Batch("ohlcv", pa.Table.from_arrays(arrays, schema=SCHEMAS["ohlcv"]))


def main() -> None:
    """Land, load, print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    rows = parser.parse_args().rows
    with TemporaryDirectory() as folder:
        settings = Settings(home=Path(folder))
        started = time.monotonic()
        files = -(-rows // ROWS_PER_LANDING)
        for number in range(files):
            batch = _bars(number, min(ROWS_PER_LANDING, rows - number * ROWS_PER_LANDING))
            land(batch, settings.landing, f"binance-{number:05d}")
        landed = time.monotonic() - started
        with open_warehouse(settings.warehouse) as connection:
            started, processor = time.monotonic(), time.process_time()
            report = load_landing_files(connection, settings.landing, run_id="bench", loaded_at=AT)
            seconds = time.monotonic() - started
            processor = time.process_time() - processor
        assert report.rows_by_kind == {"ohlcv": rows}
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{rows:,} bars in {files} files: landed in {landed:.1f} s, loaded in {seconds:.1f} s, "
        f"{processor:.1f} s of processor, at most {memory:.0f} MB"
    )


if __name__ == "__main__":
    main()
