"""The log of changes, and what it says about the time between them."""

from dataclasses import fields, replace

import numpy as np
import pytest

from transforms.errors import InvalidInput
from transforms.positions.account_draws import (
    AccountDraws,
    Evidence,
    effective_accounts,
    measured,
)
from transforms.positions.changes import HOUR, Changes, example_changes, follow
from transforms.positions.half_lives import LONGEST_OPENING_HOURS, is_counted_as_fresh
from transforms.positions.leverage import TIERS, effective_leverage, tier_of
from transforms.positions.outcomes import GONE, MARGIN_ADDED, MOVED, follow_maps


def total_time(stretches):
    return float((stretches.weight * stretches.exposure).sum())


def test_unsorted_rows_and_reversed_brackets_are_refused():
    log = example_changes([0.0, 2.0], [1.0, 0.0])
    with pytest.raises(InvalidInput, match="sorted"):
        replace(log, observed_at=log.observed_at[::-1].copy())
    with pytest.raises(InvalidInput, match="before changed_from"):
        replace(log, changed_until=log.changed_from - 1)
    with pytest.raises(InvalidInput, match="shape"):
        replace(log, quantity=np.ones(3))


def test_a_position_found_in_mid_life_is_followed_but_not_fresh():
    log = example_changes([1.0, 5.0], [1.0, 0.0])
    found = replace(log, is_opening=np.zeros(2, dtype=np.bool_))
    assert not is_counted_as_fresh(found).any()
    assert follow(found, (0, 10 * HOUR)).exposure.tolist() == [4.0]


def test_an_opening_known_to_more_than_a_day_is_of_unknown_age():
    log = example_changes([0.0, 30.0, 60.0], [1.0, 0.0, 1.0])
    assert is_counted_as_fresh(log).tolist() == [True, False, True]
    early = log.changed_from - np.array([0, 0, round((LONGEST_OPENING_HOURS + 1.0) * HOUR)])
    assert is_counted_as_fresh(replace(log, changed_from=early)).tolist() == [True, False, False]


def test_a_flip_ends_one_position_and_opens_the_other_side():
    log = example_changes([0.0, 4.0], [1.0, 2.0])
    flipped = replace(log, is_short=np.array([False, True]))
    assert flipped.is_start.tolist() == [True, True]
    stood = follow(flipped, (0, 10 * HOUR))
    assert np.isfinite(stood.width).sum() == 1
    assert total_time(stood) == 100.0 * 4.0 + 200.0 * 6.0


def test_size_added_counts_from_when_it_was_seen_and_size_taken_until_then():
    log = example_changes([0.0, 2.0, 4.0], [1.0, 3.0, 1.0])
    stood = follow(log, (0, 10 * HOUR))
    assert total_time(stood) == 100.0 * (1 * 2 + 3 * 2 + 1 * 6)
    np.testing.assert_allclose(stood.weight[np.isfinite(stood.width)], [200.0])
    counted = follow(log, (0, 10 * HOUR), is_counting=True)
    assert total_time(counted) == 10.0
    assert not np.isfinite(counted.width).any()


def test_time_outside_the_window_does_not_count():
    log = example_changes([0.0, 8.0], [1.0, 0.0])
    assert follow(log, (3 * HOUR, 6 * HOUR)).exposure.tolist() == [3.0]
    assert len(follow(log, (9 * HOUR, 12 * HOUR)).row) == 0


def test_a_bracket_across_the_end_counts_by_the_part_before_it():
    log = example_changes([0.0, 8.0], [1.0, 0.0])
    wide = replace(log, changed_from=np.array([0, 4 * HOUR]))
    stood = follow(wide, (0, 5 * HOUR))
    has_left = np.isfinite(stood.width)
    assert stood.weight[has_left].tolist() == [25.0]
    assert stood.weight[~has_left].tolist() == [75.0]
    assert (stood.exposure[has_left], stood.width[has_left]) == ([4.0], [1.0])


