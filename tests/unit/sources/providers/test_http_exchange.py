"""Asking a service, against a stand-in on loopback."""

import json
import logging
import traceback
from dataclasses import replace
from datetime import UTC, datetime
from urllib.parse import quote_plus as quote

import pytest
from workbench import provider_answers

from sources import http_exchange
from sources.accounts.weight_budget import WeightBudget
from sources.errors import InputRejected, ProviderRejected, ProviderUnavailable
from sources.providers.declared import PROVIDERS
from sources.providers.provider import (
    AnswerContext,
    MapRequest,
    context_from_name,
    raw_answer_path,
)

SECRET = "cg-3f9a-SECRET-77"  # noqa: S105 - a made-up one
KEYS = {
    "LIQHEAT_COINGLASS_API_KEY": SECRET,
    "LIQHEAT_COINANK_API_KEY": SECRET,
    "LIQHEAT_DATAMAXI_API_KEY": SECRET,
    "LIQHEAT_HYBLOCK_CLIENT_ID": "id-" + SECRET,
    "LIQHEAT_HYBLOCK_CLIENT_SECRET": "secret-" + SECRET,
    "LIQHEAT_HYBLOCK_API_KEY": "key-" + SECRET,
}
WALLETS = ("0x" + "a" * 40, "0x" + "B" * 40)
KEYED = ["coinglass", "coinank", "datamaxi", "hyblock"]
ASKED = {
    "coinglass": MapRequest("heatmap_model1", "BTC", venue="okx", window="24h"),
    "coinank": MapRequest("getLiqMap", "BTC", venue="okx", window="1w"),
    "datamaxi": MapRequest("map", "BTC", venue="okx"),
    "hyblock": MapRequest("liquidationHeatmap", "BTC", venue="bybit", window="12h"),
    "hyperliquid_positions": MapRequest("wallet_states", "BTC", wallets=WALLETS),
}


def request_to(stand_in, name, **more):
    return replace(
        ASKED[name], base_url=stand_in.url + "/base/", token_url=stand_in.url + "/token", **more
    )


async def fetch(session, stand_in, name, keys=KEYS, **more):
    return await PROVIDERS[name].fetch(session, keys, request_to(stand_in, name, **more))


@pytest.mark.parametrize(
    ("name", "path", "query", "header"),
    [
        (
            "coinglass",
            "/base/api/futures/liquidation/heatmap/model1",
            {"exchange": "OKX", "symbol": "BTCUSDT", "range": "24h"},
            "CG-API-KEY",
        ),
        (
            "coinank",
            "/base/api/liqMap/getLiqMap",
            {"exchange": "Okex", "symbol": "BTCUSDT", "interval": "1w"},
            "apikey",
        ),
        (
            "datamaxi",
            "/base/api/v1/liquidation/map",
            {"exchange": "okx", "base": "BTC", "quote": "USDT"},
            "X-DTMX-APIKEY",
        ),
    ],
)
async def test_a_request_goes_out_as_documented_and_the_answer_comes_back_untouched(
    session, stand_in, name, path, query, header
):
    body = b'{"code": "0",\n "anything": 1}'
    stand_in.will_answer(200, body)
    assert await fetch(session, stand_in, name) == body
    ((method, asked_path, asked_query, headers, _),) = stand_in.requests
    assert (method, asked_path, asked_query) == ("GET", path, query)
    assert headers[header] == SECRET


@pytest.mark.parametrize(
    ("model", "path", "window"),
    [
        ("aggregated_heatmap_model3", "aggregated-heatmap/model3", "3d"),
        ("aggregated_map", "aggregated-map", "1d"),
    ],
)
async def test_aggregated_coinglass_maps_ask_for_a_coin(session, stand_in, model, path, window):
    stand_in.will_answer(200, b'{"code":"0"}')
    await fetch(session, stand_in, "coinglass", model=model, venue=None, window=None)
    ((_, asked_path, query, _, _),) = stand_in.requests
    assert asked_path == f"/base/api/futures/liquidation/{path}"
    assert query == {
        "symbol": "BTC",
        "range": "1d" if model.endswith("map") and "heat" not in model else "3d",
    }


