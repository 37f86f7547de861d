"""``docs/tables.md``: every public relation, what its numbers measure, and what is made of what.

Belongs here: words and the graph around the contracts. Does not belong here: what a table or a
column is (``sql/<schema>/<name>.yaml``).
"""

from collections.abc import Iterator

from warehouse.as_published import added_columns, as_published_relations
from warehouse.contracts import Column, Relation, public_relations, relations
from warehouse.measures import MEASURES
from warehouse.models import models

_HEAD = """\
# Tables

Generated from the contracts and models in `sql` by `liqheat tables --markdown`; do not edit.

`published/liqheat.duckdb` has all of them; instants are `TIMESTAMP` in UTC, whatever the time zone
of the client. `published/parquet/<table>/day=YYYY-MM-DD/data.parquet` has those with `as_of` in
their grain, but for arrays and for what is kept for the newest hours only; instants are marked as
UTC there. Each file carries the comments of its table and columns, as `comment` and
`comment.<column>` in its metadata (`parquet_kv_metadata` in DuckDB, `pyarrow.parquet.read_schema`);
files of earlier releases get them when their day is written again.

What a column's numbers measure says which aggregations mean something:

| measure | over hours | within an hour, of one provider | in words |
| --- | --- | --- | --- |
"""

_AFTER_MEASURES = """
Rows of venue `all` are sums over venues: add up the venues, or read `all`, never both. Providers
are different answers to one question: choose one, or compare them, never add them up.
"""


_AS_PUBLISHED = """\
# As published

Late data changes hours that readers have already seen. The schema `as_published` has the relations
below as they were first published: the rows that still hold, and in place of each that was
replaced or removed the one that readers saw first. Later states in between are not kept. What is
filled in as time passes, such as liquidations published later, is no change: such columns hold
what is known now. Columns are those of the relation of the same name, with three more:

| column | type | what it is |
| --- | --- | --- |
"""

_AFTER_AS_PUBLISHED = """
What readers saw at an instant has `first_published_at` at or before it. The rows replaced are
tables of the schema `replaced`, and Parquet by day in `published/replaced`. Where a publication
replaces more than `LIQHEAT_PUBLISH_KEPT_PERCENT` of the file, rows of the largest relations are
not kept: their hours are one row with `is_kept` false, and none where arrays are unfolded.

"""


def tables_page() -> str:
    """Return the page: relations in declared order, then the graph of models."""
    lines = [_HEAD + "".join(f"{line}\n" for line in _measures()) + _AFTER_MEASURES]
    for relation in public_relations():
        lines += _section(relation)
    lines += [
        _AS_PUBLISHED
        + "\n".join(
            f"| {each.name} | {each.published_type}{', or NULL' if each.is_nullable else ''} "
            f"| {each.description} |"
            for each in added_columns()
        )
        + "\n"
        + _AFTER_AS_PUBLISHED
        + "\n".join(f"- {each.name}" for each in as_published_relations()),
        "",
        "# What is made of what",
        "",
        "Each arrow goes from a table to one that reads it; views in between are left out.",
        "",
        "```mermaid",
        *lineage(),
        "```",
    ]
    return "\n".join(lines) + "\n"


def _measures() -> Iterator[str]:
    for each in MEASURES.values():
        yield (
            f"| {each.name} | {', '.join(each.over_hours)} | {', '.join(each.within_hour)} "
            f"| {each.comment} |"
        )


def _section(relation: Relation) -> list[str]:
    return [
        f"## {relation.name}",
        "",
        relation.description,
        "",
        f"Grain: {', '.join(relation.grain)}",
        "",
        "| column | type | measure | what it is |",
        "| --- | --- | --- | --- |",
        *map(_row, relation.columns),
        "",
    ]


def _row(column: Column) -> str:
    measure = column.measure.name if column.measure else ""
    sentence = column.description.replace("|", "\\|")
    null = ", or NULL" if column.is_nullable else ""
    return f"| {column.name} | {column.published_type}{null} | {measure} | {sentence} |"


def lineage() -> list[str]:
    """Return the graph of stored tables and public relations as lines of Mermaid."""
    by_name = {model.name: model for model in models()}
    public = {relation.name for relation in public_relations()}

    def stored_inputs(name: str) -> Iterator[str]:
        for read in by_name[name].reads:
            is_passed = read in by_name and read not in public and read not in relations()
            yield from stored_inputs(read) if is_passed else (read,)

    edges = sorted(
        (read, name) for name in by_name if name in relations() for read in set(stored_inputs(name))
    )
    names = dict.fromkeys(name for edge in edges for name in edge)
    return [
        "flowchart LR",
        *(f'  {_node(name)}["{name}"]' for name in names),
        *(f"  {_node(read)} --> {_node(name)}" for read, name in edges),
    ]


def _node(name: str) -> str:
    return name.replace(".", "_")
