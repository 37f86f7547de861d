"""A file of rules is read whole, or refused with its line, the value and the nearest right word."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from jobs.alerts.conditions import CONDITIONS
from jobs.alerts.quantities import read_amount, read_duration, read_level, read_ratio
from jobs.alerts.rule import Rule
from jobs.alerts.rule_file import read_rules
from sources.errors import InputRejected

GOOD = """\
targets:
  desk:
    url: ${DESK_URL}
  book:
    webhook: ${BOOK_URL}
    secret: ${BOOK_SECRET}
rules:
  - name: near
    asset: [BTC, ETH]
    when: band_near
    within: 2 %
    at_least: 5 M USD
    cooldown: 12 h
    quiet_hours: 22:00-07:00 Europe/Berlin
    to: [desk, book]
  - name: sleepy venue
    asset: "*"
    when: venue_gone
    older_than: 90 min
    to: book
"""


@pytest.fixture
def read(tmp_path):
    def read_text(text):
        path = tmp_path / "alerts.yaml"
        path.write_text(text)
        return read_rules(path)

    return read_text


def test_rules_are_read_with_their_units(read):
    rules = read(GOOD)
    near, gone = rules.rules
    assert (near.within, near.at_least, near.cooldown) == (0.02, 5e6, timedelta(hours=12))
    assert near.assets == ("BTC", "ETH")
    assert near.to == ("desk", "book")
    assert near.quiet_hours.include(datetime(2026, 1, 1, 22, tzinfo=UTC))
    assert not near.quiet_hours.include(datetime(2026, 1, 1, 6, 30, tzinfo=UTC))
    assert gone.older_than == timedelta(minutes=90)
    assert gone.is_for_every_asset
    assert rules.targets["book"].webhook == "BOOK_URL"
    assert rules.digest_above == 5


@pytest.mark.parametrize(
    ("right", "wrong", "message"),
    [
        ("band_near", "band_neer", "line 10: .*'band_neer', no condition; nearest is 'band_near'"),
        ("band_near", "[band_near]", "line 10: .*no condition; nearest is 'band_near'"),
        ("when: band_near", "cooldown: 2 h", "line 8: .*'when' is missing: name a condition"),
        ("within: 2 %", "witin: 2 %", "line 11: .*'witin'; nearest known key is 'within'"),
        ("within: 2 %", "side: long", "line 8: .*'within' is missing: write a distance"),
        ("2 %", "2", "line 11: .*within: 2 has no unit; write .* such as '2 %'"),
        ("2 %", "5 M USD", "line 11: .*within: '5 M USD' has the unit 'M USD'; write .*'2 %'"),
        ("2 %", "30 %", "line 11: .*30% is farther than bands are published"),
        ("2 %", "-2 %", "line 11: .*'-2 %' is below 0"),
        ("2 %", "0 %", "line 11: .*'0 %' is not above 0"),
        ("2 %", "2,5 %", "line 11: .*'2,5 %': a comma parts thousands; write .* such as '2 %'"),
        ("5 M USD", "1,5 M USD", "line 12: .*'1,5 M USD': a comma parts thousands"),
        ("2 %", "1e999 %", "line 11: .*is not a number with a unit"),
        ("5 M USD", "5 %", "line 12: .*at_least: '5 %' has the unit '%'; write .*'5 M USD'"),
        ("5 M USD", "5 M EUR", "line 12: .*unit 'M EUR'"),
        ("12 h", "12 %", "line 13: .*cooldown: '12 %' has the unit '%'; write .*'6 h'"),
        ("12 h", "999999 days", "line 13: .*longer than ten years"),
        ("22:00-07:00 Europe/Berlin", "22:00", "line 14: .*1320 is no span of a day"),
        ("Europe/Berlin", "Europe/Berln", "line 14: .*no such time or time zone"),
        ("22:00-07:00", "25:00-07:00", "line 14: .*no such time"),
        ("[desk, book]", "[desc]", "line 15: .*'to' names 'desc', .* nearest is 'desk'"),
        ("[desk, book]", "[]", "line 15: .*to: an empty list; name at least one"),
        ("[BTC, ETH]", "[]", "line 9: .*asset: an empty list"),
        ("sleepy venue", "near", "line 16: .*the name 'near' is taken"),
        ("sleepy venue", "pipeline", "line 16: .*the name 'pipeline' is taken"),
        ("to: book", "to: book\n    min_grade: D", "line 21: .*'min_grade' is 'D'"),
        ("url:", "urll:", "line 3: .*'urll'; nearest known key is 'url'"),
        ("${DESK_URL}", "tgram://token/chat", "line 3: .*kept out of the file"),
        ("    secret: ${BOOK_SECRET}\n", "", "line 4: .*'webhook' and 'secret' together"),
        ("rules:", "rulse:", "line 7: unknown key 'rulse'; nearest known key is 'rules'"),
        ("90 min", "8 days", "line 19: .*ages are known up to 7 days"),
    ],
)
def test_what_cannot_be_used_is_refused_with_its_line(read, right, wrong, message):
    assert right in GOOD
    with pytest.raises(InputRejected, match=message) as refused:
        read(GOOD.replace(right, wrong))
    assert "alerts.yaml" in str(refused.value)
    assert "token" not in str(refused.value)


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("desk:\n    url: ${DESK_URL}", "desk: tgram://token/chat"),
        ("desk:\n    url: ${DESK_URL}", "desk: [token]"),
        ("url: ${DESK_URL}", "tgram://token/chat:"),
        ("url: ${DESK_URL}", 'url: "token'),
        ("secret: ${BOOK_SECRET}", "secret: token: x"),
        ("[desk, book]", "tgram://token/chat"),
        (GOOD[: GOOD.index("rules:")], "targets: token\n"),
        (GOOD[: GOOD.index("rules:")], "targets: [token]\n"),
    ],
)
def test_a_secret_in_a_wrong_place_is_not_shown(read, right, wrong):
    assert right in GOOD
    with pytest.raises(InputRejected, match="line") as refused:
        read(GOOD.replace(right, wrong))
    assert "token" not in str(refused.value)


def test_a_place_named_twice_gets_a_message_once(read):
    assert read(GOOD.replace("[desk, book]", "[desk, book, desk]")).rules[0].to == ("desk", "book")


def test_what_holds_no_rules_is_refused(read):
    for text in ("", "[]", "rules: 5\ntargets: {}", "targets:\n  a: {}\nrules: []"):
        with pytest.raises(InputRejected):
            read(text)


@pytest.mark.parametrize("when", CONDITIONS)
def test_every_condition_takes_the_keys_all_rules_have(read, when):
    thresholds = {
        "band_near": "within: 1 %",
        "could_force": "above: 250 k USD",
        "liquidations_realised": "above: 1 B USD",
        "liquidations_predicted": "above: 1.5 M USD",
        "open_interest_moved": "by: 10 %",
        "funding_moved": "by: 3 bps",
        "providers_disagree": "above: 60 %",
        "data_stale": "older_than: 2 h",
        "venue_gone": "older_than: 2 h",
        "skill_faded": "below: 0 %",
    }
    keys = f"    {thresholds[when]}\n" if when in thresholds else ""
    own = f"  - name: one\n    asset: '*'\n    when: {when}\n{keys}    min_grade: A\n    to: desk\n"
    (rule,) = read(GOOD.split("  - name: near")[0] + own).rules
    assert isinstance(rule, CONDITIONS[when])
    assert rule.least_grade == "A"


def test_quantities_are_in_base_units():
    assert (read_ratio("2 %"), read_ratio("25bps"), read_level("0 %")) == (0.02, 0.0025, 0.0)
    assert (read_amount("250,000 usd"), read_amount("1.5 B USD")) == (250_000.0, 1.5e9)
    assert read_duration("2 days") == timedelta(days=2)


def test_the_page_shows_a_file_that_works_and_lists_every_condition(read):
    page = (Path(__file__).parents[4] / "docs" / "alerts.md").read_text()
    example = page.split("```yaml\n")[1].split("```")[0]
    assert {rule.when for rule in read(example).rules} <= set(CONDITIONS)
    for when, condition in CONDITIONS.items():
        (row,) = re.findall(rf"^\| `{when}` \|.*\|(.*)\|$", page, re.MULTILINE)
        own = set(condition.fields_by_key()) - set(Rule.fields_by_key())
        assert set(re.findall(r"`(\w+)`", row)) == own, when