async def test_the_aggregated_coinank_map_asks_for_a_coin(session, stand_in):
    stand_in.will_answer(200, b"{}")
    await fetch(session, stand_in, "coinank", model="getAggLiqMap", venue=None, window=None)
    ((_, path, query, _, _),) = stand_in.requests
    assert (path, query) == ("/base/api/liqMap/getAggLiqMap", {"baseCoin": "BTC", "interval": "1d"})


async def test_hyblock_is_called_with_a_token_it_granted(session, stand_in):
    stand_in.will_answer(200, b'{"access_token": "granted-token"}')
    stand_in.will_answer(200, b'{"data": []}')
    assert await fetch(session, stand_in, "hyblock") == b'{"data": []}'
    token_call, map_call = stand_in.requests
    assert token_call[:2] == ("POST", "/token")
    assert b"grant_type=client_credentials" in token_call[4]
    assert map_call[:3] == (
        "GET",
        "/base/liquidationHeatmap",
        {
            "coin": "BTC",
            "exchange": "bybit_perp_stable",
            "lookback": "12h",
            "scaling": "relative",
        },
    )
    assert map_call[3]["Authorization"] == "Bearer granted-token"
    assert map_call[3]["x-api-key"] == KEYS["LIQHEAT_HYBLOCK_API_KEY"]


@pytest.mark.parametrize("granted", [b"{}", b"[]", b"junk", b'{"access_token": 5}'])
async def test_hyblock_without_a_token_is_refused(session, stand_in, granted):
    stand_in.will_answer(200, granted)
    with pytest.raises(ProviderRejected, match="without an access_token"):
        await fetch(session, stand_in, "hyblock")


async def test_wallet_states_come_back_as_lines_that_can_be_read(session, stand_in):
    state = {
        "time": 1772539200000,
        "assetPositions": [
            {
                "position": {
                    "coin": "BTC",
                    "szi": "1.0",
                    "liquidationPx": "80.0",
                    "positionValue": "100.0",
                    "leverage": {"value": 5},
                }
            }
        ],
    }
    stand_in.will_answer(200, json.dumps(state, indent=1).encode())
    raw = await fetch(session, stand_in, "hyperliquid_positions", wallets=(*WALLETS, WALLETS[0]))
    assert len(stand_in.requests) == 2
    bodies = sorted(json.loads(request[4])["user"] for request in stand_in.requests)
    assert bodies == sorted(wallet.lower() for wallet in WALLETS)
    assert {json.loads(request[4])["type"] for request in stand_in.requests} == {
        "clearinghouseState"
    }
    context = AnswerContext(input_name="a", ingested_at=datetime(2026, 3, 3, 13, tzinfo=UTC))
    (batch,) = PROVIDERS["hyperliquid_positions"].parse(raw, context)
    assert batch.table["value"].to_pylist() == [80.0, 80.0]


async def test_wallets_claim_from_the_shared_rate_limit_and_a_refusal_pauses_it(
    session, stand_in, tmp_path
):
    budget = WeightBudget(tmp_path / "weights.sqlite")
    stand_in.will_answer(200, b"{}")
    await fetch(session, stand_in, "hyperliquid_positions", budget=budget)
    assert budget.usage().by_ingest == 2 * len(WALLETS)
    stand_in.will_answer(429)
    with pytest.raises(ProviderUnavailable, match="429"):
        await fetch(session, stand_in, "hyperliquid_positions", budget=budget)
    assert budget.usage().paused_seconds > 0
    budget.close()


async def test_one_wallet_without_an_answer_fails_the_whole(session, stand_in):
    stand_in.will_answer(200, b"{}")
    stand_in.will_answer(503)
    with pytest.raises(ProviderUnavailable, match="503"):
        await fetch(session, stand_in, "hyperliquid_positions")


