"""Evaluating 200 rules over 200 assets for one hour of a published file.

Run ``python -m bench.alerts`` from the project root. The file holds a random market; every
condition has its share of the rules, half of them for every asset.
"""

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from workbench.alert_market import AlertMarket
from workbench.alert_marts import MARTS, add_columns, create_marts
from workbench.alert_oracle import ORACLES

from bench.stopwatch import START, peak_mb, print_machine, timed
from jobs.alerts.evaluation import evaluate
from jobs.alerts.rule import NewestBar, Rule
from jobs.alerts.rule_file import AlertRules
from sources.user_models import parse_model
from warehouse.read import open_published

MARKET_HOURS = 48
"""Hours of the random market; older ones repeat it."""


@dataclass(frozen=True, slots=True)
class EvaluationTime:
    """One evaluation: wall clock and processor seconds, findings, how many of them are on."""

    label: str
    seconds: float
    processor_seconds: float
    finding_count: int
    on_count: int


def fill_file(path: Path, asset_count: int, days: int) -> AlertMarket:
    """Return the market of the newest 48 hours; the file repeats it back over some days."""
    assets = [f"COIN{number}" for number in range(asset_count)]
    market = AlertMarket(assets, START, MARKET_HOURS)
    with duckdb.connect() as recent, duckdb.connect(str(path)) as connection:
        create_marts(recent)
        create_marts(connection)
        market.fill(recent)
        for name in MARTS:
            newest = recent.execute(f"select * from {name}").to_arrow_table()
            if "as_of" not in newest.column_names:
                add_columns(connection, name, newest)
                continue
            connection.register("newest", newest)
            # Oldest first, as publications leave them.
            for back in reversed(range(days * 24 // MARKET_HOURS)):
                connection.execute(
                    f"insert into {name} select * replace "
                    f"(as_of - to_hours({back * MARKET_HOURS}) as as_of) from newest"
                )
            connection.unregister("newest")
    return market


def read_bench_rules(count: int, assets: Sequence[str]) -> tuple[Rule, ...]:
    """Return rules of every condition in turn; every second is for all assets, others for ten."""
    kinds = [keys for keys, _ in ORACLES.values()]
    own = [
        {"name": f"rule {number}", "to": "desk"}
        | {"asset": "*" if number % 2 else list(assets[number % 90 :: 20])}
        | kinds[number % len(kinds)]
        for number in range(count)
    ]
    content = {"targets": {"desk": {"url": "${DESK_URL}"}}, "rules": own}
    return parse_model(content, AlertRules, "alerts.yaml").rules


def measure(path: Path, market: AlertMarket, rule_count: int) -> Iterator[EvaluationTime]:
    """Yield the evaluation of the newest hour, of all its rules for every asset, of newest bars."""
    mixed = read_bench_rules(rule_count, market.assets)
    every = tuple(rule.model_copy(update={"assets": ("*",)}) for rule in mixed)
    hour = market.hours[-1]
    bars = [
        NewestBar(asset, hour + timedelta(hours=1), 101.0, 99.0, 100.0) for asset in market.assets
    ]
    for label, rules, hours, newest in (
        ("half of them for ten assets", mixed, [hour], []),
        ("all for every asset", every, [hour], []),
        ("all for every asset, again", every, [hour], []),
        ("newest bars", every, [], bars),
    ):
        figures: dict[str, float] = {}
        with open_published(path) as reader, timed("seconds", figures):
            begun = time.process_time()
            findings = evaluate(reader, rules, hours, newest)
            processor_seconds = time.process_time() - begun
        on_count = sum(finding.is_on is True for finding in findings)
        yield EvaluationTime(label, figures["seconds"], processor_seconds, len(findings), on_count)


def main() -> None:
    """Fill a file, evaluate, print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rules", type=int, default=200)
    parser.add_argument("--assets", type=int, default=200)
    parser.add_argument("--days", type=int, default=30)
    given = parser.parse_args()
    print_machine()
    with TemporaryDirectory() as folder:
        path = Path(folder) / "published.duckdb"
        market = fill_file(path, given.assets, given.days)
        print(f"{given.rules} rules, {given.assets} assets, {given.days} days in the file")
        for each in measure(path, market, given.rules):
            print(
                f"{each.label}: {each.seconds:.2f} s ({each.processor_seconds:.2f} s of "
                f"processor), {each.finding_count:,} findings, {each.on_count:,} on"
            )
    print(f"at most {peak_mb():.0f} MB")


if __name__ == "__main__":
    main()
