"""What a picture is drawn from: read from the published file, encoded, and nothing lost."""

import json
from datetime import timedelta

import duckdb
import numpy as np
import pytest
from workbench import END

from jobs.read.query import published_file
from jobs.settings import Settings
from plots.map_grid import LOG_ORIGIN, LOG_STEP, MISSING, STALE, WARM_UP, encode_grid, read_grid
from warehouse.errors import NotPublished
from warehouse.read import open_published

WINDOW = {"from_at": END - timedelta(hours=12), "until_at": END}
BTC = {"asset": "BTC", "provider": "turnover", "venue": "all", **WINDOW}


@pytest.fixture(scope="module")
def published(small_home):
    return published_file(Settings(home=small_home))


def grid_of(path, **which):
    with open_published(path) as reader:
        return read_grid(reader, **{**BTC, **which})


def rows_of(path, sql, *parameters):
    with duckdb.connect(str(path), read_only=True) as connection:
        return connection.execute(sql, parameters).fetchnumpy()


def decode(data):
    """Return meta and arrays as `plots/chart/grid.js` reads them."""
    length = int.from_bytes(data[:4], "little")
    header = json.loads(data[4 : 4 + length])
    begin = (4 + length + 7) // 8 * 8
    arrays = {}
    for one in header["arrays"]:
        assert one["offset"] % 8 == 0
        dtype = np.dtype(one["dtype"]).newbyteorder("<")
        arrays[one["name"]] = np.frombuffer(data, dtype, one["length"], begin + one["offset"])
    return header["meta"], arrays


def unfolded(grid, side):
    """Return hour, bin, USD and start-up USD of every bin that is not empty."""
    own = grid.sides[side]
    count = np.diff(own.offset.astype(int))
    place = np.arange(len(own.usd)) - np.repeat(own.offset[:-1].astype(int), count)
    start_up = np.zeros_like(own.usd) if own.start_up is None else own.start_up
    columns = np.repeat(grid.hours, count), np.repeat(own.first_bin, count) + place
    return [values[own.usd > 0] for values in (*columns, own.usd, start_up)]


@pytest.mark.parametrize("provider", ["turnover", "public_convention", "volume_profile"])
@pytest.mark.parametrize("side", ["long", "short"])
def test_bins_are_those_of_the_mart(published, provider, side):
    expected = rows_of(
        published,
        "select epoch(as_of) as hour, bin_index, liquidation_usd, coalesce(start_up_usd, 0), "
        "price_low, price_high from marts.liquidation_heatmap_hourly where asset = 'BTC' "
        "and provider = ? and venue = 'all' and side = ? and as_of > ? and as_of <= ? "
        "and liquidation_usd > 0 "
        "order by as_of, bin_index",
        provider,
        side,
        *WINDOW.values(),
    )
    found = unfolded(grid_of(published, provider=provider), side)
    for values, wanted in zip(found, expected.values(), strict=False):
        np.testing.assert_array_equal(values, wanted)
    edges = np.exp(LOG_STEP * found[1] + LOG_ORIGIN)
    np.testing.assert_allclose(edges, expected["price_low"], rtol=1e-12)
    np.testing.assert_allclose(edges * np.exp(LOG_STEP), expected["price_high"], rtol=1e-12)


def test_what_is_encoded_is_what_was_read(published):
    grid = grid_of(published)
    meta, arrays = decode(encode_grid(grid))
    assert meta == grid.meta
    assert meta["price"] == grid.candles["close"][-1]
    np.testing.assert_array_equal(arrays["hours"], grid.hours)
    assert grid.hours[-1] == END.timestamp()
    np.testing.assert_array_equal(arrays["close"], grid.candles["close"])
    for side in ("long", "short"):
        own = grid.sides[side]
        assert own.start_up is not None
        for name in ("first_bin", "offset", "usd", "start_up", "agreeing"):
            np.testing.assert_array_equal(arrays[f"{side}_{name}"], getattr(own, name))
    # A map whose assumptions are not fitted has no interval.
    assert "long_q10" not in arrays


def test_a_fitted_map_has_its_interval_by_bin_of_the_newest_hour(published):
    grid = grid_of(published, provider="volume_ledger")
    newest = rows_of(
        published,
        "select bin_index, liquidation_q10_usd as q10, liquidation_q90_usd as q90 "
        "from marts.liquidation_heatmap_hourly where asset = 'BTC' and provider = 'volume_ledger' "
        "and venue = 'all' and side = 'long' and as_of = ?",
        END,
    )
    own = grid.sides["long"]
    known = ~np.ma.getmaskarray(newest["q10"])
    if not known.any():
        assert own.q10 is None
        return
    place = newest["bin_index"][known] - own.first_bin[-1]
    np.testing.assert_array_equal(own.q10[place], newest["q10"][known])
    np.testing.assert_array_equal(own.q90[place], newest["q90"][known])


