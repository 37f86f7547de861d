"""The PostgreSQL outlet at size: a first copy, hours after it, readers meanwhile.

Starts a server of its own. What is published in a home is multiplied to the assets and days wanted
(the same rows under other names and on earlier days), since the outlet sees the published file
alone. Needs space in the temporary folder for the published file, the database and its log, some
15 GB for 90 days of 10 assets. Run it from the project root with

    .venv/bin/python -m bench.postgres --home data [--assets 50] [--days 10] [--hours 3]
"""

import argparse
import os
import shutil
import sys
import threading
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from workbench.postgres_server import PostgresServer, postgres_server

from bench.stopwatch import peak_mb, print_machine
from warehouse.contracts import Relation, public_relations
from warehouse.postgres.outlet import copy_publication
from warehouse.postgres.server_address import read_address
from warehouse.publication_base import PublicationMark
from warehouse.publication_days import record_publication

_FILE = "liqheat.duckdb"

# A server of 1 GB, as a small virtual machine has; the rest is PostgreSQL's own.
_OPTIONS = ("shared_buffers=1GB", "max_wal_size=2GB", "maintenance_work_mem=512MB")

_READ = (
    "select (select publication_id from liqheat.publication), "
    "(select max(as_of) from marts.liquidation_heatmap_hourly), "
    "(select max(as_of) from marts.liquidation_bands_hourly), "
    "(select max(as_of) from marts.market_context_hourly)"
)


