"""Every line of the table is one that ccxt and the reader can act on."""

import dataclasses
import re
from datetime import UTC, datetime

import pytest

from sources.venues.declaration import Candles, OpenInterest, PeriodLiquidations
from sources.venues.declared import VENUES
from sources.venues.endpoints import BAR_SECONDS, Endpoint
from sources.venues.instruments import Instrument
from sources.venues.page_reader import read_page
from sources.venues.request import endpoints_of, specs_of
from sources.venues.responses import ResponseContext

AT_MS = 1772323200000
PLACEHOLDERS = {"id", "coin", "settle", "pair", "start", "end", "limit", "page"}


def declared_by(product):
    """Yield (field, endpoint) of all that a product declares."""
    for item in dataclasses.fields(product):
        value = getattr(product, item.name)
        for one in value if isinstance(value, tuple) else (value,):
            if isinstance(one, Endpoint):
                yield item.name, one
            elif isinstance(one, Candles):
                yield from ((item.name, endpoint) for endpoint in endpoints_of(one))
            elif hasattr(one, "endpoint"):
                yield item.name, one.endpoint


def a_contract(product):
    kind = product.contract_kind
    return Instrument("v", "i", "A", "USD", kind, 10.0, 1.0, None, True, product, "I", "A", {})


ALL = [
    pytest.param(
        venue, product, what, endpoint, id=f"{venue.name}-{product.contract_kind}-{endpoint.method}"
    )
    for venue in VENUES.values()
    for product in venue.products
    for what, endpoint in declared_by(product)
]


def strings_in(params):
    for value in params.values():
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict):
            yield from strings_in(value)


@pytest.mark.parametrize(("venue", "product", "what", "endpoint"), ALL)
def test_endpoint_is_known_to_ccxt_and_says_where_it_was_read(venue, product, what, endpoint):
    library = pytest.importorskip("ccxt.async_support")
    assert hasattr(getattr(library, venue.ccxt_id), endpoint.method)
    assert len(endpoint.source) > 10


@pytest.mark.parametrize(("venue", "product", "what", "endpoint"), ALL)
def test_placeholders_and_paging_fit_together(venue, product, what, endpoint):
    used = {name for text in strings_in(endpoint.params) for name in re.findall(r"{(\w*)}", text)}
    assert used <= PLACEHOLDERS
    if endpoint.paging == "windows":
        assert "start" in used
        assert endpoint.period_seconds > 0
        assert endpoint.limit > 1
    if endpoint.paging in ("newest", "oldest"):
        assert {"start", "end"} <= used
    if endpoint.paging == "numbered":
        assert {"page", "limit"} <= used
    if endpoint.per == "instrument":
        assert used & {"id", "pair", "coin"}
    else:
        assert endpoint.id_column is not None
    if endpoint.rate_group is not None:
        assert endpoint.rate_group in venue.rate_limits


@pytest.mark.parametrize(("venue", "product", "what", "endpoint"), ALL)
def test_columns_are_those_the_kind_needs(venue, product, what, endpoint):
    needed = {
        "ohlcv": {"time", "open", "high", "low", "close", "volume"},
        "mark_ohlc": {"time", "open", "high", "low", "close"},
        "funding": {"time", "rate"},
        "brackets": {"leverage"},
        "mark_price": {"price"},
    }
    assert needed.get(what, set()) <= set(endpoint.columns)
    if what in ("ohlcv", "mark_ohlc"):
        assert endpoint.settles_after_seconds == endpoint.period_seconds == BAR_SECONDS
    if what == "ratios":
        assert "ratio" in endpoint.columns or {"long", "short"} <= set(endpoint.columns)


@pytest.mark.parametrize("venue", VENUES.values(), ids=lambda venue: venue.name)
def test_units_make_position_units_without_a_price(venue):
    for product in venue.products:
        instrument = Instrument(
            "v",
            "i",
            "A",
            "USDT",
            product.contract_kind,
            10.0,
            1.0,
            None,
            True,
            product,
            "I",
            "A",
            {},
        )
        assert instrument.units.to_position(1.0, product.ohlcv.volume_unit) > 0
        for reading in (product.open_interest_now, product.open_interest_history):
            if isinstance(reading, OpenInterest):
                is_amount = reading.quantity_from == "amount"
                unit = reading.amount_unit if is_amount else reading.value_unit
                assert instrument.units.to_position(1.0, unit) > 0
                assert {"amount", "value"} & set(reading.endpoint.columns)
                assert reading.quantity_from in reading.endpoint.columns
        if isinstance(product.liquidations, PeriodLiquidations):
            assert instrument.units.to_position(1.0, product.liquidations.amount_unit) > 0
        unit = product.brackets.notional_unit if product.brackets is not None else "usd"
        if unit != "usd" and not (unit == "contracts" and product.contract_kind == "inverse"):
            assert product.mark_price is not None


def test_issue_list_of_venues_is_declared():
    kinds = {(name, p.contract_kind) for name, venue in VENUES.items() for p in venue.products}
    linear = ("binance", "bybit", "okx", "gate", "hyperliquid", "bitget", "kucoin")
    assert {(name, "linear") for name in (*linear, "htx", "mexc")} <= kinds
    assert {(name, "inverse") for name in ("binancecoinm", "bybit", "okx", "deribit")} <= kinds


