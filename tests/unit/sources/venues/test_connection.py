"""Addresses, certificates, proxies, errors; and keys, which are never said."""

import datetime as dt
import json
import logging
import random
import ssl
import traceback

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from sources.errors import VenueRejected, VenueUnavailable
from sources.redaction import redact
from sources.venues.client import VenueClient
from sources.venues.connection import (
    Connection,
    close_exchange,
    open_exchange,
    redirect_addresses,
    translate_error,
)
from sources.venues.declared import VENUES
from sources.venues.pacer import RequestPolicy

KEY, SECRET, PASSWORD = "key-0123456789", "secret-abcdefgh", "pass-phrase!"


# Text that has an encoding: a lone surrogate has none, and no address can carry it.
LETTERS = st.characters(codec="utf-8", exclude_characters="*")


def addresses_in(value):
    if isinstance(value, dict):
        for one in value.values():
            yield from addresses_in(one)
    elif isinstance(value, str):
        yield value


@pytest.mark.parametrize("venue", VENUES.values(), ids=lambda venue: venue.name)
@pytest.mark.parametrize("is_streaming", [False, True])
async def test_every_address_leads_to_the_stand_in(venue, is_streaming):
    if is_streaming and venue.stream is None:
        pytest.skip("no stream declared")
    exchange = open_exchange(venue, Connection("http://127.0.0.1:9/"), is_streaming=is_streaming)
    try:
        actual = [one for one in addresses_in(exchange.urls["api"]) if "://" in one]
        assert actual
        for address in actual:
            scheme = "ws" if address.startswith("ws") else "http"
            assert address.startswith(f"{scheme}://127.0.0.1:9/{venue.name}")
    finally:
        await close_exchange(exchange)


@pytest.mark.parametrize("venue", VENUES.values(), ids=lambda venue: venue.name)
async def test_certificates_are_checked_and_the_environment_is_not_read(venue):
    exchange = open_exchange(venue, Connection())
    try:
        context = exchange.session.connector._ssl
        assert isinstance(context, ssl.SSLContext)
        assert context.verify_mode is ssl.CERT_REQUIRED
        assert context.check_hostname
        assert exchange.verify is True
        assert exchange.session.trust_env is False
        hosts = [one for one in addresses_in(exchange.urls["api"]) if one.startswith("http:")]
        assert hosts == []
    finally:
        await close_exchange(exchange)


async def test_proxies_are_handed_to_ccxt():
    exchange = open_exchange(
        VENUES["okx"], Connection(https_proxy="http://proxy:1", wss_proxy="http://proxy:2")
    )
    try:
        assert exchange.httpsProxy == "http://proxy:1"
        assert exchange.wssProxy == "http://proxy:2"
        assert exchange.httpProxy is None
    finally:
        await close_exchange(exchange)


def test_schemes_and_hosts_are_replaced_paths_are_kept():
    table = {"rest": "https://{hostname}", "ws": {"public": "wss://ws.okx.com:443/ws/v5"}, "n": 5}
    assert redirect_addresses(table, "https://h:1/okx") == {
        "rest": "https://h:1/okx",
        "ws": {"public": "wss://h:1/okx/ws/v5"},
        "n": 5,
    }


def test_repr_of_a_connection_holds_no_secret():
    connection = Connection(
        api_key=KEY, secret=SECRET, password=PASSWORD, https_proxy="http://u:hidden@proxy:1"
    )
    for secret in (KEY, SECRET, PASSWORD, "hidden"):
        assert secret not in repr(connection)


@given(
    before=st.text(alphabet=LETTERS, max_size=20),
    after=st.text(alphabet=LETTERS, max_size=20),
    secret=st.text(alphabet=LETTERS, min_size=4, max_size=40),
)
def test_scrubbed_text_holds_no_secret(before, after, secret):
    assert secret not in redact(before + secret + after, [secret])


@pytest.mark.parametrize(
    "text",
    [
        "https://x/y?symbol=A&signature=deadbeef01",
        '{"X-MBX-APIKEY": "deadbeef01"}',
        "OK-ACCESS-PASSPHRASE: deadbeef01",
        "AccessKeyId=deadbeef01&SignatureMethod=HmacSHA256",
        "{'KC-API-KEY': 'deadbeef01'}",
    ],
)
def test_what_stands_where_keys_stand_is_hidden_even_if_unknown(text):
    assert "deadbeef01" not in redact(text)


def test_a_key_within_a_longer_secret_leaves_no_half():
    assert redact("abcdef abc", ["abc", "abcdef"]) == "*** ***"


