import json
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from sources.errors import InputRejected
from sources.providers.declared.coinglass import parse

# 2026-03-03 12:00, 13:00 and 14:00 UTC
STARTS = [1772539200, 1772542800, 1772546400]
HEATMAP = {
    "code": "0",
    "msg": "success",
    "data": {
        "y_axis": [90.0, 100.0, 120.0],
        "liquidation_leverage_data": [
            [0, 0, 1.0],
            [1, 1, 2.0],
            [2, 0, 4.0],
            [2, 1, 8.0],
            [2, 2, 16.0],
        ],
        "price_candlesticks": [
            [STARTS[0], "95", "96", "94", "95", "1000"],
            [STARTS[1], "95", "99", "95", "98", "1000"],
            [STARTS[2], "98", "101", "98", "100", "1000"],
        ],
    },
}
MAP = {
    "code": "0",
    "data": {
        "data": {
            "100": [[100, 5.0, 25, None], [100, 6.0, 50, None]],
            "102": [[102, 7.0, None, None]],
            "108": [["108", "8.5", "100", None]],
        }
    },
}


@pytest.fixture
def request_context(context):
    return replace(
        context, symbol="BTCUSDT", venue_scope="Binance", model="heatmap_model1", window="3d"
    )


@pytest.fixture
def map_context(request_context):
    return replace(
        request_context,
        model="map",
        captured_at=datetime(2026, 3, 3, 14, 37, tzinfo=UTC),
        reference_price=103.0,
    )


def changed(**data):
    copy = deepcopy(HEATMAP)
    copy["data"].update(data)
    return json.dumps(copy).encode()


def instant(hour, minute=0):
    return datetime(2026, 3, 3, hour, minute, tzinfo=UTC)


def test_the_newest_column_is_the_map_with_sides_from_its_candle(request_context, rows_of):
    rows = rows_of(parse(changed(), request_context))
    assert [(r["price_low"], r["price_high"], r["side"], r["value"]) for r in rows] == [
        (85.0, 95.0, "long", 4.0),
        (95.0, 110.0, "unknown", 8.0),
        (110.0, 130.0, "short", 16.0),
    ]
    for row in rows:
        assert (row["provider"], row["model"], row["venue_scope"], row["asset"]) == (
            "coinglass",
            "heatmap_model1",
            "binance",
            "BTC",
        )
        assert (row["unit"], row["semantics"], row["window"]) == ("usd", "opened", "3d")
        assert (row["reference_price"], row["leverage"]) == (100.0, None)


def test_a_column_stands_when_its_candle_ends_or_at_the_capture_before(request_context, rows_of):
    ended = rows_of(parse(changed(), replace(request_context, ingested_at=instant(16))))
    captured = rows_of(parse(changed(), replace(request_context, captured_at=instant(14, 37))))
    assert {row["as_of"] for row in ended} == {instant(15)}
    assert {row["as_of"] for row in captured} == {instant(14, 37)}


def test_all_columns_are_a_history_with_an_instant_and_price_each(request_context, rows_of):
    history = rows_of(parse(changed(), replace(request_context, all_columns=True)))
    assert {
        (row["as_of"], row["reference_price"], row["side"], row["value"]) for row in history
    } == {
        (instant(13), 95.0, "long", 1.0),
        (instant(14), 98.0, "short", 2.0),
        (instant(15), 100.0, "long", 4.0),
        (instant(15), 100.0, "unknown", 8.0),
        (instant(15), 100.0, "short", 16.0),
    }


def test_version_3_spelling_reads_the_same(request_context):
    data = HEATMAP["data"]
    old = {
        "y": data["y_axis"],
        "liq": data["liquidation_leverage_data"],
        "prices": data["price_candlesticks"],
    }
    (then,) = parse(json.dumps({"code": "0", "data": old}).encode(), request_context)
    (later,) = parse(changed(), request_context)
    assert then.table.drop_columns(["raw_sha256"]).equals(later.table.drop_columns(["raw_sha256"]))


def test_prices_and_values_given_as_text_read_the_same(request_context):
    raw = changed(
        y_axis=["90", "100", "120"],
        liquidation_leverage_data=[["2", "0", "4"], [2, 1, "8.0"], ["2", 2, 16]],
    )
    (text,) = parse(raw, request_context)
    (plain,) = parse(changed(), request_context)
    assert text.table.drop_columns(["raw_sha256"]).equals(plain.table.drop_columns(["raw_sha256"]))


