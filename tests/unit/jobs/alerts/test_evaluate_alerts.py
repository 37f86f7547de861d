"""Alerts of a home: after a publication, after an ingestion, after a stop, beside every failure."""

import logging
from datetime import UTC, datetime, timedelta

import duckdb
import pytest
from workbench.alert_marts import add_row, alert_marts

from jobs.alerts.evaluate_alerts import (
    alert_after_ingestion,
    alert_after_publication,
    alert_after_stop,
)
from jobs.alerts.explain import explain
from jobs.alerts.ledger import AlertLedger
from jobs.errors import ConditionFailed
from jobs.pipeline import load
from jobs.read.query import published_file
from jobs.settings import Settings
from jobs.writer import open_writer

HOUR = datetime(2026, 3, 2, 12, tzinfo=UTC)

RULES = """
targets:
  desk: {url: "${DESK_URL}"}
rules:
  - {name: near, asset: "*", when: band_near, within: 2 %, to: desk}
  - {name: stopped, asset: "*", when: publishing_stopped, to: desk}
"""


@pytest.fixture
def settings(tmp_path):
    settings = Settings(home=tmp_path)
    settings.alerts_file.write_text(RULES)
    return settings


def publish(settings, *prices, start=HOUR):
    """Publish hours with a band of longs below 98, each hour with its price."""
    file = published_file(settings)
    file.parent.mkdir(exist_ok=True)
    file.unlink(missing_ok=True)
    with alert_marts() as marts:
        for n, price in enumerate(prices):
            hour = {"asset": "BTC", "as_of": start + timedelta(hours=n)}
            add_row(marts, "marts.asset_quality_hourly", hour | {"venue": "all", "grade": "A"})
            bar = {"price": price, "high": price, "low": price}
            add_row(marts, "marts.market_context_hourly", hour | bar)
            band = {
                "provider": "turnover",
                "venue": "all",
                "side": "long",
                "rank": 1,
                "price_low": 97.0,
                "price_high": 98.0,
                "price_peak": 97.5,
                "liquidation_usd": 5e6,
                "price": price,
            }
            add_row(marts, "marts.liquidation_bands_hourly", hour | band)
        marts.execute(f"attach '{file}' as published; copy from database memory to published")


def trade(settings, *prices, start=HOUR):
    """Store a bar of a minute for each price after an hour."""
    with open_writer(settings) as connection:
        connection.execute(
            "insert into raw.instrument by name select 'binance' as venue, "
            "'BTC/USDT:USDT' as instrument, 'BTC' as asset, 'linear' as contract_kind, "
            "'USDT' as quote, true as is_active, 1.0 as contract_size, "
            "1.0 as base_multiplier, ?::timestamptz as observed_at, "
            "'test' as source, ?::timestamptz as ingested_at",
            [start, start],
        )
        for n, price in enumerate(prices):
            connection.execute(
                "insert into raw.ohlcv by name select 'binance' as venue, "
                "'BTC/USDT:USDT' as instrument, ?::timestamptz as bar_start_at, "
                "60 as bar_seconds, $2 as open, $2 as high, $2 as low, $2 as close, "
                "1.0 as volume_quantity, 'test' as source, ?::timestamptz as ingested_at",
                [start + timedelta(minutes=n), price, start],
            )


def clock():
    return HOUR + timedelta(minutes=5)


def fired(settings):
    with AlertLedger(settings.alert_ledger) as ledger:
        return [(one.rule, one.asset, one.key, one.fired_at) for one in ledger.alerts(HOUR)]


def test_a_publication_fires_lands_and_waits_for_its_target(settings):
    publish(settings, 99.0)
    report = alert_after_publication(settings, clock=clock)
    assert fired(settings) == [("near", "BTC", "long", HOUR)]
    assert (report.recorded.fired, report.landed) == (1, 1)
    assert [one.target for one in report.deliveries] == ["desk"]
    assert len(list((settings.landing / "alert").glob("*.parquet"))) == 1
    again = alert_after_publication(settings, clock=clock)
    assert (again.recorded.fired, again.landed) == (0, 0)


def test_what_landed_is_in_the_mart_after_the_next_load(settings):
    publish(settings, 99.0)
    alert_after_publication(settings, clock=clock)
    publish(settings, 110.0, 110.0)
    alert_after_publication(settings, clock=clock)
    assert load(settings).rows_by_kind == {"alert": 2}
    with open_writer(settings) as connection:
        rows = connection.execute(
            "select rule, asset, key, fired_at, is_withdrawn, correction_count from marts.alerts"
        ).fetchall()
    assert rows == [("near", "BTC", "long", HOUR, True, 1)]


def test_a_later_publication_corrects_what_an_hour_no_longer_shows(settings):
    publish(settings, 99.0)
    alert_after_publication(settings, clock=clock)
    publish(settings, 110.0, 110.0)
    assert alert_after_publication(settings, clock=clock).recorded.corrected == 1
    assert alert_after_publication(settings, clock=clock).recorded.corrected == 0


