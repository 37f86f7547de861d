"""Every condition holds where plain SQL says, and nowhere else."""

from datetime import UTC, datetime

import pytest
from workbench.alert_market import AlertMarket
from workbench.alert_marts import alert_marts
from workbench.alert_oracle import ORACLES, held

from jobs.alerts.conditions import CONDITIONS
from jobs.alerts.evaluation import evaluate
from jobs.alerts.rule_file import AlertRules
from sources.user_models import parse_model

START = datetime(2026, 3, 1, tzinfo=UTC)
ASSETS = ("BTC", "ETH", "SOL", "DOGE", "PEPE")


@pytest.fixture(scope="module")
def market():
    return AlertMarket(ASSETS, START, 96)


@pytest.fixture(scope="module")
def marts(market):
    with alert_marts() as connection:
        market.fill(connection)
        yield connection


@pytest.fixture(scope="module")
def rules():
    own = [{"name": name, "asset": "*", "to": "desk"} | keys for name, (keys, _) in ORACLES.items()]
    content = {"targets": {"desk": {"url": "${DESK_URL}"}}, "rules": own}
    return parse_model(content, AlertRules, "alerts.yaml").rules


@pytest.fixture(scope="module")
def findings(marts, market, rules):
    found = {name: [] for name in ORACLES}
    for finding in evaluate(marts, rules, market.hours):
        found[finding.rule].append(finding)
    return found


def test_every_condition_is_held_against_an_oracle():
    assert {keys["when"] for keys, _ in ORACLES.values()} == set(CONDITIONS)


@pytest.mark.parametrize("name", ORACLES)
def test_a_rule_holds_where_plain_sql_says_and_nowhere_else(marts, findings, name):
    on = [(f.asset, f.key, f.hour) for f in findings[name] if f.is_on]
    assert len(on) == len(set(on))
    assert set(on) == held(marts, name)
    assert on
    assert any(f.is_on is False for f in findings[name])


@pytest.mark.parametrize("name", ORACLES)
def test_hours_evaluated_one_by_one_find_the_same(marts, market, rules, findings, name):
    own = [rule for rule in rules if rule.name == name]
    for hour in market.hours[30:33]:
        assert evaluate(marts, own, [hour]) == [f for f in findings[name] if f.hour == hour]


@pytest.mark.parametrize("name", ORACLES)
def test_what_does_not_hold_has_a_figure_or_a_reason(findings, name):
    assert all(f.measure is not None or f.reason for f in findings[name])
