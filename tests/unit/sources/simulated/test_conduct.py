"""What accounts do besides isolated positions that are liquidated whole, each kind alone."""

from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from math import exp, log

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from workbench.simulated_positions import A_POSITION

from sources.errors import InputRejected
from sources.simulated import TraderConduct, realistic_market, simulate
from sources.simulated import book_layout as at
from sources.simulated.book import ContractBook, make_contract, tilt_leverage
from sources.simulated.parameters import (
    ASSETS,
    REALISTIC_CONDUCT,
    VENUES,
    MarketParameters,
)
from sources.simulated.positions import (
    LONG,
    NOBODY,
    SHORT,
    liquidation_price,
    margin_at,
    margin_of,
    price_of_margin,
)

MARKET = MarketParameters(start=datetime(2026, 1, 1, tzinfo=UTC), days=1, seed=3)
LINEAR, INVERSE = VENUES[0], VENUES[2]
BTC = ASSETS[0]
BOTH_KINDS = pytest.mark.parametrize("venue", [LINEAR, INVERSE], ids=["linear", "inverse"])


def make_book(venue=LINEAR, seed=1, **conduct):
    parameters = replace(MARKET, conduct=TraderConduct(**conduct))
    contract = make_contract(parameters, venue, BTC)
    return ContractBook(contract, log(BTC.price_usd), np.random.Generator(np.random.PCG64(seed)))


def move_mark(book, *log_moves, activity=0.0, seed=5):
    """Advance the book an hour for each move of the index, which is spread over the hour."""
    start = book.ledger.levels[at.MARK_LOG]
    stops = start + np.cumsum([0.0, *log_moves])
    path = np.concatenate([np.linspace(*pair, 61)[1:] for pair in pairwise(stops)])
    return book.advance(np.random.default_rng(seed), path, np.full(path.size, activity))


def open_positions(book, side):
    """Return copies of price, entry, margin, lots and cross tier of a side's positions."""
    p = book.positions
    chosen = (p.lots > 0) & (p.side == side)
    names = ("liquidation_price", "entry_price", "margin", "lots", "cross_tier")
    return {name: getattr(p, name)[chosen].copy() for name in names}


@settings(deadline=None)
@given(**A_POSITION, added=st.floats(0.0, 3.0))
def test_more_margin_moves_the_liquidation_price_away(
    is_inverse, side, entry, leverage, added, margin_ratio
):
    margin = margin_of(is_inverse, entry, leverage)
    isolated = liquidation_price(is_inverse, side, entry, leverage, margin_ratio)
    assert_allclose(price_of_margin(is_inverse, side, entry, margin, margin_ratio), isolated)

    more = margin * (1.0 + added)
    price = price_of_margin(is_inverse, side, entry, more, margin_ratio)
    assert (price <= isolated * (1 + 1e-12)) if side == LONG else (price >= isolated * (1 - 1e-12))
    if 0.0 < price < np.inf:
        maintenance = margin_ratio / price if is_inverse else margin_ratio * price
        left = margin_at(is_inverse, side, entry, more, price)
        assert_allclose(left, maintenance, rtol=1e-7, atol=1e-12 * more)


@pytest.mark.parametrize("hedged_ratio", [0.875, 1.0])
def test_a_book_of_many_hedged_accounts_has_a_slot_for_each_position(hedged_ratio):
    book = make_book(INVERSE, 16643, hedged_ratio=hedged_ratio, cross_ratio=0.5)
    for side in (LONG, SHORT):
        left = open_positions(book, side)
        levered = (left["liquidation_price"] > 0) & np.isfinite(left["liquidation_price"])
        assert book.ledger.bin_lots[side].sum() == left["lots"][levered].sum()
        assert left["lots"].sum() == book.ledger.counts[at.TRADER_LONG_LOTS + side]


