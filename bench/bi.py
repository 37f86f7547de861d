"""What BI tools do first with the published file, at 90 days of 50 assets and 5 providers.

A warehouse of that size is copied from a small one that the pipeline built (`liqheat demo`): each
asset becomes ten, each day nine, of the five providers and the sum of venues. The file is published
from it as always, one more hour is published, then queries are timed. Build once, then time:

    .venv/bin/python -m bench.bi build --from DEMO_HOME --home HOME
    .venv/bin/python -m bench.bi time --home HOME [--file ANOTHER.duckdb ...]
"""

import argparse
import shutil
import time
from pathlib import Path

from jobs.settings import Settings
from jobs.writer import open_writer

PROVIDERS = ("turnover", "open_interest", "public_convention", "path_ledger", "volume_profile")
ASSET_COPIES = 10
SPAN_COPIES = 9
SPAN_DAYS = 10
REPEATS = 5

# Tables by hour behind what is published, each with the rows that are copied.
_OF_PROVIDERS = f"provider in {PROVIDERS}"
_WHOLE = f"venue = 'all' and {_OF_PROVIDERS}"
COPIED = {
    "derived.asset_disagreement": "venue = 'all'",
    "derived.band": f"venue = 'all' and provider in {(*PROVIDERS, 'consensus')}",
    "derived.cascade_scenario": _WHOLE,
    "derived.consensus": "venue = 'all'",
    "derived.heatmap": _WHOLE,
    "derived.leverage_exposure": "provider = 'turnover'",
    "derived.map_disagreement": (
        f"venue_a = 'all' and venue_b = 'all' and provider_a in {PROVIDERS} "
        f"and provider_b in {PROVIDERS}"
    ),
    "derived.path_exposure": _OF_PROVIDERS,
    "derived.series_hour": _OF_PROVIDERS,
    "intermediate.int_instrument_hour": "true",
    "intermediate.int_prediction_hour": _OF_PROVIDERS,
    "intermediate.int_quality_measures": "true",
    "intermediate.int_row_audit": "true",
}
# Tables by instrument that these are joined to.
DESCRIBED = ("raw.instrument",)

QUERIES = {
    "distinct asset": "select distinct asset from {}",
    "limit 1000": "select * from {} limit 1000",
    "a day by as_of::date": "select count(*) from {} where as_of::date = date '{day}'",
    "an asset, a day": (
        "select * from {} where asset = 'BTC' and as_of >= timestamp '{day}' "
        "and as_of < timestamp '{day}' + interval 1 day"
    ),
    "an asset, newest hour": (
        "select * from {} where asset = 'BTC' and as_of = timestamp '{newest}'"
    ),
    "an asset, 90 days by day": (
        "select as_of::date as day, provider, count(*) from {} where asset = 'BTC' group by all"
    ),
    "count": "select count(*) from {}",
}


def build(source: Path, home: Path) -> None:
    """Copy the rows of a small warehouse until they are 90 days of 50 assets."""
    home.mkdir(parents=True)
    shutil.copyfile(source / "warehouse.duckdb", home / "warehouse.duckdb")
    began = time.monotonic()
    with open_writer(Settings(home=home)) as connection:
        for name, kept in COPIED.items():
            columns = [
                row[0]
                for row in connection.execute(
                    "select column_name from duckdb_columns() "
                    "where schema_name || '.' || table_name = ?",
                    [name],
                ).fetchall()
            ]
            instants = [each for each in columns if each == "as_of" or each.endswith("_at")]
            renamed = [each for each in ("asset", "instrument") if each in columns]
            connection.execute(
                f"create temp table kept as select * from {name} where {kept}; delete from {name}"
            )
            for span in range(SPAN_COPIES):
                changes = [f"{each} + interval {SPAN_DAYS * span} days as {each}"
                           for each in instants]  # fmt: skip
                changes += [f"{each} || copy as {each}" for each in renamed]
                connection.execute(
                    f"insert into {name} select kept.* replace ({', '.join(changes)}) from kept, "
                    f"(select if(range = 0, '', range::varchar) as copy "
                    f"from range({ASSET_COPIES})) order by as_of, asset"
                )
            connection.execute("drop table kept")
            print(f"{time.monotonic() - began:.0f} s {name}", flush=True)
        for name in DESCRIBED:
            connection.execute(
                f"insert into {name} select * replace (asset || range as asset, "
                f"instrument || range as instrument) from {name}, range(1, {ASSET_COPIES})"
            )
        connection.execute("delete from meta.pending_publish")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    building = commands.add_parser("build")
    building.add_argument("--from", dest="source", type=Path, required=True)
    building.add_argument("--home", type=Path, required=True)
    arguments = parser.parse_args()
    build(arguments.source, arguments.home)
