"""What each stored table and public relation is: columns, types, units, grain, one sentence each.

The declarations are data, ``sql/contracts/<schema>.yaml``; columns that mean the same everywhere
are told once in ``sql/contracts/columns.yaml`` and listed elsewhere by name alone. From them come
the comments in the database, ``docs/tables.md`` and the contract tests. DDL does not belong here
(``sql/migrations``), nor do SELECTs (``sql``).
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

from warehouse.errors import ContractViolation

SQL_FOLDER = Path(__file__).resolve().parent.parent / "sql"

# Schemas in the order in which data flows through them.
_SCHEMAS = ("meta", "raw", "intermediate", "derived", "quality", "marts")

_TYPES = {
    "text": "VARCHAR",
    "double": "DOUBLE",
    "float": "FLOAT",
    "integer": "INTEGER",
    "bigint": "BIGINT",
    "boolean": "BOOLEAN",
    "instant": "TIMESTAMP WITH TIME ZONE",
    "blob": "BLOB",
    "date": "DATE",
    "text[]": "VARCHAR[]",
    "double[]": "DOUBLE[]",
    "float[]": "FLOAT[]",
    "integer[]": "INTEGER[]",
    "reason[]": 'STRUCT("name" VARCHAR, measured DOUBLE, gate DOUBLE, severity VARCHAR)[]',
}


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its DuckDB type, one sentence with its unit, and whether NULL may stand in it."""

    name: str
    type: str
    description: str
    is_nullable: bool


@dataclass(frozen=True, slots=True)
class Relation:
    """One table or view: what a row is and what its columns mean.

    Parameters
    ----------
    name : str
        Schema-qualified, ``marts.liquidation_heatmap_hourly``.
    grain : tuple of str
        Columns that tell rows apart.
    description : str
        One sentence for readers.
    columns : tuple of Column
        In stored order.
    """

    name: str
    grain: tuple[str, ...]
    description: str
    columns: tuple[Column, ...]

    @property
    def schema(self) -> str:
        """The schema's name."""
        return self.name.split(".")[0]

    @property
    def is_public(self) -> bool:
        """Whether outside readers rely on it: marts and the verdicts of quality are published."""
        return self.schema in {"marts", "quality"}

    @property
    def column_names(self) -> tuple[str, ...]:
        """Names in stored order."""
        return tuple(column.name for column in self.columns)


def _column(name: str, told: list[str] | None, shared: dict[str, list[str]], where: str) -> Column:
    spelled = told if told is not None else shared.get(name)
    if spelled is None or len(spelled) != 2:
        raise ContractViolation(
            f"{where}: column {name} has no [type, sentence]; write one there, "
            "or in sql/contracts/columns.yaml if it means the same everywhere"
        )
    kind, description = spelled
    if kind.removesuffix(" null") not in _TYPES:
        known = ", ".join(sorted(_TYPES))
        raise ContractViolation(f"{where}: column {name} has type {kind}; known are {known}")
    return Column(name, _TYPES[kind.removesuffix(" null")], description, kind.endswith(" null"))


@cache
def relations() -> dict[str, Relation]:
    """Return every declared relation by schema-qualified name, in the order data flows.

    Raises
    ------
    ContractViolation
        A declaration lacks a type or sentence, or its grain names no column of it.
    """
    folder = SQL_FOLDER / "contracts"
    shared = yaml.safe_load((folder / "columns.yaml").read_text())
    declared: dict[str, Relation] = {}
    for schema in _SCHEMAS:
        path = folder / f"{schema}.yaml"
        for short_name, body in (yaml.safe_load(path.read_text()) or {}).items():
            where = f"{path.name}: {short_name}"
            relation = Relation(
                name=f"{schema}.{short_name}",
                grain=tuple(body["grain"]),
                description=body["description"],
                columns=tuple(
                    _column(name, told, shared, where) for name, told in body["columns"].items()
                ),
            )
            unknown = set(relation.grain) - set(relation.column_names)
            if unknown:
                raise ContractViolation(f"{where}: grain names {sorted(unknown)}, not a column")
            declared[relation.name] = relation
    return declared


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
        (f'comment on column {name}."{column.name}"', column.description)
        for column in relation.columns
    ]


def comment_statement(on: str, comment: str) -> str:
    """Return the statement that writes one of ``comments``."""
    quoted = comment.replace("'", "''")
    return f"{on} is '{quoted}'"


def comment_statements(relation: Relation, kind: str, catalog: str = "") -> list[str]:
    """Return the statements that write all ``comments`` of a relation."""
    return [comment_statement(*each) for each in comments(relation, kind, catalog)]


def tables_page() -> str:
    """Return ``docs/tables.md``: every public relation with its grain, columns and units."""
    lines = [
        "# Tables",
        "",
        "Generated from `sql/contracts` by `liqheat tables --markdown`; do not edit.",
    ]
    for relation in public_relations():
        lines += [
            "",
            f"## {relation.name}",
            "",
            relation.description,
            "",
            f"Grain: {', '.join(relation.grain)}",
            "",
            "| column | type | what it is |",
            "| --- | --- | --- |",
        ]
        lines += [
            f"| {column.name} | {column.type}{', or NULL' if column.is_nullable else ''} "
            f"| {column.description.replace('|', chr(92) + '|')} |"
            for column in relation.columns
        ]
    return "\n".join(lines) + "\n"
