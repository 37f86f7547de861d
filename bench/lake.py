"""An hour more on a lake beside the same hour on a file.

The first days are built once, on a file, and moved to the lake; then both homes get the same hours.
PostgreSQL runs on this machine, the data is in a folder. Processor time is that of liqheat, and of
PostgreSQL apart. Run it from the project root with

    .venv/bin/python -m bench.lake [--series 500] [--assets 100] [--days 2] [--hours 2]
"""

import argparse
import shutil
import sys
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from workbench.lakes import Lake
from workbench.postgres_server import PostgresServer, postgres_server

from bench.pipeline import BAR, market, split_at
from bench.stopwatch import START, print_machine
from jobs.check.run_suites import check
from jobs.collect.landing import land
from jobs.move_warehouse import move_to
from jobs.pipeline import build_maps, load
from jobs.publish.publish import publish
from jobs.settings import Settings
from jobs.writer import open_writer
from sources.records import Batch
from warehouse.storage import tidy

_HOUR_BARS = 12


def _land(settings: Settings, records: list[Batch], until: datetime) -> None:
    """Land records in files named by an instant."""
    for batch in records:
        land(batch, settings.landing, f"{batch.kind}-{until:%Y%m%dT%H%M}")


def _print_step(label: str, server: PostgresServer, step: Callable[[], object]) -> None:
    begun, own, theirs = time.perf_counter(), time.process_time(), server.processor_seconds()
    step()
    print(
        f"{label}: {time.perf_counter() - begun:.1f} s, "
        f"processor {time.process_time() - own:.1f} s, "
        f"PostgreSQL {server.processor_seconds() - theirs:.1f} s",
        flush=True,
    )


def _print_hour(name: str, settings: Settings, as_of: datetime, server: PostgresServer) -> None:
    steps: dict[str, Callable[[], object]] = {
        "load": lambda: load(settings),
        "build": lambda: build_maps(settings, as_of=as_of),
        "check": lambda: check(settings, as_of=as_of),
        "publish": lambda: publish(settings, as_of=as_of),
    }
    for label, step in steps.items():
        _print_step(f"{name}, {as_of:%H:%M}, {label}", server, step)


def main() -> None:
    """Build, move, and print what each hour takes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--series", type=int, default=500)
    parser.add_argument("--assets", type=int, default=100)
    parser.add_argument("--days", type=int, default=2)
    parser.add_argument("--hours", type=int, default=2)
    chosen = parser.parse_args()
    print_machine()
    n_bars = chosen.days * 288
    described, *records = market(
        chosen.series, chosen.assets, START, n_bars + chosen.hours * _HOUR_BARS, seed=2
    )
    first = START + n_bars * BAR
    with TemporaryDirectory(prefix="lake-") as folder, postgres_server() as server:
        filed = Settings(home=Path(folder) / "file", threads=2)
        land(described, filed.landing, "described")
        due, records = split_at(records, first)
        _land(filed, due, first)
        _print_hour("file", filed, first, server)
        shutil.copytree(filed.home, Path(folder) / "lake", symlinks=True)
        lake = Lake(server, server.make_database(), str(Path(folder) / "data"))
        laked = lake.settings(Path(folder) / "lake").model_copy(update={"threads": 2})
        _print_step("move", server, lambda: move_to(filed, lake.address, data=lake.data))
        for number in range(chosen.hours):
            end = first + (number + 1) * timedelta(hours=1)
            due, records = split_at(records, end)
            for name, settings in (("file", filed), ("lake", laked)):
                _land(settings, due, end)
                _print_hour(name, settings, end, server)
        with open_writer(laked) as connection:
            _print_step("tidy", server, lambda: tidy(connection, first + timedelta(days=9000)))
        files = list(Path(lake.data).rglob("*.parquet"))
        size = sum(path.stat().st_size for path in files) / 1e6
        print(f"data of the lake: {size:.0f} MB in {len(files)} files")
        print(f"the file: {filed.warehouse.stat().st_size / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
