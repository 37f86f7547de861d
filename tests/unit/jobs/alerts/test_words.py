"""Alerts say what, how far, how much, how likely, how sure; never what price does next."""

import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from workbench.alert_market import AlertMarket
from workbench.alert_marts import alert_marts
from workbench.alert_oracle import ORACLES

from jobs.alerts.evaluation import evaluate
from jobs.alerts.ledger_records import Alert
from jobs.alerts.rule_file import AlertRules
from jobs.alerts.words import alert_words, correction_words, digest_words, explain_words
from sources.user_models import parse_model

PROMISE = re.compile(r"\bwill\b|\btargets?\b|\bmagnet", re.IGNORECASE)
START = datetime(2026, 3, 1, tzinfo=UTC)
LINK = "https://desk.example/maps/{asset}.html"


@pytest.fixture(scope="module")
def rules():
    own = [{"name": name, "asset": "*", "to": "desk"} | keys for name, (keys, _) in ORACLES.items()]
    content = {"targets": {"desk": {"url": "${DESK_URL}"}}, "rules": own}
    return {rule.name: rule for rule in parse_model(content, AlertRules, "alerts.yaml").rules}


@pytest.fixture(scope="module")
def findings(rules):
    market = AlertMarket(("BTC", "ETH", "SOL", "DOGE"), START, 48)
    found = {name: [] for name in ORACLES}
    with alert_marts() as marts:
        market.fill(marts)
        for finding in evaluate(marts, tuple(rules.values()), market.hours):
            found[finding.rule].append(finding)
    return found


def fired(rule, finding):
    return Alert(
        "key",
        rule.name,
        finding.asset,
        finding.key,
        fired_at=finding.hour,
        cleared_at=None,
        delivered_at=None,
        measure=finding.measure,
        figures=finding.figures,
        wording=alert_words(rule, finding),
        is_withdrawn=False,
        correction_count=0,
    )


@pytest.mark.parametrize("name", ORACLES)
def test_a_message_has_asset_age_grade_rule_and_link(rules, findings, name):
    own = [finding for finding in findings[name] if finding.is_on]
    assert own
    for finding in own:
        words = alert_words(rules[name], finding, LINK)
        text = f"{words.title}\n{words.body}"
        assert not PROMISE.search(text)
        assert not re.search(r"\b(None|nan)\b", text)
        assert words.title.startswith("All assets" if finding.asset == "all" else finding.asset)
        assert "\n" not in words.title
        assert f"Data of {finding.hour:%Y-%m-%d %H:%M} UTC" in words.body
        assert f"Rule: {name}." in words.body
        assert words.body.endswith(f"https://desk.example/maps/{finding.asset}.html")
        if finding.asset != "all":
            assert re.search(r"Grade [ABC]\.|No grade\.", words.body)


@pytest.mark.parametrize("name", ["near", "near and large", "near of consensus", "force"])
def test_a_band_is_named_with_distance_amount_odds_and_the_other_side(rules, findings, name):
    for finding in (each for each in findings[name] if each.is_on):
        body = alert_words(rules[name], finding).body
        other = "long" if finding.key == "short" else "short"
        where = "below" if finding.key == "long" else "above"
        assert re.search(rf"{finding.key.title()}s at .*, (.* % {where}|around) price", body)
        assert "odds of touch within 24 h" in body
        assert re.search(rf"Other side: ({other}s at .* price|no such band of {other}s)", body)
        if name == "near of consensus":
            assert "no scale in USD" in body
        else:
            assert re.search(r"USD \(80 % interval .* - .*\)", body)


@pytest.mark.parametrize("name", ORACLES)
def test_why_a_rule_fired_or_did_not_is_one_line(rules, findings, name):
    for finding in findings[name]:
        line = explain_words(rules[name], finding)
        assert not PROMISE.search(line)
        assert "\n" not in line
        assert {True: " holds", False: " does not hold", None: " is not known"}[
            finding.is_on
        ] in line


def test_a_correction_says_that_it_is_one(rules, findings):
    rule = rules["near"]
    finding = next(each for each in findings["near"] if each.is_on)
    alert = fired(rule, finding)
    gone = correction_words(rule, alert, replace(finding, is_on=False, measure=0.05))
    assert gone.title == f"Correction: {alert.wording.title}"
    assert "did not hold" in gone.body
    assert "5.00 % to the near edge; the rule: within 1.5 %" in gone.body
    moved = correction_words(rule, alert, replace(finding, measure=0.001))
    assert moved.body.startswith("Later data change the figures")
    assert not PROMISE.search(gone.body + moved.body)


def test_a_digest_names_every_alert_by_hour(rules, findings):
    rule = rules["near"]
    alerts = [fired(rule, each) for each in findings["near"] if each.is_on][:12]
    words = digest_words(alerts)
    assert words.title.startswith("12 alerts: ")
    assert all(alert.wording.title in words.body for alert in alerts)
    assert not PROMISE.search(words.body)


def test_a_digest_gives_grade_and_odds_and_what_a_correction_corrects(rules, findings):
    rule = rules["near"]
    found = next(each for each in findings["near"] if each.is_on)
    alert = fired(rule, found)
    off = replace(found, is_on=False, reason="no such band within 20 % of price")
    correction = replace(alert, wording=correction_words(rule, alert, off), is_withdrawn=True)
    _, first, second, last = digest_words([alert, correction]).body.split("\n")
    assert first.startswith(f"{alert.wording.title}; grade {found.figures['grade']}, odds of touch")
    assert second.startswith(f"{correction.wording.title}. With the data known since, the ")
    assert "liqheat alerts list" in last


def test_a_single_band_swept_has_its_interval(rules, findings):
    found = next(
        each for each in findings["swept"] if each.is_on and each.figures["swept_count"] == 1
    )
    words = alert_words(rules["swept"], found)
    assert re.search(
        r"the map before held .* USD \((80 % interval .*|no interval)\) there", words.body
    )
