"""A small simulated market, a home to work in, and the comparison of two warehouses.

Belongs here: what several tests need to put records through the pipeline and to look at what came
of them. Does not belong here: anything a test asserts.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest import mock

import duckdb
import numpy as np
import pyarrow as pa

from jobs.build import limits
from jobs.build.build_assets import BuildOptions, BuildReport, build_assets
from jobs.build.path_records import PathModel
from jobs.collect.landing import land
from jobs.engines.engine_choice import EngineChoice
from jobs.settings import Settings
from sources.records import SCHEMAS, Batch
from sources.simulated import MarketParameters, simulate
from sources.simulated.parameters import ASSETS, VENUES
from transforms.estimators import ESTIMATORS, EstimatorParameters
from warehouse.as_published import PUBLICATION_RECORDS
from warehouse.connect import open_warehouse
from warehouse.contracts import relations
from warehouse.database_file import FileStorage
from warehouse.load import LoadReport, load_landing_files

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)

# The span crosses a first of the month, whose checkpoint is kept.
START = datetime(2026, 1, 29, tzinfo=UTC)
DAYS = 4
END = START + DAYS * DAY

# One linear venue and one inverse, one liquid coin and the thin one with its whale.
MARKET = MarketParameters(
    start=START,
    days=DAYS,
    seed=7,
    venues=(VENUES[0], VENUES[2]),
    assets=(ASSETS[0], ASSETS[4]),
    warm_up_days=1,
)

# One of each kind: the recursion on mark, the recursion on last price, no recursion at all.
FEW = tuple(ESTIMATORS[name] for name in ("turnover", "public_convention", "volume_profile"))

ONE_THREAD = EngineChoice(workers=1)

INSTANTS = {
    "ohlcv": "bar_start_at",
    "mark_ohlc": "bar_start_at",
    "open_interest": "observed_at",
    "funding_rate": "funded_at",
    "realised_liquidation": "period_start_at",
    "provider_map": "as_of",
}

Records = dict[str, pa.Table]


def records_of(parameters: MarketParameters) -> Records:
    """Return the records of a market, one table a kind."""
    parts: dict[str, list[pa.Table]] = {}
    for batch in simulate(parameters):
        parts.setdefault(batch.kind, []).append(batch.table)
    return {kind: pa.concat_tables(tables).combine_chunks() for kind, tables in parts.items()}


def table_of(kind: str, rows: Iterable[dict[str, Any]], ingested_at: datetime = END) -> pa.Table:
    """Return rows as a table of a kind; what they leave out is NULL."""
    stamped = [{"source": "test", "ingested_at": ingested_at, **row} for row in rows]
    return pa.Table.from_pylist(stamped, schema=SCHEMAS[kind])


def instrument_row(asset: str = "BTC", venue: str = "binance", **more: Any) -> dict[str, Any]:
    """Return a linear perpetual contract as a venue lists it."""
    return {
        "venue": venue,
        "instrument": f"{asset}/USDT:USDT",
        "asset": asset,
        "quote": "USDT",
        "contract_kind": "linear",
        "contract_size": 1.0,
        "base_multiplier": 1.0,
        "is_active": True,
        "observed_at": START,
        **more,
    }


def stamped(table: pa.Table, ingested_at: datetime) -> pa.Table:
    """Return the table as if it had been taken in at an instant."""
    position = table.schema.get_field_index("ingested_at")
    column = table.schema.field(position)
    return table.set_column(
        position, column, pa.repeat(pa.scalar(ingested_at, column.type), len(table))
    )


def instants(table: pa.Table, kind: str) -> np.ndarray:
    """Return when each row is of, shape (n_rows,) [hours since START]."""
    at = table[INSTANTS[kind]].to_numpy().astype("datetime64[us]")
    return (at - np.datetime64(START.replace(tzinfo=None))) / np.timedelta64(1, "h")


def where(table: pa.Table, keep: Sequence[bool] | np.ndarray) -> pa.Table:
    """Return the rows to keep."""
    return table.filter(pa.array(np.asarray(keep, dtype=np.bool_)))


def with_column(table: pa.Table, name: str, values: np.ndarray) -> pa.Table:
    """Return the table with a column replaced."""
    position = table.schema.get_field_index(name)
    column = table.schema.field(position)
    return table.set_column(position, column, pa.array(values, type=column.type))


def of_one_series(
    records: Records, first: float = float("-inf"), last: float = float("inf")
) -> Records:
    """Return the records of BTC's linear contract between two hours since START."""
    chosen = {}
    for kind in ("instrument", "leverage_bracket", *INSTANTS):
        if kind == "provider_map":
            continue
        table = records[kind]
        names = zip(table["venue"].to_pylist(), table["instrument"].to_pylist(), strict=True)
        is_wanted = np.array([name == ("sim_alpha", "BTC/USDT:USDT") for name in names])
        if kind in INSTANTS:
            at = instants(table, kind)
            is_wanted &= (at >= first) & (at < last)
        chosen[kind] = where(table, is_wanted)
    return chosen


