"""What a mapping file may say, and how it is refused."""

import copy
import re

import pytest
import yaml
from workbench import recorded_files

from sources.errors import InputRejected
from sources.recorded import load_mapping, mapping_sections, shipped_mapping_names
from sources.recorded import mapping as mapping_module
from sources.recorded.mapping import SHIPPED_FOLDER
from sources.recorded.name_patterns import NamePattern, parse_unified, unify_symbol
from sources.user_models import UserModel

MAPPING = {
    "description": "hourly bars",
    "venue": "binance",
    "instrument": {"unified": "{base}/USDT:USDT", "column": "symbol"},
    "time": {"column": "t", "unit": "milliseconds", "label": "bar_open"},
    "bar": "1h",
    "ohlcv": recorded_files.MAPPING["ohlcv"],
    "open_interest": {"amount": "oi", "amount_unit": "base"},
}


def write(folder, changes):
    """Write MAPPING with dotted keys set, or removed where the value is None."""
    content = copy.deepcopy(MAPPING)
    for dotted, value in changes.items():
        *levels, key = dotted.split(".")
        section = content
        for level in levels:
            section = section.setdefault(level, {})
        if value is None:
            section.pop(key, None)
        else:
            section[key] = value
    path = folder / "mine.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def refusal(folder, changes):
    path = write(folder, changes)
    with pytest.raises(InputRejected) as caught:
        load_mapping(path)
    assert str(path) in str(caught.value)
    return str(caught.value)


def test_a_mapping_is_read_into_typed_rules(tmp_path):
    mapping = load_mapping(write(tmp_path, {"open_interest.shift": "1h"}))
    assert mapping.name == "mine"
    assert mapping.source == "recorded:mine"
    assert mapping.bar_seconds == 3600
    assert mapping.ohlcv.volume_unit == "base"
    assert mapping.open_interest.shift_seconds == 3600
    assert not mapping.instrument.is_inverse


def test_a_negative_shift_is_read(tmp_path):
    mapping = load_mapping(write(tmp_path, {"open_interest.shift": "-5m"}))
    assert mapping.open_interest.shift_seconds == -300


@pytest.mark.parametrize(
    ("key", "message"),
    [
        (
            "ohlcv.volume_unit",
            "add 'volume_unit: base | contracts | usd'",
        ),
        (
            "open_interest.amount_unit",
            "add 'amount_unit: base | contracts'",
        ),
        ("time.unit", "'unit' is missing: add 'unit: seconds | milliseconds"),
        ("time.label", "'label' is missing: add 'label: bar_open | bar_end'"),
        ("bar", "'bar' is missing: add 'bar: 1h'"),
        ("venue", "'venue' is missing"),
        ("instrument", "'instrument' is missing"),
        ("instrument.unified", "'unified' is missing"),
        ("time", "'time' is missing"),
        ("description", "'description' is missing"),
        ("ohlcv.close", "'close' is missing"),
    ],
)
def test_what_is_missing_is_named(tmp_path, key, message):
    assert message in refusal(tmp_path, {key: None})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"open_interest": {"ammount": "oi"}}, "nearest known key is 'amount'"),
        ({"vennue": "okx"}, "nearest known key is 'venue'"),
        ({"ohlcv.volum_unit": "base"}, "nearest known key is 'volume_unit'"),
        ({"instrument.terms": {"BTC/USDT:USDT": {"size": 1}}}, "nearest known key is"),
        ({"ohlcv.volume_unit": "Base"}, "nearest is 'base'"),
        ({"time.unit": "ms"}, "expected seconds | milliseconds"),
        ({"time.label": "close"}, "expected bar_open | bar_end"),
        ({"bar": "1 hour"}, "expected a period such as 5m, 1h or 1d"),
        ({"bar": "7d"}, "at most 1d"),
        ({"instrument.contract_size": -1}, "expected a number above 0"),
        ({"instrument.contract_size": True}, "expected a number"),
        ({"ohlcv.open": 3}, "expected a text"),
        ({"ohlcv": "o"}, "expected keys with values"),
        ({"columns": [1]}, "columns: entry 1 is 1, expected a text; put it in quotes"),
        ({"instrument.unified": "BTCUSDT"}, "write base/quote:settle"),
        ({"instrument.unified": "{coin}/USDT:USDT"}, "uses {coin}, which nothing gives"),
        ({"instrument.unified": "{base}/{quote}:{quote}"}, "uses {quote}, which nothing gives"),
        ({"instrument.column_pattern": "{bse}USDT"}, "nearest is {base}"),
        ({"instrument.column_pattern": "{base}{base}"}, "uses a placeholder twice"),
        ({"instrument.column_name": "{base}_{field}"}, "'column' or 'column_name', not both"),
        ({"file_name": "{base}-{bar}"}, "'bar' is given twice"),
        ({"open_interest": {"shift": "1h"}}, "name a column: 'amount', 'value', or both"),
        ({"mark_ohlc": {"close": "m", "open": "mo"}}, "all of 'open', 'high' and 'low'"),
        (
            {"realised_liquidation": {"long": "l", "short": "s"}},
            "add 'unit: base | contracts | usd'",
        ),
        (
            {"realised_liquidation": {"long": "l", "short": "s", "unit": "usd"}},
            "'is_complete_feed' is missing",
        ),
        (
            {"funding_rate": {"rate": "f"}},
            "add 'rate_unit: ratio | percent | bps'",
        ),
        ({"long_short_ratio": {"shift": "1h"}}, "name at least one measure"),
        ({"ohlcv": None, "open_interest": None}, "names no kind of data"),
        ({"ohlcv.volume_unit": "usd"}, "needs a price to become position units"),
        (
            {"open_interest": {"value": "oi", "value_unit": "usd"}},
            "needs the price it was valued at",
        ),
        (
            {
                "instrument.unified": "{base}/USD:{base}",
                "ohlcv.volume_unit": "usd",
                "open_interest": None,
                "realised_liquidation": {
                    "long": "l",
                    "short": "s",
                    "unit": "base",
                    "is_complete_feed": True,
                },
            },
            "cannot be read in base units",
        ),
    ],
)
def test_what_is_wrong_is_refused_with_what_was_meant(tmp_path, changes, message):
    assert message in refusal(tmp_path, changes)


