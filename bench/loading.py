"""From landing files to raw: a million bars in files of 5,000 rows, as rounds leave them.

Run ``python -m bench.loading``.
"""

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.pipeline import market
from bench.stopwatch import START, peak_mb, timed
from jobs.collect.landing import land
from jobs.settings import Settings
from sources.venues.rounds import ROWS_PER_LANDING
from warehouse.connect import open_warehouse
from warehouse.load import load_landing_files


def main() -> None:
    """Land, load, print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    n_files = parser.parse_args().rows // ROWS_PER_LANDING
    figures: dict[str, float] = {}
    with TemporaryDirectory() as folder:
        settings = Settings(home=Path(folder))
        bars = market(n_files, n_files, START, ROWS_PER_LANDING, seed=1)[1]
        for number in range(n_files):
            part = bars.table.slice(number * ROWS_PER_LANDING, ROWS_PER_LANDING)
            land(type(bars)(bars.kind, part), settings.landing, f"binance-{number:05d}")
        with open_warehouse(settings.warehouse) as connection, timed("seconds", figures):
            report = load_landing_files(
                connection, settings.landing, run_id="bench", loaded_at=START
            )
        assert report.rows_by_kind == {"ohlcv": bars.table.num_rows}
    print(
        f"{bars.table.num_rows:,} bars in {n_files} files: loaded in {figures['seconds']:.1f} s, "
        f"at most {peak_mb():.0f} MB"
    )


if __name__ == "__main__":
    main()
