"""Asking providers on schedule, against a stand-in on loopback: keys, answers kept, what failed."""

import json
import logging
import threading
from datetime import UTC, datetime
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest

from jobs.collect.providers import fetch_providers, provider_keys
from jobs.errors import AllProvidersFailed
from jobs.settings import Settings
from sources.errors import InputRejected
from warehouse.connect import open_warehouse

NOW = datetime(2026, 3, 3, 14, 37, 6, tzinfo=UTC)
SECRET = "ck-77-SECRET-3f9a"  # noqa: S105 - a made-up one
WALLET = "0x" + "a" * 40


def answer_of(last_price=100.0):
    prices = [90.0, 95.0, 100.0, 105.0, 110.0]
    return {
        "success": True,
        "code": "1",
        "data": {
            "prices": prices,
            "lastIndex": 2,
            "lastPrice": last_price,
            "Binance": [1.0, 2.0, 0.0, 3.0, 4.0],
            "Bybit": [2.0, 1.0, 0.0, 0.0, 5.0],
        },
    }


class StandIn:
    """Answers in turn, the last one for ever, and remembers the requests."""

    def __init__(self):
        self.answers = [(200, json.dumps(answer_of()).encode(), {})]
        self.requests = []

    def will_answer(self, *answers):
        self.answers = [
            (status, body if isinstance(body, bytes) else json.dumps(body).encode(), headers)
            for status, body, headers in answers
        ]


@pytest.fixture
def stand_in():
    service = StandIn()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            parts = urlsplit(self.path)
            service.requests.append((parts.path, parse_qs(parts.query), dict(self.headers)))
            answers = service.answers
            status, body, headers = answers.pop(0) if len(answers) > 1 else answers[0]
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET  # noqa: N815 - what the server looks for

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    service.url = f"http://127.0.0.1:{server.server_port}"
    yield service
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def waits():
    return []


@pytest.fixture
def fetch(tmp_path, stand_in, waits):
    async def sleep(seconds):
        waits.append(seconds)

    def fetch(requests=None, **settings):
        settings = Settings(home=tmp_path, threads=1, provider_url=stand_in.url, **settings)
        if requests is not None:
            settings.home.mkdir(exist_ok=True)
            settings.providers_file.write_text(requests)
        return fetch_providers(settings, clock=lambda: NOW, sleep=sleep)

    return fetch


COINANK = "coinank: [{model: getAggLiqMap, assets: [BTC]}]\n"


def rows(home, sql):
    with open_warehouse(home / "warehouse.duckdb", threads=1) as connection:
        return connection.execute(sql).fetchall()


def test_without_a_key_nothing_is_requested_and_the_variable_is_named(fetch, stand_in, tmp_path):
    report = fetch()
    assert stand_in.requests == []
    assert report.without_key["coinglass"] == ("LIQHEAT_COINGLASS_API_KEY",)
    assert set(report.without_key) == {"coinglass", "coinank", "hyblock", "datamaxi"}
    assert not (tmp_path / "warehouse.duckdb").exists()


def test_keys_come_from_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("LIQHEAT_COINANK_API_KEY", SECRET)
    monkeypatch.setenv("LIQHEAT_COINGLASS_API_KEY", " ")
    settings = Settings(home=tmp_path)
    assert provider_keys(settings) == {"LIQHEAT_COINANK_API_KEY": SECRET}
    assert SECRET not in repr(settings)


def test_an_answer_is_kept_under_its_hash_and_its_rows_are_loaded(fetch, stand_in, tmp_path):
    report = fetch(COINANK, coinank_api_key=SECRET)
    ((path, query, headers),) = stand_in.requests
    assert path == "/api/liqMap/getAggLiqMap"
    assert query["baseCoin"] == ["BTC"]
    assert headers["apikey"] == SECRET
    (kept,) = (tmp_path / "answers" / "coinank").rglob("*.json")
    raw = kept.read_bytes()
    assert raw == stand_in.answers[0][1]
    assert sha256(raw).hexdigest() in kept.name
    assert report.is_loaded
    assert report.row_count == 7
    assert rows(
        tmp_path,
        "select distinct provider, venue_scope, asset, as_of, unit, raw_sha256 "
        "from raw.provider_map order by venue_scope",
    ) == [
        ("coinank", venue, "BTC", NOW, "relative", sha256(raw).hexdigest())
        for venue in ("binance", "bybit")
    ]


def test_without_a_file_bitcoin_and_ether_are_requested(fetch, stand_in):
    fetch(coinank_api_key=SECRET)
    assert [query["baseCoin"] for _, query, _ in stand_in.requests] == [["BTC"], ["ETH"]]


def test_the_run_says_what_each_provider_came_to(fetch, tmp_path):
    fetch(COINANK + "coinglass: [{model: map, assets: [BTC]}]\n", coinank_api_key=SECRET)
    ((job, status, detail),) = rows(tmp_path, "select job, status, detail from meta.pipeline_run")
    assert (job, status) == ("fetch", "done")
    actual = json.loads(detail)
    assert actual["providers"]["coinank"]["answered"] == 1
    assert actual["without_key"] == {"coinglass": ["LIQHEAT_COINGLASS_API_KEY"]}