@pytest.mark.parametrize(
    ("wallets", "error", "message"),
    [
        ((), ProviderRejected, "no wallets given"),
        (("0x12",), InputRejected, "'0x12' is no address"),
    ],
)
async def test_wallets_must_be_addresses(session, stand_in, wallets, error, message):
    with pytest.raises(error, match=message):
        await fetch(session, stand_in, "hyperliquid_positions", wallets=wallets)
    assert stand_in.requests == []


@pytest.mark.parametrize("name", list(ASKED))
async def test_a_model_the_provider_does_not_have_is_refused(session, stand_in, name):
    with pytest.raises(ProviderRejected, match=r"there is no model '../admin'; request one of"):
        await fetch(session, stand_in, name, model="../admin")
    assert stand_in.requests == []


async def test_a_kept_answer_reads_as_it_did_when_fetched(session, stand_in, tmp_path):
    stand_in.will_answer(200, json.dumps(provider_answers.COINANK).encode())
    raw = await fetch(session, stand_in, "coinank")
    provider, read_at = PROVIDERS["coinank"], datetime(2026, 3, 3, 13, tzinfo=UTC)
    request = request_to(stand_in, "coinank")
    path = raw_answer_path(tmp_path, provider, request, read_at, raw)
    path.parent.mkdir(parents=True)
    path.write_bytes(raw)
    (batch,) = provider.parse(path.read_bytes(), context_from_name(provider, path.name, read_at))
    (first, _) = batch.table.to_pylist()
    assert (first["venue_scope"], first["window"], first["as_of"]) == ("okx", "1w", read_at)
    assert first["raw_sha256"] in path.name


@pytest.mark.parametrize("name", KEYED)
@pytest.mark.parametrize("missing", [None, "", "  "])
async def test_no_key_no_call_and_a_plain_message(session, stand_in, name, missing):
    variable = PROVIDERS[name].key_variables[-1]
    keys = {**KEYS, variable: missing} if missing is not None else {}
    with pytest.raises(ProviderRejected, match="set the environment variable LIQHEAT_"):
        await fetch(session, stand_in, name, keys=keys)
    assert stand_in.requests == []


async def test_a_key_that_is_invalid_in_a_header_is_refused_unquoted(session, stand_in):
    keys = {"LIQHEAT_COINGLASS_API_KEY": f"{SECRET}\nX: y"}
    with pytest.raises(
        ProviderRejected, match="LIQHEAT_COINGLASS_API_KEY holds characters"
    ) as caught:
        await fetch(session, stand_in, "coinglass", keys=keys)
    assert SECRET not in str(caught.value)
    assert stand_in.requests == []


@pytest.mark.parametrize(
    ("status", "error", "message"),
    [
        (400, ProviderRejected, "refused with 400 .*check symbol, venue and look-back"),
        (401, ProviderRejected, "refused with 401 .*check the key"),
        (403, ProviderRejected, "refused with 403 .*check the key"),
        (404, ProviderRejected, "refused with 404"),
        (302, ProviderRejected, "the address has moved"),
        (408, ProviderUnavailable, "refused with 408 .*try again later"),
        (429, ProviderUnavailable, "refused with 429 .*try again later"),
        (500, ProviderUnavailable, "refused with 500"),
        (502, ProviderUnavailable, "refused with 502"),
        (503, ProviderUnavailable, "refused with 503"),
    ],
)
@pytest.mark.parametrize("name", [*KEYED, "hyperliquid_positions"])
async def test_a_status_becomes_an_error_of_ours(session, stand_in, name, status, error, message):
    stand_in.will_answer(status, b"message so", Location="/elsewhere")
    with pytest.raises(error, match=message) as caught:
        await fetch(session, stand_in, name)
    assert str(caught.value).startswith(f"{name}: ")
    assert "'message so'" in str(caught.value)
    assert all(path != "/elsewhere" for _, path, *_ in stand_in.requests)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "7"}, 7.0),
        ({"Retry-After": "1.5"}, 1.5),
        (
            {
                "Retry-After": "Tue, 03 Mar 2026 14:00:30 GMT",
                "Date": "Tue, 03 Mar 2026 14:00:00 GMT",
            },
            30.0,
        ),
        (
            {
                "Retry-After": "Tue, 03 Mar 2026 13:00:00 GMT",
                "Date": "Tue, 03 Mar 2026 14:00:00 GMT",
            },
            0.0,
        ),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "-3"}, None),
        ({"Retry-After": "nan"}, None),
        ({}, None),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
