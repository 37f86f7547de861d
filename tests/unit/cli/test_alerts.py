"""`liqheat alerts` on the small market: rules checked, tests sent, hours explained."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from standin.alert_target import AlertTarget, Answer
from workbench import END
from workbench.alert_findings import WORDS, digest_words

from jobs.alerts.evaluate_alerts import policy_of
from jobs.alerts.evaluation import evaluate
from jobs.alerts.explain import describe_sent
from jobs.alerts.ledger import AlertLedger
from jobs.alerts.rule_file import read_rules
from jobs.read.query import open_reader
from jobs.settings import Settings

SECRET = "0123456789abcdef-hunter2"  # noqa: S105  (what must not be shown)

RULES = """
targets:
  desk: {webhook: "${LIQHEAT_TARGETS__DESK_URL}", secret: "${LIQHEAT_TARGETS__DESK_SECRET}"}
  phone: {url: "${LIQHEAT_TARGETS__PHONE}"}
rules:
  - {name: far, asset: "*", min_grade: C, when: band_near, within: 20 %, to: desk}
  - {name: never, asset: "*", min_grade: C, when: band_near, within: 1 bps, to: [desk, phone]}
"""


@pytest.fixture
def home_of_commands(small_home, tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    (home / "published").symlink_to(small_home / "published")
    (home / "alerts.yaml").write_text(RULES)
    return home


@pytest.fixture
def phone(monkeypatch):
    with AlertTarget() as standin:
        monkeypatch.setenv("LIQHEAT_TARGETS__PHONE", standin.apprise_url)
        yield standin


@pytest.fixture
def desk(phone, monkeypatch):
    with AlertTarget(secret=SECRET) as standin:
        monkeypatch.setenv("LIQHEAT_TARGETS__DESK_URL", standin.url)
        monkeypatch.setenv("LIQHEAT_TARGETS__DESK_SECRET", SECRET)
        yield standin


def rows(result):
    return json.loads(result.stdout)


def test_check_lists_rules_and_targets(run, desk):
    checked = rows(run("alerts", "check", "--format", "json"))
    assert [(one["kind"], one["name"], one["problem"]) for one in checked] == [
        ("rule", "far", None),
        ("rule", "never", None),
        ("target", "desk", None),
        ("target", "phone", None),
    ]
    assert checked[-1]["what"] == "JSON"
    assert desk.received == []


def test_check_names_the_variable_that_is_missing_and_the_asset_that_vanished(
    run, desk, monkeypatch, home_of_commands
):
    monkeypatch.delenv("LIQHEAT_TARGETS__PHONE")
    (home_of_commands / "alerts.yaml").write_text(RULES.replace('"*"', "BTCC", 1))
    checked = rows(run("alerts", "check", "--format", "json", code=1))
    problems = {one["name"]: one["problem"] for one in checked if one["problem"]}
    assert set(problems) == {"far", "phone"}
    assert "BTCC is not published at the newest hour; nearest is BTC" in problems["far"]
    assert "variable LIQHEAT_TARGETS__PHONE is not set" in problems["phone"]


def test_check_names_line_and_nearest_word_of_a_misspelt_condition(run, home_of_commands):
    path = home_of_commands / "alerts.yaml"
    path.write_text(RULES.replace("band_near", "bnad_near", 1))
    shown = run("alerts", "check", code=1).output
    assert "alerts.yaml" in shown
    assert "nearest is 'band_near'" in shown


def test_without_a_file_the_command_shows_one_that_works(run, desk, home_of_commands):
    path = home_of_commands / "alerts.yaml"
    path.unlink()
    shown = run("alerts", "check", code=1).output
    path.write_text(shown.partition("for example:\n")[2])
    run("alerts", "check")


def test_test_sends_a_marked_message_to_every_target(run, desk, phone):
    sent = rows(run("alerts", "test", "--format", "json"))
    assert {one["to"]: one["result"] for one in sent} == {"desk": "taken", "phone": "taken"}
    for one in (desk, phone):
        assert [each.json["title"] for each in one.received] == ["liqheat: a test"]
    assert desk.received[0].json["kind"] == "test"


def test_test_says_what_failed_without_a_secret(run, desk):
    desk.always = Answer(404)
    result = run("alerts", "test", "desk", code=1)
    assert "desk answered with HTTP status 404" in result.output
    for secret in (SECRET, desk.url, "hunter2"):
        assert secret not in result.output
    assert "declares no target 'dsk'" in run("alerts", "test", "dsk", code=1).output


def test_list_shows_nothing_before_the_first_evaluation(run, home_of_commands):
    assert rows(run("alerts", "list", "--format", "json")) == []
    assert not (home_of_commands / "alerts").exists()


def record(home, *, hour=END):
    """Record what the rules find in the newest hour; return the alerts."""
    settings = Settings(home=home)
    rules = read_rules(settings.alerts_file).rules
    with AlertLedger(settings.alert_ledger) as ledger, open_reader(settings) as reader:
        found = evaluate(reader, rules, [hour])
        ledger.record(found, {rule.name: policy_of(rule) for rule in rules}, WORDS, hour)
        return ledger.alerts(hour)


def test_list_shows_what_fired_and_what_waits(run, desk, home_of_commands):
    fired = record(home_of_commands)
    assert fired
    since = f"{END:%Y-%m-%dT%H:%M}"
    listed = run("alerts", "list", "--from", since, "--format", "json")
    assert {one["rule"] for one in rows(listed)} == {"far"}
    assert len(rows(listed)) == len(fired)
    assert f"{len(fired)} messages wait for desk" in listed.stderr
    with AlertLedger(Settings(home=home_of_commands).alert_ledger) as ledger:
        message = ledger.next_message("desk", datetime.now(UTC), digest_words)
        ledger.postpone(message, datetime.now(UTC) + timedelta(hours=1), "desk gave no answer")
    assert "desk gave no answer" in run("alerts", "list", "--from", since).stderr


def test_explain_says_why_a_rule_fired_and_why_another_did_not(run, desk, home_of_commands):
    fired = record(home_of_commands)
    explained = rows(run("alerts", "explain", "far", "--format", "json"))
    on = [one for one in explained if one["holds"]]
    assert {(one["asset"], one["key"]) for one in on} == {(one.asset, one.key) for one in fired}
    assert {one["sent"] for one in on} == {"fired, not delivered to every target yet"}
    never = rows(run("alerts", "explain", "never", fired[0].asset, "--format", "json"))
    assert {one["holds"] for one in never} <= {False, None}
    assert {one["sent"] for one in never} == {"nothing"}
    assert "nearest is 'far'" in run("alerts", "explain", "fra", code=1).output


def test_what_was_not_sent_has_its_reason(desk, home_of_commands):
    settings = Settings(home=home_of_commands)
    (rule, _) = read_rules(settings.alerts_file).rules
    alert = record(home_of_commands, hour=END - timedelta(hours=2))[0]
    with open_reader(settings) as reader:
        found = evaluate(reader, [rule], [END])
    same = next(one for one in found if (one.asset, one.key) == (alert.asset, alert.key))
    assert same.is_on
    assert "it has held since the alert of" in describe_sent(rule, same, [alert])
    assert "was not evaluated" in describe_sent(rule, same, [])
