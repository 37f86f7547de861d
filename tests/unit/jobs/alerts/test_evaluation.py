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
