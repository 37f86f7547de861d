"""Bands, odds and cascades of maps, and what has no part in them."""

import math
from datetime import timedelta

import numpy as np
import pytest
from workbench.map_bench import (
    AT,
    FIRST,
    PRICE,
    VOLATILITY_DAY,
    VOLUME_HOUR_USD,
    add_cells,
    add_hours,
    add_map,
    compare,
    place_outside_maps,
    rows_of,
    two_plain_maps,
)

from transforms.bands import find_bands
from transforms.maps import N_WINDOW_BINS
from transforms.touch import blend_volatility, reach_probability, weekend_change

WEEKEND_CHANGE = weekend_change(np.datetime64(AT.replace(tzinfo=None), "us").astype(np.int64))


def test_bands_are_those_of_the_map_with_who_agrees(connection):
    two_plain_maps(connection)
    add_map(connection, "three", longs={20: 5.0})
    compare(connection)
    window = np.zeros((1, N_WINDOW_BINS))
    window[0, 80] = 8.0
    expected = find_bands(window, [PRICE])
    (band,) = rows_of(
        connection,
        "derived.band where provider = 'one' and side = 'long'",
        "first_bin_index, last_bin_index, peak_bin_index, liquidation_usd, side_share_ratio, "
        "agreeing_provider_count, provider_count",
    )
    assert band == (*(int(expected.first_bin[0]),) * 3, 8.0, 1.0, 2, 3)


def test_odds_of_touch_come_from_the_volatility_of_the_day_and_of_the_month(connection):
    two_plain_maps(connection)
    add_hours(connection, hours=800)
    # Wilder in the last day than before.
    connection.execute(
        "update intermediate.int_instrument_hour set squared_log_return = 4 * squared_log_return "
        "where as_of > ?",
        [AT - timedelta(days=1)],
    )
    compare(connection)
    columns = (
        "price, exp((2 * peak_bin_index + 0.5) * 0.001), volatility_day_ratio, "
        "volatility_month_ratio, volatility_hour_count, touch_probability_24h_ratio"
    )
    for price, peak, day, month, count, odds in rows_of(connection, "derived.band", columns):
        assert day > 1.5 * VOLATILITY_DAY
        assert month == pytest.approx(VOLATILITY_DAY * math.sqrt((29 + 4) / 30))
        assert count == 720
        sigma = blend_volatility(day, month, WEEKEND_CHANGE)
        expected = float(reach_probability(np.log(peak / price), sigma, 86_400.0))
        assert odds == pytest.approx(expected)


@pytest.mark.parametrize(("hours", "has_odds"), [(23, False), (24, True)])
def test_less_than_a_day_of_returns_gives_no_odds_and_a_rank_by_size(connection, hours, has_odds):
    add_map(connection, "one", longs={10: 9.0, 98: 1.0})
    add_hours(connection, hours=hours)
    compare(connection)
    columns = (
        "zone, size_rank, volatility_hour_count, touch_probability_24h_ratio is not null, "
        "expected_forced_usd_24h is not null, side_expected_forced_usd_24h is not null"
    )
    known = (hours, has_odds, has_odds, has_odds)
    near, far = ("0-2 %", 2, *known), ("10-20 %", 1, *known)
    expected = [near, far] if has_odds else [far, near]
    assert rows_of(connection, "derived.band", columns, order="rank") == expected


def test_what_is_expected_to_be_forced_is_what_bins_hold_times_their_odds(connection):
    add_map(connection, "one", longs={90: 5.0, 91: 5.0, 30: 2.0}, shorts={120: 4.0})
    add_hours(connection)
    compare(connection)

    def odds(place, near_edge):
        level = math.exp((2 * (FIRST + place) + near_edge) * 0.001)
        sigma = blend_volatility(VOLATILITY_DAY, VOLATILITY_DAY, WEEKEND_CHANGE)
        return float(reach_probability(np.log(level / PRICE), sigma, 86_400.0))

    near, far = 5 * odds(90, 1.5) + 5 * odds(91, 1.5), 2 * odds(30, 1.5)
    shorts = 4 * odds(120, -0.5)
    columns = "side, rank, expected_forced_usd_24h, side_expected_forced_usd_24h"
    assert rows_of(connection, "derived.band", columns) == [
        ("long", 1, pytest.approx(near), pytest.approx(near + far)),
        ("long", 2, pytest.approx(far), pytest.approx(near + far)),
        ("short", 1, pytest.approx(shorts), pytest.approx(shorts)),
    ]


