"""Which maps are compared with which, in what, and what comparing leaves alone."""

import math

import numpy as np
import pytest
from workbench.map_bench import (
    AT,
    FIRST,
    HOUR,
    add_cells,
    add_hours,
    add_map,
    compare,
    pairs,
    place_outside_maps,
    rows_of,
    two_plain_maps,
)

from jobs.compare import compare_maps as comparing
from jobs.compare.compare_maps import COMPARISON_TABLES
from jobs.compare.comparison_rows import FAULTS
from jobs.errors import JobError


def test_two_maps_are_compared_on_each_side_and_on_both(connection):
    two_plain_maps(connection)
    add_hours(connection)
    compare(connection)
    (long,) = pairs(connection, "long")
    assert (long["provider_a"], long["provider_b"]) == ("one", "two")
    assert long["overlap_ratio"] == pytest.approx(0.5)
    assert long["scale_log_ratio"] == pytest.approx(math.log(2))
    (short,) = pairs(connection, "short")
    assert short["overlap_ratio"] == pytest.approx(1)
    assert short["scale_log_ratio"] == pytest.approx(0)
    (both,) = pairs(connection, "both")
    # 8 of 12 stand at the one long bar against 2 of 8 in its coarse bin; 4 of 12 and of 8 above.
    assert both["overlap_ratio"] == pytest.approx(0.25 + 1 / 3)
    assert both["overlap_ratio"] + both["reach_ratio"] + both["placement_ratio"] == pytest.approx(1)


def test_rows_say_what_made_them(connection):
    two_plain_maps(connection)
    compare(connection)
    (row,) = pairs(connection)
    assert row["params_hash_a"] == "hash of one"
    assert row["params_hash_b"] == "hash of two"
    assert row["run_id"] == "compare"
    assert (row["covered_a_ratio"], row["covered_b_ratio"]) == (1, 1)
    assert row["common_overlap_ratio"] == row["overlap_ratio"]


def test_pairs_are_made_within_all_venues_and_not_within_a_single_one(connection):
    two_plain_maps(connection)
    two_plain_maps(connection, venue="alpha")
    add_hours(connection)
    compare(connection)
    assert [row["venue_a"] for row in pairs(connection, where="venue_a = venue_b")] == ["all"]
    assert {row[0] for row in rows_of(connection, "derived.band", "venue")} == {"all"}


def test_a_single_venue_is_compared_where_somebody_from_outside_speaks_of_it(connection):
    two_plain_maps(connection)
    two_plain_maps(connection, venue="alpha")
    two_plain_maps(connection, venue="beta")
    add_hours(connection)
    add_cells(connection, "outsider", [(88, 89, "long", 5.0)], venue_scope="alpha")
    place_outside_maps(connection)
    compare(connection)
    found = {
        (row["venue_a"], row["provider_a"], row["provider_b"])
        for row in pairs(connection, where="venue_a = venue_b")
    }
    assert found == {
        ("all", "one", "two"),
        ("alpha", "one", "two"),
        ("alpha", "one", "outsider_map"),
        ("alpha", "outsider_map", "two"),
    }


def test_venues_of_one_provider_are_compared_with_one_another(connection):
    add_map(connection, "one", longs={80: 1.0})
    add_map(connection, "one", longs={80: 1.0}, venue="alpha")
    add_map(connection, "one", longs={80: 1.0}, venue="beta")
    add_map(connection, "one", longs={20: 1.0}, venue="gamma")
    compare(connection)
    found = {
        (row["venue_a"], row["venue_b"]): row["overlap_ratio"]
        for row in pairs(connection, where="venue_a <> venue_b")
    }
    assert found == {("alpha", "beta"): 1, ("alpha", "gamma"): 0, ("beta", "gamma"): 0}