def test_inverse_position_units_refuse_what_needs_a_price():
    product = VENUES["deribit"].products[0]
    inverse = a_contract(product)
    with pytest.raises(ValueError, match="no position unit of inverse contracts"):
        inverse.units.to_position(1.0, "base")
    linear = dataclasses.replace(inverse, contract_kind="linear")
    with pytest.raises(ValueError, match="usd is no position unit"):
        linear.units.to_position(1.0, "usd")


def test_one_answer_of_gate_serves_three_kinds():
    product = VENUES["gate"].products[0]
    endpoints = [
        endpoint
        for kind in ("open_interest", "realised_liquidation", "long_short_ratio")
        for spec in specs_of(product, kind)
        for endpoint in endpoints_of(spec)
    ]
    assert len(endpoints) == 6
    assert all(endpoint.is_same_call(endpoints[0]) for endpoint in endpoints)


@pytest.mark.parametrize(
    ("one_side", "expected"),
    [
        ({}, [42.25]),
        ({"singleOpenInterest": ""}, [42.25]),
        ({"singleOpenInterest": "42.25"}, [42.25]),
        # The venue counts one side where it counted both: nothing to go on until that is declared.
        ({"singleOpenInterest": "84.5"}, []),
    ],
)
@pytest.mark.parametrize("kind", ["linear", "inverse"])
def test_bybit_counts_both_sides_which_its_own_figure_of_one_side_must_confirm(
    kind, one_side, expected
):
    venue = VENUES["bybit"]
    product = next(one for one in venue.products if one.contract_kind == kind)
    reading = product.open_interest_history
    contract = dataclasses.replace(a_contract(product), instrument="BTC", contract_size=1.0)
    row = {"timestamp": "1772323200000", "openInterest": "84.5", **one_side}
    context = ResponseContext(
        venue="bybit",
        instruments={"I": contract},
        now=datetime(2026, 3, 2, tzinfo=UTC),
        input_name="a test",
    )
    context.first_ms, context.end_ms = 0, 2_000_000_000_000
    page = read_page(reading, reading.endpoint, {"result": {"list": [row]}}, context)
    actual = page.batches[0].table.to_pylist()
    assert [one["open_interest_quantity"] for one in actual] == expected
    if not expected:
        (row,) = page.batches[1].table.to_pylist()
        assert row["reason"] == "open interest is not 2 times the one-sided figure beside it"


@pytest.mark.parametrize(
    ("venue", "kind", "row", "size", "expected"),
    [
        # Contracts of 1 USD, both sides counted.
        ("gate", "inverse", {"time": 1772323200, "open_interest": 3_000_000}, 1.0, 1_500_000),
        ("kucoin", "inverse", {"symbol": "I", "ts": AT_MS, "openInterest": "25"}, 1.0, 25),
        # Contracts of 100 USD, both sides counted; of 100 USD.
        ("htx", "inverse", {"contract_code": "I", "volume": 20_000, "amount": 9}, 100.0, 1_000_000),
        ("mexc", "inverse", {"symbol": "I", "timestamp": AT_MS, "holdVol": 5}, 100.0, 500),
        # Coins, whatever ccxt calls them; USD.
        ("deribit", "linear", {"instrument_name": "I", "open_interest": 120.5}, 1e-3, 120.5),
        ("deribit", "inverse", {"instrument_name": "I", "open_interest": 7_000}, 10.0, 7_000),
    ],
)
def test_open_interest_of_a_contract_kind_is_in_its_position_units(
    venue, kind, row, size, expected
):
    product = next(one for one in VENUES[venue].products if one.contract_kind == kind)
    reading = product.open_interest_now or product.open_interest_history
    contract = dataclasses.replace(a_contract(product), instrument="BTC", contract_size=size)
    row = {"creation_timestamp": AT_MS, **row}
    context = ResponseContext(venue, {"I": contract}, datetime(2026, 3, 2, tzinfo=UTC), "request")
    answer = [row]
    if reading.endpoint.rows:
        answer = {reading.endpoint.rows[0]: [row], "ts": AT_MS}
    page = read_page(reading, reading.endpoint, answer, context)
    (batch,) = page.batches
    assert batch.table["open_interest_quantity"].to_pylist() == [expected]


def test_rows_with_fewer_cells_than_declared_are_another_format():
    """OKX answered [time, USD, volume] where it answered [time, contracts, coins, USD]."""
    product = next(one for one in VENUES["okx"].products if one.contract_kind == "linear")
    reading = product.open_interest_history
    contract = dataclasses.replace(a_contract(product), instrument="BTC", contract_size=0.01)
    context = ResponseContext(
        venue="okx",
        instruments={"I": contract},
        now=datetime(2026, 3, 2, tzinfo=UTC),
        input_name="a test",
    )
    rows = [
        ["1772323200000", "2360916466.88", "74285877.617"],
        ["1772323500000", "2800400", "28004", "2359337000"],
    ]
    page = read_page(reading, reading.endpoint, {"data": rows}, context)
    (taken,) = page.batches[0].table.to_pylist()
    assert taken["open_interest_quantity"] == 28_004
    (refused,) = page.batches[1].table.to_pylist()
    assert refused["reason"] == "the row has 3 cells: another format than declared"