class Workshop:
    """A home with the writer's connection open.

    Parameters
    ----------
    home : Path
        Its folder.
    connection : DuckDBPyConnection
        The writer's.
    close : callable
        Closes the warehouse, for what opens it itself.
    """

    def __init__(
        self, home: Path, connection: duckdb.DuckDBPyConnection, close: Callable[[], None]
    ) -> None:
        self.settings = Settings(home=home)
        self.connection = connection
        self.close = close
        # Names go on after those that were loaded, also in a copy of a home.
        self._landed = self.one("select count(*) from meta.landing_file")

    def land(self, kind: str, table: pa.Table, name: str | None = None) -> Path:
        """Land a table under a name of its own."""
        self._landed += 1
        return land(Batch(kind, table), self.settings.landing, name or f"landed-{self._landed:05d}")

    def load(self) -> LoadReport:
        """Load what has landed."""
        return load_landing_files(
            self.connection, self.settings.landing, run_id="load", loaded_at=END
        )

    def take_in(self, records: Records) -> LoadReport:
        """Land and load records; empty tables are left out."""
        for kind, table in records.items():
            if len(table):
                self.land(kind, table)
        return self.load()

    def build(
        self,
        as_of: datetime,
        estimators: Sequence[EstimatorParameters] = FEW,
        path_models: Sequence[PathModel] = (),
        detail_hours: int = limits.DETAIL_HOURS,
        engine: EngineChoice = ONE_THREAD,
    ) -> BuildReport:
        """Build up to an hour."""
        return build_assets(
            self.connection,
            as_of=as_of,
            estimators=estimators,
            run_id="build",
            path_models=path_models,
            options=BuildOptions(engine, detail_hours),
        )

    def rows(self, sql: str, parameters: Sequence[Any] | None = None) -> list[tuple[Any, ...]]:
        """Return the rows of a query."""
        return self.connection.execute(sql, parameters).fetchall()

    def one(self, sql: str, parameters: Sequence[Any] | None = None) -> Any:
        """Return the one value of a query."""
        ((value,),) = self.rows(sql, parameters)
        return value


@cache
def _empty_warehouse() -> bytes:
    """Return the file of a warehouse without rows; making one takes longer than a small build."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / _TEMPLATE
        with open_warehouse(path, threads=1):
            pass
        return path.read_bytes()


_TEMPLATE = "template.duckdb"


@contextmanager
def copied_warehouses() -> Iterator[None]:
    """Let `open_warehouse` copy an empty warehouse where there is none, instead of making one."""
    held = FileStorage.held

    def held_copy(storage: FileStorage) -> AbstractContextManager[None]:
        if storage.path.name != _TEMPLATE and not storage.path.exists():
            storage.path.parent.mkdir(parents=True, exist_ok=True)
            storage.path.write_bytes(_empty_warehouse())
        return held(storage)

    with mock.patch.object(FileStorage, "held", held_copy):
        yield


def prepare_home(home: Path) -> None:
    """Give a home an empty warehouse, unless it has one."""
    path = home / "warehouse.duckdb"
    if not path.exists():
        home.mkdir(parents=True, exist_ok=True)
        path.write_bytes(_empty_warehouse())


@contextmanager
def workshop(home: Path) -> Iterator[Workshop]:
    """Yield a workshop in a folder, made where absent."""
    prepare_home(home)
    with ExitStack() as stack:
        connection = stack.enter_context(open_warehouse(home / "warehouse.duckdb", threads=1))
        yield Workshop(home, connection, stack.close)


def home_with(
    records: Records,
    folder: Path,
    opened: Callable[[Path], AbstractContextManager[Workshop]] = workshop,
) -> Path:
    """Return a home in a folder, with records loaded and nothing built."""
    home = folder / "home"
    with opened(home) as shop:
        shop.take_in(records)
    return home


# Who wrote a row and when differs from run to run; everything else may not.
_RUN_COLUMNS = {"run_id", "ingested_at", "loaded_at"}
_NAMES = ("one", "other")


def differences(
    one: Path,
    other: Path,
    *,
    schemas: Sequence[str] = ("intermediate", "derived"),
    conditions: Mapping[str, str] | None = None,
) -> dict[str, list[dict[str, Any]]]:
    """Return rows that only one of two databases has, some of each relation and direction.

    Parameters
    ----------
    one, other : Path
        Database files that nobody is writing.
    schemas : sequence of str
        Whose declared relations are compared, run columns left out.
    conditions : mapping of str to str, optional
        By relation, in SQL: which of its rows are compared; all where not given.

    Returns
    -------
    dict of str to list of dict
        Empty where both hold the same rows as often.
    """
    compared = [relation for relation in relations().values() if relation.schema in schemas]
    found: dict[str, list[dict[str, Any]]] = {}
    with _attached(one, other) as connection:
        for relation in compared:
            # Runs and publications have instants and ids of their own.
            if relation.name in ("marts.pipeline_runs", *PUBLICATION_RECORDS):
                continue
            columns = ", ".join(
                f'"{column.name}"' for column in relation.columns if column.name not in _RUN_COLUMNS
            )
            condition = (conditions or {}).get(relation.name, "true")
            rows = {
                name: f"select {columns} from {name}.{relation.name} where {condition}"
                for name in _NAMES
            }
            # Multisets that are equal have equal sums of hashes; looked at closer where not.
            one_sum, other_sum = (
                connection.execute(
                    f"select count(*), sum(hash(rows)::hugeint) from ({rows[name]}) as rows"
                ).fetchone()
                for name in _NAMES
            )
            if one_sum == other_sum:
                continue
            for only, less in (_NAMES, _NAMES[::-1]):
                left = connection.execute(f"{rows[only]} except all {rows[less]}").to_arrow_table()
                if len(left):
                    some = left.slice(0, 3).to_pylist()
                    found[f"{relation.name}: {len(left)} only in {only}"] = some
    return found


@contextmanager
def _attached(one: Path, other: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'")
        connection.execute(f"attach '{one}' as one (read_only)")
        connection.execute(f"attach '{other}' as other (read_only)")
        yield connection
