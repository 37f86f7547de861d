import math

import numpy as np
import pytest
from workbench.account_states import address, minutes

from jobs.positions.book_records import Trading
from jobs.positions.mark_board import MarkBoard
from jobs.positions.sweep_order import SweepPolicy
from jobs.positions.sweep_table import SweepTable, TablePosition


@pytest.fixture
def marks():
    board = MarkBoard()
    for coin, price in (("BTC", 100.0), ("ETH", 10.0)):
        board.put(coin, price, minutes(0))
    return board


@pytest.fixture
def table(marks):
    return SweepTable(marks, SweepPolicy())


def add(table, number, *positions, at=0, is_listed=False):
    table.add_account(address(number), minutes(at), is_listed=is_listed)
    row = table.row_of(number, "", minutes(at))
    table.put_state(row, minutes(at), 0.0, positions)
    return row


def held(coin, quantity, price=math.nan):
    return TablePosition(coin, quantity, price)


def test_where_there_is_room_large_and_near_accounts_are_next_after_a_tenth_of_their_interval(
    table,
):
    add(table, 0, held("BTC", 1.0))
    large = add(table, 1, held("BTC", 1000.0))
    near = add(table, 2, held("ETH", 1.0, 9.701))
    assert table.take_next(minutes(2.9), 10) == []
    assert sorted(table.take_next(minutes(3.1), 10)) == [large, near]


def test_a_row_under_way_is_not_taken_twice(table):
    row = add(table, 0, held("BTC", 1000.0))
    assert table.take_next(minutes(60), 10) == [row]
    assert table.take_next(minutes(61), 10) == []
    table.release(row)
    assert table.take_next(minutes(62), 10) == [row]


def test_a_row_that_fails_is_left_alone_ever_longer(table):
    row = add(table, 0, held("BTC", 1000.0))
    for pause in (1, 2, 4):
        table.postpone(row, minutes(100))
        assert table.take_next(minutes(99.9 + pause), 1) == []
        assert table.take_next(minutes(100 + pause), 1) == [row]
    for _ in range(40):
        table.postpone(row, minutes(100))
    assert table.take_next(minutes(160), 1) == [row]


def test_a_clock_set_back_starves_nobody(table):
    row = add(table, 0, held("BTC", 1000.0), at=600)
    other = add(table, 1, held("BTC", 1000.0), at=600)
    table.postpone(other, minutes(600))
    assert sorted(table.take_next(minutes(0), 10)) == [row, other]


def test_an_account_comes_near_as_its_mark_moves(table, marks):
    row = add(table, 0, held("ETH", 1.0, 8.0))
    assert table.take_next(minutes(30), 1) == []
    marks.put("ETH", 8.1, minutes(30))
    table.revalue()
    assert table.take_next(minutes(30), 1) == [row]


def test_an_account_never_requested_is_next_at_once(table):
    table.add_account(address(0), minutes(0), is_listed=True)
    table.add_account(address(1), minutes(0), is_listed=False)
    assert table.take_next(minutes(0.1), 1) == [1]
    assert table.take_next(minutes(0.1), 5) == [0]


def test_trades_after_the_state_are_kept_and_those_before_it_are_settled(table):
    row = add(table, 0, held("BTC", 1.0), at=10)
    table.note_trade(row, minutes(9), 5.0)
    assert table.take_trading(row, minutes(20)) is None
    for at in (11, 15):
        table.note_trade(row, minutes(at), 5.0)
    assert table.take_trading(row, minutes(12)) == Trading(minutes(11), minutes(15), 10.0, 2)
    # The one at 15 is not in a state of 12.
    assert table.take_trading(row, minutes(20)) == Trading(minutes(15), minutes(15), 0.0, 1)
    assert table.take_trading(row, minutes(20)) is None


def test_trading_is_written_once(table):
    row = add(table, 0)
    table.note_trade(row, minutes(1), 5.0)
    assert list(table.unwritten_trading()) == [(0, "", Trading(minutes(1), minutes(1), 5.0, 1))]
    assert list(table.unwritten_trading()) == []


def test_a_builders_dex_is_a_row_of_its_own(table):
    add(table, 0, held("BTC", 1.0))
    row = table.row_of(0, "xyz", minutes(1))
    assert row == table.row_of(0, "xyz", minutes(2)) != table.row_of(0, "", minutes(2))
    assert (table.dex(row), table.address(row)) == ("xyz", "0x" + address(0).hex())


