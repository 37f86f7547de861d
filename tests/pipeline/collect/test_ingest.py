"""What venues publish ends up in raw as the market was, whatever happens on the way."""

import datetime as dt
import json
import logging
import subprocess
import sys
from unittest.mock import Mock

import pyarrow as pa
import pytest
from standin import DAY, HOUR, synthetic_market
from workbench.live import BAR, instant, live_home, truth_of

from jobs.collect import reference_data, settle
from jobs.collect.landing import land
from jobs.collect.warehouse_state import WarehouseState
from jobs.errors import AllVenuesFailed
from sources.errors import ProviderUnavailable
from sources.quotes import QUOTE_MARKETS
from sources.records import SCHEMAS, Batch

START = 1_772_323_200_000  # 2026-03-01
VENUES = ("binance", "okx", "gate", "hyperliquid")


@pytest.fixture(scope="module")
def market():
    return synthetic_market(
        start=START,
        end=START + 4 * DAY,
        venues=VENUES,
        assets={"BTC": 70_000.0, "PEPE": 4e-6},
    )


def compare(home, market, kind, first, now):
    stored, truth = home.rows(kind), truth_of(market, home, kind, first, now)
    assert truth
    missing, surplus = sorted(set(truth) - set(stored)), sorted(set(stored) - set(truth))
    assert not missing, (kind, len(missing), missing[:5])
    assert not surplus, (kind, len(surplus), surplus[:5])
    for key, values in truth.items():
        assert stored[key] == pytest.approx(values, rel=1e-9, abs=1e-9), (kind, key)


def compare_within(home, market, kind, first, now):
    """Compare all that has been final for a while with the market, from each venue's instant on."""
    stored, truth = home.rows(kind), truth_of(market, home, kind, first, now)
    missing = sorted(set(truth) - set(stored))
    assert not missing, (kind, len(missing), missing[:5])
    for key, values in truth.items():
        assert stored[key] == pytest.approx(values, rel=1e-9, abs=1e-9), (kind, key)


def test_rounds_over_hours_equal_the_market(tmp_path, market):
    begun = START + 2 * DAY
    with live_home(tmp_path, market, begun, venues=VENUES) as home:
        for step in range(4):
            home.standin.now = begun + step * 3 * BAR + 7_000
            report = home.ingest()
            assert report.undone_count == 0, report.venues
        now = home.standin.now
        bars = dict.fromkeys(VENUES, begun - DAY + BAR)
        for kind in ("ohlcv", "mark_ohlc"):
            compare(home, market, kind, bars, now)
        assert home.query("select * from marts.data_gaps where not is_lost") == []


def test_what_fails_costs_its_venue_only_and_heals(tmp_path, market):
    begun = START + 2 * DAY
    first = dict.fromkeys(("binance", "gate"), begun - DAY + BAR)
    with live_home(tmp_path, market, begun + 7_000, venues=("binance", "gate")) as home:
        home.standin.faults.add("server_error", venue="gate")
        report = home.ingest()
        assert report.venues["gate"].has_failed
        assert "gate" in report.venues["gate"].messages[0]
        assert report.venues["gate"].errors
        assert not report.venues["binance"].has_failed
        detail = json.loads(home.query("select detail from marts.pipeline_runs")[0][0])
        assert detail["venues"]["gate"]["done"] == 0
        assert detail["venues"]["binance"]["rows"] > 0
        home.standin.faults.clear()
        home.standin.now += BAR
        assert home.ingest().undone_count == 0
        for kind in ("ohlcv", "mark_ohlc", "open_interest"):
            since = {venue: at + (BAR if venue == "gate" else 0) for venue, at in first.items()}
            compare_within(home, market, kind, since, home.standin.now - 2 * BAR)


def test_all_venues_failing_is_an_error_that_is_recorded(tmp_path, market):
    with live_home(tmp_path, market, START + DAY, venues=("binance",)) as home:
        home.standin.faults.add("server_error")
        with pytest.raises(AllVenuesFailed, match="binance"):
            home.ingest()
        assert home.query("select job, status from marts.pipeline_runs") == [("ingest", "failed")]