def test_what_went_while_price_reached_it_did_not_leave_of_its_own_will():
    log = example_changes([0.0, 8.0], [1.0, 0.0])
    reached = replace(log, is_reached=np.array([False, True]), changed_from=np.array([0, 4 * HOUR]))
    stood = follow(reached, (0, 20 * HOUR))
    assert not np.isfinite(stood.width).any()
    assert stood.exposure.tolist() == [6.0]


def test_a_position_leaves_its_place_where_small_moves_add_up():
    log = example_changes([0.0, 1.0, 2.0, 3.0], [1.0] * 4)
    moving = replace(log, liquidation_price=90.0 * np.exp([0.0, 0.015, 0.03, 0.03]))
    stood = follow(moving, (0, 10 * HOUR), is_counting=True, is_leaving_place=True)
    assert stood.exposure[np.isfinite(stood.width)].tolist() == [1.0]
    assert total_time(stood) == 10.0


def test_outcomes_end_with_the_position_and_keep_its_size():
    log = example_changes([0.0, 1.0, 2.0, 3.0], [4.0, 4.0, 2.0, 0.0])
    added = replace(log, liquidation_price=np.array([90.0, 85.0, 85.0, 70.0]))
    found = follow_maps(added, np.array([0]))
    for kind, shares, latest in (
        (GONE, [0.5, 0.5], [2.0, 3.0]),
        (MOVED, [1.0], [1.0]),
        (MARGIN_ADDED, [1.0], [1.0]),
    ):
        own = found.parts.kind == kind
        assert found.parts.share[own].tolist() == shares
        assert found.parts.latest[own].tolist() == latest
    no_price = replace(log, liquidation_price=np.full(4, np.nan))
    assert set(follow_maps(no_price, np.array([0])).parts.kind.tolist()) == {GONE}
    shared = replace(added, is_cross=np.ones(4, dtype=np.bool_))
    assert MARGIN_ADDED not in follow_maps(shared, np.array([0])).parts.kind


def test_an_empty_log_has_no_stretches_and_no_outcomes():
    log = example_changes([0.0], [1.0])
    empty = Changes(*(getattr(log, each.name)[:0] for each in fields(log)))
    assert len(follow(empty, (0, HOUR)).row) == 0
    assert len(follow_maps(empty, np.array([0])).row) == 0
    assert empty.n_accounts == 0


@pytest.mark.parametrize("is_short", [False, True])
def test_effective_leverage_inverts_the_liquidation_price(is_short):
    margin = 0.0125
    sign = 1.0 if is_short else -1.0
    for leverage in (3.0, 10.0, 25.0):
        price = 100.0 * (1.0 + sign / leverage) / (1.0 + sign * margin)
        log = replace(
            example_changes([0.0], [1.0]),
            liquidation_price=np.array([price]),
            is_short=np.array([is_short]),
        )
        found = effective_leverage(log, np.array([margin]))
        assert found[0] == pytest.approx(leverage)
        assert TIERS[tier_of(found)[0]] == leverage


def test_without_a_liquidation_price_nothing_is_levered():
    log = replace(example_changes([0.0], [1.0]), liquidation_price=np.array([np.nan]))
    assert effective_leverage(log, np.zeros(1)).tolist() == [1.0]
    unknown = replace(log, entry_price=np.array([np.nan]))
    assert tier_of(effective_leverage(unknown, np.zeros(1))).tolist() == [-1]


def test_accounts_that_hold_nearly_all_give_no_interval():
    account = np.arange(100)
    even, one = np.ones(100), np.append(1e6, np.ones(99))
    draws = AccountDraws.of(100, np.random.default_rng(1))
    assert effective_accounts(account, one) < 1.1
    drawn = draws.totals(account, even)
    assert measured(1.0, drawn, account, even).evidence is Evidence.MEASURED
    found = measured(1.0, drawn, account, one)
    assert found.evidence is Evidence.CONCENTRATED
    assert np.isnan(found.low)
    assert measured(1.0, drawn, account, 0 * even).evidence is Evidence.NOTHING
