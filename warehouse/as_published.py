"""Relations as first published: what a reader saw of an hour when it was new.

Belongs here: which relations are kept in this way, the tables of replaced rows (schema
``replaced``) and the views that put them together with what still holds (schema ``as_published``).
Does not belong here: which rows a publication replaces (``warehouse.first_published``).

A row of ``replaced.<relation>`` is one of three:

- a row as first published, with ``replaced_at``;
- the grain of a row that still holds and came later than its hour: no ``replaced_at``;
- an hour whose rows as first published are not kept: ``is_kept`` false, all else but the hour NULL.
"""

import hashlib
import re
from dataclasses import replace
from functools import cache

from warehouse.contracts import Column, Relation, public_relations, relations
from warehouse.errors import ContractViolation
from warehouse.models import definitions_sha256, models

PUBLISHED_HOURS = "marts.published_hours"
PUBLISHED_CHANGES = "marts.published_changes"

PUBLICATION_RECORDS = (PUBLISHED_HOURS, PUBLISHED_CHANGES)
"""Marts that a publication fills about itself, after all others."""

SCHEMA = "as_published"
REPLACED_SCHEMA = "replaced"

# Where an unfolding view takes its last columns from; by convention its last CTE ends so.
_LAST_COLUMNS = re.compile(r",\n    from (\w+)\n\)\n\nselect \* from \w+\s*\Z")


def added_columns() -> tuple[Column, ...]:
    """Return the columns of the views beyond those of their relation."""
    hours = {column.name: column for column in relations()[PUBLISHED_HOURS].columns}
    instant = hours["first_published_at"]
    return (
        replace(
            instant,
            description="Instant of the publication that readers first saw the row in; NULL where "
            "releases that did not record it published the hour.",
        ),
        replace(
            instant,
            name="replaced_at",
            description="Instant of the publication that replaced or removed it; NULL where it "
            "still holds.",
        ),
        replace(
            hours["is_kept"],
            description="False in the one row of an hour whose rows as first published are not "
            "kept; it has no other values.",
        ),
    )


ADDED_COLUMNS = ("first_published_at", "replaced_at", "is_kept")


@cache
def kept_relations() -> tuple[Relation, ...]:
    """Return the tables of the published file whose replaced rows are kept.

    Hourly ones, but for those of newest hours only: their rows leave by themselves.
    """
    views = {model.name for model in models() if model.materialized == "view"}
    return tuple(
        relation
        for relation in public_relations()
        if relation.is_hourly
        and not relation.has_newest_hours_only
        and relation.name not in (*views, *PUBLICATION_RECORDS)
    )


@cache
def as_published_relations() -> tuple[Relation, ...]:
    """Return the views, those that unfold arrays last."""
    kept = kept_relations()
    unfolding = [relations()[each.unfolded_by] for each in kept if each.unfolded_by]
    return tuple(
        replace(
            relation,
            name=f"{SCHEMA}.{relation.short_name}",
            description=f"As first published: {relation.description}",
            columns=(
                *(replace(column, is_nullable=True) for column in relation.columns),
                *added_columns(),
            ),
            unfolded_by=None,
        )
        for relation in (*kept, *unfolding)
    )


def replaced_table(relation: Relation) -> str:
    """Return the name of the table of a relation's replaced rows."""
    return f"{REPLACED_SCHEMA}.{relation.short_name}"


def hour_columns(relation: Relation) -> tuple[str, ...]:
    """Return the columns that say which hour a row is of: the asset where it has one, and as_of."""
    return tuple(name for name in ("asset", "as_of") if name in relation.grain)


def replaced_relation(relation: Relation) -> Relation:
    """Return the table of a relation's replaced rows, with the columns of the views."""
    return replace(
        relation, name=replaced_table(relation), columns=(*relation.columns, *added_columns())
    )


def view_selects() -> list[tuple[Relation, str]]:
    """Return the views with their SELECTs, each after those it reads."""
    by_name = {each.name: each for each in as_published_relations()}
    selects = [
        (by_name[f"{SCHEMA}.{relation.short_name}"], _select(relation))
        for relation in kept_relations()
    ]
    texts = {model.name: model.select for model in models()}
    for relation in kept_relations():
        if relation.unfolded_by:
            name = relation.unfolded_by.split(".")[1]
            selects.append((by_name[f"{SCHEMA}.{name}"], _unfolding(relation, texts)))
    return selects


def form_sha256() -> str:
    """Return the hash of all that a published file is made of, except its rows."""
    parts = [definitions_sha256()]
    for relation, select in view_selects():
        parts += [relation.name, select, *(column.comment for column in relation.columns)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _matching(columns: tuple[str, ...], one: str, other: str) -> str:
    return " and ".join(f'{one}."{name}" = {other}."{name}"' for name in columns)


def _select(relation: Relation) -> str:
    """Return the SELECT of a view: rows that still hold, then those that were replaced."""
    hour = hour_columns(relation)
    columns = ", ".join(f'"{name}"' for name in (*relation.column_names, *ADDED_COLUMNS))
    table = replaced_table(relation)
    hours = PUBLISHED_HOURS
    if "asset" not in hour:
        hours = (
            "(select as_of, min(first_published_at) as first_published_at "
            f"from {PUBLISHED_HOURS} group by as_of)"
        )
    return (
        "select own.*, "
        "coalesce(marked.first_published_at, hours.first_published_at) as first_published_at, "
        "null::timestamp as replaced_at, true as is_kept "
        f"from {relation.name} as own "
        f"left join {table} as marked on {_matching(relation.grain, 'own', 'marked')} "
        f"left join (select distinct {', '.join(hour)} from {table} where not is_kept) as lost "
        f"on {_matching(hour, 'own', 'lost')} "
        f"left join {hours} as hours on {_matching(hour, 'own', 'hours')} "
        "where marked.replaced_at is null and lost.as_of is null "
        f"union all select {columns} from {table} where replaced_at is not null"
    )


def _unfolding(arrays: Relation, texts: dict[str, str]) -> str:
    """Return the SELECT of the view that unfolds the arrays as first published.

    Raises
    ------
    ContractViolation
        The model it is made of does not end as models do.
    """
    text = texts[arrays.unfolded_by or ""].replace(
        f"from {arrays.name}", f"from {SCHEMA}.{arrays.short_name}"
    )
    added = "".join(f",\n        {name}" for name in ADDED_COLUMNS)
    found = _LAST_COLUMNS.search(text)
    if found is None:
        raise ContractViolation(
            f"{arrays.unfolded_by}: the last CTE of a view that unfolds arrays lists its columns, "
            "each with a comma, and reads one CTE"
        )
    at = found.start()
    return f"{text[:at]}{added}{text[at:]}"