def test_an_aggregated_heatmap_is_of_all_venues(request_context, rows_of):
    request_context = replace(
        request_context, model="aggregated_heatmap_model2", symbol="BTC", venue_scope=None
    )
    assert {row["venue_scope"] for row in rows_of(parse(changed(), request_context))} == {"all"}


def test_a_contract_of_thousand_units_is_read_per_unit(request_context, rows_of):
    rows = rows_of(parse(changed(), replace(request_context, symbol="1000PEPEUSDT")))
    assert {(row["asset"], row["reference_price"]) for row in rows} == {("PEPE", 0.1)}
    assert [row["side"] for row in rows] == ["long", "unknown", "short"]


def test_bad_triples_go_to_quarantine_one_by_one(request_context, rows_of):
    triples = [
        [2, 0, 4.0],
        [3, 0, 1.0],
        [2, 3, 1.0],
        [-1, 0, 1.0],
        [2, 0.5, 1.0],
        [2, 1, float("nan")],
        [2, 1, -5.0],
        [2, 1],
        "junk",
        [2, None, 1.0],
    ]
    batches = parse(changed(liquidation_leverage_data=triples), request_context)
    assert [row["value"] for row in rows_of(batches)] == [4.0]
    quarantined = {row["row_number"]: row["reason"] for row in rows_of(batches, "quarantine")}
    assert quarantined == {
        2: "coinglass: x_index outside price_candlesticks (0 to 2)",
        3: "coinglass: y_index outside y_axis (0 to 2)",
        4: "coinglass: x_index outside price_candlesticks (0 to 2)",
        5: "coinglass: an index is not whole",
        6: "coinglass: value is not a finite number",
        7: "coinglass: value is negative",
        8: "coinglass: not [x_index, y_index, usd]",
        9: "coinglass: not [x_index, y_index, usd]",
        10: "coinglass: not [x_index, y_index, usd]",
    }


def test_the_documentation_sample_whose_indices_exceed_its_axes_is_refused(request_context):
    raw = changed(
        liquidation_leverage_data=[[5, 124, 2288867.26], [6, 123, 318624.82], [7, 122, 1527940.12]]
    )
    with pytest.raises(InputRejected, match=r"no usable cell, 3 refused.*\[5, 124, 2288867.26\]"):
        parse(raw, request_context)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"y_axis": []}, r"y_axis is \[\], expected a filled list"),
        ({"y_axis": [90.0, "n/a", 120.0]}, r"y_axis\[1\] is 'n/a'"),
        ({"y_axis": [90.0, 120.0, 100.0]}, r"y_axis does not ascend at index 2"),
        ({"liquidation_leverage_data": []}, r"liquidation_leverage_data is \[\]"),
        ({"price_candlesticks": []}, r"price_candlesticks is \[\]"),
        ({"price_candlesticks": [[STARTS[0], "1", "1"]]}, r"price_candlesticks\[0\] is"),
        (
            {"price_candlesticks": [[STARTS[0], 1, 1, 1, 0], [STARTS[1], 1, 1, 1, 1]]},
            r"price_candlesticks\[0\]",
        ),
        (
            {"price_candlesticks": [[STARTS[1], 1, 1, 1, 1], [STARTS[0], 1, 1, 1, 1]]},
            r"price_candlesticks\[1\] starts at",
        ),
        ({"liquidation_leverage_data": [[2, 0, 0.0]]}, r"every value is zero"),
    ],
)
def test_an_unusable_heatmap_names_field_and_value(request_context, data, message):
    with pytest.raises(InputRejected, match=message):
        parse(changed(**data), request_context)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (
            b'{"code":"40001","msg":"API key missing","data":null}',
            "code '40001': 'API key missing'",
        ),
        (b'{"code":"0","msg":"success","data":{}}', r"data is \{\}"),
        (b'{"code":"0","msg":"success","data":[]}', r"data is \[\]"),
        (b'{"code":"0","msg":"success"}', "data is None"),
        (b'{"code":"0","data":{"data":{}}}', r"data.data is \{\}"),
        (json.dumps(HEATMAP).encode()[:-30], "breaks off after .* characters"),
        (b"<!DOCTYPE html><html>log in</html>", "an HTML or XML page instead of data"),
        (b"", "the answer is empty"),
        (b"Too many requests", "not JSON at character 0"),
        (b"\xff\xfe\x00", "is not UTF-8"),
        (b"[" * 100_000, "JSON is nested too deeply"),
    ],
)
def test_what_is_no_answer_is_refused_with_a_reason(request_context, raw, message):
    with pytest.raises(InputRejected, match=message) as caught:
        parse(raw, request_context)
    assert str(caught.value).startswith("coinglass: saved.json: ")


