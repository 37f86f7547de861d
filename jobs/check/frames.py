"""The frames that suites check, from the hours of the connection's window.

Does not belong here: what is checked in them (``quality.suites``).
"""

from collections.abc import Iterable
from typing import Any

from duckdb import DuckDBPyConnection

from quality.gates import Gates, venue_gates
from sources.venues.declared import venues_with_one_side
from warehouse.contracts import Relation, relations
from warehouse.models import models


def suite_frames(connection: DuckDBPyConnection, suite: str, gates: Gates) -> dict[str, Any]:
    """Return the pandas frames of a suite by name."""
    queries = _queries(suite, gates)
    return {
        name: connection.execute(sql, list(parameters)).to_arrow_table().to_pandas()
        for name, (sql, parameters) in queries.items()
    }


def _queries(suite: str, gates: Gates) -> dict[str, tuple[str, Iterable[Any]]]:
    noise = (gate.measure for gate in venue_gates(gates).values() if gate.role == "noise")
    measures = (
        f"select asset, venue, as_of, {', '.join(dict.fromkeys(noise))} "
        "from intermediate.int_quality_measures where in_window(as_of)",
        (),
    )
    match suite:
        case "door":
            return {
                "schema": _schema_query(),
                "unknown": ("from intermediate.int_unknown_instrument", ()),
                # A venue that publishes one side itself is better evidence than odd lots.
                "sides": (
                    "select * replace (if(list_contains(?, venue), null, contradiction_count) "
                    "as contradiction_count) from intermediate.int_odd_lot",
                    [venues_with_one_side()],
                ),
                "measures": measures,
            }
        case "bars":
            return {
                "hours": (
                    "select asset, venue, instrument, as_of, high, low, close, volume_quantity, "
                    "open_interest_quantity, bar_count * bar_seconds as covered_seconds, "
                    "epoch(last_bar_end_at - as_of) as ahead_seconds "
                    "from intermediate.int_instrument_hour where in_window(as_of)",
                    (),
                ),
                "measures": measures,
                "quotes": (
                    "select asset, 'all' as venue, as_of, quote_deviation_bps "
                    "from marts.market_context_hourly where in_window(as_of)",
                    (),
                ),
            }
        case "maps":
            return {
                "maps": (
                    "select asset, venue, provider, as_of, not_finite_side_count, smallest, "
                    "books_error_ratio, range_ratio, sum_deviation_ratio, "
                    # Maps of other providers may lie on either side of price.
                    "if(is_estimate, wrong_side_ratio, null) as wrong_side_ratio, "
                    "if(is_estimate, change_ratio - explained_ratio, null) "
                    "as unexplained_change_ratio from intermediate.int_map_audit",
                    (),
                )
            }
        case _:
            return {
                "relations": (_relations_query(), ()),
                "verdicts": (
                    "select asset, 'all' as venue, as_of, grade, "
                    "(grade <> 'A' and len(reasons) = 0)::integer as unexplained_count "
                    "from (select distinct asset, as_of from derived.series_hour "
                    "where in_window(as_of)) "
                    "left join (from marts.asset_quality_hourly where venue = 'all') "
                    "using (asset, as_of)",
                    (),
                ),
            }


def _schema_query() -> tuple[str, list[Any]]:
    """Return the query that joins every stored column with its declaration."""
    views = {model.name for model in models() if model.materialized != "incremental"}
    declared = [
        (relation.name, column.name, column.type)
        for relation in relations().values()
        if relation.name not in views
        for column in relation.columns
    ]
    return (
        "with declared as (select unnest(?::varchar[]) as relation, "
        "unnest(?::varchar[]) as column_name, unnest(?::varchar[]) as declared_type), "
        "stored as (select schema_name || '.' || table_name as relation, column_name, "
        "data_type as stored_type from duckdb_columns() "
        "where database_name = current_catalog()) "
        "select relation, column_name, coalesce(stored_type, 'missing') as stored_type, "
        "coalesce(declared_type, 'not declared') as declared_type from declared "
        "left join stored using (relation, column_name)",
        [list(column) for column in zip(*declared, strict=True)],
    )


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
    return (
        f"select '{relation.name}' as relation, asset, as_of, count(*) as row_count, "
        f"count(*) - count(distinct ({key})) as duplicate_count, "
        f"coalesce(sum({nulls}), 0)::bigint as null_count from {relation.name} "
        "where in_window(as_of) group by asset, as_of"
    )
