"""What each stored table and mart is: columns, types, units, grain, one sentence each.

A contract is data, ``sql/<schema>/<name>.yaml``, beside the SELECT where there is one. From it come
Arrow schemas, comments in the database, ``docs/tables.md`` and the contract tests. DDL does not
belong here (``sql/migrations``), nor do SELECTs.

A column is ``name: [type, sentence]``; the type may be followed by ``null`` (it may be NULL), by
what its numbers measure (``warehouse.measures``; ratios and ages are figures anyway) and by
``later`` (it is filled in as time passes after the hour). Columns listed by name alone are those of
the contract that this one is ``like``, else of ``sql/columns.yaml``, which holds what means the
same everywhere.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import yaml

from warehouse.errors import ContractViolation
from warehouse.measures import FIGURE_SUFFIXES, MEASURES, ColumnMeasure
from warehouse.sql_text import quoted

SQL_FOLDER = Path(__file__).resolve().parent.parent / "sql"

# In the order in which data flows through them: a contract can be like one of an earlier schema.
_SCHEMAS = ("meta", "raw", "intermediate", "derived", "quality", "marts")

# DuckDB's spelling and the Arrow type; a list is spelled as its element and [].
_TYPES: dict[str, tuple[str, pa.DataType]] = {
    "text": ("VARCHAR", pa.string()),
    "double": ("DOUBLE", pa.float64()),
    "float": ("FLOAT", pa.float32()),
    "integer": ("INTEGER", pa.int32()),
    "bigint": ("BIGINT", pa.int64()),
    "boolean": ("BOOLEAN", pa.bool_()),
    "instant": ("TIMESTAMP WITH TIME ZONE", pa.timestamp("us", tz="UTC")),
    "blob": ("BLOB", pa.binary()),
    "date": ("DATE", pa.date32()),
    "reason": (
        'STRUCT("name" VARCHAR, measured DOUBLE, gate DOUBLE, severity VARCHAR)',
        pa.struct(
            {
                "name": pa.string(),
                "measured": pa.float64(),
                "gate": pa.float64(),
                "severity": pa.string(),
            }
        ),
    ),
}

_NUMBERS = ("double", "float", "integer", "bigint")


@dataclass(frozen=True, slots=True)
class Column:
    """One column.

    Parameters
    ----------
    name : str
        Its name.
    type : str
        As DuckDB spells it.
    arrow_type : DataType
        The same in Arrow.
    description : str
        One sentence with the unit.
    is_nullable : bool
        Whether it may be NULL.
    measure : ColumnMeasure, optional
        What its numbers measure; None for what is no number.
    is_filled_later : bool
        Whether it is filled in as time passes after the hour, as amounts published later are:
        filling it completes a row, it does not correct one.
    """

    name: str
    type: str
    arrow_type: pa.DataType
    description: str
    is_nullable: bool
    measure: ColumnMeasure | None
    is_filled_later: bool = False

    @property
    def is_number(self) -> bool:
        """Whether it holds numbers, or lists of them."""
        return self.type.removesuffix("[]") in {_TYPES[each][0] for each in _NUMBERS}

    @property
    def is_nested(self) -> bool:
        """Whether it holds lists or structs."""
        return self.type.endswith("]")

    @property
    def is_instant(self) -> bool:
        """Whether it holds instants."""
        return self.type == _TYPES["instant"][0]

    @property
    def published_type(self) -> str:
        """As DuckDB spells its type in the published file, where instants are in UTC."""
        return "TIMESTAMP" if self.is_instant else self.type

    @property
    def comment(self) -> str:
        """The sentence, and how its numbers are aggregated."""
        return f"{self.description} {self.measure.comment}" if self.measure else self.description


@dataclass(frozen=True, slots=True)
class Relation:
    """One table or view: what a row is and what its columns mean.

    Parameters
    ----------
    name : str
        Schema-qualified, ``marts.liquidation_heatmap_hourly``.
    grain : tuple of str
        Columns that identify a row.
    description : str
        One sentence for readers.
    columns : tuple of Column
        In stored order.
    has_newest_hours_only : bool
        Whether rows of older hours are deleted.
    unfolded_by : str, optional
        The view with a row for each element of its arrays; exports have the view instead.
    """

    name: str
    grain: tuple[str, ...]
    description: str
    columns: tuple[Column, ...]
    has_newest_hours_only: bool = False
    unfolded_by: str | None = None

    @property
    def schema(self) -> str:
        """The schema's name."""
        return self.name.split(".")[0]

    @property
    def short_name(self) -> str:
        """The name without the schema."""
        return self.name.split(".")[1]

    @property
    def is_public(self) -> bool:
        """Whether outside readers rely on it: marts and the verdicts of quality are published."""
        return self.schema in {"marts", "quality"}

    @property
    def is_stored(self) -> bool:
        """Whether the warehouse holds it as a table; marts are views there."""
        return self.schema != "marts"

    @property
    def is_hourly(self) -> bool:
        """Whether rows are of an hour."""
        return "as_of" in self.grain

    @property
    def hourly_order(self) -> str:
        """The order of hourly rows in SQL: by hour, then by the rest of the grain."""
        return ", ".join(
            f'"{name}"' for name in sorted(self.grain, key=lambda each: each != "as_of")
        )

    @property
    def is_by_day(self) -> bool:
        """Whether Parquet by day, which is kept for ever, holds its rows."""
        return self.is_hourly and not self.has_newest_hours_only and self.unfolded_by is None

    @property
    def column_names(self) -> tuple[str, ...]:
        """Names in stored order."""
        return tuple(column.name for column in self.columns)

    @property
    def instant(self) -> str:
        """The column of the instant a row is about; the ingestion time where there is no other."""
        instants = (each.name for each in self.columns if each.is_instant)
        return next((name for name in instants if name in self.grain), "ingested_at")

    @property
    def arrow_schema(self) -> pa.Schema:
        """The columns as an Arrow schema."""
        return pa.schema(
            [pa.field(each.name, each.arrow_type, each.is_nullable) for each in self.columns]
        )


