"""The ledger sees every hole, also where runs were killed, never came, or wanted more."""

from datetime import timedelta

import pytest
from workbench import DAY, END, HOUR, START, table_of, workshop

from warehouse.feed_ledger import (
    AnsweredRequest,
    Feed,
    note_answers,
    read_feeds,
    read_gaps,
    refresh_gaps,
    widen_feeds,
    write_feeds,
)
from warehouse.lookups import (
    newest_open_interest,
)

BAR = timedelta(minutes=5)


@pytest.fixture
def shop(tmp_path):
    with workshop(tmp_path) as opened:
        yield opened


def feed(since, kind="ohlcv", lag=300):
    return Feed("a", "BTC", kind, "BTC", 300 if kind == "ohlcv" else 0, 1, 0, lag, None, since)


def bars(shop, first, last):
    """Land and load bars that open within [first, last)."""
    count = (last - first) // BAR
    rows = [
        {
            "venue": "a", "instrument": "BTC", "bar_start_at": first + number * BAR,
            "bar_seconds": 300, "open": 1.0, "high": 1.0, "low": 1.0, "close": 1.0,
            "volume_quantity": 1.0,
        }
        for number in range(count)
    ]  # fmt: skip
    shop.land("ohlcv", table_of("ohlcv", rows))
    shop.load()


def gaps(shop):
    return [(gap.gap_from, gap.gap_to) for gap in read_gaps(shop.connection)]


def test_a_run_killed_before_the_ledger_was_brought_up_to_date_hides_nothing(shop):
    write_feeds(shop.connection, [feed(START)], venues=["a"], at=END)
    # Here the process is killed. The next looks at the last hours, as each run does.
    bars(shop, START + DAY, END)
    refresh_gaps(shop.connection, END - 6 * HOUR, END, checked_at=END)
    assert gaps(shop) == [(START, START + DAY)]


def test_more_history_wanted_than_before_is_missing_until_it_is_there(shop):
    write_feeds(shop.connection, [feed(START + DAY)], venues=["a"], at=END)
    bars(shop, START + DAY, END)
    refresh_gaps(shop.connection, START + DAY, END, checked_at=END)
    assert gaps(shop) == []
    write_feeds(shop.connection, [feed(START)], venues=["a"], at=END)
    refresh_gaps(shop.connection, END - HOUR, END, checked_at=END)
    assert gaps(shop) == [(START, START + DAY)]
    widen_feeds(shop.connection, START - DAY, ["a"])
    refresh_gaps(shop.connection, END - HOUR, END, checked_at=END)
    assert gaps(shop) == [(START - DAY, START + DAY)]


def test_an_instrument_that_was_away_misses_what_it_was_away_for(shop):
    write_feeds(shop.connection, [feed(START)], venues=["a"], at=START)
    bars(shop, START, START + DAY)
    refresh_gaps(shop.connection, START, START + DAY, checked_at=START + DAY)
    write_feeds(shop.connection, [], venues=["a"], at=START + DAY + HOUR)
    refresh_gaps(shop.connection, END - HOUR, END, checked_at=END)
    assert gaps(shop) == []
    write_feeds(shop.connection, [feed(END)], venues=["a"], at=END)
    bars(shop, START + 2 * DAY, END)
    refresh_gaps(shop.connection, END - HOUR, END, checked_at=END)
    assert gaps(shop) == [(START + DAY, START + 2 * DAY)]


def test_what_fell_due_after_the_last_look_is_looked_at_however_long_ago_that_was(shop):
    """A row that can be had late was not due at the last look: its hole is nowhere yet."""
    write_feeds(shop.connection, [feed(START, lag=7500)], venues=["a"], at=START)
    bars(shop, START, START + DAY - HOUR)
    looked = START + DAY + timedelta(minutes=2)
    refresh_gaps(shop.connection, START, looked - BAR, checked_at=looked)
    assert gaps(shop) == []
    # Ten hours without a run, then one that got the last nine of them.
    bars(shop, START + DAY + HOUR, START + DAY + 10 * HOUR)
    now = START + DAY + 10 * HOUR
    refresh_gaps(shop.connection, now - 6 * HOUR, now, checked_at=now)
    assert gaps(shop) == [(START + DAY - HOUR, START + DAY + HOUR)]


def test_an_irregular_feed_is_complete_up_to_where_answers_adjoin(shop):
    write_feeds(shop.connection, [feed(START, "funding_rate")], venues=["a"], at=START)

    def complete_until():
        (known,) = read_feeds(shop.connection).values()
        return known.complete_until_at

    def answer(first, last):
        actual = AnsweredRequest(
            "a", "BTC", "funding_rate", START + first, START + last, START + last
        )
        note_answers(shop.connection, [], [actual])

    answer(0 * HOUR, 8 * HOUR)
    answer(9 * HOUR, 10 * HOUR)
    assert complete_until() == START + 8 * HOUR
    answer(7 * HOUR, 11 * HOUR)
    assert complete_until() == START + 11 * HOUR


def test_what_was_set_aside_since_the_newest_open_interest_is_known_with_it(shop):
    held = [
        {
            "kind": "open_interest", "venue": "a", "instrument": "BTC", "input_name": "x",
            "reason": f"set aside until confirmed: {quantity} is 30 times the observation before: "
            "the price of a contract, so another unit",
            "received": "{}",
        }
        for quantity in ("2.1e+05", "220000")
    ]  # fmt: skip
    interest = {
        "venue": "a", "instrument": "BTC", "observed_at": START, "open_interest_quantity": 7000.0
    }  # fmt: skip
    shop.land("open_interest", table_of("open_interest", [interest], START))
    # Before it was accepted, and in two answers since.
    shop.land("quarantine", table_of("quarantine", held[:1], START - HOUR))
    shop.land("quarantine", table_of("quarantine", held[:1], START + HOUR))
    shop.land("quarantine", table_of("quarantine", held[1:], START + 25 * HOUR))
    shop.load()
    (one,) = newest_open_interest(
        shop.connection, START - DAY, set_aside="set aside until confirmed"
    )
    assert (one.quantity, one.held_quantity, one.held_count) == (7000.0, 215_000.0, 2)
    assert one.held_for == DAY
    assert one.is_held_price
