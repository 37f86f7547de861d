"""Rules find what is published, and say so where they cannot."""

from datetime import UTC, datetime, timedelta

import pytest
from workbench.alert_marts import add_row, alert_marts

from jobs.alerts.evaluation import evaluate
from jobs.alerts.rule import NewestBar
from jobs.alerts.rule_file import AlertRules
from sources.user_models import parse_model

HOUR = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def marts():
    with alert_marts() as connection:
        yield connection


def rules(*each):
    content = {
        "targets": {"desk": {"url": "${DESK_URL}"}},
        "rules": [
            {"name": f"rule {n}", "asset": "BTC", "to": "desk"} | r for n, r in enumerate(each)
        ],
    }
    return parse_model(content, AlertRules, "alerts.yaml").rules


def grade(marts, asset="BTC", value="A", hour=HOUR):
    row = {"asset": asset, "venue": "all", "as_of": hour, "grade": value}
    add_row(marts, "marts.asset_quality_hourly", row)


def context(marts, asset="BTC", price=100.0, hour=HOUR, **more):
    row = {"asset": asset, "as_of": hour, "price": price, "high": price, "low": price}
    add_row(marts, "marts.market_context_hourly", row | more)


def band(marts, low, high, usd=1e6, **more):
    row = {
        "asset": "BTC",
        "as_of": HOUR,
        "provider": "turnover",
        "venue": "all",
        "side": "long" if low < 100.0 else "short",
        "rank": 1,
        "price_low": low,
        "price_high": high,
        "price_peak": (low + high) / 2,
        "liquidation_usd": usd,
        "price": 100.0,
    }
    add_row(marts, "marts.liquidation_bands_hourly", row | more)


def found(findings):
    return [(f.rule, f.asset, f.key, f.is_on) for f in findings]


def test_the_nearest_band_of_each_side_is_judged_and_names_the_other(marts):
    grade(marts)
    context(marts)
    band(marts, 97.0, 98.5)
    band(marts, 90.0, 91.0, rank=2)
    band(marts, 104.0, 105.0)
    long, short = evaluate(marts, rules({"when": "band_near", "within": "2 %"}), [HOUR])
    assert (long.key, long.is_on, long.hour) == ("long", True, HOUR)
    assert long.measure == pytest.approx(0.015)
    assert long.figures["price_low"] == 97.0
    assert long.other_side["price_low"] == 104.0
    assert (short.key, short.is_on) == ("short", False)
    assert short.other_side["price_low"] == 97.0


def test_a_band_too_small_is_not_the_nearest(marts):
    grade(marts)
    context(marts)
    band(marts, 97.0, 99.0, usd=1e3)
    band(marts, 97.0, 98.5, usd=9e6, rank=2)
    rule = {"when": "band_near", "within": "2 %", "at_least": "5 M USD"}
    long, short = evaluate(marts, rules(rule), [HOUR])
    assert (long.is_on, long.figures["rank"]) == (True, 2)
    assert (short.is_on, short.reason) == (False, "no such band within 20 % of price")


def test_the_newest_bar_is_held_against_the_bands_published_last(marts):
    grade(marts)
    context(marts)
    band(marts, 95.0, 96.0)
    bar = NewestBar("BTC", HOUR + timedelta(hours=1), high=100.0, low=96.5, price=97.0)
    near = rules(
        {"when": "band_near", "within": "2 %"}, {"when": "open_interest_moved", "by": "5 %"}
    )
    findings = evaluate(marts, near, [], [bar])
    assert found(findings) == [("rule 0", "BTC", "long", True), ("rule 0", "BTC", "short", False)]
    assert findings[0].hour == bar.hour
    assert findings[0].figures["map_age_seconds"] == 3600.0


def test_open_interest_is_compared_on_venues_observed_in_both_hours(marts):
    grade(marts)
    before = HOUR - timedelta(hours=24)
    for venue, hour, amount in (
        ("binance", before, 100.0),
        ("binance", HOUR, 110.0),
        ("okx", before, 500.0),
    ):
        row = {
            "asset": "BTC",
            "venue": venue,
            "as_of": hour,
            "open_interest_base": amount,
            "open_interest_usd": amount,
            "is_set_apart": False,
        }
        add_row(marts, "marts.venue_open_interest_hourly", row)
    up = {"when": "open_interest_moved", "by": "9 %"}
    findings = evaluate(marts, rules(up, up | {"direction": "down"}, up | {"over": "2 h"}), [HOUR])
    assert [each.is_on for each in findings] == [True, False, None]
    assert findings[0].measure == pytest.approx(0.1)