def test_a_relative_map_has_no_scale_no_dollars_and_no_cascade(connection):
    add_map(connection, "one", longs={80: 8.0})
    add_map(connection, "strength", longs={80: 8.0, 60: 2.0}, unit="relative")
    add_map(connection, "vigour", longs={80: 2.0}, unit="relative")
    add_hours(connection)
    compare(connection)
    for row in pairs(connection, "long"):
        assert row["scale_log_ratio"] is None
        assert row["overlap_ratio"] >= 0.8
        assert row["is_comparable"]
    held = rows_of(
        connection,
        "derived.band",
        "provider, rank, liquidation_usd, expected_forced_usd_24h is null",
    )
    assert held == [
        ("consensus", 1, None, True),
        ("consensus", 2, None, True),
        ("one", 1, 8.0, False),
        ("strength", 1, None, True),
        ("strength", 2, None, True),
        ("vigour", 1, None, True),
    ]
    providers = {row[0] for row in rows_of(connection, "derived.cascade_scenario", "provider")}
    assert providers == {"one"}


def test_an_empty_side_is_not_comparable_and_the_other_is(connection):
    add_map(connection, "one", longs={80: 8.0})
    add_map(connection, "two", longs={80: 8.0}, shorts={120: 1.0})
    compare(connection)
    (short,) = pairs(connection, "short")
    assert not short["is_comparable"]
    assert short["reason"] == f"a: {FAULTS[1]}"
    assert pairs(connection, "long")[0]["overlap_ratio"] == 1


def test_one_provider_alone_has_bands_but_no_pair_and_no_consensus(connection):
    add_map(connection, "one", longs={80: 8.0})
    add_hours(connection)
    compare(connection)
    assert pairs(connection) == []
    assert rows_of(connection, "derived.consensus") == []
    assert rows_of(connection, "derived.band", "provider, rank") == [("one", 1)]
    measures = "provider_count, overlap_mean_ratio, furthest_provider_a"
    assert rows_of(connection, "derived.asset_disagreement where side = 'long'", measures) == [
        (1, None, None)
    ]


def test_the_whole_names_the_pair_furthest_apart(connection):
    add_map(connection, "one", longs={80: 1.0})
    add_map(connection, "two", longs={80: 1.0, 70: 1.0})
    add_map(connection, "three", longs={10: 1.0})
    compare(connection)
    columns = "provider_count, overlap_mean_ratio, furthest_provider_a, furthest_provider_b"
    (row,) = rows_of(connection, "derived.asset_disagreement where side = 'long'", columns)
    assert row == (3, pytest.approx(0.5 / 3), "one", "three")


def test_consensus_weighs_shapes_alike(connection):
    two_plain_maps(connection)
    compare(connection)
    (long,) = rows_of(
        connection,
        "derived.consensus where side = 'long'",
        "first_bin_index, mean_ratio, min_ratio, max_ratio, dense_provider_count, provider_count",
    )
    first, mean, low, high, dense, count = long
    assert first == FIRST + 80
    assert mean == pytest.approx([0.625, 0.125, 0.125, 0.125])
    assert low == pytest.approx([0.25, 0, 0, 0])
    assert high == pytest.approx([1, 0.25, 0.25, 0.25])
    assert dense == [2, 1, 1, 1]
    assert count == 2


def test_the_truth_of_a_simulated_market_has_no_vote(connection):
    two_plain_maps(connection)
    add_map(connection, "simulated_truth", longs={20: 1.0}, shorts={120: 4.0})
    add_hours(connection)
    compare(connection)
    without = rows_of(connection, "derived.consensus where side = 'long'", "mean_ratio")
    assert without == [(pytest.approx([0.625, 0.125, 0.125, 0.125]),)]
    counts = rows_of(
        connection,
        "derived.band where side = 'long'",
        "provider, agreeing_provider_count, provider_count",
    )
    assert counts == [
        ("consensus", 2, 2),
        ("one", 2, 2),
        ("simulated_truth", 0, 2),
        ("two", 2, 2),
    ]
    whole = rows_of(
        connection,
        "derived.asset_disagreement where side = 'long'",
        "provider_count, overlap_mean_ratio, furthest_provider_a, furthest_provider_b",
    )
    assert whole == [(2, pytest.approx(0.5), "one", "two")]
    # It is still what each provider is held against.
    assert len(pairs(connection, "long")) == 3


