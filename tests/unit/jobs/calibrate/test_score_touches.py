"""Touches of bands against their odds, and against levels as far on the other side."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from jobs.calibrate.score_touches import score_touches
from warehouse.connect import open_warehouse

START = datetime(2026, 1, 1, tzinfo=UTC)
DAYS = 176
PRICE = 20000.0


@pytest.fixture
def connection(tmp_path):
    with open_warehouse(tmp_path / "warehouse.duckdb") as connection:
        yield connection


def fill(connection, day_low, day_high):
    """Store a long band 2 % below and a short one 4 % above price at each midnight, and prices."""
    for day in range(DAYS):
        midnight = START + timedelta(days=day)
        connection.execute(
            "insert into derived.band by name select 'BTC' as asset, ?::timestamptz as as_of, "
            "'turnover' as provider, 'all' as venue, side, 1 as rank, 1 as size_rank, '0-2 %' as "
            "zone, ?::double as price, bin_of(level) as first_bin_index, bin_of(level) as "
            "last_bin_index, bin_of(level) as peak_bin_index, 1.0 as side_share_ratio, "
            "1.0 as side_expected_forced_usd_24h, 720 as volatility_hour_count, odds as "
            "touch_probability_24h_ratio, 1 as agreeing_provider_count, 1 as provider_count, "
            "'h' as params_hash, 'r' as run_id from (values ('long', ?::double, 0.45), "
            "('short', ?::double, 0.15)) as given (side, level, odds)",
            [midnight, PRICE, PRICE * 0.98, PRICE * 1.04],
        )
    connection.execute(
        "insert into intermediate.int_instrument_hour by name select 'okx' as venue, 'BTC/USD' as "
        "instrument, 'BTC' as asset, 'linear' as contract_kind, 3600 as bar_seconds, 1 as "
        "bar_count, ?::timestamptz + to_hours(hour::integer) as as_of, 1.0 as open, low, high, "
        "1.0 as close, 0 as volume_quantity, 0 as volume_base, 0 as volume_usd, 0 as "
        "zero_volume_bar_count, 0 as open_interest_observed_count, 0 as change_observed_count, "
        "0 as violation_count, 0 as unchanged_traded_bar_count, 0 as repeated_bar_count from "
        "(select unnest(?::bigint[]) as hour, unnest(?::double[]) as low, "
        "unnest(?::double[]) as high)",
        [
            START,
            list(range(1, 24 * DAYS + 1)),
            np.repeat(day_low, 24).tolist(),
            np.repeat(day_high, 24).tolist(),
        ],
    )


def measured(connection):
    answer = connection.execute("select * from derived.touch_reliability order by odds_group")
    names = [column[0] for column in answer.description]
    return {row[3]: dict(zip(names, row, strict=True)) for row in answer.fetchall()}


def test_touches_are_counted_by_odds_and_held_against_the_other_side(connection):
    # Half of the days reach the long bands, a quarter the level as far above, none the short bands.
    day = np.arange(DAYS)
    low = np.where(day % 2 == 0, PRICE * 0.97, PRICE * 0.99)
    high = np.where(day % 4 == 1, PRICE * 1.03, PRICE * 1.01)
    fill(connection, low, high)
    score_touches(connection, START + timedelta(days=DAYS), "r")
    found = measured(connection)
    last = START + timedelta(days=DAYS - 1)
    assert {row["as_of"] for row in found.values()} == {last}
    assert found["0.4-0.5"]["level_count"] == DAYS
    assert found["0.4-0.5"]["touched_ratio"] == pytest.approx(0.5)
    assert found["0.1-0.2"]["touched_ratio"] == 0.0
    assert found["0.0-0.1"]["touched_ratio"] is None
    whole = found["all"]
    assert whole["level_count"] == whole["mirror_count"] == 2 * DAYS
    # Long bands 50 % against 25 %; short bands and the levels below, 4 % away, never.
    assert whole["excess_points"] == pytest.approx(12.5)
    assert whole["excess_low_points"] < 12.5 < whole["excess_high_points"]
    expected = -(np.log(0.45) + np.log(0.55) + 2 * np.log(0.85)) / 4
    assert whole["log_loss_nats"] == pytest.approx(expected)


def test_few_bands_give_no_excess_and_say_so(connection):
    fill(connection, np.full(DAYS, PRICE * 0.99), np.full(DAYS, PRICE * 1.01))
    score_touches(connection, START + timedelta(days=20), "r")
    whole = measured(connection)["all"]
    assert whole["level_count"] == 2 * 20
    assert whole["excess_points"] is None
    assert "fewer than" in whole["reason"]


def test_without_bands_there_is_nothing(connection):
    assert score_touches(connection, START, "r") == 0
