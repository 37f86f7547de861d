"""What a round asks for: each feed once an hour at least, no round much more than another."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from jobs.collect.followed_feeds import FollowedFeed, followed_feeds
from jobs.collect.plan import plan_requests
from sources.venues.declared import VENUES
from sources.venues.instruments import Instrument
from warehouse.feed_ledger import Feed

DAY, HOUR, BAR = timedelta(days=1), timedelta(hours=1), timedelta(minutes=5)
NOW = datetime(2026, 3, 1, 8, tzinfo=UTC)
COINS = [f"COIN{number:02}" for number in range(50)]


def feed(coin, **changed):
    kind = changed.get("kind", "funding_rate")
    period = 0 if kind == "funding_rate" else 300
    values = {
        "period_seconds": period, "rows_per_slot": 1, "tolerance_seconds": 0,
        "lag_seconds": 300 + 7200 * (period > 0), "reach_seconds": None,
        "expected_from_at": NOW - 30 * DAY, "checked_at": NOW, **changed,
    }  # fmt: skip
    return Feed(venue="a", instrument=coin, asset=coin, **{"kind": kind, **values})


def planned(followed, ledger, now, **changed):
    return plan_requests(followed, ledger, [], now=now, **changed)


@pytest.mark.parametrize("every", [BAR, HOUR])
def test_funding_of_many_instruments_is_spread_over_the_hour(every):
    followed = [FollowedFeed(feed(coin), True, False, True) for coin in COINS]
    ledger = {one.feed.key: feed(one.feed.instrument, complete_until_at=NOW) for one in followed}
    rounds = []
    now = NOW + timedelta(seconds=7)
    for _ in range(3 * HOUR // every):
        now += every
        requests = planned(followed, ledger, now)
        rounds.append(Counter(request.instruments[0] for request in requests))
        for request in requests:
            key = ("a", request.instruments[0], "funding_rate")
            ledger[key] = feed(request.instruments[0], complete_until_at=request.end)
    most = 5 if every == BAR else 50
    assert max(sum(one.values()) for one in rounds) <= most
    assert sum(rounds, Counter()) == Counter(dict.fromkeys(COINS, 3))


def test_hourly_kinds_are_requested_when_their_turn_comes():
    kind = "long_short_ratio"
    followed = [FollowedFeed(feed(coin, kind=kind), True, False, True) for coin in COINS]
    ledger = {
        one.feed.key: feed(one.feed.instrument, kind=kind, newest_at=NOW - BAR) for one in followed
    }
    rounds = []
    now = NOW + timedelta(seconds=7)
    for _ in range(24):
        now += BAR
        requests = planned(followed, ledger, now)
        rounds.append(Counter(request.instruments[0] for request in requests))
        for request in requests:
            coin = request.instruments[0]
            newest = request.end - 2 * BAR
            ledger["a", coin, kind] = feed(coin, kind=kind, newest_at=newest)
    assert max(sum(one.values()) for one in rounds) <= 5
    assert sum(rounds, Counter()) == Counter(dict.fromkeys(COINS, 2))


def test_maintenance_asks_for_the_funding_of_weeks_that_were_answered():
    followed = [FollowedFeed(feed("BTC"), True, False, True)]
    ledger = {followed[0].feed.key: feed("BTC", complete_until_at=NOW)}
    assert planned(followed, ledger, NOW + timedelta(minutes=1)) == []
    (request,) = planned(followed, ledger, NOW + timedelta(minutes=1), is_thorough=True)
    assert request.start == NOW - 30 * DAY


@pytest.mark.parametrize("venue", list(VENUES))
def test_all_that_has_a_past_is_wanted_from_the_past_and_what_stands_from_here_on(venue):
    for product in VENUES[venue].products:
        one = Instrument(
            venue=venue, instrument="BTC", asset="BTC", quote="USD", tick_size=0.1,
            contract_kind=product.contract_kind, contract_size=1.0, base_multiplier=1.0,
            is_active=True, product=product, market_id="BTC", coin="BTC", market={},
        )  # fmt: skip
        for followed in followed_feeds(one, now=NOW, history=DAY):
            wanted = NOW - followed.feed.expected_from_at
            if followed.has_history:
                assert DAY - HOUR <= wanted <= DAY, followed.feed
            else:
                assert wanted == BAR
                assert followed.feed.kind == "open_interest"


def test_bars_are_wanted_from_thirty_days_before_the_first_open_interest():
    (product, *_) = VENUES["binance"].products
    one = Instrument(
        venue="binance", instrument="BTC", asset="BTC", quote="USD", tick_size=0.1,
        contract_kind=product.contract_kind, contract_size=1.0, base_multiplier=1.0,
        is_active=True, product=product, market_id="BTC", coin="BTC", market={},
    )  # fmt: skip
    wanted = {
        each.feed.kind: NOW - each.feed.expected_from_at
        for each in followed_feeds(one, now=NOW, history=30 * DAY)
    }
    for kind in ("ohlcv", "mark_ohlc"):
        assert 60 * DAY - HOUR <= wanted[kind] <= 60 * DAY
        assert wanted[kind] - wanted["open_interest"] >= 30 * DAY
