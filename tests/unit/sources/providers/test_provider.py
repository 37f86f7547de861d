from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from sources.providers.declared import PROVIDERS
from sources.providers.provider import (
    AnswerContext,
    MapRequest,
    context_from_name,
    raw_answer_path,
    raw_sha256,
)

READ_AT = datetime(2026, 3, 3, 15, tzinfo=UTC)
CAPTURED_AT = datetime(2026, 3, 3, 14, 37, 6, tzinfo=UTC)


def test_every_provider_describes_itself():
    assert set(PROVIDERS) == {
        "coinglass",
        "coinank",
        "hyblock",
        "datamaxi",
        "hyperliquid_positions",
        "canonical_file",
    }
    for name, provider in PROVIDERS.items():
        assert provider.name == name
        assert provider.sends
        assert provider.valuation
        assert provider.unit in ("usd", "relative", "")
        assert provider.semantics in ("standing", "opened", "")
        assert all(variable.startswith("LIQHEAT_") for variable in provider.key_variables)
        assert (provider.send is None) == (name == "canonical_file")


@pytest.mark.parametrize("name", sorted(set(PROVIDERS) - {"canonical_file"}))
def test_the_name_of_a_kept_answer_gives_its_request_back(name):
    provider = PROVIDERS[name]
    for model in provider.models:
        request = MapRequest(model, "BTC", venue="binance", window="3d")
        path = raw_answer_path(Path("kept"), provider, request, CAPTURED_AT, b"{}")
        assert path.parent == Path("kept") / name / "2026-03-03"
        assert raw_sha256(b"{}") in path.name
        context = context_from_name(provider, path.name, READ_AT)
        assert (context.model, context.symbol, context.venue_scope) == (model, "BTCUSDT", "binance")
        assert (context.window, context.captured_at) == ("3d", CAPTURED_AT)


def test_the_name_of_an_aggregated_answer_holds_the_coin_and_no_window():
    provider = PROVIDERS["coinglass"]
    request = MapRequest("aggregated_map", "PEPE")
    path = raw_answer_path(Path(), provider, request, CAPTURED_AT, b"{}")
    context = context_from_name(provider, path.name, READ_AT)
    assert (context.model, context.symbol, context.venue_scope) == ("aggregated_map", "PEPE", "all")
    assert context.window is None


def test_an_answer_about_all_assets_is_named_so_and_read_so():
    provider = PROVIDERS["hyperliquid_positions"]
    path = raw_answer_path(Path(), provider, MapRequest("wallet_states", ""), CAPTURED_AT, b"")
    assert path.name.startswith("wallet-states_all_all_default_20260303T143706Z_")
    assert path.suffix == ".jsonl"
    assert context_from_name(provider, path.name, READ_AT).symbol is None


def test_an_instant_of_another_zone_is_named_in_utc():
    captured_at = CAPTURED_AT.astimezone(timezone(timedelta(hours=9)))
    path = raw_answer_path(
        Path(), PROVIDERS["coinank"], MapRequest("getLiqMap", "BTC"), captured_at, b""
    )
    assert "20260303T143706Z" in path.name


def test_names_of_recordings_are_understood():
    provider = PROVIDERS["coinank"]
    context = context_from_name(
        provider, "getLiqMap_Binance_BTCUSDT_20260303T143706Z.json", READ_AT
    )
    assert (context.symbol, context.venue_scope, context.captured_at) == (
        "BTCUSDT",
        "binance",
        CAPTURED_AT,
    )
    context = context_from_name(provider, "getAggLiqMap_BTC_20260303T143706Z.json", READ_AT)
    assert (context.model, context.symbol, context.venue_scope) == ("getAggLiqMap", "BTC", None)


def test_of_other_names_only_the_instant_is_taken():
    context = context_from_name(PROVIDERS["coinank"], "btc-20260303T143706Z.json", READ_AT)
    assert (context.captured_at, context.model, context.symbol) == (CAPTURED_AT, None, None)
    context = context_from_name(PROVIDERS["coinank"], "answer.json", READ_AT)
    assert (context.input_name, context.captured_at) == ("answer.json", None)


@pytest.mark.parametrize("name", ["ingested_at", "captured_at"])
def test_an_instant_without_a_zone_is_refused(name):
    naive = datetime(2026, 3, 3)  # noqa: DTZ001 - the fault under test
    with pytest.raises(ValueError, match=f"{name} .* has no time zone"):
        AnswerContext(**{"input_name": "a", "ingested_at": READ_AT, name: naive})