async def test_keys_reach_no_error_log_or_record_whatever_the_venue_does(
    answers, quick_client, caplog
):
    """The venue sends the key back in every way it can; ccxt logs requests when debugging."""
    caplog.set_level(logging.DEBUG)

    def echo(status):
        def answer(request):
            headers = json.dumps(dict(request.headers))
            return web.Response(
                status=status, text=f'{{"code": -1, "msg": "{request.url}"}} {headers}'
            )

        return answer

    answers.by_path["/binance/fapi/v1/exchangeInfo"] = {
        "symbols": [
            {
                "symbol": "BTCUSDT",
                "contractType": "PERPETUAL",
                "baseAsset": "BTC",
                "quoteAsset": "USDT",
                "marginAsset": "USDT",
                "status": "TRADING",
                "filters": [],
            }
        ]
    }
    connection = Connection(answers.base_url, api_key=KEY, secret=SECRET, password=PASSWORD)
    said = []
    for status in (200, 400, 401, 403, 418, 429, 500):
        answers.by_path["/binance/fapi/v1/leverageBracket"] = echo(status)
        async with quick_client(
            "binance",
            answers.base_url,
            lambda: dt.datetime(2026, 3, 1, tzinfo=dt.UTC),
            connection=connection,
            policy=RequestPolicy(attempts=2),
        ) as client:
            batches = []
            try:
                async for part in client.fetch(request_of_brackets()):
                    batches.extend(part)
            except (VenueUnavailable, VenueRejected) as exc:
                said.append("".join(traceback.format_exception(exc)))
            else:
                pytest.fail(f"status {status} was taken for an answer")
            said.append(repr(client.report()))
            said.extend(str(batch.table.to_pylist()) for batch in batches)
    assert any(KEY in str(request.headers) for request in answers.requests)
    said.append(caplog.text)
    for text in said:
        assert KEY not in text
        assert SECRET not in text
        assert PASSWORD not in text
        assert "signature=***" in text or "signature=" not in text


def request_of_brackets():
    from sources.venues.client import Request

    return Request("binance", "leverage_bracket", ("BTC/USDT:USDT",))


@pytest.mark.parametrize(
    ("status", "headers", "error", "wait"),
    [
        (429, {"Retry-After": "7"}, VenueUnavailable, 7.0),
        (418, {"retry-after": "120"}, VenueUnavailable, 120.0),
        (503, {}, VenueUnavailable, None),
        (502, {}, VenueUnavailable, None),
        (403, {}, VenueUnavailable, None),
        (400, {}, VenueRejected, None),
        (401, {}, VenueRejected, None),
        (404, {}, VenueRejected, None),
        (451, {}, VenueRejected, None),
    ],
)
async def test_status_decides_whether_it_may_pass(answers, status, headers, error, wait):
    answers.by_path["/deribit/api/v2/public/get_instruments"] = lambda _: web.Response(
        status=status, headers=headers, text='{"no": "data"}', content_type="application/json"
    )
    exchange = open_exchange(VENUES["deribit"], Connection(answers.base_url))
    try:
        with pytest.raises(Exception) as caught:  # noqa: PT011 (translated below)
            await exchange.publicGetGetInstruments()
        translated = translate_error(caught.value, "deribit what", ())
        assert type(translated) is error
        assert getattr(translated, "retry_after_seconds", None) == wait
        assert str(status) in str(translated)
        assert str(translated).startswith("deribit what: ")
    finally:
        await close_exchange(exchange)


@pytest.mark.parametrize("body", ["<html>maintenance</html>", '{"result": [', "nonsense"])
async def test_answer_that_is_no_json_may_pass(answers, body):
    answers.by_path["/deribit/api/v2/public/get_instruments"] = lambda _: web.Response(text=body)
    exchange = open_exchange(VENUES["deribit"], Connection(answers.base_url))
    try:
        with pytest.raises(Exception, match="no JSON") as caught:
            await exchange.publicGetGetInstruments()
        assert isinstance(translate_error(caught.value, "w", ()), VenueUnavailable)
        assert caught.value.received == body
    finally:
        await close_exchange(exchange)


async def test_a_venue_nobody_listens_at_may_pass():
    client = VenueClient(
        "deribit",
        clock=lambda: dt.datetime(2026, 3, 1, tzinfo=dt.UTC),
        rng=random.Random(0),  # noqa: S311 (jitter)
        connection=Connection("http://127.0.0.1:9", timeout_seconds=1.0),
        policy=RequestPolicy(attempts=1),
    )
    async with client:
        with pytest.raises(VenueUnavailable, match="deribit fetch_markets"):
            await client.instruments()
    assert client.report().errors == (("ExchangeNotAvailable", 1),)