class Multiplied:
    """Publications of many assets and days, made from those of a home.

    Parameters
    ----------
    source : Path
        The home's published file.
    folder : Path
        Where they are made.
    """

    def __init__(self, source: Path, folder: Path) -> None:
        self.link = folder / _FILE
        self._source = source.resolve()
        self.series = 0
        self._number = 0

    def first(self, assets: int, days: int) -> str:
        """Make a publication of so many assets and days."""
        path, name = self._next()
        shutil.copyfile(self._source, path)
        with duckdb.connect(str(path)) as made:
            (held_assets, held_days, newest), *_ = made.execute(
                "select count(distinct asset), count(distinct as_of::date), max(as_of) "
                "from marts.market_context_hourly"
            ).fetchall()
            made.execute("set threads = 2; set memory_limit = '6GB'")
            for relation in _hourly_tables(made):
                older = f"delete from {relation.name} where as_of <= ?"
                made.execute(older, [newest - timedelta(days=days)])
                _multiply(made, relation, assets // held_assets, -(-days // held_days), held_days)
                made.execute(older, [newest - timedelta(days=days)])
            (self.series,) = made.execute(
                "select count(distinct (asset, provider)) from marts.liquidation_bands_hourly"
            ).fetchall()[0]
            return self._finish(made, name, None)

    def next_hour(self) -> str:
        """Make the next publication: the newest hour once more, an hour later; the oldest goes.

        The file before becomes it: nobody reads that one, and a copy would need its size again.
        """
        before = self.link.resolve()
        path, name = self._next()
        before.rename(path)
        with duckdb.connect(str(path)) as made:
            oldest, newest = made.execute(
                "select min(as_of), max(as_of) from marts.market_context_hourly"
            ).fetchall()[0]
            later = newest + timedelta(hours=1)
            for relation in _hourly_tables(made):
                made.execute(
                    f"insert into {relation.name} select * replace (?::timestamp as as_of) "
                    f"from {relation.name} where as_of = ?",
                    [later, newest],
                )
                made.execute(f"delete from {relation.name} where as_of <= ?", [oldest])
            return self._finish(made, name, [later.date()])

    def _next(self) -> tuple[Path, str]:
        self._number += 1
        name = f"publication-{self._number}"
        path = self.link.parent / "versions" / name / _FILE
        path.parent.mkdir(parents=True)
        return path, name

    def _finish(
        self, made: duckdb.DuckDBPyConnection, name: str, changed: list[date] | None
    ) -> str:
        hourly = [each.name for each in _hourly_tables(made)]
        mark = PublicationMark(name, datetime.now(UTC), "")
        record_publication(made, self.link.stem, mark, changed, hourly)
        temporary = self.link.with_name("next")
        temporary.symlink_to(self.link.parent / "versions" / name / _FILE)
        temporary.replace(self.link)
        return name


def _hourly_tables(connection: duckdb.DuckDBPyConnection) -> list[Relation]:
    tables = {
        f"{schema}.{name}"
        for schema, name in connection.execute(
            "select schema_name, table_name from duckdb_tables()"
        ).fetchall()
    }
    return [each for each in public_relations() if each.is_hourly and each.name in tables]


def _multiply(
    connection: duckdb.DuckDBPyConnection, relation: Relation, assets: int, spans: int, days: int
) -> None:
    """Add assets of other names and earlier spans of days to a table."""
    name, table = relation.name, relation.name.split(".")[1]
    if "asset" in relation.grain:
        connection.execute(
            f"insert into {name} select {table}.* replace (asset || number::varchar as asset) "
            f"from {name}, range(1, {assets}) as others(number)"
        )
    connection.execute(
        f"insert into {name} select {table}.* replace "
        f"(as_of - number * interval {days} day as as_of) "
        f"from {name}, range(1, {spans}) as earlier(number)"
    )


class Reading(threading.Thread):
    """A reader's loop; keeps what it saw.

    Parameters
    ----------
    server : PostgresServer
        Where it reads.
    database : str
        What it reads.
    """

    def __init__(self, server: PostgresServer, database: str) -> None:
        super().__init__(daemon=True)
        self._server, self._database = server, database
        self.done = threading.Event()
        self.seen: dict[str, set[Any]] = {}
        self.errors: list[Exception] = []
        self.count = 0

    def run(self) -> None:
        """Read until done."""
        while not self.done.is_set():
            try:
                ((publication, *newest),) = self._server.run(self._database, _READ)
                self.seen.setdefault(publication, set()).add(tuple(newest))
                self.count += 1
            except Exception as exc:  # noqa: BLE001  (counted)
                self.errors.append(exc)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--assets", type=int, default=50)
    parser.add_argument("--days", type=int, default=10)
    parser.add_argument("--hours", type=int, default=3, help="publications after the first")
    parser.add_argument("--readers", action="store_true", help="read in a loop meanwhile")
    arguments = parser.parse_args()
    print_machine()
    with (
        TemporaryDirectory(prefix="outlet-") as folder,
        postgres_server(*_OPTIONS) as server,
    ):
        database = server.make_database()
        url = server.url(database)
        published = Multiplied(arguments.home / "published" / _FILE, Path(folder))
        published.first(arguments.assets, arguments.days)
        size = published.link.resolve().stat().st_size / 1e6
        print(
            f"{arguments.assets} assets x {arguments.days} days, {published.series} series of "
            f"asset and provider, published file {size:,.0f} MB"
        )
        _copy("first copy", server, url, published)
        reading = Reading(server, database) if arguments.readers else None
        if reading:
            reading.start()
        for _ in range(arguments.hours):
            published.next_hour()
            _copy("one more hour", server, url, published)
        if reading:
            reading.done.set()
            reading.join()
            halves = {name: each for name, each in reading.seen.items() if len(each) > 1}
            print(
                f"readers: {reading.count} statements over {len(reading.seen)} publications, "
                f"{len(reading.errors)} errors, {len(halves)} seen in part"
            )
        ((size,),) = server.run(database, f"select pg_database_size('{database}') / 1e6")
        print(f"database {size:,.0f} MB, peak of the publisher {peak_mb():.0f} MB")


def _copy(label: str, server: PostgresServer, url: str, published: Multiplied) -> None:
    computed = server.processor_seconds()
    began, cpu = time.perf_counter(), time.process_time()
    report = copy_publication(read_address(url), published.link)
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    print(
        f"{label}: {seconds:.1f} s (processor: publisher {cpu:.1f} s, server "
        f"{server.processor_seconds() - computed:.1f} s), {report.row_count:,} rows; "
        f"load {os.getloadavg()[0]:.1f}",
        flush=True,
    )


if __name__ == "__main__":
    main()
