import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from sources.errors import InputRejected
from sources.providers.declared.hyblock import parse

NOON, ONE = 1772539200, 1772542800
ROWS = [
    {"timestamp": NOON, "size": 9.0, "startingPrice": 80, "endingPrice": 81, "side": "long"},
    {"timestamp": ONE, "size": 1.0, "startingPrice": 90, "endingPrice": 91, "side": "long"},
    {
        "timestamp": ONE,
        "size": "2.5",
        "startingPrice": "111",
        "endingPrice": "110",
        "side": "Short",
    },
    {"timestamp": ONE, "size": 0, "startingPrice": 112, "endingPrice": 113, "side": "short"},
    {"timestamp": ONE, "size": 4.0, "startingPrice": 100, "endingPrice": 101, "side": None},
]


@pytest.fixture
def request_context(context):
    return replace(context, asset="BTC", venue_scope="binance_perp_stable", window="7d")


def answer(rows):
    return json.dumps({"data": rows}).encode()


def test_the_newest_instant_is_the_map_with_the_edges_and_sides_given(request_context, rows_of):
    rows = rows_of(parse(answer(ROWS), request_context))
    assert [(r["price_low"], r["price_high"], r["side"], r["value"]) for r in rows] == [
        (90.0, 91.0, "long", 1.0),
        (110.0, 111.0, "short", 2.5),
        (100.0, 101.0, "unknown", 4.0),
    ]
    for row in rows:
        assert (row["unit"], row["semantics"]) == ("relative", "opened")
        assert (row["venue_scope"], row["asset"], row["window"]) == ("binance", "BTC", "7d")
        assert row["as_of"] == datetime(2026, 3, 3, 13, tzinfo=UTC)


def test_all_instants_are_a_history(request_context, rows_of):
    rows = rows_of(parse(answer(ROWS), replace(request_context, all_columns=True)))
    assert [row["value"] for row in rows] == [9.0, 1.0, 2.5, 4.0]


def test_milliseconds_and_a_bare_list_read_the_same(request_context):
    (plain,) = parse(answer(ROWS), request_context)
    thousandfold = [{**row, "timestamp": row["timestamp"] * 1000} for row in ROWS]
    (bare,) = parse(json.dumps(thousandfold).encode(), request_context)
    assert bare.table.drop_columns(["raw_sha256"]).equals(plain.table.drop_columns(["raw_sha256"]))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"timestamp": None}, "timestamp is not an instant"),
        ({"timestamp": "yesterday"}, "timestamp is not an instant"),
        ({"timestamp": "2026-03-03T13:00:00"}, "timestamp is not an instant"),
        ({"startingPrice": 0}, "startingPrice or endingPrice is not a positive number"),
        ({"endingPrice": "n/a"}, "startingPrice or endingPrice is not a positive number"),
        ({"size": float("nan")}, "size is not a finite number"),
        ({"size": True}, "size is not a finite number"),
        ({"size": -1}, "size is negative"),
        ({"side": "up"}, "side is neither long nor short"),
    ],
)
def test_bad_rows_go_to_quarantine(request_context, rows_of, change, reason):
    batches = parse(answer([*ROWS, {**ROWS[1], **change}, "junk"]), request_context)
    quarantined = [(row["row_number"], row["reason"]) for row in rows_of(batches, "quarantine")]
    assert quarantined == [(6, f"hyblock: {reason}"), (7, "hyblock: not an object")]
    assert len(rows_of(batches)) == 3


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b'{"message":"Forbidden"}', "an error instead of data: 'Forbidden'"),
        (b'{"error":"coin"}', "an error instead of data: 'coin'"),
        (b'{"data":[]}', r"data is \[\]"),
        (b'{"data":{"a":1}}', "data is {'a': 1}"),
        (b'{"data":[{}]}', "no usable cell, 1 refused"),
        (b"<html></html>", "HTML"),
        (b'{"data":[{"timestamp":17', "breaks off"),
    ],
)
def test_what_is_no_answer_is_refused_with_a_reason(request_context, raw, message):
    with pytest.raises(InputRejected, match=message):
        parse(raw, request_context)


def test_a_price_far_from_the_expected_one_is_another_symbol(request_context):
    with pytest.raises(InputRejected, match="times the expected"):
        parse(answer(ROWS), replace(request_context, reference_price=3.0))