def _column(name: str, declared: list[str] | None, where: str) -> Column:
    if declared is None or len(declared) != 2:
        raise ContractViolation(
            f"{where}: column {name} has no [type, sentence]; write one there, "
            "or in sql/columns.yaml if it means the same everywhere"
        )
    kind, *marks = declared[0].split()
    element = kind.removesuffix("[]")
    measures = [mark for mark in marks if mark in MEASURES]
    if element in _NUMBERS and name.endswith(FIGURE_SUFFIXES) and not measures:
        measures = ["figure"]
    if element not in _TYPES or set(marks) - {"null", "later", *measures} or len(measures) > 1:
        raise ContractViolation(
            f"{where}: column {name} has type {declared[0]}; known are {', '.join(_TYPES)}, "
            f"each with [] for a list, then null, then {', '.join(MEASURES)}, then later"
        )
    sql_type, arrow_type = _TYPES[element]
    if element != kind:
        sql_type, arrow_type = f"{sql_type}[]", pa.list_(arrow_type)
    measure = MEASURES[measures[0]] if measures else None
    is_later = "later" in marks
    return Column(name, sql_type, arrow_type, declared[1], "null" in marks, measure, is_later)


def _declared_columns(items: list[Any]) -> Iterator[tuple[str, list[str] | None]]:
    """Yield (name, what is declared of it): names alone are in lists, the others in mappings."""
    for item in items:
        yield from item.items() if isinstance(item, dict) else dict.fromkeys(item).items()


def _read_contract(
    path: Path, shared: dict[str, list[str]], known: Mapping[str, Relation]
) -> Relation:
    where = f"sql/{path.parent.name}/{path.name}"
    body = yaml.load(path.read_text(), yaml.CSafeLoader)
    like = {each.name: each for each in known[body["like"]].columns} if "like" in body else {}
    columns = tuple(
        like[name]
        if declared is None and name in like
        else _column(name, declared or shared.get(name), where)
        for name, declared in _declared_columns(body["columns"])
    )
    grain = tuple(body["grain"])
    unknown = set(grain) - {column.name for column in columns}
    if unknown:
        raise ContractViolation(f"{where}: grain names {sorted(unknown)}, not a column")
    return Relation(
        f"{path.parent.name}.{path.stem}",
        grain,
        body["description"],
        columns,
        body.get("newest_hours_only", False),
        body.get("unfolded_by"),
    )


