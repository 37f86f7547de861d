"""What BI tools do first with the published file, at 90 days of 50 assets and 5 providers.

Its rows are those of a small home (`liqheat demo`): every asset ten times under different names,
its ten days nine times one after the other, of five providers and the sum of venues. Macros, views
and summaries are those of a publication. Build once, then time it, alone or beside a file of
another shape:

    .venv/bin/python -m bench.bi build --from DEMO_HOME --file FIFTY.duckdb
    .venv/bin/python -m bench.bi time FIFTY.duckdb [ANOTHER.duckdb ...]
"""

import argparse
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

import duckdb

from warehouse.contracts import public_relations, relations
from warehouse.database_file import ROW_GROUP_SIZE
from warehouse.models import macros, models

PROVIDERS = ("turnover", "open_interest", "public_convention", "path_ledger", "volume_profile")
ASSET_COPIES = 10
SPAN_COPIES = 9
SPAN_DAYS = 10
REPEATS = 3
MAP = "marts.liquidation_heatmap_hourly"

# Which rows of a table are copied, where not all of them.
KEPT = {
    "marts.liquidation_heatmap_arrays": f"venue = 'all' and provider in {PROVIDERS}",
    "marts.liquidation_bands_hourly": (
        f"venue = 'all' and provider in {(*PROVIDERS, 'consensus')}"
    ),
    "marts.cascade_scenarios_hourly": f"venue = 'all' and provider in {PROVIDERS}",
    "marts.consensus_heatmap_arrays": "venue = 'all'",
    "marts.provider_disagreement_hourly": (
        f"venue = 'all' and provider_a in {PROVIDERS} and provider_b in {PROVIDERS}"
    ),
    "marts.liquidation_by_leverage_hourly": "venue = 'all' and provider = 'turnover'",
    "marts.liquidation_forecast_hourly": f"provider in {PROVIDERS}",
    "marts.series_books_hourly": f"provider in {PROVIDERS}",
}

# {0} is a relation; {1} a day in the middle, {2} the newest day.
QUERIES = {
    "distinct asset": "select distinct asset from {0}",
    "limit 1000": "select * from {0} limit 1000",
    "a day, as_of::date": "select count(*) from {0} where as_of::date = date '{1}'",
    "newest day, as_of::date": "select count(*) from {0} where as_of::date = date '{2}'",
    "an asset, newest day": (
        "select * from {0} where asset = 'BTC' and as_of >= timestamp '{2}' "
        "and as_of < timestamp '{2}' + interval 1 day"
    ),
    "an asset, a week": (
        "select * from {0} where asset = 'BTC' and as_of >= timestamp '{1}' "
        "and as_of < timestamp '{1}' + interval 7 days"
    ),
    "an asset, rows by day": (
        "select as_of::date as day, count(*) from {0} where asset = 'BTC' group by day"
    ),
    "count": "select count(*) from {0}",
}
WHOLE = {
    "assets": "select * from marts.assets",
    "newest map": "select * from marts.liquidation_heatmap_newest where asset = 'BTC'",
    "newest bands": "select * from marts.liquidation_bands_newest",
}


def build(source: Path, target: Path) -> None:
    """Write a published file of 90 days, 50 assets and 5 providers."""
    began = time.monotonic()
    with duckdb.connect(config={"threads": 2}) as connection:
        connection.execute(
            f"attach '{source}' as source (read_only); "
            f"attach '{target}' as target (row_group_size {ROW_GROUP_SIZE}); use target; "
            "create schema marts; create schema quality"
        )
        connection.execute(macros())
        by_name = {model.name: model for model in models()}
        made = {
            name for name, model in by_name.items() if model.materialized in ("view", "summary")
        }
        for relation in public_relations():
            if relation.name not in made:
                _copy_rows(connection, relation.name, is_hourly=relation.is_hourly)
                print(f"{time.monotonic() - began:.0f} s {relation.name}", flush=True)
        for name, model in by_name.items():
            if name.startswith("marts.") and name in made:
                kind = "table" if model.materialized == "summary" else "view"
                connection.execute(f"create {kind} {name} as {model.select}")
    print(f"{time.monotonic() - began:.0f} s, {target.stat().st_size / 1e9:.2f} GB")


def _copy_rows(connection: duckdb.DuckDBPyConnection, name: str, *, is_hourly: bool) -> None:
    kept = f"from source.{name} where {KEPT.get(name, 'true')}"
    if not is_hourly:
        connection.execute(f"create table target.{name} as {kept}")
        return
    columns = [row[0] for row in connection.execute(f"describe source.{name}").fetchall()]
    renamed = ", asset || copy as asset" if "asset" in columns else ""
    connection.execute(f"create table target.{name} as from source.{name} limit 0")
    for span in range(SPAN_COPIES):
        connection.execute(
            f"insert into target.{name} select rows.* replace "
            f"(as_of + interval {SPAN_DAYS * span} days as as_of{renamed}) "
            f"from (select if(range = 0, '', range::varchar) as copy from range({ASSET_COPIES})), "
            f"({kept}) as rows"
        )


def timed(path: Path) -> Iterator[tuple[str, str, tuple[float, float]]]:
    """Yield relation, query and its median times over some runs: elapsed and of all cores [s]."""
    with duckdb.connect(str(path), read_only=True) as connection:
        newest = connection.execute(
            f"select max(as_of) - interval 1 hour from {MAP.replace('hourly', 'arrays')}"
        ).fetchall()[0][0]
        days = [str(newest.date().replace(day=1)), str(newest.date())]
        tables = [each.name for each in public_relations() if each.is_by_day]
        for name in (MAP, *(each for each in tables if each != MAP)):
            has_asset = "asset" in relations()[name].column_names
            for query, text in QUERIES.items():
                if has_asset or "asset" not in text:
                    yield name, query, _median(connection, text.format(name, *days))
        for query, text in WHOLE.items():
            yield "", query, _median(connection, text)


def _median(connection: duckdb.DuckDBPyConnection, sql: str) -> tuple[float, float]:
    elapsed, computing = [], []
    for _ in range(REPEATS):
        began, used = time.perf_counter(), time.process_time()
        connection.execute(sql).to_arrow_table()
        elapsed.append(time.perf_counter() - began)
        computing.append(time.process_time() - used)
    return statistics.median(elapsed), statistics.median(computing)


def main() -> None:
    """Build the file, or print the times of every query."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    building = commands.add_parser("build")
    building.add_argument("--from", dest="source", type=Path, required=True)
    building.add_argument("--file", type=Path, required=True)
    timing = commands.add_parser("time")
    timing.add_argument("files", type=Path, nargs="+")
    arguments = parser.parse_args()
    if arguments.command == "build":
        build(arguments.source / "published" / "liqheat.duckdb", arguments.file)
        return
    for path in arguments.files:
        print(f"{path}: {path.stat().st_size / 1e9:.2f} GB")
        print(" elapsed   of all cores")
        for name, query, (elapsed, computing) in timed(path):
            print(
                f"{1000 * elapsed:5.0f} ms {1000 * computing:8.0f} ms  {query:24} {name}",
                flush=True,
            )


if __name__ == "__main__":
    main()
