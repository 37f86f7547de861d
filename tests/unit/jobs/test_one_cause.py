"""Failures of one cause are one line with all that it concerns."""

from jobs.one_cause import by_cause, listed, said_once

LOST = (
    "{assets}, 2026-01-01 00:00 to 2026-01-31 00:00: the worker on host{n} cannot store its rows: "
    "writing s3://b/run-{n}-00{n}.parquet: access is refused"
)
URL = "okx fetch_ohlcv {coin}/USDT:USDT: ExchangeNotAvailable: okx GET http://okx/b?i={coin}; again"


def test_shards_lost_for_one_cause_are_one_failure():
    lost = [(name, LOST.format(assets=name, n=n)) for n, name in enumerate("ABCDEF")]
    ((names, reason),) = by_cause([*lost, ("A", lost[0][1])])
    assert names == list("ABCDEF")
    assert reason == lost[0][1]


def test_other_causes_stay_apart():
    failures = [
        ("A", "no room on the disk"),
        ("B", "access is refused"),
        ("C", "access is refused"),
    ]
    assert by_cause(failures) == [
        (["A"], "no room on the disk"),
        (["B", "C"], "access is refused"),
    ]


def test_requests_of_one_cause_are_one_message_that_names_them():
    messages = [URL.format(coin=coin) for coin in ("BTC", "ETH", "SOL")]
    (one, other) = said_once([*messages, "okx fetch_rates: HTTP 451"])
    assert one == (
        messages[0] + " (the same: okx fetch_ohlcv ETH/USDT:USDT, okx fetch_ohlcv SOL/USDT:USDT)"
    )
    assert other == "okx fetch_rates: HTTP 451"


def test_venues_that_answer_alike_are_one_failure_and_other_statuses_another():
    failures = [
        (venue, f"never reached: {venue} fetch_markets: HTTP {status}")
        for venue, status in (("okx", 451), ("gate", 451), ("bybit", 429))
    ]
    assert by_cause(failures) == [
        (["okx", "gate"], failures[0][1]),
        (["bybit"], failures[2][1]),
    ]


def test_of_many_names_some_are_listed():
    assert listed([f"A{n}" for n in range(12)]).endswith("A9 and 2 more")
