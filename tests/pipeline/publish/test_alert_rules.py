"""Rules on a published file of a whole build: the same as plain SQL, read as readers read it."""

from datetime import timedelta

import pytest
from workbench import END
from workbench.alert_oracle import ORACLES, held

from jobs.alerts.evaluation import evaluate
from jobs.alerts.rule import NewestBar
from jobs.alerts.rule_file import AlertRules
from jobs.alerts.words import alert_words, explain_words
from sources.user_models import parse_model
from warehouse.read import open_published

HOURS = [END - timedelta(hours=back) for back in reversed(range(12))]


@pytest.fixture(scope="module")
def rules():
    own = [
        {"name": name, "asset": "*", "to": "desk"} | keys | {"min_grade": "C"}
        for name, (keys, _) in ORACLES.items()
    ]
    content = {"targets": {"desk": {"url": "${DESK_URL}"}}, "rules": own}
    return parse_model(content, AlertRules, "alerts.yaml").rules


@pytest.fixture(scope="module")
def published(small_home):
    return small_home / "published" / "liqheat.duckdb"


@pytest.fixture(scope="module")
def findings(published, rules):
    with open_published(published) as reader:
        return evaluate(reader, rules, HOURS)


@pytest.mark.parametrize("name", ORACLES)
def test_a_rule_holds_where_plain_sql_says_of_a_published_file(published, findings, name):
    on = {(f.asset, f.key, f.hour) for f in findings if f.rule == name and f.is_on}
    with open_published(published) as connection:
        assert on == {
            place for place in held(connection, name, has_any_grade=True) if place[2] in HOURS
        }


def test_findings_of_a_build_have_words(rules, findings):
    by_name = {rule.name: rule for rule in rules}
    assert findings
    assert all(explain_words(by_name[f.rule], f) for f in findings)
    fired = [f for f in findings if f.is_on]
    assert fired
    assert all(alert_words(by_name[f.rule], f).body for f in fired)


def test_a_bar_newer_than_the_file_is_held_against_its_last_bands(published, rules):
    with open_published(published) as reader:
        (asset, price) = reader.execute(
            "select asset, price from marts.market_context_hourly where as_of = $hour limit 1",
            {"hour": END},
        ).fetchone()
        bar = NewestBar(asset, END + timedelta(hours=1), 2 * price, price / 2, price)
        found = evaluate(reader, rules, [], [bar])
    swept = [f for f in found if f.rule == "swept" and f.is_on]
    assert {f.hour for f in found} == {bar.hour}
    assert all(f.figures["is_newest_bar"] for f in swept)