def test_bands_and_odds_are_the_published_ones(published):
    meta = grid_of(published).meta
    bands = rows_of(
        published,
        "select side, price_low, touch_probability_24h_ratio as odds "
        "from marts.liquidation_bands_hourly where asset = 'BTC' and provider = 'turnover' "
        "and venue = 'all' and as_of = ? and not is_hidden order by side, rank",
        END,
    )
    assert [band["low"] for band in meta["bands"]] == bands["price_low"].tolist()
    distances = [distance for distance, _ in meta["odds"]]
    odds = [odds for _, odds in meta["odds"]]
    assert distances == sorted(distances)
    assert odds == sorted(odds, reverse=True)


def test_the_consensus_is_a_share_of_each_side(published):
    grid = grid_of(published, provider="consensus")
    assert grid.meta["unit"] == "relative"
    for own in grid.sides.values():
        sums = np.add.reduceat(own.usd, own.offset[:-1].astype(int))
        np.testing.assert_allclose(sums, 1.0, atol=1e-5)


def test_a_map_on_one_venue_is_not_beside_liquidations_of_all(changed_file):
    path = changed_file(
        "update marts.market_context_hourly set realised_long_liquidation_usd = 5, "
        "realised_short_liquidation_usd = null, is_realised_liquidation_complete = false"
    )
    whole = grid_of(path)
    assert (whole.realised["long"] == 5.0).all()
    assert np.isnan(whole.realised["short"]).all()
    assert whole.is_lower_bound.all()
    venues = "select min(venue) as v from marts.liquidation_heatmap_arrays where venue <> 'all'"
    venue = rows_of(path, venues)["v"][0]
    assert np.isnan(grid_of(path, venue=str(venue)).realised["long"]).all()


def test_missing_hours_stay_in_place_and_are_flagged(changed_file):
    gone = END - timedelta(hours=3)
    path = changed_file(
        f"delete from marts.market_context_hourly where as_of = '{gone.isoformat()}'",
        f"delete from marts.liquidation_heatmap_arrays where as_of = '{gone.isoformat()}'",
    )
    grid = grid_of(path)
    assert np.diff(grid.hours).tolist() == [3600.0] * (len(grid.hours) - 1)
    at = int(np.flatnonzero(grid.hours == gone.timestamp())[0])
    assert np.flatnonzero(grid.flags & MISSING).tolist() == [at]
    assert np.isnan(grid.price[at])
    assert np.isnan(grid.candles["close"][at])
    for own in grid.sides.values():
        assert own.offset[at] == own.offset[at + 1]


def test_hours_in_warm_up_and_unfitting_captures_are_flagged(changed_file):
    path = changed_file(
        "update marts.series_books_hourly set is_warm_up = "
        f"as_of = '{(END - timedelta(hours=1)).isoformat()}'",
        "delete from marts.outside_maps_hourly",
        "insert into marts.outside_maps_hourly by name select 'BTC' as asset, "
        f"'{END.isoformat()}'::timestamp as as_of, 'turnover' as provider, 'all' as venue, "
        "false as is_fitting",
    )
    flags = grid_of(path).flags
    assert flags[-2] == WARM_UP
    assert flags[-1] == STALE
    assert not flags[:-2].any()


def test_an_outside_map_may_be_relative(changed_file):
    path = changed_file(
        "update marts.liquidation_heatmap_arrays set unit = 'relative', semantics = 'opened'"
    )
    meta = grid_of(path).meta
    assert (meta["unit"], meta["semantics"]) == ("relative", "opened")


def test_prices_that_an_outside_map_does_not_cover_are_known(changed_file):
    path = changed_file(
        "delete from marts.outside_maps_hourly",
        "insert into marts.outside_maps_hourly by name select 'BTC' as asset, "
        f"'{END.isoformat()}'::timestamp as as_of, 'turnover' as provider, 'all' as venue, "
        "true as is_fitting, 50000.0 as covered_price_low, 70000.0 as covered_price_high",
    )
    _, arrays = decode(encode_grid(grid_of(path)))
    assert (arrays["covered_low"][-1], arrays["covered_high"][-1]) == (50000.0, 70000.0)
    assert np.isnan(arrays["covered_low"][:-1]).all()
    _, own = decode(encode_grid(grid_of(path, provider="open_interest")))
    assert "covered_low" not in own


def test_nothing_published_gives_no_hours(published):
    grid = grid_of(published, asset="<b>NONE</b>")
    assert len(grid.hours) == 0
    assert grid.meta["newest"] == -1
    meta, arrays = decode(encode_grid(grid))
    assert meta["asset"] == "<b>NONE</b>"
    assert meta["price"] is None
    assert arrays["long_offset"].tolist() == [0]


