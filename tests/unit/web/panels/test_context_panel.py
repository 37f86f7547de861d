"""The panel of the market: newest values, change, and open interest by venue."""

from datetime import timedelta

from workbench import END

from jobs.read.figures import price, usd
from web.panels.context_panel import read_context


def figures(panel):
    return {one.name: one for one in panel.figures}


def test_newest_values_are_those_of_the_hour(given, published, ask):
    (row,) = ask(
        published,
        "select * from marts.market_context_hourly where asset = 'BTC' and as_of = $at",
        {"at": END},
    )
    shown = figures(given(published, read_context))
    assert shown["price"].value == price(row["price"])
    assert shown["open interest"].value == f"{usd(row['open_interest_usd'])} USD"
    assert shown["funding, 8 h"].value == f"{100 * row['funding_rate_8h_ratio']:+.4f} %"


def test_a_change_is_over_24_hours(given, published, ask):
    rows = ask(
        published,
        "select as_of, price from marts.market_context_hourly where asset = 'BTC' "
        "and as_of in ($at, $before) order by as_of",
        {"at": END, "before": END - timedelta(days=1)},
    )
    change = 100 * (rows[1]["price"] / rows[0]["price"] - 1)
    shown = figures(given(published, read_context))["price"]
    assert shown.change == f"{change:+.1f} % in 24 h"
    assert "<svg" in shown.spark


def test_what_has_no_feed_says_so(given, published, fragment):
    shown = figures(given(published, read_context))
    assert shown["Fear & Greed"].value == "not known"
    assert "liqheat ingest" in shown["Fear & Greed"].note
    assert shown["Fear & Greed"].spark == ""
    assert (
        "Fear & Greed no feed: liqheat ingest requests it once a day"
        in fragment(published, "context").text
    )


def test_a_venue_that_counts_both_sides_is_named(given, changed_file):
    doubled = changed_file(
        "update marts.venue_open_interest_hourly set sides_counted = 2, "
        "open_interest_reported_usd = 2 * open_interest_usd where venue = 'sim_alpha'"
    )
    panel = given(doubled, read_context)
    (venue,) = (one for one in panel.venues if one.venue == "sim_alpha")
    assert venue.reason == "reports both sides of each contract, counted here once"
    assert venue.counted != venue.reported


def test_a_venue_set_apart_has_no_share_and_says_why(given, changed_file):
    apart = changed_file(
        "update marts.venue_open_interest_hourly set is_set_apart = true, "
        "open_interest_share_ratio = null where venue = 'sim_alpha'"
    )
    (venue,) = (one for one in given(apart, read_context).venues if one.venue == "sim_alpha")
    assert venue.share == "none"
    assert "its price contradicts" in venue.reason


def test_what_a_throttled_feed_publishes_is_at_least_that(given, changed_file, published):
    throttled = changed_file(
        "update marts.market_context_hourly set is_realised_liquidation_complete = false"
    )
    assert figures(given(throttled, read_context))["liquidated in 24 h"].value.startswith(
        "longs at least"
    )
    assert "at least" not in figures(given(published, read_context))["liquidated in 24 h"].value
    silent = changed_file(
        "update marts.market_context_hourly set realised_long_liquidation_usd = null"
    )
    assert figures(given(silent, read_context))["liquidated in 24 h"].value == "not known"


def test_without_open_interest_there_are_words(fragment, changed_file):
    none = changed_file(
        "delete from marts.venue_open_interest_hourly",
        "update marts.market_context_hourly set open_interest_usd = null",
    )
    words = fragment(none, "context").text
    assert "no venue's open interest is known in this hour" in words