def test_transient_errors_are_retried_when_the_service_says(fetch, stand_in, waits):
    stand_in.will_answer(
        (429, b"slow down", {"Retry-After": "7"}), (503, b"", {}), (200, answer_of(), {})
    )
    report = fetch(COINANK, coinank_api_key=SECRET)
    assert waits == [7.0, 4.0]
    assert report.providers["coinank"].answered == 1


def test_a_service_that_asks_for_too_much_patience_is_left_for_the_next_run(fetch, stand_in, waits):
    stand_in.will_answer((429, b"", {"Retry-After": "3600"}))
    with pytest.raises(AllProvidersFailed, match="3600"):
        fetch(COINANK, coinank_api_key=SECRET)
    assert waits == []
    assert len(stand_in.requests) == 1


@pytest.mark.parametrize(
    ("status", "body", "message"),
    [
        (403, b"wrong key " + SECRET.encode(), "403"),
        (200, {"success": False, "code": "-1", "msg": "plan expired"}, "plan expired"),
        (200, b"<html>maintenance</html>", "page instead of data"),
        (200, {"success": True, "code": "1", "data": {}}, "data is {}"),
        (200, answer_of(last_price=250.0), "lastPrice"),
    ],
)
def test_a_refusal_costs_itself_only_and_never_shows_the_key(
    fetch, stand_in, tmp_path, caplog, status, body, message
):
    caplog.set_level(logging.DEBUG)
    stand_in.will_answer((status, body, {}), (200, answer_of(), {}))
    report = fetch("coinank: [{model: getAggLiqMap, assets: [BTC, ETH]}]", coinank_api_key=SECRET)
    outcome = report.providers["coinank"]
    assert (outcome.asked, outcome.answered) == (2, 1)
    assert message in outcome.messages[0]
    assert SECRET not in caplog.text + repr(report)
    assert rows(tmp_path, "select distinct asset from raw.provider_map") == [("ETH",)]


def test_all_failing_is_an_error_in_the_ledger_of_runs_too(fetch, stand_in, tmp_path):
    stand_in.will_answer((403, b"no", {}))
    with pytest.raises(AllProvidersFailed, match="coinank"):
        fetch(COINANK, coinank_api_key=SECRET)
    ((detail,),) = rows(tmp_path, "select detail from meta.pipeline_run")
    assert "403" in detail


def test_a_busy_warehouse_leaves_the_landing_for_the_next_load(fetch, tmp_path, monkeypatch):
    from warehouse.errors import WarehouseBusy

    def busy(_):
        raise WarehouseBusy("another writer has it open")

    monkeypatch.setattr("jobs.collect.providers.open_writer", busy)
    report = fetch(COINANK, coinank_api_key=SECRET)
    assert not report.is_loaded
    assert len(list((tmp_path / "landing" / "provider_map").glob("*.parquet"))) == 1


def test_the_same_answer_twice_is_loaded_once(fetch, tmp_path):
    fetch(COINANK, coinank_api_key=SECRET)
    fetch(COINANK, coinank_api_key=SECRET)
    assert rows(tmp_path, "select count(*) from raw.provider_map") == [(7,)]


def test_wallets_stand_in_a_file_and_need_no_key(fetch, stand_in, tmp_path):
    (tmp_path / "wallets.txt").write_text(f"# leading wallets\n{WALLET}\n\n")
    position = {
        "coin": "BTC",
        "szi": "2",
        "leverage": {"type": "isolated", "value": 10},
        "entryPx": "100",
        "positionValue": "200",
        "liquidationPx": "90",
    }
    state = {"time": int(NOW.timestamp() * 1000), "assetPositions": [{"position": position}]}
    stand_in.will_answer((200, state, {}))
    fetch("hyperliquid_positions: [{model: wallet_states, wallets: wallets.txt}]")
    assert rows(
        tmp_path, "select provider, asset, side, price_low, value from raw.provider_map"
    ) == [("hyperliquid_positions", "BTC", "long", 90.0, 180.0)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "expected keys with values, as `coinank:"),
        ("coinank: [", "no valid YAML"),
        ("nansen: []", "nansen cannot be fetched"),
        ("canonical_file: []", "canonical_file cannot be fetched"),
        ("coinank: {model: getLiqMap}", "'coinank' is .*, expected a list"),
        ("coinank: [getLiqMap]", "coinank, entry 1: expected keys with values .model"),
        ("coinank: [{model: map}]", "'model' is 'map'; coinank has getLiqMap, getAggLiqMap"),
        ("coinank: [{model: getLiqMap, asset: BTC}]", "unknown key 'asset'"),
        (
            "coinank: [{model: getLiqMap, assets: [NO]}]",
            "entry 1, assets: entry 1 is False",
        ),
        (
            "coinank: [{model: getLiqMap, window: 1}]",
            "'window' is 1, expected a text",
        ),
        (
            "hyperliquid_positions: [{model: wallet_states, wallets: none.txt}]",
            "none.txt cannot be",
        ),
    ],
)
def test_a_file_that_cannot_mean_what_it_says_is_refused(fetch, stand_in, text, message):
    with pytest.raises(InputRejected, match=message):
        fetch(text, coinank_api_key=SECRET)
    assert stand_in.requests == []