@cache
def relations() -> dict[str, Relation]:
    """Return every declared relation by schema-qualified name, in the order data flows.

    Raises
    ------
    ContractViolation
        A contract lacks a type or sentence, or its grain names no column of it.
    """
    shared = yaml.safe_load((SQL_FOLDER / "columns.yaml").read_text())
    declared: dict[str, Relation] = {}
    for schema in _SCHEMAS:
        for path in sorted((SQL_FOLDER / schema).glob("*.yaml")):
            relation = _read_contract(path, shared, declared)
            declared[relation.name] = relation
    return declared


def record_kinds() -> tuple[str, ...]:
    """Return the kinds of records that land, instruments first: others find their asset there."""
    kinds = [name.removeprefix("raw.") for name in relations() if name.startswith("raw.")]
    return (*sorted(kinds, key=lambda kind: kind != "instrument"), "quarantine")


def raw_relation(kind: str) -> Relation:
    """Return the table that records of a kind are loaded into."""
    return relations()["quality.quarantine" if kind == "quarantine" else f"raw.{kind}"]


def stored_rows(name: str, columns: Mapping[str, Any]) -> pa.Table:
    """Return rows of a stored table, each column cast to the type of its contract.

    Parameters
    ----------
    name : str
        The table, schema-qualified.
    columns : mapping of str to array, list or scalar
        Values by column, at least one of them an array or list; a scalar (None for NULL) holds for
        every row. Instants may be integers [microseconds since 1970, UTC].

    Raises
    ------
    ContractViolation
        A column is missing, or the table has no such column.
    """
    schema = relations()[name].arrow_schema
    differing = sorted(set(columns) ^ set(schema.names))
    if differing:
        raise ContractViolation(
            f"{name}: columns {differing} are only in its contract or only in the rows; "
            "change one of them"
        )
    vectors = (np.ndarray, pa.Array, pa.ChunkedArray, list)
    row_count = next(len(each) for each in columns.values() if isinstance(each, vectors))
    return pa.table(
        {
            field.name: values
            if isinstance(values := columns[field.name], vectors)
            else pa.repeat(pa.scalar(values, field.type), row_count)
            for field in schema
        },
        schema=schema,
    )


def table_of(name: str, rows: Iterable[Any]) -> pa.Table:
    """Return dataclasses with the columns of a stored table as its rows."""
    return pa.Table.from_pylist([asdict(row) for row in rows], relations()[name].arrow_schema)


def public_relations() -> list[Relation]:
    """Return the relations that the published file offers, in declared order."""
    return [relation for relation in relations().values() if relation.is_public]


def comments(relation: Relation, kind: str, catalog: str = "") -> list[tuple[str, str]]:
    """Return what is commented of a relation, as COMMENT ON spells it, each with its comment.

    Parameters
    ----------
    relation : Relation
        Whose comments.
    kind : str
        ``table`` or ``view``: how the relation exists in the database commented.
    catalog : str
        Prefix with a dot where the relation lives in an attached database.
    """
    name = f"{catalog}{relation.name}"
    return [(f"comment on {kind} {name}", relation.description)] + [
        (f'comment on column {name}."{column.name}"', column.comment) for column in relation.columns
    ]


def comment_statement(on: str, comment: str) -> str:
    """Return the statement that writes one of ``comments``."""
    return f"{on} is {quoted(comment)}"


def comment_statements(relation: Relation, kind: str, catalog: str = "") -> list[str]:
    """Return the statements that write all ``comments`` of a relation."""
    return [comment_statement(*each) for each in comments(relation, kind, catalog)]
