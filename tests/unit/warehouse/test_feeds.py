"""The ledger sees every hole, also where runs were killed, never came, or wanted more."""

from datetime import timedelta

import pytest
from workbench import DAY, END, HOUR, START, table_of, workshop

from warehouse.feeds import (
    Answer,
    Feed,
    note_answers,
    read_feeds,
    read_gaps,
    refresh_gaps,
    widen_feeds,
    write_feeds,
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
        told = Answer("a", "BTC", "funding_rate", START + first, START + last, START + last)
        note_answers(shop.connection, [], [told])

    answer(0 * HOUR, 8 * HOUR)
    answer(9 * HOUR, 10 * HOUR)
    assert complete_until() == START + 8 * HOUR
    answer(7 * HOUR, 11 * HOUR)
    assert complete_until() == START + 11 * HOUR
