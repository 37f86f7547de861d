"""The traders of one contract: liquidation prices, books and what the mark price forces."""

from dataclasses import replace
from datetime import UTC, datetime
from math import exp, log

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from workbench.simulated_positions import A_POSITION

from sources.simulated import book_layout as at
from sources.simulated.book import ContractBook, make_contract
from sources.simulated.parameters import (
    ASSETS,
    REALISTIC_CONDUCT,
    VENUES,
    MarketParameters,
    TraderConduct,
)
from sources.simulated.positions import LONG, SHORT, liquidation_price

START = datetime(2026, 1, 1, tzinfo=UTC)
MARKET = MarketParameters(start=START, days=1, seed=3)
PLAIN = TraderConduct()
CONDUCTS = [pytest.param(PLAIN, id="plain"), pytest.param(REALISTIC_CONDUCT, id="realistic")]
LINEAR, INVERSE = VENUES[0], VENUES[2]
BTC, THIN = ASSETS[0], ASSETS[-1]


def make_book(venue=LINEAR, asset=BTC, seed=1, conduct=PLAIN):
    contract = make_contract(replace(MARKET, conduct=conduct), venue, asset)
    tranches = asset.whale.tranche_count if asset.whale else 0
    return ContractBook(
        contract, log(asset.price_usd), np.random.Generator(np.random.PCG64(seed)), tranches
    )


def make_path(asset, hours, seed, daily_volatility=0.05):
    normals = np.random.Generator(np.random.PCG64(seed)).standard_normal(60 * hours)
    return log(asset.price_usd) + daily_volatility / 1440**0.5 * np.cumsum(normals)


def standing(book, side):
    """Return liquidation prices and lots of a side's traders."""
    chosen = (book.positions.lots > 0) & (book.positions.side == side)
    return book.positions.liquidation_price[chosen], book.positions.lots[chosen]


@pytest.mark.parametrize(
    ("is_inverse", "side", "expected"),
    [
        (True, LONG, 54_818.18),
        (True, SHORT, 66_333.33),
        # E (1 - 1/L) / (1 - mu) and E (1 + 1/L) / (1 + mu), no bracket deduction
        (False, LONG, 54_271.36),
        (False, SHORT, 65_671.64),
    ],
)
def test_liquidation_price_matches_worked_examples(is_inverse, side, expected):
    price = liquidation_price(is_inverse, side, 60_000.0, 10.0, 0.005)
    assert_allclose(price, expected, rtol=1e-6)


@given(**A_POSITION)
def test_margin_left_at_the_liquidation_price_is_the_maintenance_margin(
    is_inverse, side, entry, leverage, margin_ratio
):
    price = liquidation_price(is_inverse, side, entry, leverage, margin_ratio)
    sign = 1.0 if side == LONG else -1.0
    if is_inverse:  # one USD of contracts, in units of the asset
        margin = 1 / (entry * leverage) + sign * (1 / entry - 1 / price)
        assert_allclose(margin, margin_ratio / price, rtol=1e-9, atol=1e-12 / price)
    else:
        margin = entry / leverage + sign * (price - entry)
        assert_allclose(margin, margin_ratio * price, rtol=1e-9, atol=1e-12 * price)
    assert (price < entry) if side == LONG else (price > entry)


@pytest.mark.parametrize("is_inverse", [False, True])
def test_no_price_liquidates_the_unlevered(is_inverse):
    assert liquidation_price(is_inverse, LONG, 60_000.0, 1.0, 0.005) == 0.0
    assert liquidation_price(is_inverse, SHORT, 60_000.0, 1.0, 0.005) == np.inf


@pytest.mark.parametrize("venue", [LINEAR, INVERSE])
@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32), drift=st.floats(-0.3, 0.3))
def test_the_mark_liquidates_exactly_the_positions_it_reaches(venue, seed, drift):
    book = make_book(venue, seed=seed)
    before = {side: standing(book, side) for side in (LONG, SHORT)}
    path = make_path(BTC, 2, seed) + drift * np.linspace(0.0, 1.0, 120)

    # Without activity nobody opens and nobody closes: only the mark acts.
    measured = book.advance(np.random.default_rng(seed), path, np.zeros(120))

    lowest, highest = measured.mark[:, 2].min(), measured.mark[:, 1].max()
    for side in (LONG, SHORT):
        prices, lots = before[side]
        reached = prices >= lowest if side == LONG else prices <= highest
        left_prices, left_lots = standing(book, side)
        assert_array_equal(np.sort(left_prices), np.sort(prices[~reached]))
        assert measured.liquidated_lots[:, side].sum() == lots[reached].sum()
        assert left_lots.sum() == lots[~reached].sum()


