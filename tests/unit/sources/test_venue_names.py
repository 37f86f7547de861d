"""Whoever names a venue, and however, its records meet under one name."""

import datetime as dt
from pathlib import Path

import pytest

from sources.providers.declared import PROVIDERS
from sources.providers.provider import AnswerContext
from sources.recorded.file_import import import_file
from sources.recorded.mapping import load_mapping
from sources.universe import Universe
from sources.venue_names import ALIASES, venue_name
from sources.venues.declared import VENUES

CASES = Path(__file__).parents[3] / "../shared/cases/P01_kucoin_scope"
INGESTED_AT = dt.datetime(2026, 10, 1, tzinfo=dt.UTC)
MAP = b'{"code":"0","data":{"data":{"59000":[[59000,1000,25,null]]}}}'


def test_no_alias_is_a_venue_and_every_venue_has_its_own_name():
    assert not set(ALIASES) & set(VENUES)
    assert set(ALIASES.values()) <= set(VENUES)
    assert [venue_name(name) for name in VENUES] == list(VENUES)


@pytest.mark.parametrize("spelled", ["KuCoin", "kucoinfutures", "KUCOINFUTURES", " kucoin "])
def test_bars_maps_and_the_universe_name_kucoin_alike(tmp_path, spelled):
    mapping = tmp_path / "mine.yaml"
    mapping.write_text(
        "description: x\nmatches: []\nvenue: {column: exchange}\n"
        'instrument: {unified: "{base}/USDT:USDT", column: s, column_pattern: "{base}USDT"}\n'
        "time: {column: t, unit: seconds, label: bar_open}\nbar: 1h\n"
        "ohlcv: {open: o, high: o, low: o, close: o, volume: v, volume_unit: base}\n"
    )
    bars = tmp_path / "bars.csv"
    bars.write_text(f"exchange,s,t,o,v\n{spelled},BTCUSDT,1781913600,59000,1\n")
    batches = list(import_file(bars, load_mapping(str(mapping)), ingested_at=INGESTED_AT))
    assert {batch.kind for batch in batches} == {"instrument", "ohlcv"}
    assert {row["venue"] for batch in batches for row in batch.table.to_pylist()} == {"kucoin"}

    context = AnswerContext(
        input_name="map.json",
        ingested_at=INGESTED_AT,
        captured_at=INGESTED_AT,
        asset="BTC",
        venue_scope=spelled,
        model="map",
        reference_price=60_000.0,
    )
    (parsed,) = PROVIDERS["coinglass"].parse(MAP, context)
    assert parsed.table["venue_scope"].to_pylist() == ["kucoin"]
    assert Universe(venues=(spelled,)).venues == ("kucoin",)
    assert Universe(exclude=frozenset({f"{spelled}:BTC/USDT:USDT"})).exclude == {
        "kucoin:BTC/USDT:USDT"
    }


def test_a_sum_of_venues_is_named_by_its_venues_in_order():
    assert venue_name("OKX + Binance+ kucoinfutures") == "binance+kucoin+okx"


@pytest.mark.skipif(not CASES.exists(), reason="no shared cases beside the project")
def test_bars_of_the_case_carry_the_name_its_map_is_compared_by():
    mapping = load_mapping(str(CASES / "map.yaml"))
    batches = list(import_file(CASES / "bars.csv", mapping, ingested_at=INGESTED_AT))
    venues = {row["venue"] for batch in batches for row in batch.table.to_pylist()}
    assert venues == {"bybit", "kucoin"}
