"""What a small market's published tables say of one another: sums, sides, units."""

import duckdb
import pytest
from workbench import DAYS

from transforms.estimators import ESTIMATORS
from transforms.ledger import LEDGERS
from warehouse.published_versions import PUBLISHED_FILE

MEASURED = "simulated_truth"


@pytest.fixture(scope="module")
def ask(small_home):
    path = small_home / "published" / PUBLISHED_FILE
    with duckdb.connect(str(path), read_only=True) as connection:
        yield lambda sql: connection.execute(sql).fetchall()


def test_every_estimator_has_a_map_for_every_hour_side_and_venue(ask):
    rows = ask(
        "select provider, count(distinct as_of), count(distinct side), count(distinct venue), "
        "count(distinct asset) from marts.liquidation_heatmap_hourly group by all order by all"
    )
    of_positions = [(provider, DAYS * 24, 2, 3, 2) for provider in (*ESTIMATORS, MEASURED)]
    # A ledger follows an asset's path and has one map for all venues.
    of_paths = [(provider, DAYS * 24, 2, 1, 2) for provider in LEDGERS]
    assert rows == sorted(of_positions + of_paths)


WRONG_SIDE = "(side = 'long' and price_low > price) or (side = 'short' and price_high < price)"


def test_longs_are_below_price_and_shorts_above(ask):
    """The bin that holds the price may hold some of both."""
    on_the_wrong_side = ask(
        "select provider, count(*) from marts.liquidation_heatmap_hourly "
        f"where venue <> 'all' and ({WRONG_SIDE}) group by all"
    )
    # Those liquidate on mark, which may not have gone where the last trade went.
    on_mark = {MEASURED, "open_interest", "turnover", "taker_tilt"}
    assert {provider for provider, _ in on_the_wrong_side} <= on_mark


def test_what_last_price_has_passed_and_mark_has_not_is_little_and_near(ask):
    ((share, distance),) = ask(
        f"select sum(liquidation_usd) filter (where {WRONG_SIDE}) / sum(liquidation_usd), "
        f"max(abs(ln(sqrt(price_low * price_high) / price))) filter (where {WRONG_SIDE}) "
        "from marts.liquidation_heatmap_hourly where venue <> 'all'"
    )
    assert share < 1e-5
    assert distance < 0.01


def test_all_is_the_sum_of_the_venues(ask):
    differing = ask(
        "with by_venue as (select asset, as_of, provider, side, bin_index, "
        "sum(liquidation_usd) filter (where venue = 'all') as whole, "
        "sum(liquidation_usd) filter (where venue <> 'all') as parts "
        "from marts.liquidation_heatmap_hourly where semantics = 'standing' "
        "and liquidation_usd > 0 group by all) "
        "select * from by_venue where coalesce(abs(whole / parts - 1), 1) > 1e-6"
    )
    assert differing == []


def test_a_sides_rows_by_leverage_sum_to_open_interest(ask):
    differing = ask(
        "with side_sum as (select asset, as_of, provider, venue, side, "
        "sum(position_base) as position_base "
        "from marts.liquidation_by_leverage_hourly group by all), "
        "open_interest as (select asset, as_of, provider, coalesce(venue, 'all') as venue, "
        "sum(open_interest_base) as open_interest_base from marts.series_books_hourly "
        "group by grouping sets ((asset, as_of, provider, venue), (asset, as_of, provider))) "
        "select * from side_sum full join open_interest using (asset, as_of, provider, venue) "
        "where coalesce(abs(position_base / open_interest_base - 1), 1) > 1e-9"
    )
    assert differing == []


def test_open_interest_is_the_venues_own_in_units_of_the_asset(ask):
    """Also where contracts are counted in USD."""
    differing = ask(
        "with books as (select asset, as_of, provider, sum(open_interest_base) as held "
        "from marts.series_books_hourly group by all) "
        "select * from books inner join marts.market_context_hourly using (asset, as_of) "
        "where abs(held / open_interest_base - 1) > 1e-9"
    )
    assert differing == []


def test_books_hold_at_every_hour_of_every_series(ask):
    ((error, distance, rows),) = ask(
        "select max(books_error_ratio), max(greatest(abs(long_base / open_interest_base - 1), "
        "abs(short_base / open_interest_base - 1))), count(*) from marts.series_books_hourly"
    )
    assert error < 1e-9
    assert distance < 1e-9
    assert rows == DAYS * 24 * 4 * len(ESTIMATORS)