@BOTH_KINDS
@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    conduct=st.fixed_dictionaries(
        {
            "hedged_ratio": st.floats(0, 1),
            "cross_ratio": st.floats(0, 1),
            "margin_call_ratio": st.floats(0, 1),
            "margin_added_ratio": st.floats(0.01, 2),
            "partial_cut_ratio": st.floats(0, 0.99),
            "partial_above_orders": st.floats(0, 5),
        }
    ),
    drift=st.floats(-0.3, 0.3),
)
def test_liquidated_lots_are_what_left_the_books(venue, seed, conduct, drift):
    book = make_book(venue, seed, **conduct)
    before = [open_positions(book, side)["lots"].sum() for side in (LONG, SHORT)]

    # Without activity nobody opens and nobody closes: only the mark acts.
    measured = move_mark(book, drift, -2 * drift)

    mark = exp(book.ledger.levels[at.MARK_LOG])
    for side in (LONG, SHORT):
        left = open_positions(book, side)
        assert before[side] - left["lots"].sum() == measured.liquidated_lots[:, side].sum()
        assert book.positions.lots.min() >= 0
        prices = left["liquidation_price"]
        assert np.all(prices < mark) if side == LONG else np.all(prices > mark)
        levered = (prices > 0) & np.isfinite(prices)
        assert book.ledger.bin_lots[side].sum() == left["lots"][levered].sum()
    assert_array_equal(measured.book_lots[:, LONG], measured.book_lots[:, SHORT])


def test_a_share_of_zero_leaves_the_market_as_it_was():
    plain = make_book()
    unused = make_book(
        cross_free_ratio=3.0, cross_change_hours=1.0, cross_change_ratio=0.5,
        margin_call_distance_ratio=0.3, margin_added_ratio=2.0, partial_above_orders=0.0,
        leverage_drift_half_life_days=1.0,
    )  # fmt: skip
    for one, other in zip(
        move_mark(plain, -0.05, 0.1, activity=1.0),
        move_mark(unused, -0.05, 0.1, activity=1.0),
        strict=True,
    ):
        assert_array_equal(one, other)


@BOTH_KINDS
def test_hedged_accounts_are_never_liquidated_and_stay_even(venue):
    book = make_book(venue, hedged_ratio=1.0)
    measured = move_mark(book, -0.5, 1.0, activity=2.0)
    assert measured.liquidated_lots.sum() == 0
    assert measured.truth_lots.sum() == 0
    longs, shorts = (open_positions(book, side) for side in (LONG, SHORT))
    assert longs["lots"].sum() == shorts["lots"].sum() > 0


@BOTH_KINDS
def test_cross_margin_liquidates_farther_away_than_isolated(venue):
    book = make_book(venue, cross_ratio=1.0, cross_change_ratio=0.0)
    for side in (LONG, SHORT):
        standing = open_positions(book, side)
        cross = standing["cross_tier"] != NOBODY
        assert 0.7 < cross.mean() < 1.0  # all but the unlevered
        leverage = book.contract.tier_leverage[standing["cross_tier"][cross]]
        isolated = np.array(
            [
                liquidation_price(venue is INVERSE, side, entry, each, BTC.maintenance_margin_ratio)
                for entry, each in zip(standing["entry_price"][cross], leverage, strict=True)
            ]
        )
        price = standing["liquidation_price"][cross]
        assert np.all(price < isolated) if side == LONG else np.all(price > isolated)
        free = standing["margin"][cross] / margin_of(
            venue is INVERSE, standing["entry_price"][cross], leverage
        )
        assert_allclose(free.mean() - 1.0, book.contract.cross_free_ratio, rtol=0.1)


