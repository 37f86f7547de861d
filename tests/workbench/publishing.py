"""Publishing a workshop's warehouse, whole or in parts, and reading what was published."""

import itertools
import subprocess
import sys
from datetime import UTC, datetime, timedelta

from warehouse import published_versions
from warehouse.connect import transaction
from warehouse.parquet_by_day import changed_days
from warehouse.publication import publication
from workbench import END, HOUR, START

LAST = START + 26 * HOUR
FILE = published_versions.PUBLISHED_FILE
EVERYTHING = datetime(2000, 1, 1, tzinfo=UTC)

# After everything that the market was ingested by, a minute apart.
_INSTANTS = (END + number * timedelta(minutes=1) for number in itertools.count(1))


def publication_of(shop, folder=None, window_start=EVERYTHING, **options):
    """Return a publication of the shop's warehouse, a minute after the one before."""
    folder = folder or shop.settings.published
    at = next(_INSTANTS)
    return publication(
        shop.connection, folder, window_start=window_start, published_at=at, **options
    )


def publish_file(shop, folder=None, window_start=EVERYTHING):
    """Publish the file alone; return it and its rows."""
    with publication_of(shop, folder, window_start) as made:
        made.fill()
        record(shop, made)
        return made.swap_in()


def record(shop, made):
    """Record what is published."""
    with transaction(shop.connection):
        made.record()


def publish_days(shop, on_day=lambda day: None):
    """Write the Parquet that is out of date, and no file; return its days."""
    days = changed_days(shop.connection)
    with publication_of(shop) as made:
        made.fill()
        made.write_days(days, threads=2, on_day=on_day)
        record(shop, made)
        made.discard()
    return days


def published_rows(path, sql):
    """Return the rows of a query, run in a process of its own as readers do."""
    shown = subprocess.run(
        [sys.executable, "-c", "import duckdb, sys; "
         "c = duckdb.connect(sys.argv[1], read_only=True); "
         "print(c.execute(sys.argv[2]).fetchall())", str(path), sql],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return eval(shown.stdout)  # noqa: S307


def publish_all(shop, window_start=EVERYTHING, **options):
    """Publish the file and the Parquet that is out of date; return the file and its rows."""
    with publication_of(shop, None, window_start, **options) as made:
        made.fill()
        made.write_days(changed_days(shop.connection), threads=2)
        record(shop, made)
        return made.swap_in()


def mark_day_changed(shop):
    """Put a day out of date, so that the next publication goes on from the last one."""
    shop.connection.execute("insert into meta.pending_publish values ('2026-01-30')")


def copied(built, home):
    """Return a home with a copy of the warehouse of another."""
    home.mkdir()
    (home / "warehouse.duckdb").write_bytes((built / "warehouse.duckdb").read_bytes())
    return home


def files_in(folder):
    return {path for path in folder.rglob("*") if path.is_file()}
