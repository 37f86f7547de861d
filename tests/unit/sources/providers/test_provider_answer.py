"""What holds for every provider: helpers, and that no answer whatever breaks the importer."""

import json
import math
from copy import deepcopy
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from workbench import provider_answers

from sources.errors import InputRejected
from sources.providers.answer_values import (
    read_instant,
    read_number,
    read_numbers,
    split_symbol,
    venue_scope_of,
)
from sources.providers.declared import PROVIDERS
from sources.providers.price_cells import cells_between, cells_on_ladder
from sources.providers.provider import AnswerContext

prices = st.lists(st.floats(1e-6, 1e6, allow_nan=False), min_size=2, max_size=30, unique=True).map(
    lambda each: np.unique(np.round(np.array(each), 9))
)


@given(levels=prices.filter(lambda each: len(each) > 1 and each[0] > 0))
def test_cells_between_levels_touch_and_hold_their_level(levels):
    low, high = cells_between(levels)
    assert np.all(low[1:] == high[:-1])
    assert np.all((low > 0) & (low <= levels) & (levels <= high))


@given(
    first=st.integers(1, 10_000),
    step=st.sampled_from([0.001, 0.1, 0.5, 2.0, 10.0]),
    rungs=st.lists(st.integers(0, 500), min_size=2, max_size=30, unique=True),
)
def test_cells_on_a_ladder_with_rungs_left_out_keep_one_width(first, step, rungs):
    levels = (first + np.unique([*rungs, 0, 1])) * step
    low, high = cells_on_ladder(levels)
    np.testing.assert_allclose(high - low, step, rtol=1e-6)
    np.testing.assert_allclose((high + low) / 2, levels, rtol=1e-9)


@pytest.mark.parametrize(
    ("value", "number"),
    [("1.5", 1.5), (2, 2.0), (" 3 ", 3.0), ("1e3", 1000.0), (10**400, None), ("", None)]
    + [(each, None) for each in (None, True, "x", [], {}, "nan", b"1")],
)
def test_numbers_are_read_from_numbers_and_text_only(value, number):
    expected = math.nan if number is None else number
    assert read_number(value) == pytest.approx(expected, nan_ok=True)
    np.testing.assert_allclose(read_numbers([value, 1]), [expected, 1.0])


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1772548626, datetime(2026, 3, 3, 14, 37, 6, tzinfo=UTC)),
        ("1772548626000", datetime(2026, 3, 3, 14, 37, 6, tzinfo=UTC)),
        ("2026-03-03T14:37:06Z", datetime(2026, 3, 3, 14, 37, 6, tzinfo=UTC)),
        ("2026-03-03T15:37:06+01:00", datetime(2026, 3, 3, 14, 37, 6, tzinfo=UTC)),
        ("2026-03-03T14:37:06", None),
        ("soon", None),
        (-5, None),
        (1e300, None),
        (None, None),
        (True, None),
    ],
)
def test_instants_are_read_from_iso_text_with_a_zone_and_epochs(value, expected):
    assert read_instant(value) == expected


@pytest.mark.parametrize(
    ("symbol", "expected"),
    [
        ("BTCUSDT", ("BTC", 1.0)),
        ("btc", ("BTC", 1.0)),
        ("BTC-USDT-SWAP", ("BTC", 1.0)),
        ("BTCUSD_PERP", ("BTC", 1.0)),
        ("BTC/USDT:USDT", ("BTC", 1.0)),
        ("1000PEPEUSDT", ("PEPE", 1000.0)),
        ("kPEPE", ("PEPE", 1000.0)),
        ("1000000MOGUSDT", ("MOG", 1e6)),
        ("1MBABYDOGEUSDT", ("BABYDOGE", 1e6)),
        ("10000SATSUSDT", ("SATS", 1e4)),
        ("1INCHUSDT", ("1INCH", 1.0)),
        ("KAVAUSDT", ("KAVA", 1.0)),
        ("USDT", ("USDT", 1.0)),
    ],
)
def test_symbols_give_asset_and_multiplier(symbol, expected):
    assert split_symbol(symbol) == expected


def test_venues_get_our_names():
    spelled = ["Binance", "Okex", "OKX", "Gate.io", "Huobi", "Hyperliquid", "bybit_perp_stable"]
    assert [venue_scope_of(each) for each in spelled] == [
        "binance",
        "okx",
        "okx",
        "gate",
        "htx",
        "hyperliquid",
        "bybit",
    ]