def test_an_alert_of_a_day_ago_is_still_corrected(settings):
    publish(settings, 99.0)
    alert_after_publication(settings, clock=clock)
    publish(settings, 99.0, *[110.0] * 24)
    alert_after_publication(settings, clock=clock)
    publish(settings, *[110.0] * 26)
    assert alert_after_publication(settings, clock=clock).recorded.corrected == 1


def test_the_newest_bar_fires_before_its_hour_is_published(settings):
    publish(settings, 110.0)
    alert_after_publication(settings, clock=clock)
    trade(settings, 110.0, 99.0)
    assert alert_after_ingestion(settings, clock=clock).recorded.fired == 1
    assert fired(settings) == [("near", "BTC", "long", HOUR + timedelta(hours=1))]
    # The price left it before the hour ended: that corrects nothing.
    publish(settings, 110.0, 110.0)
    recorded = alert_after_publication(settings, clock=clock).recorded
    assert (recorded.fired, recorded.corrected) == (0, 0)


def test_a_condition_that_fails_leaves_the_others_and_catches_up(settings, caplog):
    realised = '{name: forced, asset: "*", when: liquidations_realised, above: 1 USD, to: desk}'
    settings.alerts_file.write_text(f"{RULES}  - {realised}\n")
    publish(settings, 110.0)
    alert_after_publication(settings, clock=clock)
    publish(settings, 110.0, 99.0, 110.0)
    with duckdb.connect(str(published_file(settings))) as connection:
        connection.execute(
            "update marts.market_context_hourly set realised_long_liquidation_usd = 5; "
            "alter table marts.liquidation_bands_hourly drop column side_share_ratio"
        )
    assert alert_after_publication(settings, clock=clock).recorded.fired == 1
    assert fired(settings) == [("forced", "BTC", "", HOUR)]
    assert "band_near cannot be evaluated, needed by near: query: Binder Error" in caplog.text
    assert "`liqheat run` publishes it anew" in caplog.text
    with pytest.raises(ConditionFailed, match="band_near cannot be evaluated"):
        explain(settings, "near")
    publish(settings, 110.0, 99.0, 110.0, 110.0)
    alert_after_publication(settings, clock=clock)
    assert fired(settings)[1:] == [("near", "BTC", "long", HOUR + timedelta(hours=1))]


def test_a_condition_that_fails_for_days_clears_nothing(settings):
    publish(settings, 99.0)
    alert_after_publication(settings, clock=clock)
    publish(settings, *[99.0] * 40)
    with duckdb.connect(str(published_file(settings))) as connection:
        connection.execute(
            "alter table marts.liquidation_bands_hourly drop column side_share_ratio"
        )
    assert alert_after_publication(settings, clock=clock).recorded.cleared == 0
    publish(settings, *[99.0] * 41)
    recorded = alert_after_publication(settings, clock=clock).recorded
    assert (recorded.fired, recorded.cleared) == (0, 0)


def test_a_stop_of_publication_fires_on_the_warehouse(settings):
    publish(settings, 110.0)
    with open_writer(settings) as connection:
        connection.execute(
            "insert into quality.check_results by name select 'maps' as suite, "
            "'mass' as check_name, ?::timestamptz as as_of, 'critical' as severity, "
            "false as success, 1 as unexpected_count, 'mass is kept' as description, "
            "'all' as scope, 1 as row_count, []::varchar[] as sample, 'run' as run_id",
            [HOUR],
        )
    alert_after_stop(settings, as_of=HOUR, clock=clock)
    assert fired(settings) == [("stopped", "all", "", HOUR)]


def test_without_rules_nothing_is_made(tmp_path):
    settings = Settings(home=tmp_path)
    assert alert_after_publication(settings, clock=clock).recorded.fired == 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        (RULES.replace("band_near", "band_neer"), "band_near"),
        (RULES, "run `liqheat run`"),
    ],
)
def test_what_fails_is_logged_and_fails_no_run(settings, caplog, rules, message):
    settings.alerts_file.write_text(rules)
    with caplog.at_level(logging.WARNING):
        assert alert_after_publication(settings, clock=clock).recorded.fired == 0
    assert message in caplog.text


def test_rules_that_cannot_be_reached_fail_no_run(tmp_path, caplog):
    settings = Settings(home=tmp_path)
    settings.alerts_file.symlink_to("x" * 300)
    assert alert_after_publication(settings, clock=clock).recorded.fired == 0
    assert "alerts failed" in caplog.text


def test_a_damaged_ledger_fails_no_run(settings, caplog):
    publish(settings, 99.0)
    settings.alert_ledger.parent.mkdir()
    settings.alert_ledger.write_bytes(b"torn" * 1000)
    alert_after_publication(settings, clock=clock)
    assert "cannot be read as an alert ledger" in caplog.text
