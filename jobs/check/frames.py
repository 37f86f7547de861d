"""The frames that suites check, from the hours of the connection's window.

Does not belong here: what is checked in them (``quality.suites``).
"""

from typing import Any

from duckdb import DuckDBPyConnection

from quality.gates import Gates, venue_gates
from sources.venues.declared import venues_with_one_side
from warehouse.contracts import Relation, relations
from warehouse.models import models
from warehouse.queries import named_query


def suite_frames(connection: DuckDBPyConnection, suite: str, gates: Gates) -> dict[str, Any]:
    """Return the pandas frames of a suite by name."""

    def frame(sql: str, **parameters: object) -> Any:  # noqa: ANN401
        return connection.execute(sql, parameters).to_arrow_table().to_pandas()

    noise = (gate.measure for gate in venue_gates(gates).values() if gate.role == "noise")
    measures = (
        f"select asset, venue, as_of, {', '.join(dict.fromkeys(noise))} "
        "from intermediate.int_quality_measures where in_window(as_of)"
    )
    match suite:
        case "door":
            one_sided = list(venues_with_one_side())
            return {
                "schema": frame(named_query("check_schema"), **_declared_columns()),
                "unknown": frame("from intermediate.int_unknown_instrument"),
                "sides": frame(named_query("check_sides"), one_sided=one_sided),
                "measures": frame(measures),
            }
        case "bars":
            return {
                "hours": frame(named_query("check_hours")),
                "measures": frame(measures),
                "quotes": frame(named_query("check_quotes")),
            }
        case "maps":
            return {"maps": frame(named_query("check_maps"))}
        case _:
            return {
                "relations": frame(_relations_query()),
                "verdicts": frame(named_query("check_verdicts")),
            }


def _declared_columns() -> dict[str, list[str]]:
    """Return relation, name and type of every stored column as its contract declares it."""
    views = {model.name for model in models() if model.materialized != "incremental"}
    stored = [relation for relation in relations().values() if relation.name not in views]
    return {
        "relations": [relation.name for relation in stored for _ in relation.columns],
        "columns": [column.name for relation in stored for column in relation.columns],
        "types": [column.type for relation in stored for column in relation.columns],
    }


def _relations_query() -> str:
    """Return the query that counts rows, repeated keys and missing values of what is published.

    It has a row for each asset and hour with either, and one for all others of a relation. A view
    is checked by the rows that it unfolds.
    """
    views = {model.name for model in models() if model.materialized == "view"}
    counts = " union all ".join(
        _count_query(relation)
        for relation in relations().values()
        if (relation.is_public or relation.name == "derived.heatmap")
        and relation.name not in views
        and relation.unfolded_by is None
        and "as_of" in relation.grain
    )
    return (
        "select relation, if(is_at_fault, asset, null) as asset, 'all' as venue, "
        "if(is_at_fault, as_of, null) as as_of, sum(row_count)::bigint as row_count, "
        "sum(duplicate_count)::bigint as duplicate_count, sum(null_count)::bigint as null_count "
        f"from (select *, duplicate_count + null_count > 0 as is_at_fault from ({counts})) "
        "group by all"
    )


def _count_query(relation: Relation) -> str:
    key = ", ".join(f'"{name}"' for name in relation.grain)
    nulls = " + ".join(
        f'("{column.name}" is null)::integer'
        for column in relation.columns
        if not column.is_nullable
    )
    # What is measured of all assets together has no column of them.
    asset = "asset" if "asset" in relation.column_names else "null::varchar as asset"
    return (
        f"select '{relation.name}' as relation, {asset}, as_of, count(*) as row_count, "
        f"count(*) - count(distinct ({key})) as duplicate_count, "
        f"coalesce(sum({nulls}), 0)::bigint as null_count from {relation.name} "
        "where in_window(as_of) group by all"
    )