def test_a_missed_schedule_heals_itself_and_the_ledger_forgets_it(tmp_path, market):
    begun = START + DAY
    with live_home(tmp_path, market, begun + 7_000, venues=("binance", "hyperliquid")) as home:
        home.ingest()
        home.standin.now += 9 * HOUR
        home.ingest()
        now = home.standin.now
        first = dict.fromkeys(("binance", "hyperliquid"), begun)
        compare_within(home, market, "ohlcv", first, now)
        left = home.query(
            "select venue, kind, is_lost, missing_count, lost_since from marts.data_gaps"
        )
        # Hyperliquid publishes no history of open interest.
        assert {row[:3] for row in left} == {("hyperliquid", "open_interest", True)}
        assert {row[3] for row in left} == {9 * 12 - 1}


def test_kinds_without_history_are_requested_in_each_round(tmp_path, market):
    begun = START + DAY
    rounds = [begun + step * BAR + 7_000 for step in (0, 1, 2, 14, 15)]
    with live_home(tmp_path, market, rounds[0], venues=("hyperliquid",), assets=("BTC",)) as home:
        for now in rounds:
            home.standin.now = now
            home.ingest()
        stored = [round(row[0].timestamp() * 1000) for row in home.query(
            "select observed_at from raw.open_interest order by observed_at"
        )]  # fmt: skip
        assert stored == rounds
        gaps = home.query("select missing_count, is_lost from marts.data_gaps")
        assert gaps == [(11, True)]


def test_a_round_that_is_killed_has_landed_what_it_got(tmp_path, market, monkeypatch):
    begun = START + 2 * DAY
    with live_home(tmp_path, market, begun + 7_000, venues=("binance", "okx")) as home:
        landed = []

        def land_and_die(batch, folder, name):
            if len(landed) == 6:
                raise OSError("the disk is full")
            landed.append(land(batch, folder, name))
            return landed[-1]

        monkeypatch.setattr("jobs.collect.new_rows.land", land_and_die)
        with pytest.raises(OSError, match="the disk is full"):
            home.ingest()
        assert len(landed) == 6
        monkeypatch.undo()
        assert home.ingest().undone_count == 0
        first = dict.fromkeys(("binance", "okx"), begun - DAY + BAR)
        for kind in ("ohlcv", "mark_ohlc"):
            compare_within(home, market, kind, first, home.standin.now)
        assert home.query("select count(*) from marts.data_gaps") == [(0,)]