def test_the_asset_and_the_venue_must_be_said(request_context):
    with pytest.raises(InputRejected, match="does not name its asset"):
        parse(changed(), replace(request_context, symbol=None))
    with pytest.raises(InputRejected, match="does not name its venue"):
        parse(changed(), replace(request_context, venue_scope=None))


def test_a_price_far_from_the_expected_one_is_another_symbol(request_context):
    with pytest.raises(InputRejected, match=r"its price 100 is 0\.001 times the expected 100000"):
        parse(changed(), replace(request_context, reference_price=1e5))


def test_a_stale_heatmap_is_refused(request_context):
    with pytest.raises(InputRejected, match="stale capture"):
        parse(
            changed(),
            replace(request_context, ingested_at=instant(23), max_age=timedelta(hours=2)),
        )


def test_a_capture_before_the_newest_candle_is_refused(request_context):
    with pytest.raises(InputRejected, match="before the newest candle's start"):
        parse(changed(), replace(request_context, captured_at=instant(13, 59)))


def test_map_entries_become_cells_of_their_ladder(map_context, rows_of):
    rows = rows_of(parse(json.dumps(MAP).encode(), map_context))
    assert [
        (r["price_low"], r["price_high"], r["side"], r["leverage"], r["value"]) for r in rows
    ] == [
        (99.0, 101.0, "long", 25.0, 5.0),
        (99.0, 101.0, "long", 50.0, 6.0),
        (101.0, 103.0, "long", None, 7.0),
        (107.0, 109.0, "short", 100.0, 8.5),
    ]
    assert {row["as_of"] for row in rows} == {instant(14, 37)}


def test_without_a_price_the_sides_of_a_map_are_unknown(map_context, rows_of):
    rows = rows_of(parse(json.dumps(MAP).encode(), replace(map_context, reference_price=None)))
    assert {(row["side"], row["reference_price"]) for row in rows} == {("unknown", None)}


def test_prices_on_no_ladder_stay_points(map_context, rows_of):
    entries = {key: [[float(key), 1.0, None, None]] for key in ("100", "102", "105.3")}
    rows = rows_of(parse(json.dumps({"data": {"data": entries}}).encode(), map_context))
    assert [(row["price_low"], row["price_high"]) for row in rows] == [
        (100.0, 100.0),
        (102.0, 102.0),
        (105.3, 105.3),
    ]


def test_bad_map_entries_go_to_quarantine(map_context, rows_of):
    entries = {
        "100": [[100, 5.0, 25, None], [100, -1.0, 25, None], [100, "x", 25, None]],
        "bad": [["bad", 1.0, None, None], [0, 1.0, None, None], [101]],
        "102": [[102, 1.0, "many", None], [102, 1.0, 0, None]],
        "103": "junk",
    }
    batches = parse(json.dumps({"data": {"data": entries}}).encode(), map_context)
    assert [row["value"] for row in rows_of(batches)] == [5.0]
    assert [
        row["reason"].removeprefix("coinglass: ") for row in rows_of(batches, "quarantine")
    ] == [
        "value is negative",
        "value is not a finite number",
        "price is not a positive number",
        "price is not a positive number",
        "not [price, level, leverage, null]",
        "unknown leverage",
        "unknown leverage",
        "not [price, level, leverage, null]",
    ]


def test_a_map_named_as_a_heatmap_is_refused(map_context):
    with pytest.raises(InputRejected, match="not of the requested model 'heatmap_model1'"):
        parse(json.dumps(MAP).encode(), replace(map_context, model="heatmap_model1"))


def test_a_map_of_unknown_instant_is_refused(map_context):
    with pytest.raises(InputRejected, match="carries no instant"):
        parse(json.dumps(MAP).encode(), replace(map_context, captured_at=None))