def test_an_asset_graded_too_low_is_off_and_one_without_data_unknown(marts):
    for asset, value in (("BTC", "B"), ("DOGE", "C")):
        grade(marts, asset, value)
        context(marts, asset)
    band(marts, 97.0, 98.5, asset="DOGE")
    rule = {"when": "band_near", "within": "2 %", "side": "long", "asset": "*"}
    findings = evaluate(marts, rules(rule, rule | {"asset": "XYZ"}), [HOUR])
    assert [(f.asset, f.is_on, f.reason) for f in findings] == [
        ("DOGE", False, "grade C, the rule takes B or better"),
        ("BTC", None, "no bands of the provider in the hour"),
        ("XYZ", None, "nothing of the asset is published for the hour"),
    ]


def test_an_asset_that_vanishes_is_stale_and_its_bands_are_unknown(marts):
    for hour in (HOUR, HOUR + timedelta(hours=5)):
        grade(marts, "ETH", hour=hour)
    grade(marts, "BTC")
    row = {"asset": "BTC", "venue": "okx", "as_of": HOUR, "newest_bar_age_seconds": 60.0}
    add_row(marts, "marts.asset_quality_hourly", row)
    stale = {"when": "data_stale", "older_than": "2 h"}
    near = {"when": "band_near", "within": "2 %", "side": "long"}
    findings = evaluate(marts, rules(stale, near), [HOUR, HOUR + timedelta(hours=5)])
    bars = [each for each in findings if each.key == "bars"]
    assert [(each.is_on, each.measure) for each in bars] == [(False, 60.0), (True, 5 * 3600 + 60.0)]
    assert [(each.is_on, each.reason) for each in findings if each.key == "long"] == [
        (None, "no bands of the provider in the hour"),
        (None, "nothing of the asset is published for the hour"),
    ]


def test_a_newest_bar_sweeps_the_bands_published_last(marts):
    grade(marts)
    context(marts)
    band(marts, 97.0, 98.5, usd=4e6)
    band(marts, 95.0, 96.0, usd=3e6, rank=2)
    band(marts, 102.0, 103.0)
    bar = NewestBar("BTC", HOUR + timedelta(hours=1), high=101.0, low=94.0, price=99.0)
    swept = rules({"when": "band_swept", "at_least": "5 M USD"})
    long, short = evaluate(marts, swept, [], [bar])
    assert (long.key, long.is_on, long.measure) == ("long", True, 7e6)
    assert (short.key, short.is_on, short.measure) == ("short", False, 0.0)
    later = NewestBar("BTC", HOUR + timedelta(hours=4), high=101.0, low=94.0, price=99.0)
    assert all(each.is_on is None for each in evaluate(marts, swept, [], [later]))


def test_one_known_side_is_enough_only_where_it_exceeds_the_threshold(marts):
    grade(marts)
    context(marts, realised_long_liquidation_usd=7e6)
    rule = {"when": "liquidations_realised"}
    two = rules(rule | {"above": "5 M USD"}, rule | {"above": "9 M USD"})
    enough, unknown = evaluate(marts, two, [HOUR])
    assert (enough.is_on, enough.measure) == (True, 7e6)
    assert (unknown.is_on, unknown.measure) == (None, None)


def test_without_rules_hours_or_data_nothing_is_found(marts):
    one = rules({"when": "could_force", "above": "5 M USD", "asset": "*"})
    assert evaluate(marts, (), [HOUR]) == []
    assert evaluate(marts, one, []) == []
    assert evaluate(marts, one, [HOUR]) == []


def test_a_map_without_a_scale_in_usd_forces_nothing_known(marts):
    grade(marts)
    context(marts)
    band(marts, 97.0, 98.5, usd=None)
    rule = {"when": "could_force", "above": "5 M USD", "side": "long"}
    (finding,) = evaluate(marts, rules(rule), [HOUR])
    assert finding.is_on is None
    assert "no band of the provider with odds and a scale in USD" in finding.reason