def test_cross_margin_moves_with_other_holdings_and_can_be_lost_to_them():
    book = make_book(cross_ratio=1.0, cross_change_hours=1.0, cross_change_ratio=0.05)
    still = make_book(cross_ratio=1.0, cross_change_hours=1.0, cross_change_ratio=0.0)
    for each, is_moving in ((book, True), (still, False)):
        before = open_positions(each, LONG)
        kept = {
            (entry, lots): price
            for entry, lots, price in zip(
                before["entry_price"], before["lots"], before["liquidation_price"], strict=True
            )
        }
        measured = move_mark(each, *[0.0] * 6, activity=1.0)  # the price stays where it is
        after = open_positions(each, LONG)
        moved = [
            abs(log(price / kept[entry, lots])) > 1e-3
            for entry, lots, price in zip(
                after["entry_price"], after["lots"], after["liquidation_price"], strict=True
            )
            if price > 0 and kept.get((entry, lots), 0) > 0
        ]
        assert len(moved) > 1000
        assert (np.mean(moved) > 0.5) if is_moving else (np.mean(moved) == 0)
        assert (measured.liquidated_lots.sum() > 0) == is_moving


@BOTH_KINDS
def test_owners_who_add_margin_escape_a_slow_fall_but_not_a_jump(venue):
    liquidated = {}
    for ratio in (0.0, 0.5, 1.0):
        book = make_book(venue, margin_call_ratio=ratio, margin_added_ratio=1.0)
        liquidated[ratio] = move_mark(book, -0.15).liquidated_lots[:, LONG].sum()
    # Who was within the distance of a call from the start is not called again.
    assert liquidated[0.0] > 1.4 * liquidated[0.5] > 1.4 * 1.4 * liquidated[1.0] > 0

    for ratio in (0.0, 1.0):
        book = make_book(venue, margin_call_ratio=ratio, margin_call_distance_ratio=1e-6)
        liquidated[ratio] = move_mark(book, -0.15).liquidated_lots[:, LONG].sum()
    assert_allclose(liquidated[1.0], liquidated[0.0], rtol=0.01)


@BOTH_KINDS
@pytest.mark.parametrize("side", [LONG, SHORT])
def test_large_positions_are_cut_step_by_step_and_keep_their_margin(venue, side):
    whole = make_book(venue)
    cut = make_book(venue, partial_cut_ratio=0.2, partial_above_orders=1.0)
    before = open_positions(cut, side)
    fall = -0.03 if side == LONG else 0.03
    liquidated = {
        name: move_mark(book, fall).liquidated_lots[:, side].sum()
        for name, book in (("whole", whole), ("cut", cut))
    }
    # A single move cuts what it reaches; some is left of it, at a price farther away.
    assert 0 < liquidated["cut"] < liquidated["whole"]
    after = open_positions(cut, side)
    known = set(before["entry_price"])
    changed = np.array([entry not in known for entry in after["entry_price"]])
    assert changed.any()
    # A position is entered anew at the mark that cut it.
    is_inverse = venue is INVERSE
    for entry, margin, price in zip(
        after["entry_price"][changed], after["margin"][changed],
        after["liquidation_price"][changed], strict=True,
    ):  # fmt: skip
        maintenance = BTC.maintenance_margin_ratio * (1.0 / entry if is_inverse else entry)
        assert margin > maintenance * (1 - 1e-9)
        assert (price < entry) if side == LONG else (price > entry)


def test_cuts_lose_no_margin():
    book = make_book(partial_cut_ratio=0.5, partial_above_orders=0.0)
    before = open_positions(book, LONG)
    measured = move_mark(book, -0.01)
    after = open_positions(book, LONG)
    mark = exp(book.ledger.levels[at.MARK_LOG])

    def equity(standing):
        return standing["lots"] * (standing["margin"] + mark - standing["entry_price"])

    # What was cut for good had at most its maintenance margin left, and nobody gained anything.
    gone = equity(before).sum() - equity(after).sum()
    most = measured.liquidated_lots.sum() * BTC.maintenance_margin_ratio * BTC.price_usd
    assert abs(gone) < most


def test_a_tilt_multiplies_weights_by_a_power_of_leverage():
    contract = make_contract(MARKET, LINEAR, BTC)
    assert tilt_leverage(contract, 0.0) is contract
    usual = np.diff(contract.tier_cumulative_weight, prepend=0.0)
    tilted = np.diff(tilt_leverage(contract, 0.5).tier_cumulative_weight, prepend=0.0)
    assert_allclose(tilted / tilted[0], usual / usual[0] * contract.tier_leverage**0.5)
    assert_allclose(tilted.sum(), 1.0)