VALID = {
    "coinank": provider_answers.COINANK,
    "coinglass": {
        "code": "0",
        "data": {
            "y_axis": [90.0, 100.0, 110.0],
            "liquidation_leverage_data": [[0, 0, 1.0], [1, 2, 2.0]],
            "price_candlesticks": [[1772542800, "1", "1", "1", "100", "1"]] * 1
            + [[1772546400, "1", "1", "1", "100", "1"]],
        },
    },
    "hyblock": {
        "data": [
            {
                "timestamp": 1772546400,
                "size": 1.0,
                "startingPrice": 90.0,
                "endingPrice": 91.0,
                "side": "long",
            }
        ]
    },
    "datamaxi": {
        "base": "BTC",
        "exchange": "binance",
        "currentPrice": 100.0,
        "generatedAt": 1772546400000,
        "buckets": [{"price": 90.0, "side": "long", "l10xUsd": 1.0, "totalUsd": 1.0}],
    },
    "hyperliquid_positions": {
        "wallet": "0xa",
        "state": {
            "time": 1772546400000,
            "assetPositions": [
                {
                    "position": {
                        "coin": "BTC",
                        "szi": "1",
                        "liquidationPx": "80",
                        "positionValue": "100",
                        "leverage": {"value": 5},
                    }
                }
            ],
        },
    },
}
TOP_WALLETS = {
    "committed_at": "2026-03-03T14:00:00Z",
    "leverageBuckets": [{"max": 10, "label": "10x"}],
    "data": {
        "BTC": {
            "currentPrice": 100.0,
            "longLiquidations": [{"price": 94.6, "value": 1.0, "10x": 1.0}],
            "shortLiquidations": [],
        }
    },
}
ALL_ACCOUNTS = {
    "symbol": "BTCUSDT",
    "snapshot_ts": "2026-03-03T14:00:00Z",
    "reference_price": 100.0,
    "bucket_grid": {"min_price": 50.0, "max_price": 150.0, "step": 10.0},
    "long_distribution": {"80.0": 1.0},
    "short_distribution": {"120.0": 1.0},
}
COINGLASS_MAP = {"code": "0", "data": {"data": {"100": [[100, 1.0, 25, None]]}}}
CASES = [
    *VALID.items(),
    ("hyperliquid_positions", TOP_WALLETS),
    ("hyperliquid_positions", ALL_ACCOUNTS),
    ("coinglass", COINGLASS_MAP),
]

junk = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from(["", "x", "-1", "nan", "1e999", "2026-01-01", "BTCUSDT", 10**400])
    | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["data", "code", "x25", "price", "10x"]), inner, max_size=3
        )
    ),
    max_leaves=5,
)


def paths_of(value, path=()):
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in items if isinstance(value, dict | list) else ():
        yield from (
            paths_of(inner, (*path, key)) if isinstance(inner, dict | list) else [(*path, key)]
        )


def with_changed(answer, path, value):
    if not path:
        return value
    answer = deepcopy(answer)
    place = answer
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return answer


CONTEXT = AnswerContext(
    input_name="saved.json",
    ingested_at=datetime(2026, 3, 3, 16, tzinfo=UTC),
    captured_at=datetime(2026, 3, 3, 14, 37, tzinfo=UTC),
    asset="BTC",
    venue_scope="binance",
)


def assert_usable_or_refused(provider, raw):
    try:
        batches = PROVIDERS[provider].parse(raw, CONTEXT)
    except InputRejected as refused:
        assert str(refused).startswith(f"{provider}: saved.json: ")  # noqa: PT017 - both are right
        return
    table = batches[0].table
    value = table["value"].to_numpy()
    low, high = table["price_low"].to_numpy(), table["price_high"].to_numpy()
    assert np.all(np.isfinite(value) & (value > 0))
    assert np.all(np.isfinite(high) & (low > 0) & (low <= high))
    assert set(table["side"].to_pylist()) <= {"long", "short", "unknown"}
    assert set(table["asset"].to_pylist()) <= {"BTC"}


@pytest.mark.parametrize(("provider", "answer"), CASES)
def test_the_valid_answers_are_usable_to_begin_with(provider, answer):
    batches = PROVIDERS[provider].parse(json.dumps(answer).encode(), CONTEXT)
    assert [batch.kind for batch in batches] == ["provider_map"]
    assert batches[0].table.num_rows > 0


@pytest.mark.parametrize(("provider", "answer"), CASES)
@settings(deadline=None, max_examples=150)
@given(data=st.data())
def test_any_value_anywhere_in_an_answer_is_usable_or_refused(provider, answer, data):
    path = data.draw(st.sampled_from(list(paths_of(answer))))
    raw = json.dumps(with_changed(answer, path, data.draw(junk))).encode()
    assert_usable_or_refused(provider, raw)


@pytest.mark.parametrize(("provider", "answer"), CASES)
@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_an_answer_cut_anywhere_is_usable_or_refused(provider, answer, data):
    raw = json.dumps(answer).encode()
    assert_usable_or_refused(provider, raw[: data.draw(st.integers(0, len(raw)))])


@pytest.mark.parametrize("provider", sorted(PROVIDERS))
@settings(deadline=None, max_examples=60)
@given(raw=st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_any_bytes_are_usable_or_refused(provider, raw):
    assert_usable_or_refused(provider, raw)
