"""Maps of outside providers: which captures count, and what is known of them."""

import math
from datetime import timedelta

import pytest
from workbench.map_bench import (
    AT,
    FIRST,
    HOUR,
    PRICE,
    add_cells,
    add_hours,
    add_map,
    compare,
    pairs,
    place_outside_maps,
    rows_of,
    two_plain_maps,
)

from jobs.compare.comparison_rows import FAULTS

METRICS = (
    "overlap_ratio",
    "jensen_shannon_bits",
    "wasserstein_bps",
    "cosine",
    "pearson",
    "spearman",
    "peak_distance_bps",
    "band_match_ratio",
    "reach_ratio",
    "placement_ratio",
    "common_overlap_ratio",
)


def test_a_stale_capture_is_compared_with_nothing(connection):
    two_plain_maps(connection)
    add_hours(connection)
    add_cells(connection, "late", [(88, 89, "long", 5.0)], reference_price=PRICE * 1.05)
    place_outside_maps(connection)
    compare(connection)
    stale = [
        row for row in pairs(connection) if "late_map" in (row["provider_a"], row["provider_b"])
    ]
    assert len(stale) == 2
    for row in stale:
        assert not row["is_comparable"]
        assert FAULTS[2] in row["reason"]
        assert all(row[name] is None for name in METRICS)
    assert rows_of(connection, "derived.outside_map", "provider, is_fitting") == [
        ("late_map", False)
    ]
    assert "late_map" not in {row[0] for row in rows_of(connection, "derived.band", "provider")}
    assert {row[0] for row in rows_of(connection, "derived.consensus", "provider_count")} == {2}
    (count,) = rows_of(
        connection, "derived.asset_disagreement where side = 'both'", "provider_count"
    )
    assert count == (2,)


def test_a_map_of_another_coin_is_compared_with_nothing(connection):
    two_plain_maps(connection)
    add_hours(connection)
    add_cells(connection, "wrong", [(2000, 2100, "long", 5.0)], reference_price=None)
    place_outside_maps(connection)
    compare(connection)
    (row,) = pairs(connection, where="provider_a = 'two' and provider_b = 'wrong_map'")
    assert row["reason"] == f"b: {FAULTS[1]}"
    assert row["overlap_ratio"] is None


def test_reach_of_an_outside_map_is_stored_and_left_out_of_what_both_share(connection):
    add_map(connection, "ours", longs={40: 6.0, 90: 1.0, 94: 1.0})
    add_hours(connection)
    low, high = (math.exp((2 * (FIRST + place) - 0.5) * 0.001) for place in (88, 98))
    add_cells(connection, "near", [(low, high, "long", 10.0)])
    place_outside_maps(connection)
    compare(connection)
    (row,) = pairs(connection, "long")
    assert (row["provider_a"], row["provider_b"]) == ("near_map", "ours")
    assert row["covered_b_ratio"] == 1
    assert row["covered_a_ratio"] == pytest.approx(math.log(high / low) / 0.2, abs=1e-9)
    # A fifth of its even spread lies in each of five coarse bins; of ours a quarter stands there.
    assert row["overlap_ratio"] == pytest.approx(0.25)
    assert row["common_overlap_ratio"] == pytest.approx(0.4)


def test_the_last_capture_of_an_hour_counts(connection):
    add_hours(connection)
    add_cells(connection, "outsider", [(88, 89, "long", 5.0)], at=AT - timedelta(minutes=50))
    add_cells(connection, "outsider", [(88, 90, "long", 7.0)], at=AT - timedelta(minutes=5))
    add_cells(connection, "outsider", [(88, 91, "long", 9.0)], at=AT + timedelta(minutes=5))
    place_outside_maps(connection)
    compare(connection)
    columns = "captured_at, covered_price_high, cell_count"
    assert rows_of(connection, "derived.outside_map", columns) == [
        (AT - timedelta(minutes=5), 90.0, 1)
    ]


def test_look_backs_are_maps_of_their_own(connection):
    add_hours(connection)
    add_cells(connection, "outsider", [(88, 89, "long", 5.0)], window="24h")
    add_cells(connection, "outsider", [(88, 90, "long", 5.0)], window="7d")
    place_outside_maps(connection)
    compare(connection)
    assert rows_of(connection, "derived.outside_map", "provider") == [
        ("outsider_map_24h",),
        ("outsider_map_7d",),
    ]


def test_venues_of_an_outside_map_are_summed_where_there_are_several(connection):
    add_hours(connection, venues=("alpha", "beta"))
    for venue in ("alpha", "beta"):
        add_cells(connection, "outsider", [(88, 89, "long", 5.0)], venue_scope=venue)
    earlier = AT - HOUR - timedelta(minutes=5)
    add_cells(connection, "outsider", [(88, 89, "long", 5.0)], venue_scope="alpha", at=earlier)
    place_outside_maps(connection, AT - 2 * HOUR)
    compare(connection, AT - 2 * HOUR)
    assert rows_of(connection, "derived.outside_map", "as_of, venue") == [
        (AT - HOUR, "alpha"),
        (AT, "all"),
        (AT, "alpha"),
        (AT, "beta"),
    ]
    held = rows_of(
        connection,
        "derived.heatmap where side = 'long'",
        "as_of, venue, round(list_sum(liquidation_usd), 3)",
    )
    assert held == [(AT - HOUR, "alpha", 5), (AT, "all", 10), (AT, "alpha", 5), (AT, "beta", 5)]