def test_hours_with_bars_but_without_a_map_are_missing_maps(published):
    grid = grid_of(published, provider="nobody")
    assert len(grid.hours) == 12
    assert (grid.flags == MISSING).all()


TIERS = """
create or replace table marts.liquidation_heatmap_by_tier_arrays as
select
    asset, as_of, provider, venue, side, leverage,
    price, first_bin_index + shift as first_bin_index, bin_count,
    list_transform(liquidation_usd, lambda usd: (usd * share)::float) as liquidation_usd,
    params_hash,
from
    marts.liquidation_heatmap_arrays,
    (values (10.0, 0.25, 0), (50.0, 0.75, 2)) as tier (leverage, share, shift)
where provider = 'turnover'
"""


def test_maps_of_some_leverages_are_added_up(changed_file):
    path = changed_file(TIERS)
    whole, low, both = (grid_of(path, tiers=tiers) for tiers in (None, [10], [10, 50]))
    assert whole.meta["tiers"] == [10.0, 50.0]
    assert (low.meta["selected_tiers"], whole.meta["selected_tiers"]) == ([10], None)
    for side in ("long", "short"):
        own = whole.sides[side]
        np.testing.assert_allclose(low.sides[side].usd, 0.25 * own.usd, rtol=1e-6)
        # The other leverage lies two bins higher.
        first = int(own.offset[-1] - own.offset[-2])
        moved = np.zeros(first + 2)
        moved[:first] += 0.25 * own.usd[-first:]
        moved[2:] += 0.75 * own.usd[-first:]
        np.testing.assert_allclose(both.sides[side].usd[-len(moved) :], moved, rtol=1e-6)
        np.testing.assert_allclose(own.tier_usd[0], 0.25 * own.usd[-first:], rtol=1e-6)
        assert low.sides[side].start_up is None


def test_all_leverages_add_up_to_the_map_near_price(published):
    whole = grid_of(published)
    leverages = whole.meta["tiers"]
    assert len(leverages) > 5
    grid = grid_of(published, tiers=leverages)
    assert np.isfinite(grid.price).all()
    for side in ("long", "short"):
        *_, usd, _ = found = unfolded(grid, side)
        known = dict(
            zip(
                zip(*unfolded(whole, side)[:2], strict=True),
                whole.sides[side].usd[whole.sides[side].usd > 0],
                strict=True,
            )
        )
        expected = [known[key] for key in zip(*found[:2], strict=True)]
        assert len(usd) > 100
        np.testing.assert_allclose(usd, expected, rtol=1e-6)


def test_a_leverage_without_anything_near_price_moves_no_bin(changed_file):
    # Below one dollar bins are negative.
    down = "first_bin_index - 20000"
    path = changed_file(
        TIERS.replace("first_bin_index + shift", f"{down} + shift"),
        "insert into marts.liquidation_heatmap_by_tier_arrays select * replace (99.0 as leverage, "
        "0 as first_bin_index, []::float[] as liquidation_usd) "
        "from marts.liquidation_heatmap_by_tier_arrays where leverage = 10",
    )
    low, both, none = (grid_of(path, tiers=tiers) for tiers in ([10], [10, 99], [99]))
    for side in ("long", "short"):
        np.testing.assert_array_equal(low.sides[side].usd, both.sides[side].usd)
        np.testing.assert_array_equal(low.sides[side].first_bin, both.sides[side].first_bin)
        assert both.sides[side].first_bin.max() < 0
        assert len(none.sides[side].usd) == 0
    assert (none.flags == MISSING).all()


def test_odds_of_every_bin_are_published(published, changed_file):
    odds = np.array(grid_of(published).meta["odds"])
    assert len(odds) == 200
    assert odds[0].tolist() == [0.0, 1.0]
    assert odds[-1, 0] > 0.19
    own = rows_of(
        published,
        "select ln(price_low / price) as distance, touch_probability_24h_ratio as odds "
        "from marts.touch_odds_hourly where asset = 'BTC' and venue = 'all' and as_of = ? "
        "and price_low > price order by bin_index",
        END,
    )
    np.testing.assert_allclose(np.interp(own["distance"], *odds.T), own["odds"], atol=1e-6)
    path = changed_file("drop view marts.touch_odds_hourly")
    assert 0 < len(grid_of(path).meta["odds"]) < 200


def test_maps_by_leverage_that_are_not_published_are_an_error(changed_file):
    path = changed_file("drop table if exists marts.liquidation_heatmap_by_tier_arrays")
    assert grid_of(path).meta["tiers"] == []
    with pytest.raises(NotPublished, match="by leverage"):
        grid_of(path, tiers=[10])
