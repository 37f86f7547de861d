"""A venue may fail, repeat itself, contradict itself or change its units; records do not."""

import datetime as dt

import pyarrow as pa
import pytest
from standin import DAY, MINUTE
from workbench.venue_symbols import BTC

from sources.errors import RequestSkipped, VenueRejected, VenueUnavailable
from sources.venues.declared import find_venue
from sources.venues.pacer import RequestPolicy
from sources.venues.plausibility import Observation
from sources.venues.request import Request

BAR = 5 * MINUTE
FIVE = ["binance", "bybit", "okx", "gate", "hyperliquid"]


def instant(milliseconds: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(milliseconds / 1000, tz=dt.UTC)


def rows_of(batches, kind):
    tables = [batch.table for batch in batches if batch.kind == kind]
    return pa.concat_tables(tables).to_pylist() if tables else []


def without_times(rows):
    return [{key: row[key] for key in row if key != "ingested_at"} for row in rows]


async def bars(client, standin, hours=3.0):
    end = instant(standin.now)
    return await client.ohlcv(BTC[client.venue.name], end - dt.timedelta(hours=hours), end)


async def gather(client, request, got):
    """Keep what comes even where it ends in an error."""
    async for batches in client.fetch(request):
        got.extend(batches)


@pytest.mark.parametrize("venue", FIVE)
@pytest.mark.parametrize(
    ("fault", "settings"),
    [
        ("too_many_requests", {}),
        ("banned", {}),
        ("server_error", {"status": 500}),
        ("server_error", {"status": 503}),
        ("time_out", {"seconds": 0.2}),
        ("cut_before_answer", {"times": 2}),
        ("cut_in_answer", {}),
        ("truncated", {}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_a_passing_fault_leaves_no_trace_in_the_records(
    venue, fault, settings, client_at, standin
):
    async with client_at(venue) as client:
        expected = rows_of(await bars(client, standin), "ohlcv")
    assert len(expected) > 30
    async with client_at(venue) as client:
        await client.instruments()
        client._exchange.timeout = 150
        hit = standin.faults.add(fault, venue=venue, endpoint="candles", **{"times": 1} | settings)
        batches = await bars(client, standin)
        assert hit.hits >= 1
        assert without_times(rows_of(batches, "ohlcv")) == without_times(expected)
        assert not rows_of(batches, "quarantine")
        if fault != "cut_before_answer":  # aiohttp repeats those by itself
            assert client.report().retries >= 1


@pytest.mark.parametrize("venue", list(BTC))
@pytest.mark.parametrize("fault", ["duplicated", "unordered", "overlapping"])
async def test_repeated_shuffled_and_surplus_rows_change_nothing(venue, fault, client_at, standin):
    async with client_at(venue) as client:
        expected = rows_of(await bars(client, standin), "ohlcv")
    standin.faults.add(fault, venue=venue, endpoint="candles")
    async with client_at(venue) as client:
        batches = await bars(client, standin)
    assert without_times(rows_of(batches, "ohlcv")) == without_times(expected)
    assert not rows_of(batches, "quarantine")


@pytest.mark.parametrize("venue", FIVE)
@pytest.mark.parametrize("fault", ["wrong_type", "null_value"])
async def test_a_broken_row_is_quarantined_with_what_was_received(venue, fault, client_at, standin):
    async with client_at(venue) as client:
        expected = rows_of(await bars(client, standin), "ohlcv")
    hit = standin.faults.add(fault, venue=venue, endpoint="candles", times=1)
    async with client_at(venue) as client:
        batches = await bars(client, standin)
    actual = rows_of(batches, "ohlcv")
    assert hit.hits == 1
    # A published bar is whole: what it lacked it would lack for ever.
    good = without_times(expected)
    assert all(row in good for row in without_times(actual))
    lost = len(expected) - len(actual)
    refused = rows_of(batches, "quarantine")
    # The broken number may be one that bars do not need.
    assert lost in (0, 1)
    assert len(refused) >= lost
    for row in refused:
        assert (row["kind"], row["venue"], row["instrument"]) == ("ohlcv", venue, BTC[venue])
        assert row["row_number"] >= 1
        assert row["reason"]
        assert row["received"]


@pytest.mark.parametrize("venue", list(BTC))
async def test_the_unfinished_bar_is_never_returned(venue, client_at, standin):
    standin.now = standin.now // BAR * BAR + BAR - 1
    async with client_at(venue) as client:
        before = rows_of(await bars(client, standin, 0.5), "ohlcv")
        standin.now = standin.now + 1
        after = rows_of(await bars(client, standin, 0.5), "ohlcv")
    ends = [row["bar_start_at"] + dt.timedelta(minutes=5) for row in before]
    assert max(ends) <= instant(standin.now - 1)
    assert after[-1]["bar_start_at"] == before[-1]["bar_start_at"] + dt.timedelta(minutes=5)


async def test_an_empty_answer_is_no_error_and_no_record(client_at, standin):
    standin.faults.add("empty", venue="okx", endpoint="candles")
    async with client_at("okx") as client:
        assert await bars(client, standin) == []


@pytest.mark.parametrize("venue", FIVE)
async def test_a_symbol_that_vanishes_is_refused_by_name_and_not_requested_for_ever(
    venue, client_at, standin
):
    async with client_at(venue) as client:
        await client.instruments()
        standin.faults.add("vanished_symbol", venue=venue, symbol=BTC[venue])
        # hyperliquid answers 500 to a coin it does not know: it may be down, it may be the coin.
        with pytest.raises((VenueRejected, VenueUnavailable), match="BTC/USD"):
            await bars(client, standin)
    async with client_at(venue) as client:
        with pytest.raises(VenueRejected, match="not listed"):
            await bars(client, standin)
        batches = await client.instruments()
        assert BTC[venue] not in {row["instrument"] for row in rows_of(batches, "instrument")}


@pytest.mark.parametrize(
    ("venue", "factor"),
    [("binance", 1000.0), ("bybit", 2.0), ("okx", 0.01), ("gate", 1e-4), ("hyperliquid", 1000.0)],
)
async def test_open_interest_in_a_changed_unit_is_refused(venue, factor, client_at, standin):
    end = instant(standin.now)
    symbol = BTC[venue]

    async def fetch(client, previous=None):
        if venue == "gate":
            start = end - dt.timedelta(hours=1)
            return await client.open_interest_history(symbol, start, end, previous)
        return await client.open_interest_now([symbol], previous)

    async with client_at(venue) as client:
        good = rows_of(await fetch(client), "open_interest")[-1]
        previous = {symbol: Observation(good["observed_at"], good["open_interest_quantity"])}
        assert rows_of(await fetch(client, previous), "open_interest")
        standin.faults.add("open_interest_factor", venue=venue, factor=factor)
        batches = await fetch(client, previous)
    assert rows_of(batches, "open_interest") == []
    refused = rows_of(batches, "quarantine")
    assert refused
    assert {row["column_name"] for row in refused} == {"amount"}


async def test_a_unit_that_changes_within_a_history_costs_only_the_rows_in_it(client_at, standin):
    end = instant(standin.now)
    standin.faults.add("open_interest_factor", venue="okx", factor=0.01, after=1, times=1)
    async with client_at("okx") as client:
        # Three pages of 100 rows; the second is in the other unit.
        batches = await client.open_interest_history(
            "BTC/USDT:USDT", end - dt.timedelta(hours=25), end
        )
    rows, refused = rows_of(batches, "open_interest"), rows_of(batches, "quarantine")
    assert len(refused) == 100
    assert len(rows) == 299 - 100


async def test_backfill_makes_as_few_calls_as_pages_allow(client_at, standin):
    end = instant(standin.now // DAY * DAY)
    start = end - dt.timedelta(days=2)
    async with client_at("binance") as client:
        await client.instruments()
        rows = rows_of(await client.ohlcv("BTC/USDT:USDT", start, end), "ohlcv")
        assert len(rows) == 576
        assert client.report().calls == 1 + 2
        rows = rows_of(
            await client.open_interest_history("BTC/USDT:USDT", start, end), "open_interest"
        )
        assert client.report().calls == 1 + 2 + 2
        # The market begins with the first bar; its first snapshot stands at that bar's end.
        assert len(rows) >= 575


async def test_pages_got_before_a_failure_are_kept(client_at, standin):
    end = instant(standin.now // DAY * DAY)
    request = Request("binance", "ohlcv", ("BTC/USDT:USDT",), end - dt.timedelta(days=2), end)
    standin.faults.add("server_error", venue="binance", endpoint="candles", after=1)
    got = []
    async with client_at("binance", policy=RequestPolicy(attempts=2)) as client:
        with pytest.raises(VenueUnavailable, match=r"2026-03-0.*to 2026-03-0"):
            await gather(client, request, got)
    assert len(rows_of(got, "ohlcv")) == 499


async def test_what_is_too_old_for_the_venue_is_not_requested(client_at, standin):
    end = instant(standin.now) - dt.timedelta(days=31)
    async with client_at("binance") as client:
        await client.instruments()
        batches = await client.open_interest_history(
            "BTC/USDT:USDT", end - dt.timedelta(days=5), end
        )
        assert batches == []
        assert client.report().calls == 1


async def test_older_bars_come_from_the_endpoint_for_older_bars(client_at, standin):
    standin.now = standin.now // DAY * DAY
    async with client_at("okx") as client:
        client._clock = lambda: instant(standin.now + 6 * DAY)
        end = instant(standin.now)
        rows = rows_of(
            await client.ohlcv("BTC/USDT:USDT", end - dt.timedelta(hours=1), end), "ohlcv"
        )
    assert len(rows) == 12
    assert {row["source"] for row in rows} == {"ccxt:publicGetMarketHistoryCandles"}


async def test_kinds_a_venue_does_not_publish_are_refused_in_words(client_at, standin):
    end = instant(standin.now)
    async with client_at("hyperliquid") as client:
        with pytest.raises(VenueRejected, match="hyperliquid does not publish mark_ohlc of linear"):
            await client.mark_ohlc("BTC/USDC:USDC", end - dt.timedelta(hours=1), end)
    async with client_at("binance") as client:
        with pytest.raises(VenueRejected, match="needs an API key"):
            await client.brackets(["BTC/USDT:USDT"])


def test_unknown_venue_names_those_that_are_known():
    with pytest.raises(VenueRejected, match="declared are binance, binancecoinm"):
        find_venue("ftx")


async def test_one_unanswered_snapshot_does_not_cost_the_others(client_at, standin):
    async with client_at("binance", policy=RequestPolicy(attempts=1)) as client:
        await client.instruments()
        standin.faults.add("server_error", endpoint="open_interest", times=1)
        symbols = ("BTC/USDT:USDT", "ETH/USDT:USDT", "1000PEPE/USDT:USDT")
        got = []
        with pytest.raises(VenueUnavailable):
            await gather(client, Request("binance", "open_interest_now", symbols), got)
    assert len(rows_of(got, "open_interest")) == 2


async def test_report_counts_what_was_done(client_at, standin):
    standin.faults.add("server_error", venue="okx", endpoint="candles", times=2)
    async with client_at("okx") as client:
        batches = await bars(client, standin)
        report = client.report()
    assert report.venue == "okx"
    assert (report.calls, report.responses, report.retries) == (4, 2, 2)
    assert report.rows == len(rows_of(batches, "ohlcv"))
    assert report.errors == (("ExchangeNotAvailable", 2),)
    assert "okx publicGetMarketCandles BTC/USDT:USDT" in str(report.last_error)
    assert report.quarantined == 0


async def test_answer_without_rows_where_they_are_declared_is_kept_for_inspection(
    answers, quick_client
):
    answers.by_path["/deribit/api/v2/public/get_instruments"] = {
        "result": [
            {
                "instrument_name": "BTC-PERPETUAL",
                "kind": "future",
                "base_currency": "BTC",
                "counter_currency": "USD",
                "settlement_currency": "BTC",
                "settlement_period": "perpetual",
                "contract_size": 10.0,
                "tick_size": 0.5,
                "is_active": True,
            }
        ]
    }
    answers.by_path["/deribit/api/v2/public/get_book_summary_by_currency"] = {
        "result": {"who": "knows"}, "unexpected": 1,
    }  # fmt: skip
    answers.by_path["/deribit/api/v2/public/get_funding_rate_history"] = {"surprise": []}
    now = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
    got = []
    async with quick_client(
        "deribit", answers.base_url, lambda: now, policy=RequestPolicy(attempts=2)
    ) as client:
        request = Request(
            "deribit", "funding_rate", ("BTC/USD:BTC",), now - dt.timedelta(hours=3), now
        )
        with pytest.raises(VenueUnavailable, match="no result"):
            await gather(client, request, got)
        assert client.report().calls == 3
    (row,) = rows_of(got, "quarantine")
    assert row["kind"] == "funding_rate"
    assert row["row_number"] is None
    assert "surprise" in row["received"]


async def test_budget_that_is_spent_asks_nothing(client_at, standin):
    async with client_at("okx") as client:
        await client.instruments()
        client.allow(0.0)
        with pytest.raises(RequestSkipped):
            await bars(client, standin)
        client.allow(None)
        assert rows_of(await bars(client, standin), "ohlcv")


async def test_deeper_ratio_of_gate_left_empty_is_not_a_ratio_of_zero(client_at, standin):
    end = instant(standin.now)
    async with client_at("gate") as client:
        batches = await client.long_short_ratio("BTC/USDT:USDT", end - dt.timedelta(hours=1), end)
    measures = {row["measure"] for row in rows_of(batches, "long_short_ratio")}
    assert "accounts" in measures
    assert all(row["long_short_ratio"] > 0 for row in rows_of(batches, "long_short_ratio"))
    assert rows_of(batches, "open_interest")


async def test_clock_of_the_venue_that_runs_ahead_marks_snapshots_of_the_future(client_at, standin):
    standin.faults.add("clock_skew", venue="okx", milliseconds=10 * MINUTE)
    async with client_at("okx") as client:
        batches = await client.open_interest_now(["BTC/USDT:USDT"])
    assert not rows_of(batches, "open_interest")
    (row,) = rows_of(batches, "quarantine")
    assert row["reason"] == "lies in the future"


@pytest.mark.parametrize(
    ("venue", "calls"),
    [
        ("binance", 1), ("binancecoinm", 1), ("bybit", 4), ("okx", 1), ("gate", 2),
        ("hyperliquid", 1), ("bitget", 6), ("kucoin", 1), ("htx", 3), ("mexc", 1),
        ("deribit", 1),
    ],
)  # fmt: skip
async def test_listing_contracts_costs_no_more_calls_than_declared(
    venue, calls, client_at, standin
):
    async with client_at(venue) as client:
        await client.instruments()
        await client.known_instruments()
    assert len(standin.log) == calls
    assert not standin.unknown