def test_a_mark_that_does_not_move_liquidates_no_one():
    book = make_book()
    measured = book.advance(
        np.random.default_rng(1), np.full(240, log(BTC.price_usd)), np.ones(240)
    )
    assert measured.liquidated_lots.sum() == 0
    assert measured.volume_lots.min() > 0


def test_liquidations_are_valued_at_a_mark_of_their_bar():
    book = make_book()
    measured = book.advance(np.random.default_rng(2), make_path(BTC, 24, 2, 0.15), np.ones(60 * 24))
    quantity = measured.liquidated_lots * book.contract.lot_quantity
    for side in (LONG, SHORT):
        some = quantity[:, side] > 0
        assert some.sum() > 10
        price = measured.liquidated_usd[some, side] / quantity[some, side]
        assert np.all(price >= measured.mark[some, 2] * (1 - 1e-12))
        assert np.all(price <= measured.mark[some, 1] * (1 + 1e-12))


@pytest.mark.parametrize("venue", VENUES, ids=lambda venue: venue.name)
@pytest.mark.parametrize("asset", [BTC, THIN], ids=lambda asset: asset.name)
@pytest.mark.parametrize("conduct", CONDUCTS)
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_both_sides_of_the_books_are_open_interest_and_no_change_exceeds_volume(
    venue, asset, conduct, seed
):
    book = make_book(venue, asset, seed, conduct)
    opening = book.open_interest_lots
    measured = book.advance(np.random.default_rng(seed), make_path(asset, 6, seed), np.ones(360))

    assert_array_equal(measured.book_lots[:, LONG], measured.book_lots[:, SHORT])
    changes = np.diff(measured.book_lots[:, LONG], prepend=opening)
    assert np.all(np.abs(changes) <= measured.volume_lots)
    assert np.all(measured.taker_buy_lots >= 0)
    assert np.all(measured.taker_buy_lots <= measured.volume_lots)
    assert np.all(measured.volume_lots >= measured.liquidated_lots.max(axis=1))


@pytest.mark.parametrize("venue", [LINEAR, INVERSE])
@pytest.mark.parametrize("conduct", CONDUCTS)
def test_lists_and_sums_agree_with_the_positions_they_hold(venue, conduct):
    book = make_book(venue, THIN, conduct=conduct)
    measured = book.advance(np.random.default_rng(5), make_path(THIN, 72, 5), np.ones(60 * 72))
    mark = exp(book.ledger.levels[at.MARK_LOG])
    maker = measured.maker_lots[-1]
    for side, of_maker in ((LONG, max(maker, 0)), (SHORT, max(-maker, 0))):
        prices, lots = standing(book, side)
        assert lots.sum() + of_maker == measured.book_lots[-1, side]
        levered = (prices > 0) & np.isfinite(prices)
        assert book.ledger.bin_lots[side].sum() == lots[levered].sum()
        value = lots * book.contract.lot_quantity * (1.0 if venue is INVERSE else prices)
        assert_allclose(book.ledger.bin_usd[side].sum(), value[levered].sum(), rtol=1e-10)
        assert np.all(prices < mark) if side == LONG else np.all(prices > mark)
    assert book.positions.lots.min() >= 0
    n_standing = np.count_nonzero(book.positions.lots)
    assert book.ledger.counts[at.FREE_COUNT] == book.positions.lots.size - n_standing


@pytest.mark.parametrize("conduct", CONDUCTS)
def test_room_that_is_made_on_the_way_changes_nothing(conduct):
    crowded, roomy = make_book(conduct=conduct), make_book(conduct=conduct)
    n_slots = crowded.positions.lots.size
    roomy._grow(20 * n_slots)
    path = make_path(BTC, 24, 4)
    results = []
    for book in (crowded, roomy):
        # Forty times as many traders as the book was made for, each as much smaller.
        book.contract = book.contract._replace(
            orders_per_minute=40 * book.contract.orders_per_minute,
            mean_order_lots=book.contract.mean_order_lots / 40,
        )
        results.append(book.advance(np.random.default_rng(4), path, np.ones(path.size)))
    assert crowded.positions.lots.size > n_slots
    for name in results[0]._fields:
        assert_array_equal(getattr(results[0], name), getattr(results[1], name))


def test_a_bar_without_a_trade_keeps_its_price():
    book = make_book(asset=THIN)
    quiet = book.advance(np.random.default_rng(6), make_path(THIN, 1, 6), np.zeros(60))
    untraded = quiet.volume_lots == 0
    assert untraded.any()
    assert np.all(np.ptp(quiet.last[untraded], axis=1) == 0)
    assert np.all(np.ptp(quiet.mark, axis=1) > 0)
