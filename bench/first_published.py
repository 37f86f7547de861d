"""What keeping rows as first published costs: processor time and bytes of publications of a home.

Publishes a copy of a built home again and again: with nothing changed in the newest day, and with a
day of one asset's maps, bands and context changed as late data changes them. Run it from the
project root with

    .venv/bin/python -m bench.first_published --home data
"""

import argparse
import logging
import shutil
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb

from jobs.settings import Settings
from jobs.writer import open_writer
from warehouse.as_published import kept_relations, replaced_table
from warehouse.connect import scalar, transaction
from warehouse.first_published import FirstPublished
from warehouse.publication import publication

_CHANGED = ("derived.heatmap", "derived.band", "derived.series_hour")


def main() -> None:
    """Publish a copy of a home and print what each publication cost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--asset", default="BTC")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)
    comparing = 0.0
    record = FirstPublished.record

    def timed(made: FirstPublished, days: object) -> None:
        nonlocal comparing
        began = time.process_time()
        record(made, days)  # type: ignore[arg-type]
        comparing = time.process_time() - began

    FirstPublished.record = timed  # type: ignore[method-assign,assignment]
    with TemporaryDirectory(prefix="first-", dir=arguments.home.parent) as folder:
        shutil.copyfile(arguments.home / "warehouse.duckdb", Path(folder) / "warehouse.duckdb")
        settings = Settings(home=Path(folder))
        with open_writer(settings) as connection:
            newest = scalar(connection, "select max(as_of) from derived.heatmap")

            def publish(what: str) -> None:
                began = time.process_time()
                path = _publish(connection, settings, newest)
                seconds = time.process_time() - began
                row_count, byte_count = _kept(connection, path)
                print(
                    f"{what}: {seconds:.1f} s of processor, {comparing:.1f} s of them comparing; "
                    f"{path.stat().st_size / 1e6:,.1f} MB, {row_count:,} rows kept in "
                    f"{byte_count / 1e6:,.1f} MB of blocks",
                    flush=True,
                )

            connection.execute("delete from meta.pending_publish")
            publish("first")
            for _ in range(3):
                _mark(connection, newest)
                publish("an hour more, nothing late")
            for table in _CHANGED:
                connection.execute(
                    f"update {table} set price = price * 1.0001 "
                    "where asset = ? and as_of > ? and as_of <= ?",
                    [arguments.asset, newest - timedelta(days=1), newest],
                )
            _mark(connection, newest)
            _mark(connection, newest - timedelta(days=1))
            publish(f"a day of late data of {arguments.asset}")
            _mark(connection, newest)
            publish("an hour more after it")


def _publish(connection: duckdb.DuckDBPyConnection, settings: Settings, newest: datetime) -> Path:
    window_start = newest - timedelta(days=settings.publish_window_days)
    with publication(
        connection,
        settings.published,
        window_start=window_start,
        published_at=datetime.now(UTC),
    ) as made:
        made.fill()
        with transaction(connection):
            made.record()
        path = made.swap_in()[0]
    # The Parquet of the days is left out of the measurement.
    connection.execute("delete from meta.pending_publish")
    return path


def _kept(connection: duckdb.DuckDBPyConnection, path: Path) -> tuple[int, int]:
    """Return the rows kept and the bytes of the blocks that their tables use."""
    connection.execute(f"attach '{path.resolve()}' as shown (read_only)")
    tables = [f"shown.{replaced_table(relation)}" for relation in kept_relations()]
    blocks = " union ".join(
        f"select block_id from pragma_storage_info('{table}') where persistent" for table in tables
    )
    rows = " + ".join(f"(select count(*) from {table})" for table in tables)
    row_count, byte_count = connection.execute(
        f"select {rows}, (select count(*) from ({blocks})) * block_size "
        "from pragma_database_size() where database_name = 'shown'"
    ).fetchone() or (0, 0)
    connection.execute("detach shown")
    return row_count, byte_count


def _mark(connection: duckdb.DuckDBPyConnection, at: datetime) -> None:
    connection.execute("insert into meta.pending_publish values (?)", [at.date()])


if __name__ == "__main__":
    main()