def test_usd_figures_of_inverse_contracts_need_no_price(tmp_path):
    changes = {
        "instrument.unified": "{base}/USD:{base}",
        "ohlcv.volume_unit": "usd",
        "open_interest": {"value": "oi", "value_unit": "usd"},
    }
    mapping = load_mapping(write(tmp_path, changes))
    assert mapping.instrument.is_inverse
    assert mapping.open_interest.valued_at is None


def test_a_file_that_is_no_mapping_is_refused(tmp_path):
    path = tmp_path / "mine.yaml"
    for content, message in (
        ("a: [", "no valid YAML"),
        ("- a", "expected keys with values"),
        ("", "'description' is missing"),
    ):
        path.write_text(content)
        with pytest.raises(InputRejected, match=message):
            load_mapping(path)
    with pytest.raises(InputRejected, match="cannot be read"):
        load_mapping(tmp_path / "none.yaml")


def test_an_unknown_shipped_name_is_refused_with_the_nearest():
    with pytest.raises(InputRejected, match="nearest is 'hourly_binance'"):
        load_mapping("hourly_binanse")


@pytest.mark.parametrize("name", shipped_mapping_names())
def test_shipped_mappings_load(name):
    assert load_mapping(name).name == name


def test_the_example_speaks_of_every_key():
    text = (SHIPPED_FOLDER / "example.yaml").read_text()
    for model in {**vars(mapping_module), **vars(mapping_sections)}.values():
        if isinstance(model, type) and issubclass(model, UserModel):
            for key in model.fields_by_key():
                assert re.search(rf"\b{key}\b", text), f"{model.__name__}.{key}"


@pytest.mark.parametrize(
    ("pattern", "name", "parts"),
    [
        ("{base}{quote}", "BTCUSDT", {"base": "BTC", "quote": "USDT"}),
        ("{base}{quote}", "USDCUSDT", {"base": "USDC", "quote": "USDT"}),
        ("{base}{quote}", "BTCUSD1", {"base": "BTC", "quote": "USD1"}),
        ("{base}{quote}", "BTCUSDT_240329", None),
        ("{base}{quote}", "龙虾USDT", {"base": "龙虾", "quote": "USDT"}),
        (
            "{base}{quote}-{bar}-*",
            "1000PEPEUSDT-5m-2024-01",
            {"base": "1000PEPE", "quote": "USDT", "bar": "5m"},
        ),
        (
            "{base}{quote}_PERP.A_{field}",
            "ETHUSDT_PERP.A_oi",
            {"base": "ETH", "quote": "USDT", "field": "oi"},
        ),
        ("{base}{quote}_PERP.A_{field}", "ETHUSDT_PERPxA_oi", None),
    ],
)
def test_names_are_taken_apart_by_patterns(pattern, name, parts):
    assert NamePattern(pattern).match(name) == parts


def test_a_symbol_that_settles_in_neither_side_is_refused():
    with pytest.raises(ValueError, match="settle the quote"):
        parse_unified("BTC/USDT:USDC")


@pytest.mark.parametrize(
    ("symbol", "unified"),
    [
        ("kPEPE/USDC:USDC", "KPEPE/USDC:USDC"),
        ("XBT/USD:XBT", "BTC/USD:BTC"),
        ("BTC/USDT:USDT-250328", "BTC/USDT:USDT-250328"),
    ],
)
def test_symbols_are_spelled_as_ccxt_does(symbol, unified):
    assert unify_symbol(symbol) == unified