def test_positions_of_many_rows_stay_apart_however_often_they_change(table, marks):
    """Against a plain dictionary."""
    rng = np.random.default_rng(0)
    rows = [add(table, number) for number in range(300)]
    expected = {}
    for _ in range(3000):
        row = int(rng.choice(rows))
        positions = [
            held(("BTC", "ETH")[int(rng.integers(2))], float(rng.integers(1, 9)), 50.0)
            for _ in range(int(rng.integers(0, 5)))
        ]
        table.put_positions(row, positions)
        expected[row] = positions
    everything = [one for positions in expected.values() for one in positions]
    assert table.position_count == len(everything)
    for coin in ("BTC", "ETH"):
        in_coin = sum(one.quantity for one in everything if one.coin == coin)
        assert table.held_quantity(coin) == in_coin
    before = table.take_next(minutes(10_000), 400)
    table.revalue()
    for row in before:
        table.release(row)
    assert table.take_next(minutes(10_000), 400) == before


def test_ages_are_those_of_accounts_with_positions(table):
    add(table, 0, held("BTC", 1000.0), at=0)
    add(table, 1, held("BTC", 1.0), at=-60)
    add(table, 2, at=-600)
    table.add_account(address(3), minutes(0), is_listed=False)
    oldest_large, oldest, new_waiting, with_positions = table.ages(minutes(10))
    assert (oldest_large, oldest, new_waiting, with_positions) == (600.0, 4200.0, 1, 2)


def test_builders_dexes_are_explored_while_nothing_is_late_each_account_once(table):
    for number in range(6):
        add(table, number, held("BTC", 1.0))
    table.add_account(address(6), minutes(0), is_listed=False)
    table.put_state(table.row_of(6, "", 0), minutes(0), 0.0)
    explored = []
    for _ in range(10):
        rows = table.take_next(minutes(1), 8, ["xyz", "flx"])
        assert len(rows) <= 2
        explored += [(table.number(row), table.dex(row)) for row in rows]
    assert explored == [(number, dex) for dex in ("xyz", "flx") for number in range(6)]


def explore(table, at):
    """Look once at each account on a dex where it holds nothing, and return the rows used."""
    used = []
    while rows := table.take_next(at, 8, ["xyz"]):
        for row in rows:
            table.put_state(row, at, 0.0)
            assert table.drop_explored(row)
        used += rows
    return used


def test_accounts_that_are_not_on_a_dex_leave_no_rows_and_are_looked_for_again(table):
    for number in range(20):
        table.add_account(address(number), minutes(0), is_listed=True)
        table.put_state(number, minutes(0), 0.0)
    used = explore(table, minutes(1))
    assert len(used) == 20
    # At most as many rows as are under way at once.
    assert len(set(used)) == 2
    looked_again = {}
    for day in (4, 6):
        for number in range(20):
            table.put_state(number, minutes(day * 1440 - 1), 0.0)
        looked_again[day] = len(explore(table, minutes(day * 1440)))
    assert looked_again == {4: 0, 6: 20}


def test_a_row_that_is_used_again_is_new(table):
    table.add_account(address(0), minutes(0), is_listed=True)
    table.put_state(0, minutes(0), 0.0)
    (dropped,) = explore(table, minutes(1))
    row = table.row_of(0, "flx", minutes(2))
    assert row == dropped
    assert table.trading_of(row) == (0, 0.0)
    assert table.take_next(minutes(2), 8) == [row]
    table.put_state(row, minutes(3), 0.0)
    # It was not looked for: a trade found it.
    assert not table.drop_explored(row)


def test_rows_of_accounts_that_hold_or_trade_on_a_dex_are_kept(table):
    for number in range(2):
        table.add_account(address(number), minutes(0), is_listed=True)
        table.put_state(number, minutes(0), 0.0)
    holding, trading = table.take_next(minutes(1), 8, ["xyz"])
    table.put_state(holding, minutes(1), 0.0, [held("BTC", 1.0)])
    table.put_state(trading, minutes(1), 0.0)
    table.note_trade(trading, minutes(2), 5.0)
    assert not table.drop_explored(holding)
    assert not table.drop_explored(trading)