def test_what_was_loaded_by_a_round_that_was_killed_is_not_requested_again(
    tmp_path, market, monkeypatch
):
    with live_home(tmp_path, market, START + DAY + 7_000, venues=("binance",)) as home:
        # Between loading and the ledger: no gap is struck off.
        monkeypatch.setattr(settle, "_update_ledger", Mock(side_effect=KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            home.ingest()
        monkeypatch.undo()
        rows = home.query("select count(*) from raw.ohlcv")
        home.standin.now += BAR
        home.ingest()
        # One bar more of each of two contracts.
        assert home.query("select count(*) from raw.ohlcv") == [(rows[0][0] + 2,)]


def test_empty_answers_are_requested_again_but_ever_more_rarely(tmp_path, market):
    begun = START + 2 * DAY
    with live_home(tmp_path, market, begun + 7_000, venues=("binance",)) as home:
        home.ingest()
        home.standin.now += 2 * HOUR
        home.standin.faults.add("empty", endpoint="candles")
        # Asked for with the first round, then five minutes later, then twenty after that.
        for bars in (1, 1, 3, 1, 6):
            home.standin.now += bars * BAR
            home.ingest()
        gaps = home.query(
            "select is_lost, lost_reason, answer_count from marts.data_gaps "
            "where kind = 'ohlcv' order by gap_from"
        )
        assert gaps[0] == (True, "the venue answers without it", 3)
        home.standin.faults.clear()
        home.standin.now += DAY
        home.ingest()
        first = {"binance": begun}
        compare_within(home, market, "ohlcv", first, home.standin.now)
        assert home.query("select count(*) from marts.data_gaps where kind = 'ohlcv'") == [(0,)]


def test_the_unfinished_candle_is_never_stored(tmp_path, market):
    now = START + 2 * DAY + BAR // 2
    with live_home(tmp_path, market, now, venues=VENUES) as home:
        home.ingest()
        for kind in ("ohlcv", "mark_ohlc"):
            newest = max(at for _, _, at, _ in home.rows(kind))
            assert newest == START + 2 * DAY - BAR


def test_instruments_that_vanish_and_come_back_are_recorded(tmp_path, market):
    with live_home(tmp_path, market, START + DAY + 7_000, venues=("binance",)) as home:
        assert home.ingest().listed == ()
        gone = home.standin.faults.add("vanished_symbol", symbol="1000PEPE/USDT:USDT")
        home.standin.now += BAR
        report = home.ingest()
        assert report.delisted == ("binance:1000PEPE/USDT:USDT",)
        assert report.undone_count == 0
        active = "select is_active from staging.stg_instrument where asset = 'PEPE'"
        assert home.query(active) == [(False,)]
        ended = (
            "select distinct expected_until_at is not null from marts.data_feeds where asset = ?"
        )
        assert home.query(ended, "PEPE") == [(True,)]
        home.standin.faults.remove(gone)
        home.standin.now += HOUR
        assert home.ingest().listed == ("binance:1000PEPE/USDT:USDT",)
        assert home.query(active) == [(True,)]
        first = {"binance": START + DAY}
        compare_within(home, market, "ohlcv", first, home.standin.now)


def test_keys_are_written_nowhere(tmp_path, market, caplog, monkeypatch):
    for name in ("API_KEY", "SECRET", "PASSWORD"):
        monkeypatch.setenv(f"LIQHEAT_KEYS__BINANCE__{name}", f"hidden-{name}-4711")
    monkeypatch.setenv("LIQHEAT_KEYS__GATE__API_KEY", "hidden-gate-4711")
    monkeypatch.setenv("LIQHEAT_KEYS__GATE__SECRET", "hidden-gate-secret-4711")
    caplog.set_level(logging.DEBUG)
    with live_home(tmp_path, market, START + DAY + 7_000, venues=("binance", "gate")) as home:
        assert home.settings.keys["binance"].api_key.get_secret_value().startswith("hidden")
        home.standin.faults.add("truncated", probability=0.3)
        home.standin.faults.add("wrong_type", probability=0.3)
        home.standin.faults.add("server_error", venue="gate", endpoint="candles")
        report = home.ingest()
        said = [caplog.text, repr(report), repr(home.settings), str(home.settings.model_dump())]
        assert not any("4711" in text for text in said)
        for path in tmp_path.rglob("*"):
            if path.is_file():
                assert b"4711" not in path.read_bytes(), path
        for kind in ("quarantine", "leverage_bracket"):
            relation = "quality.quarantine" if kind == "quarantine" else f"raw.{kind}"
            assert "4711" not in str(home.query(f"select * from {relation}"))


def test_a_busy_warehouse_costs_no_data(tmp_path, market):
    with live_home(tmp_path, market, START + DAY + 7_000, venues=("binance",)) as home:
        home.ingest()
        home.standin.now += BAR
        script = (
            "import sys, duckdb; c = duckdb.connect(sys.argv[1]); print('open', flush=True); "
            "sys.stdin.read()"
        )
        with subprocess.Popen(
            [sys.executable, "-c", script, str(home.settings.warehouse)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as other:
            other.stdout.readline()
            report = home.ingest()
            assert report.loaded is None
            assert report.row_count > 0
            other.stdin.close()
            other.wait(10)
        home.standin.now += BAR
        home.ingest()
        compare_within(home, market, "ohlcv", {"binance": START + DAY}, home.standin.now)


def test_backfill_goes_on_where_it_was_stopped(tmp_path, market):
    start, now = START + HOUR, START + 3 * DAY + 7_000
    with live_home(tmp_path, market, now, venues=("binance",), assets=("BTC",)) as home:
        home.ingest()
        calls = home.standin.counts["binance", "candles"]
        cut = home.standin.faults.add("server_error", endpoint="candles", after=calls + 1)
        home.backfill(start)
        home.standin.faults.remove(cut)
        report = home.backfill(start)
        assert report.undone_count == 0
        for kind in ("ohlcv", "mark_ohlc", "open_interest"):
            compare_within(home, market, kind, {"binance": start}, home.standin.now)
        calls = sum(home.standin.counts.values())
        home.backfill(start)
        # Only the list of contracts is requested.
        assert sum(home.standin.counts.values()) - calls <= 2


def test_stablecoin_prices_are_requested_once_an_hour_and_one_market_down_costs_itself(
    tmp_path, market, monkeypatch
):
    requested = []

    async def answer(quoted, *, since, until, now, base_url):
        requested.append((quoted.venue, quoted.pair, since))
        if quoted.venue == "bitstamp":
            raise ProviderUnavailable("bitstamp: no answer; try again later")
        hour = now.replace(minute=0, second=0, microsecond=0)
        row = {"venue": quoted.venue, "pair": quoted.pair, "observed_at": hour, "price": 0.994}
        row |= {"source": quoted.source, "ingested_at": now}
        schema = SCHEMAS["quote_rate"]
        return [Batch("quote_rate", pa.Table.from_pylist([row], schema=schema))]

    monkeypatch.setattr(reference_data, "fetch_quote_rates", answer)
    with live_home(tmp_path, market, START + 2 * DAY + 7_000, venues=("hyperliquid",)) as home:
        home.settings = home.settings.model_copy(update={"quotes_url": "http://127.0.0.1:9"})
        outcome = home.ingest().venues["spot_markets"]
        assert (outcome.requests, outcome.done, outcome.rows) == (5, 3, 3)
        assert outcome.messages == ("bitstamp: no answer; try again later",)
        assert {since for _, _, since in requested} == {instant(START + DAY)}
        requested.clear()
        home.standin.now += BAR
        home.ingest()
        assert {venue for venue, _, _ in requested} == {"bitstamp"}
        rates = home.query(
            "select quote, usd_rate from intermediate.int_quote_rate_hour "
            "where as_of = ? order by quote",
            instant(START + 2 * DAY),
        )
    # USDC: .994 in USD at one market, .994 x .994 through USDT at another.
    assert rates == [("USDC", pytest.approx((0.994 + 0.994**2) / 2)), ("USDT", 0.994)]


def test_stablecoin_prices_are_requested_back_to_the_first_bar_piece_by_piece():
    now, day = instant(START + DAY + 7_000), dt.timedelta(days=1)
    hour = instant(START + DAY)
    fresh = reference_data._due_quotes(WarehouseState(), now, 30 * day)
    assert {(since, until) for _, since, until in fresh} == {(hour - 30 * day, now)}
    spans = {
        (market.venue, market.pair): (hour - 30 * day, hour - dt.timedelta(hours=1))
        for market in QUOTE_MARKETS
    }
    known = WarehouseState(quotes=spans, first_bar_at=hour - 180 * day)
    older = [one for one in reference_data._due_quotes(known, now, 30 * day) if one[2] < hour]
    # Kraken only answers what is recent.
    assert {market.venue for market, _, _ in older} == {"bitstamp", "binance"}
    assert {(since, until) for _, since, until in older} == {
        (hour - 30 * day - dt.timedelta(hours=990), hour - 30 * day - dt.timedelta(hours=1))
    }
    settled = dict.fromkeys(spans, (hour - 180 * day, hour))
    known = WarehouseState(quotes=settled, first_bar_at=hour - 180 * day)
    assert reference_data._due_quotes(known, now, 30 * day) == []
