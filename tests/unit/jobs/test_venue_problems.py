"""What is wrong with several venues shares a line only where it is the same."""

from datetime import UTC, datetime, timedelta

from jobs.read.problems import VenueStatus, of_venues

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def status_of(venue, hours_ago=0.1, **values):
    return VenueStatus(venue, landed_at=NOW - timedelta(hours=hours_ago), **values)


def test_each_venue_has_its_own_counts_and_ages():
    lines = list(
        of_venues(
            [
                status_of("binance", missing=5),
                status_of("okx", missing=7_312),
                status_of("gate", hours_ago=4),
                status_of("mexc", hours_ago=30),
            ],
            NOW,
        )
    )
    assert [line.split(";")[0] for line in lines] == [
        "binance: 5 instants are missing that can still be fetched",
        "okx: 7,312 instants are missing that can still be fetched",
        "gate: nothing has landed for 4 h",
        "mexc: nothing has landed for 30 h",
    ]


def test_what_is_the_same_is_said_once():
    message = "{} fetch_ohlcv: no answer in {} s"
    lines = list(
        of_venues(
            [
                status_of("binance", missing=5, message=message.format("binance", 3)),
                status_of("okx", missing=5, message=message.format("okx", 4)),
                VenueStatus("gate"),
                VenueStatus("mexc"),
            ],
            NOW,
        )
    )
    assert [line.split(";")[0] for line in lines] == [
        "binance, okx: 5 instants are missing that can still be fetched",
        "gate, mexc: nothing has landed",
        "binance, okx: the last round said: binance fetch_ohlcv: no answer in 3 s",
    ]