def test_builders_dexes_wait_while_anything_is_late(table):
    add(table, 0, held("BTC", 1000.0))
    assert [table.dex(row) for row in table.take_next(minutes(60), 8, ["xyz"])] == [""]


def test_builders_dexes_wait_until_every_account_has_been_requested_once(table):
    for number in range(4):
        table.add_account(address(number), minutes(0), is_listed=True)
    for _ in range(2):
        rows = table.take_next(minutes(0.1), 2, ["xyz"])
        assert [table.dex(row) for row in rows] == ["", ""]
    assert [table.dex(row) for row in table.take_next(minutes(0.2), 1, ["xyz"])] == ["xyz"]


def test_a_list_is_requested_once_in_an_hour_and_a_half_with_large_accounts_fresh_meanwhile(table):
    """A twenty-fifth of 36,000 listed accounts and of 500 requests a minute, from nothing."""
    rng = np.random.default_rng(0)
    listed, per_minute = 1440, 20
    values = np.sort(np.exp(np.log(2000) + 2.2 * rng.standard_normal(listed)))[::-1]
    is_near = rng.random(listed) < 0.07
    prices = np.where(is_near, 100 - 3 * rng.random(listed), 50.0)
    is_important = (values >= 1e5) | is_near
    for number in range(listed):
        table.add_account(address(number), minutes(0), is_listed=True)
    seen_at, first_pass, oldest = np.full(listed, np.nan), None, np.zeros(listed)
    for minute in range(1, 151):
        for number in rng.integers(listed, size=20).tolist():
            table.note_trade(number, minutes(minute), float(values[number]))
        for row in table.take_next(minutes(minute), per_minute, ["xyz"]):
            if table.dex(row):
                assert first_pass is not None
                continue
            table.take_trading(row, minutes(minute))
            table.put_state(
                row, minutes(minute), 0.0, [held("BTC", values[row] / 100, prices[row])]
            )
            table.release(row)
            seen_at[row] = minute
        oldest = np.fmax(oldest, minute - seen_at)
        if first_pass is None and not np.isnan(seen_at).any():
            first_pass = minute
    assert first_pass is not None
    assert first_pass <= 100
    assert oldest[is_important].max() <= 45
    assert oldest[values >= 5e5].max() <= 20


@pytest.mark.parametrize(("per_minute", "patience"), [(19, 30), (12, 200)])
def test_large_accounts_are_fresh_others_within_a_day_and_traders_soon(table, per_minute, patience):
    """A twenty-fifth of 50,000 accounts for 30 hours, with as much of the limit, or less."""
    rng = np.random.default_rng(0)
    holders, everybody = 1200, 2000
    values = np.exp(np.log(1000) + 2 * rng.standard_normal(holders))
    is_near = rng.random(holders) < 0.2
    prices = np.where(is_near, 98.0, 50.0)
    is_important = (values >= 1e5) | is_near
    trades_per_minute = np.exp(2 * rng.standard_normal(holders))
    trades_per_minute *= 1600 / 60 / trades_per_minute.sum()

    def positions(number):
        return [held("BTC", values[number] / 100, prices[number])] if number < holders else []

    for number in range(everybody):
        add(table, number, *positions(number), at=-float(rng.integers(60)))
    observed_at, traded_at = np.zeros(everybody), np.full(everybody, np.nan)
    oldest, oldest_important, waited = 0.0, 0.0, []
    for minute in range(30 * 60):
        for number in np.flatnonzero(rng.poisson(trades_per_minute)).tolist():
            table.note_trade(number, minutes(minute), 0.3 * values[number])
            traded_at[number] = np.fmin(traded_at[number], minute)
        for row in table.take_next(minutes(minute), per_minute):
            table.take_trading(row, minutes(minute))
            table.put_state(row, minutes(minute), 0.0, positions(row))
            table.release(row)
            waited.append(minute - traded_at[row])
            observed_at[row], traded_at[row] = minute, np.nan
        age = minute - observed_at[:holders]
        if minute >= 120:
            oldest = max(oldest, age.max())
            oldest_important = max(oldest_important, age[is_important].max())
    assert oldest_important <= 60
    assert oldest <= 24 * 60
    assert np.nanpercentile(waited, 90) <= patience