def test_maps_that_are_nearly_the_same_share_one_vote(connection):
    two_plain_maps(connection)
    add_map(connection, "twin", longs={80: 1.0, 81: 1.0, 82: 1.0, 83: 1.1}, shorts={120: 4.0})
    compare(connection)
    (long,) = rows_of(
        connection,
        "derived.consensus where side = 'long'",
        "provider_count, mean_ratio[1], dense_provider_count[1]",
    )
    assert long == (2, pytest.approx((1 + (1 / 4 + 1 / 4.1) / 2) / 2), 2)
    counts = rows_of(
        connection,
        "derived.band where side = 'long'",
        "provider, agreeing_provider_count, provider_count",
    )
    # The band of the twin reaches its own vote only, the others two votes of three maps.
    assert counts == [("consensus", 2, 2), ("one", 2, 2), ("twin", 1, 2), ("two", 2, 2)]
    # All three say the same of shorts: one voice is no consensus.
    assert rows_of(connection, "derived.consensus where side = 'short'") == []


def test_comparing_again_changes_nothing(connection):
    for back in range(3):
        two_plain_maps(connection, at=AT - back * HOUR)
    add_hours(connection)
    first = compare(connection, AT - 3 * HOUR)
    before = {name: rows_of(connection, name) for name in COMPARISON_TABLES}
    assert compare(connection, AT - 3 * HOUR) == first
    assert {name: rows_of(connection, name) for name in COMPARISON_TABLES} == before


@pytest.mark.parametrize("chunk", [1, 2, 768])
def test_rows_do_not_depend_on_how_hours_are_cut(connection, monkeypatch, chunk):
    generator = np.random.default_rng(3)
    for back in range(4):
        for asset in ("BTC", "ETH"):
            for provider in ("one", "two", "three"):
                held = generator.lognormal(size=200)
                add_map(
                    connection,
                    provider,
                    longs=dict(enumerate(held[:100])),
                    shorts={100 + i: value for i, value in enumerate(held[100:])},
                    at=AT - back * HOUR,
                    asset=asset,
                )
    for asset in ("BTC", "ETH"):
        add_hours(connection, asset=asset)
    compare(connection, AT - 4 * HOUR, assets=("BTC", "ETH"))
    at_once = {name: rows_of(connection, name) for name in COMPARISON_TABLES}
    monkeypatch.setattr(comparing, "_CHUNK_ASSET_HOURS", chunk)
    for back in (3, 2, 1, 0):
        at = AT - back * HOUR
        compare(connection, at - HOUR, at, assets=("BTC", "ETH"))
    assert {name: rows_of(connection, name) for name in COMPARISON_TABLES} == at_once


def test_other_hours_and_assets_are_left_as_they_are(connection):
    two_plain_maps(connection)
    two_plain_maps(connection, at=AT - HOUR)
    two_plain_maps(connection, asset="ETH")
    compare(connection, AT - 2 * HOUR, assets=("BTC", "ETH"))
    connection.execute("update derived.map_disagreement set run_id = 'before'")
    compare(connection)
    kept = rows_of(
        connection, "derived.map_disagreement where run_id = 'before'", "distinct asset, as_of"
    )
    assert kept == [("BTC", AT - HOUR), ("ETH", AT)]


def test_a_map_without_one_of_its_sides_is_refused_by_name(connection):
    two_plain_maps(connection)
    connection.execute("delete from derived.heatmap where side = 'short' and provider = 'two'")
    with pytest.raises(JobError, match=r"BTC.*derived\.heatmap"):
        compare(connection)


def test_no_maps_no_rows(connection):
    assert compare(connection) == 0
