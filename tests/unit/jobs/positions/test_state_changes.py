import math
from dataclasses import replace

import pytest
from workbench.account_states import position, state

from jobs.positions.state_changes import (
    HeldPosition,
    HeldState,
    StateVerdict,
    changes_between,
    judge_state,
    standing_positions,
)

HELD_AT = 1_000


def held(*positions):
    return HeldState(
        HELD_AT, {one.coin: HeldPosition(one, one.liquidation_price) for one in positions}
    )


def kinds(before, *positions):
    return {one.position.coin: one.change for one in changes_between(before, positions)}


def test_positions_of_an_account_never_seen_are_first():
    assert kinds(None, position("BTC"), position("ETH")) == {"BTC": "first", "ETH": "first"}


def test_a_position_that_an_account_did_not_have_is_opened():
    assert kinds(held(), position("BTC")) == {"BTC": "opened"}


@pytest.mark.parametrize(
    ("change", "now"),
    [
        ("increased", {"quantity": 1.5}),
        ("reduced", {"quantity": 0.5}),
        ("flipped", {"side": "short"}),
        ("leverage_changed", {"leverage": 10.0}),
        ("leverage_changed", {"is_cross": False}),
        ("moved", {"liquidation_price": 80.5}),
        ("moved", {"liquidation_price": None}),
        (None, {"liquidation_price": 80.3}),
        (None, {"mark_price": 90.0, "margin_usd": 18.0}),
        (None, {"leverage": math.nan}),
        (None, {"is_cross": None}),
    ],
)
def test_a_change_is_named_by_what_changed(change, now):
    was = position("BTC")
    found = kinds(held(was), replace(was, **now))
    assert found == ({} if change is None else {"BTC": change})


def test_a_position_that_is_gone_is_closed_with_what_was_last_known_of_it():
    was = position("BTC", quantity=2.0)
    (closed,) = changes_between(held(was), ())
    assert (closed.change, closed.quantity, closed.position) == ("closed", 0.0, was)


def test_a_liquidation_price_that_creeps_is_logged_once_it_has_moved_in_all():
    was = HeldPosition(position("BTC", liquidation_price=80.3), 80.0)
    before = HeldState(HELD_AT, {"BTC": was})
    assert kinds(before, position("BTC", liquidation_price=80.39)) == {}
    assert kinds(before, position("BTC", liquidation_price=80.41)) == {"BTC": "moved"}


def test_profit_is_no_margin_but_what_was_added_is():
    was = position("BTC", is_cross=False, margin_usd=20.0)
    gained = replace(was, mark_price=110.0, margin_usd=30.0)
    assert kinds(held(was), gained) == {}
    assert kinds(held(was), replace(was, margin_usd=25.0)) == {"BTC": "margin_changed"}
    # Funding of half a day.
    assert kinds(held(was), replace(was, margin_usd=19.9)) == {}


def test_margin_that_is_not_known_has_not_changed():
    was = position("BTC", is_cross=False, margin_usd=20.0)
    assert kinds(held(was), replace(was, margin_usd=math.nan)) == {}


def judge(before, answer, observed_at, now=10_000, was_empty=False):
    return judge_state(before, answer, observed_at, now, was_empty=was_empty)


def test_an_older_state_never_replaces_the_held_one():
    assert judge(held(position()), state(position()), HELD_AT - 1) is StateVerdict.older
    assert judge(held(position()), state(position()), HELD_AT) is StateVerdict.older
    assert judge(held(position()), state(position()), HELD_AT + 1) is StateVerdict.believed


def test_a_held_state_of_the_future_holds_nothing_up():
    """Our clock was set back."""
    assert judge(held(position()), state(position()), 500, now=500) is StateVerdict.believed


def test_an_account_that_comes_back_without_positions_is_believed_the_second_time():
    before, nothing = held(position()), state()
    assert judge(before, nothing, 2_000) is StateVerdict.unconfirmed
    assert judge(before, nothing, 3_000, was_empty=True) is StateVerdict.believed
    assert judge(before, state(faults=("BTC",)), 2_000) is StateVerdict.believed
    assert judge(held(), nothing, 2_000) is StateVerdict.believed
    assert judge(None, nothing, 2_000) is StateVerdict.believed


def test_a_position_that_cannot_be_read_stays_as_it_was_held():
    before = held(position("BTC"), position("ETH"), position("SOL"))
    answer = state(position("BTC"), faults=("ETH",))
    standing = {one.coin for one in standing_positions(before, answer)}
    assert standing == {"BTC", "ETH"}
    unnamed = state(position("BTC"), faults=(None,))
    assert {one.coin for one in standing_positions(before, unnamed)} == {"BTC", "ETH", "SOL"}