def test_a_venue_that_is_set_apart_is_in_no_sum_of_an_outside_map(connection):
    add_hours(connection, venues=("alpha", "beta"))
    add_hours(connection, venues=("gamma",), price=PRICE * 112)
    for venue in ("alpha", "beta", "gamma"):
        add_cells(connection, "outsider", [(88, 89, "long", 5.0)], venue_scope=venue)
    place_outside_maps(connection)
    compare(connection)
    held = rows_of(
        connection,
        "derived.heatmap where side = 'long'",
        "venue, round(list_sum(liquidation_usd), 3)",
    )
    assert held == [("all", 10), ("alpha", 5), ("beta", 5), ("gamma", 5)]
    assert rows_of(connection, "derived.outside_map", "venue, cell_count") == [
        ("all", 2),
        ("alpha", 1),
        ("beta", 1),
        ("gamma", 1),
    ]


def test_of_mixed_units_those_in_dollars_count(connection):
    add_hours(connection)
    add_cells(connection, "outsider", [(88, 89, "long", 5.0)], unit="relative")
    add_cells(connection, "outsider", [(88, 89, "long", 7.0)])
    place_outside_maps(connection)
    compare(connection)
    assert rows_of(connection, "derived.heatmap where side = 'long'", "unit") == [("usd",)]


def test_what_an_outside_provider_states_joins_by_its_hash(connection):
    add_hours(connection)
    add_cells(connection, "coinank", [(88, 89, "long", 5.0)], unit="relative", model="getLiqMap")
    place_outside_maps(connection)
    compare(connection)
    compare(connection)
    stated = dict(
        rows_of(
            connection,
            "marts.estimator_parameters inner join derived.heatmap using (params_hash) "
            "where side = 'long'",
            "parameter, value",
        )
    )
    assert stated["unit"] == "relative"
    assert stated["model"] == "getLiqMap"
    assert stated["window"] == "not stated"
    assert set(stated) == {"sends", "model", "window", "unit", "semantics", "valuation"}


def test_every_row_of_comparing_joins_to_what_was_taken_for_granted(connection):
    add_hours(connection)
    for number, provider in enumerate(("one", "two", "three")):
        add_map(connection, provider, longs={50 + number: 1.0}, shorts={150: 2.0})
    compare(connection)
    known = {
        row[0]
        for row in connection.execute(
            "select params_hash from derived.estimator_parameter "
            "union select params_hash from derived.heatmap"
        ).fetchall()
    }
    for relation in ("derived.band", "derived.consensus", "derived.cascade_scenario"):
        used = connection.execute(f"select distinct params_hash from {relation}").fetchall()
        assert used
        assert {row[0] for row in used} <= known
    compare(connection)
    ((rows, names),) = connection.execute(
        "select count(*), count(distinct parameter) from derived.estimator_parameter "
        "where params_hash = 'consensus'"
    ).fetchall()
    assert rows == names > 10


def compare_positions(connection, *cells):
    """Compare the measured positions of a venue in some cells with what is known of it."""
    add_hours(connection, venues=("hyperliquid",))
    add_cells(connection, "hyperliquid_positions", cells, venue_scope="hyperliquid")
    place_outside_maps(connection)
    compare(connection)


def test_measured_positions_say_how_much_of_open_interest_they_are(connection):
    compare_positions(connection, (88, 89, "long", 1e6), (110, 111, "short", 2e6))
    columns = "provider, observed_long_ratio, observed_short_ratio"
    assert rows_of(connection, "derived.outside_map", columns) == [
        ("hyperliquid_positions", 0.25, 0.5)
    ]


def test_positions_are_shares_of_open_interest_at_the_same_price(connection):
    """A position counts as what it is worth, not as what it is worth where it is liquidated."""
    # 1 % of the longs far from price, 1 % of the shorts.
    compare_positions(connection, (50, 50, "long", 20_000.0), (200, 200, "short", 80_000.0))
    columns = "observed_long_ratio, observed_short_ratio"
    assert rows_of(connection, "derived.outside_map", columns) == [(0.01, 0.01)]


def test_maps_do_not_depend_on_how_hours_are_cut(connection, monkeypatch):
    hours = [AT - number * HOUR for number in range(5)]
    for number, at in enumerate(hours):
        add_hours(connection, hours=1, until=at)
        for asset in ("BTC", "ETH"):
            cells = [(88 + number, 89 + number, "long", 5.0 + number)]
            add_cells(connection, "often", cells, at=at, asset=asset)
    start, found = AT - 5 * HOUR, []
    for chunk in (1000, 4, 1):
        monkeypatch.setattr("jobs.compare.outside_maps._CHUNK_ASSET_HOURS", chunk)
        connection.execute("delete from derived.heatmap")
        place_outside_maps(connection, start, AT, ("BTC", "ETH"))
        found.append(rows_of(connection, "derived.heatmap"))
    assert len(found[0]) == 2 * 2 * len(hours)
    assert found[0] == found[1] == found[2]
