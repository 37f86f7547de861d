"""Maps set side by side: who is compared with whom, in what, and what is left alone."""

import math
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from jobs.compare import compare_maps as comparing
from jobs.compare.compare_maps import COMPARISON_TABLES, compare_maps
from jobs.compare.comparison_rows import FAULTS
from jobs.compare.outside_maps import outside_map_rows
from jobs.errors import JobError
from transforms.bands import find_bands
from transforms.maps import N_WINDOW_BINS, window_first_bin
from transforms.touch import blend_volatility, touch_probability
from warehouse.connect import open_warehouse

HOUR = timedelta(hours=1)
AT = datetime(2026, 3, 3, 15, tzinfo=UTC)
PRICE = 100.0
FIRST = int(window_first_bin(PRICE))
VOLATILITY_DAY = 0.025
VOLUME_HOUR_USD = 1e6

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


@pytest.fixture
def connection(tmp_path):
    with open_warehouse(tmp_path / "warehouse.duckdb", threads=2) as connection:
        yield connection


def insert(connection, relation, rows):
    names = list(dict.fromkeys(name for row in rows for name in row))
    columns = ", ".join(f'"{name}"' for name in names)
    connection.executemany(
        f"insert into {relation} ({columns}) values ({', '.join('?' * len(names))})",
        [[row.get(name) for name in names] for row in rows],
    )


def add_hours(connection, *, hours=30, venues=("alpha",), asset="BTC", until=AT, price=PRICE):
    """Store hours that end at `until`: prices stand still, but for their known volatility."""
    zero = dict.fromkeys(
        (
            "zero_volume_bar_count",
            "violation_count",
            "unchanged_traded_bar_count",
            "volume_quantity",
            "volume_base",
        ),
        0,
    )
    insert(
        connection,
        "intermediate.int_instrument_hour",
        [
            {
                "venue": venue,
                "instrument": f"{asset}/USDT:USDT",
                "asset": asset,
                "contract_kind": "linear",
                "as_of": until - back * HOUR,
                "bar_seconds": 300,
                "bar_count": 12,
                "open": price,
                "high": price * 1.001,
                "low": price * 0.999,
                "close": price,
                "squared_log_return": VOLATILITY_DAY**2 / 24,
                "volume_usd": VOLUME_HOUR_USD,
                "open_interest_usd": 4e6,
                "open_interest_observed_count": 12,
                "change_observed_count": 12,
                **zero,
            }
            for venue in venues
            for back in range(hours)
        ],
    )


def add_map(
    connection,
    provider,
    *,
    longs=None,
    shorts=None,
    started=None,
    venue="all",
    at=AT,
    asset="BTC",
    unit="usd",
):
    """Store a map of USD by position in the window around the price: 0 is 20 % below.

    Of what stands at a position, `started` is start-up mass.
    """
    rows = []
    for side, held in (("long", longs or {}), ("short", shorts or {})):
        first = min(held, default=0)
        dense = np.zeros(max(held, default=-1) - first + 1)
        start_up = np.zeros_like(dense)
        for place, amount in held.items():
            dense[place - first] = amount
            start_up[place - first] = (started or {}).get(place, 0.0)
        rows.append(
            {
                "asset": asset,
                "as_of": at,
                "provider": provider,
                "venue": venue,
                "side": side,
                "price": PRICE,
                "first_bin_index": FIRST + first,
                "liquidation_usd": dense.tolist(),
                "start_up_usd": start_up.tolist() if start_up.any() else None,
                "unit": unit,
                "semantics": "standing",
                "params_hash": f"hash of {provider}",
                "run_id": "build",
            }
        )
    insert(connection, "derived.heatmap", rows)


def add_cells(connection, provider, cells, *, at=AT - timedelta(minutes=23), **told):
    """Land an outside map: cells are (low, high, side, value)."""
    insert(
        connection,
        "raw.provider_map",
        [
            {
                "provider": provider,
                "model": "map",
                "venue_scope": "all",
                "asset": "BTC",
                "as_of": at,
                "unit": "usd",
                "semantics": "standing",
                "reference_price": PRICE,
                "raw_sha256": "h",
                "source": provider,
                "ingested_at": at,
                **told,
                "price_low": low,
                "price_high": high,
                "side": side,
                "value": value,
            }
            for low, high, side, value in cells
        ],
    )


def place_outside_maps(connection, start=AT - HOUR, end=AT, assets=("BTC",)):
    """Put outside maps beside ours, as the build does."""
    for rows in outside_map_rows(connection, list(assets), start, end, "build"):  # noqa: B007
        connection.execute("insert into derived.heatmap by name select * from rows")


def compare(connection, start=AT - HOUR, end=AT, assets=("BTC",)):
    return compare_maps(connection, list(assets), start, end, "compare")


def pairs(connection, side="both", where="true"):
    answer = connection.execute(
        f"select * from derived.map_disagreement where side = '{side}' and {where} "
        "order by asset, as_of, venue_a, provider_a, venue_b, provider_b"
    )
    names = [column[0] for column in answer.description]
    return [dict(zip(names, row, strict=True)) for row in answer.fetchall()]


def rows_of(connection, relation, columns="*", order="all"):
    return connection.execute(f"select {columns} from {relation} order by {order}").fetchall()


def two_plain_maps(connection, **where):
    add_map(connection, "one", longs={80: 8.0}, shorts={120: 4.0}, **where)
    add_map(
        connection,
        "two",
        longs={80: 1.0, 81: 1.0, 82: 1.0, 83: 1.0},
        shorts={120: 4.0},
        **where,
    )


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
        sigma = blend_volatility(day, month)
        assert odds == pytest.approx(float(touch_probability(peak, price, sigma, 86_400.0)))


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
        return float(touch_probability(level, PRICE, VOLATILITY_DAY, 86_400.0))

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


def test_reach_of_an_outside_map_is_told_and_left_out_of_what_both_share(connection):
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
    told = dict(
        rows_of(
            connection,
            "marts.estimator_parameters inner join derived.heatmap using (params_hash) "
            "where side = 'long'",
            "parameter, value",
        )
    )
    assert told["unit"] == "relative"
    assert told["model"] == "getLiqMap"
    assert told["window"] == "not stated"
    assert set(told) == {"sends", "model", "window", "unit", "semantics", "valuation"}


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


def test_measured_positions_say_how_much_of_open_interest_they_are(connection):
    add_hours(connection, venues=("hyperliquid",))
    add_cells(
        connection,
        "hyperliquid_positions",
        [(88, 89, "long", 1e6), (110, 111, "short", 2e6)],
        venue_scope="hyperliquid",
    )
    place_outside_maps(connection)
    compare(connection)
    columns = "provider, observed_long_ratio, observed_short_ratio"
    assert rows_of(connection, "derived.outside_map", columns) == [
        ("hyperliquid_positions", 0.25, 0.5)
    ]