async def test_the_required_wait_is_kept_in_the_error(session, stand_in, headers, seconds, status):
    stand_in.will_answer(status, b"", **headers)
    with pytest.raises(ProviderUnavailable) as caught:
        await fetch(session, stand_in, "coinglass")
    assert caught.value.retry_after_seconds == seconds


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("401", ProviderRejected),
        (400, ProviderRejected),
        ("429", ProviderUnavailable),
        ("500", ProviderUnavailable),
    ],
)
async def test_a_refusal_coinglass_hides_in_a_good_answer_is_found(session, stand_in, code, error):
    stand_in.will_answer(200, json.dumps({"code": code, "msg": "no"}).encode())
    with pytest.raises(error, match=f"refused with {code}"):
        await fetch(session, stand_in, "coinglass")


async def test_an_answer_that_does_not_come_in_time_is_unavailable(session, stand_in):
    stand_in.will_answer(200)
    stand_in.is_silent = True
    with pytest.raises(ProviderUnavailable, match=r"no answer within 0\.05 s"):
        await fetch(session, stand_in, "coinank", timeout_seconds=0.05)


async def test_a_service_that_is_not_there_is_unavailable(session, stand_in, unused_tcp_port):
    request = MapRequest("map", "BTC", base_url=f"http://127.0.0.1:{unused_tcp_port}")
    with pytest.raises(ProviderUnavailable, match="check the network and the address"):
        await PROVIDERS["datamaxi"].fetch(session, KEYS, request)


async def test_an_answer_without_end_is_refused(session, stand_in, monkeypatch):
    monkeypatch.setattr(http_exchange, "LARGEST_ANSWER_BYTES", 1000)
    stand_in.will_answer(200, b"x" * 1001)
    with pytest.raises(ProviderRejected, match="the answer exceeds 1000 bytes"):
        await fetch(session, stand_in, "datamaxi")


@pytest.mark.parametrize("name", KEYED)
@pytest.mark.parametrize("status", [200, 302, 401, 429, 500])
async def test_no_key_shows_in_errors_logs_or_answers_names(
    session, stand_in, everything_logged, name, status
):
    keys = {variable: f"{variable[-6:]}+{SECRET}/" for variable in PROVIDERS[name].key_variables}
    echo = " ".join([*keys.values(), *map(quote, keys.values()), "x" * 100, *keys.values()])
    granted = b'{"access_token":"tok-SECRET-2"}'
    stand_in.will_answer(status, granted if status == 200 else echo.encode())
    try:
        await fetch(session, stand_in, name, keys=keys)
        shown = ""
    except (ProviderRejected, ProviderUnavailable) as error:
        shown = "".join(traceback.format_exception(error)) + repr(error) + repr(error.args)
    for text in (shown, everything_logged.text):
        for piece in (SECRET, SECRET[:12], "tok-SECRET-2"):
            assert piece not in text
    assert logging.getLogger("sources.providers").isEnabledFor(logging.DEBUG)
    for _, path, query, _, _ in stand_in.requests:
        assert SECRET not in path + str(query)


async def test_no_key_shows_when_the_connection_fails(session, everything_logged, unused_tcp_port):
    request = MapRequest("map", "BTC", base_url=f"http://127.0.0.1:{unused_tcp_port}")
    with pytest.raises(ProviderUnavailable) as caught:
        await PROVIDERS["coinglass"].fetch(session, KEYS, request)
    assert SECRET not in "".join(traceback.format_exception(caught.value)) + everything_logged.text
