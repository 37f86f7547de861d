"""The typed records of sources: one Arrow schema per kind, units normalised.

Belongs here: the shape of what lands, read from the contracts of the tables it is loaded into
(``sql/raw``). Does not belong here: how any venue spells it.

Words used throughout:

quantity
    Position units, which do not move with price: units of the asset for linear contracts,
    USD of contract value for inverse ones. ``contract_kind`` of the instrument tells which.
instrument
    The contract's unified symbol as ccxt spells it, ``BTC/USDT:USDT`` (linear) or
    ``BTC/USD:BTC`` (inverse). Unique within a venue.
price
    USD (or USD stablecoin) per one unit of the asset. Where a contract quotes 1000 units
    (1000PEPE), the source divides prices and multiplies quantities, so that ``asset`` PEPE has
    one price axis on every venue; the factor is kept in ``base_multiplier``.

All instants are UTC. NULL means not observed; it never means zero.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import yaml

_SQL = Path(__file__).resolve().parent.parent / "sql"

INSTANT = pa.timestamp("us", tz="UTC")

_ARROW_TYPES = {
    "text": pa.string(),
    "double": pa.float64(),
    "integer": pa.int32(),
    "bigint": pa.int64(),
    "boolean": pa.bool_(),
    "instant": INSTANT,
}


def _read_yaml(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = yaml.load(path.read_text(), yaml.CSafeLoader)
    return content


def _fields(path: Path, shared: dict[str, Any]) -> Iterator[pa.Field]:
    """Yield the columns of a contract (``warehouse/contracts.py`` has the format)."""
    for item in _read_yaml(path)["columns"]:
        for name in item:
            declared = item[name] if isinstance(item, dict) else shared[name]
            kind, *marks = declared[0].split()
            yield pa.field(name, _ARROW_TYPES[kind], nullable="null" in marks)


def _read_schemas() -> dict[str, pa.Schema]:
    shared = _read_yaml(_SQL / "columns.yaml")
    contracts = [*sorted((_SQL / "raw").glob("*.yaml")), _SQL / "quality" / "quarantine.yaml"]
    return {path.stem: pa.schema(list(_fields(path, shared))) for path in contracts}


SCHEMAS: dict[str, pa.Schema] = _read_schemas()
"""Arrow schema of each kind of record; ``quarantine`` holds rows that could not be used."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Records of one kind, ready to land.

    Parameters
    ----------
    kind : str
        A key of ``SCHEMAS``.
    table : pyarrow.Table
        Rows in exactly ``SCHEMAS[kind]``.
    """

    kind: str
    table: pa.Table

    def __post_init__(self) -> None:
        """Refuse a table that is not of the declared schema."""
        if not self.table.schema.equals(SCHEMAS[self.kind]):
            raise ValueError(
                f"{self.kind} batch has schema {self.table.schema}, expected {SCHEMAS[self.kind]}; "
                "build it with pyarrow.Table.from_pylist(rows, schema=SCHEMAS[kind]) or cast it"
            )


def make_batch(kind: str, rows: int, columns: Mapping[str, object]) -> Batch:
    """Return records of a kind from columns.

    Parameters
    ----------
    kind : str
        A key of ``SCHEMAS``.
    rows : int
        Number of records.
    columns : mapping of str to object
        By name: an ndarray of shape (rows,), a list or an Arrow array; any other value holds for
        all rows. Missing columns are NULL, further ones are left out. NaN becomes NULL; instants
        are datetime64, UTC.
    """
    arrays = [_make_column(columns.get(one.name), one.type, rows) for one in SCHEMAS[kind]]
    return Batch(kind, pa.Table.from_arrays(arrays, schema=SCHEMAS[kind]))


def _make_column(values: object, kind: pa.DataType, rows: int) -> Any:  # noqa: ANN401 (pyarrow)
    if isinstance(values, np.ndarray):
        return pa.array(values, from_pandas=True).cast(kind, safe=False)
    if isinstance(values, list):
        return pa.array(values, kind)
    if isinstance(values, pa.Array | pa.ChunkedArray):
        return values
    return pa.repeat(pa.scalar(values, kind), rows)