def feed_and_rest(parameters):
    """Return the liquidation feed, and all other records but the truth's hash."""
    feed, rest = [], []
    for batch in simulate(parameters, ingested_at=MARKET.end):
        if batch.kind == "realised_liquidation":
            feed.append(batch.table.to_pandas())
        elif batch.kind not in ("instrument", "leverage_bracket", "provider_map"):
            rest.append(batch.table)
    return feed, rest


def test_a_throttled_feed_is_a_lower_bound_of_the_same_market():
    asset = replace(BTC, orders_per_minute=40.0)
    complete = MarketParameters(
        start=MARKET.start, days=0.5, seed=4, venues=VENUES[:2], assets=(asset,), warm_up_days=1
    )
    slow = replace(VENUES[1], feed_orders_per_minute=1)
    throttled = replace(complete, venues=(VENUES[0], slow))
    (feed, rest), (less, same) = feed_and_rest(complete), feed_and_rest(throttled)
    assert all(one.equals(other) for one, other in zip(rest, same, strict=True))
    for one, other in zip(feed, less, strict=True):
        assert one["is_complete_feed"].all()
        own = one["venue"] == "sim_beta"
        assert other.loc[~own].equals(one.loc[~own])
        assert not other.loc[own, "is_complete_feed"].any()
        all_usd, usd = one.loc[own, "liquidated_usd"], other.loc[own, "liquidated_usd"]
        assert (usd <= all_usd).all()
        # The first order of a minute is published, so no bar with a liquidation is silent.
        bars = one.loc[own, "period_start_at"]
        seen, happened = (each.groupby(bars).sum() > 0 for each in (usd, all_usd))
        assert seen.equals(happened)
        assert usd.sum() < 0.9 * all_usd.sum()


def test_drift_is_a_function_of_seed_and_day_and_longer_spans_begin_alike():
    drifting = MarketParameters(
        start=MARKET.start, days=1, seed=4, venues=VENUES[:1], assets=(BTC,), warm_up_days=1,
        conduct=TraderConduct(leverage_drift_deviation=0.5),
    )  # fmt: skip
    short, long = feed_and_rest(drifting), feed_and_rest(replace(drifting, days=1.5))
    assert short[0][0].equals(long[0][0])
    plain = feed_and_rest(replace(drifting, conduct=TraderConduct()))
    assert not short[0][0]["liquidated_usd"].equals(plain[0][0]["liquidated_usd"])


def test_the_realistic_market_has_everything():
    market = realistic_market(MARKET.start, 3, 9)
    assert market.conduct == REALISTIC_CONDUCT
    shares = ("hedged_ratio", "cross_ratio", "margin_call_ratio", "partial_cut_ratio")
    assert all(getattr(market.conduct, name) > 0 for name in shares)
    assert market.conduct.leverage_drift_deviation > 0
    assert {venue.feed_orders_per_minute is None for venue in market.venues} == {True, False}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: TraderConduct(hedged_ratio=1.5), r"hedged_ratio is 1\.5; give 0 to 1"),
        (lambda: TraderConduct(cross_ratio=-0.1), r"cross_ratio is -0\.1; give a number of 0"),
        (lambda: TraderConduct(margin_call_ratio=float("nan")), r"margin_call_ratio is nan"),
        (lambda: TraderConduct(partial_cut_ratio=1.0), r"partial_cut_ratio is 1\.0; .* below 1"),
        (lambda: TraderConduct(cross_change_hours=0.0), r"cross_change_hours is 0\.0; .*above 0"),
        (lambda: replace(VENUES[0], feed_orders_per_minute=0), r"feed_orders_per_minute is 0"),
    ],
)
def test_impossible_conduct_is_refused_by_field_and_value(make, message):
    with pytest.raises(InputRejected, match=message):
        make()
