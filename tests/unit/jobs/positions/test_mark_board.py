import math

from workbench.account_states import minutes

from jobs.positions.mark_board import MarkBoard


def test_a_price_that_is_none_is_left_out():
    board = MarkBoard()
    for price in (math.nan, math.inf, 0.0, -1.0, 1e300):
        board.put("BTC", price, minutes(0))
    assert board.extent("BTC", minutes(-10), minutes(10)) == (math.inf, -math.inf)


def test_the_newest_price_of_an_unknown_coin_is_none():
    board = MarkBoard()
    board.put("BTC", 50.0, minutes(0))
    assert board.newest_of("BTC") == 50.0
    assert math.isnan(board.newest_of("NEW"))


def test_prices_of_yesterday_are_forgotten():
    board = MarkBoard()
    board.put("BTC", 50.0, minutes(0))
    board.put("BTC", 100.0, minutes(60 * 25))
    assert board.extent("BTC", minutes(0), minutes(60 * 25)) == (50.0, 100.0)
    board.put("BTC", 100.0, minutes(60 * 27))
    assert board.extent("BTC", minutes(0), minutes(60 * 27)) == (100.0, 100.0)


def test_a_long_break_leaves_nothing_behind():
    board = MarkBoard()
    board.put("BTC", 50.0, minutes(0))
    board.put("BTC", 100.0, minutes(60 * 24 * 30))
    assert board.extent("BTC", minutes(0), minutes(60 * 24 * 30)) == (100.0, 100.0)


def test_a_late_price_does_not_move_the_clock_back():
    board = MarkBoard()
    board.put("BTC", 100.0, minutes(60))
    board.put("BTC", 90.0, minutes(30))
    assert board.extent("BTC", minutes(20), minutes(70)) == (90.0, 100.0)
    board.put("BTC", 1.0, minutes(-60 * 48))
    assert board.extent("BTC", minutes(20), minutes(70)) == (90.0, 100.0)


def test_only_a_price_of_the_present_is_the_newest():
    board = MarkBoard()
    board.put("BTC", 100.0, minutes(60))
    board.put("BTC", 90.0, minutes(55), is_newest=False)
    assert board.newest[board.coin_id("BTC")] == 100.0
    # The clock was set back.
    board.put("BTC", 95.0, minutes(0))
    assert board.newest[board.coin_id("BTC")] == 95.0


def test_there_is_room_for_many_coins():
    board = MarkBoard()
    for number in range(300):
        board.put(f"C{number}", 1.0 + number, minutes(0))
    assert board.newest[board.coin_id("C299")] == 300.0
    assert board.extent("C299", minutes(0), minutes(1)) == (300.0, 300.0)