def test_what_a_map_shows_is_what_stands_at_its_leverages(ask):
    differing = ask(
        "with shown as (select asset, as_of, provider, venue, side, "
        "sum(liquidation_usd::double) as shown_usd from marts.liquidation_heatmap_hourly "
        f"where provider <> '{MEASURED}' and semantics = 'standing' group by all), "
        "standing as (select asset, as_of, provider, venue, side, sum(position_usd) as usd "
        "from marts.liquidation_by_leverage_hourly "
        "where tier not in ('unlevered', 'beyond_range') group by all) "
        "select * from shown full join standing using (asset, as_of, provider, venue, side) "
        "where coalesce(abs(shown_usd / usd - 1), 1) > 1e-5"
    )
    assert differing == []


def test_tiers_sum_to_the_map_in_every_bin_within_20_percent(ask):
    by_provider = ask(
        "with parts as (select asset, as_of, provider, side, bin_index, "
        "sum(liquidation_usd::double) as parts from marts.liquidation_heatmap_by_tier_hourly "
        "where venue = 'all' group by all), "
        "whole as (from marts.liquidation_heatmap_hourly where venue = 'all' "
        "and liquidation_usd > 0 and abs(ln(sqrt(price_low * price_high) / price)) < 0.197) "
        "select provider, count(*), max(abs(parts / liquidation_usd - 1)), "
        "count(*) filter (where parts is null), count(distinct as_of) "
        "from whole left join parts using (asset, as_of, provider, side, bin_index) "
        f"where provider in {tuple(ESTIMATORS)} group by all"
    )
    assert len(by_provider) == len(ESTIMATORS)
    for provider, bins, error, missing, hours in by_provider:
        assert (missing, hours) == (0, DAYS * 24), provider
        assert bins > 1000
        assert error < 1e-6


def test_tiers_near_price_hold_what_their_rows_by_leverage_say(ask):
    """Bins near the end of what is near count on neither side."""
    differing = ask(
        "with held as (select asset, as_of, provider, side, leverage, "
        "sum(liquidation_usd::double) filter (where abs(ln(price_low / price)) < .06) as most, "
        "sum(liquidation_usd::double) filter (where abs(ln(price_low / price)) < .04) as least "
        "from marts.liquidation_heatmap_by_tier_hourly where venue = 'all' group by all) "
        "select * from marts.liquidation_by_leverage_hourly "
        "left join held using (asset, as_of, provider, side, leverage) "
        "where venue = 'all' and leverage is not null and not near_usd between "
        "coalesce(least, 0) * (1 - 1e-6) and coalesce(most, 0) * (1 + 1e-6)"
    )
    assert differing == []


def test_odds_by_bin_are_those_of_bands(ask):
    """The odds of a band are those of its densest bin's centre, between those of its edges."""
    ((known, hours, joined, wrong),) = ask(
        "with odds as (select asset, as_of, venue, price_low, price_high, "
        "touch_probability_24h_ratio as near_edge, if(price_low > price, "
        "lead(touch_probability_24h_ratio) over by_price, "
        "lag(touch_probability_24h_ratio) over by_price) as far_edge "
        "from marts.touch_odds_hourly "
        "window by_price as (partition by asset, as_of, venue order by bin_index)), "
        "band as (from marts.liquidation_bands_hourly "
        "where touch_probability_24h_ratio is not null "
        "and abs(ln(price_peak / price)) between .001 and .19) "
        "select count(*), count(distinct band.as_of), count(near_edge), "
        "count(*) filter (where touch_probability_24h_ratio "
        "not between far_edge - 1e-6 and near_edge + 1e-6) "
        "from band left join odds on odds.asset = band.asset and odds.as_of = band.as_of "
        "and odds.venue = band.venue "
        "and price_peak between odds.price_low and odds.price_high"
    )
    assert joined == known > 1000
    assert hours > 24
    assert wrong == 0


def test_what_is_near_is_a_part_of_what_stands(ask):
    assert ask(
        "select count(*) from marts.liquidation_by_leverage_hourly "
        "where near_base < 0 or near_base > position_base * (1 + 1e-9)"
    ) == [(0,)]


def test_high_leverage_stands_nearer_than_low(ask):
    shares = dict(
        ask(
            "select leverage, sum(near_base) / sum(position_base) "
            "from marts.liquidation_by_leverage_hourly "
            "where provider = 'turnover' and asset = 'BTC' and leverage in (3, 10, 50) group by all"
        )
    )
    assert shares[3] < shares[10] < shares[50]