def test_start_up_mass_makes_no_band_and_has_no_part_in_the_consensus(connection):
    lump = {"longs": {80: 8.0, 40: 99.9}, "shorts": {120: 4.0}, "started": {40: 99.9, 120: 1.0}}
    add_map(connection, "one", **lump)
    add_map(connection, "two", longs={82: 1.0}, shorts={120: 4.0})
    add_hours(connection)
    compare(connection)
    columns = "provider, side, peak_bin_index, liquidation_usd, side_share_ratio, start_up_ratio"
    assert rows_of(connection, "derived.band where provider = 'one'", columns) == [
        ("one", "long", FIRST + 80, 8.0, 1.0, 0.0),
        ("one", "short", FIRST + 120, 3.0, 1.0, 0.25),
    ]
    (long,) = rows_of(
        connection, "derived.consensus where side = 'long'", "first_bin_index, mean_ratio"
    )
    assert long == (FIRST + 80, pytest.approx([0.5, 0, 0.5]))
    # What is forced by a move is forced wherever it came from.
    forced = rows_of(
        connection,
        "derived.cascade_scenario where provider = 'one' and shock_ratio = 0.1",
        "forced_first_usd",
    )
    assert forced == [(pytest.approx(4.0),)]


def test_a_map_of_start_up_mass_alone_has_neither_band_nor_vote(connection):
    add_map(connection, "one", longs={80: 8.1}, started={80: 8.1})
    add_map(connection, "two", longs={80: 1.0})
    add_hours(connection)
    compare(connection)
    columns = "provider, agreeing_provider_count, provider_count"
    assert rows_of(connection, "derived.band", columns) == [("two", 1, 1)]
    assert rows_of(connection, "derived.consensus") == []


def test_without_bars_there_are_no_odds(connection):
    two_plain_maps(connection)
    compare(connection)
    odds = rows_of(connection, "derived.band", "touch_probability_24h_ratio")
    assert set(odds) == {(None,)}
    ends = rows_of(
        connection,
        "derived.cascade_scenario where shock_ratio = -0.1",
        "forced_first_usd, end_price",
    )
    assert [end for _, end in ends] == [None, None]


def test_cascades_use_the_volume_of_their_venue(connection):
    two_plain_maps(connection)
    two_plain_maps(connection, venue="alpha")
    add_hours(connection, venues=("alpha", "beta"))
    add_cells(connection, "outsider", [(88, 89, "long", 5.0)], venue_scope="alpha")
    place_outside_maps(connection)
    compare(connection)
    volumes = dict(rows_of(connection, "derived.cascade_scenario", "venue, volume_day_usd"))
    assert volumes == {"all": 48 * VOLUME_HOUR_USD, "alpha": 24 * VOLUME_HOUR_USD}


def test_hours_without_bars_do_not_shrink_the_volume_of_a_day(connection):
    two_plain_maps(connection)
    add_hours(connection, hours=3)
    compare(connection)
    volumes = {row[0] for row in rows_of(connection, "derived.cascade_scenario", "volume_day_usd")}
    assert volumes == {24 * VOLUME_HOUR_USD}


def test_both_directions_have_scenarios(connection):
    two_plain_maps(connection)
    add_hours(connection)
    compare(connection)
    shocks = rows_of(
        connection, "derived.cascade_scenario where provider = 'one'", "shock_ratio, forced_usd"
    )
    assert [shock for shock, _ in shocks] == [
        -0.1,
        -0.05,
        -0.03,
        -0.02,
        -0.01,
        0.01,
        0.02,
        0.03,
        0.05,
        0.1,
    ]
    assert shocks[0][1] == pytest.approx(8.0)
    assert shocks[-1][1] == pytest.approx(4.0)
