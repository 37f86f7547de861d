"""Lakes of one folder: the catalogue in a file of DuckDB, the data beside it.

Belongs here: what needs neither PostgreSQL nor object storage. Does not belong here: lakes that
have both (`workbench.lakes`), what a test asserts.
"""

import pickle
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import duckdb

from jobs.settings import Settings
from jobs.writer import open_writer
from warehouse.contracts import relations
from workbench import Workshop

_CATALOGUE = "catalogue.ducklake"


def lake_settings(home: Path) -> Settings:
    """Return the settings of a home whose warehouse is a lake in its folder."""
    return Settings(
        home=home, warehouse=f"ducklake:{home / _CATALOGUE}", data=str(home / "data"), threads=1
    )


@contextmanager
def lake_workshop(home: Path) -> Iterator[Workshop]:
    """Yield a workshop in a home whose warehouse is a lake, made where absent."""
    settings = lake_settings(home)
    with ExitStack() as stack:
        connection = stack.enter_context(open_writer(settings))
        shop = Workshop(home, connection, stack.close)
        shop.settings = settings
        yield shop


def copy_lake(home: Path, to: Path) -> Path:
    """Copy a home whose warehouse is a lake in its folder; return the copy."""
    shutil.copytree(home, to)
    with duckdb.connect(str(to / _CATALOGUE)) as connection:
        connection.execute(
            "update ducklake_metadata set value = replace(value, ?, ?) where key = 'data_path'",
            [str(home), str(to)],
        )
    return to


def differing(shop: Workshop, other: Path) -> set[str]:
    """Return the tables of which a lake has other rows than a file; who wrote them may differ."""
    found = set()
    shop.rows(f"attach '{other}' as other (read_only)")
    for relation in relations().values():
        if relation.is_stored and relation.schema in ("intermediate", "derived"):
            columns = ", ".join(f'"{each}"' for each in relation.column_names if each != "run_id")
            sums = {
                shop.rows(
                    "select count(*), sum(hash(rows)::hugeint) "
                    f"from (select {columns} from {catalog}.{relation.name}) as rows"
                )[0]
                for catalog in ("warehouse", "other")
            }
            if len(sums) > 1:
                found.add(relation.name)
    shop.rows("detach other")
    return found


def data_files(home: Path, table: str) -> set[Path]:
    """Return the files that are there for a table, whether the lake knows them or not."""
    return set(home.glob(f"data/*/{table.replace('.', '/')}/*.parquet"))


class Apart:
    """An engine whose shards share nothing with the writer: all that they get and give is pickled.

    Each is run twice, as one whose worker died before its result was fetched.

    Parameters
    ----------
    shard_count : int
        Into how many shards work is cut.
    """

    shares_memory = False

    def __init__(self, shard_count: int = 16) -> None:
        self.shard_count = shard_count
        self.sent = b""

    def run(self, function: Any, shards: Any) -> Any:
        """Return what a function makes of each shard the second time."""
        with ThreadPoolExecutor(1) as pool:
            return [self._run(function, pickle.dumps(shard), pool) for shard in shards]

    def stream(self, function: Any, shards: Any) -> Any:
        """Return what a function makes of each shard the second time."""
        return self.run(function, list(shards))

    def _run(self, function: Any, shard: bytes, pool: ThreadPoolExecutor) -> Any:
        self.sent += shard
        for _ in range(2):
            outcome = pickle.dumps(function(pickle.loads(shard), pool))  # noqa: S301
        return pickle.loads(outcome)  # noqa: S301
