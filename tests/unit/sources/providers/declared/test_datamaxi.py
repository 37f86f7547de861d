import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from sources.errors import InputRejected
from sources.providers.declared.datamaxi import parse

ANSWER = {
    "assumptions": {
        "entrySamples": 288,
        "entryWindow": "24h",
        "longShareOfOi": 0.5,
        "mmr": 0.004,
        "tiers": [{"leverage": 10, "share": 0.4}],
    },
    "base": "BTC",
    "quote": "USDT",
    "exchange": "binance",
    "symbol": "BTCUSDT",
    "currentPrice": 100.0,
    "generatedAt": 1772548626000,
    "totalOiUsd": 1000.0,
    "cumulativeLongUsd": 7.0,
    "cumulativeShortUsd": 3.0,
    "buckets": [
        {
            "price": 90.0,
            "side": "long",
            "l10xUsd": 4.0,
            "l25xUsd": 3.0,
            "l50xUsd": 0.0,
            "l100xUsd": 0.0,
            "totalUsd": 7.0,
        },
        {"price": 92.0, "side": "long", "l10xUsd": 0, "totalUsd": 0},
        {"price": "110", "side": "short", "l10xUsd": "1", "l100xUsd": "2", "totalUsd": "3"},
    ],
}


def changed(bucket=None, **top):
    answer = {**ANSWER, **top}
    if bucket is not None:
        answer["buckets"] = [*answer["buckets"], bucket]
    return json.dumps(answer).encode()


def test_buckets_become_one_row_per_leverage_in_standing_usd(context, rows_of):
    rows = rows_of(parse(changed(), context))
    assert [
        (r["price_low"], r["price_high"], r["side"], r["leverage"], r["value"]) for r in rows
    ] == [
        (89.0, 91.0, "long", 10.0, 4.0),
        (89.0, 91.0, "long", 25.0, 3.0),
        (109.0, 111.0, "short", 10.0, 1.0),
        (109.0, 111.0, "short", 100.0, 2.0),
    ]
    for row in rows:
        assert (row["unit"], row["semantics"], row["model"]) == ("usd", "standing", "map")
        assert (row["asset"], row["venue_scope"], row["reference_price"]) == ("BTC", "binance", 100)
        assert row["as_of"] == datetime(2026, 3, 3, 14, 37, 6, tzinfo=UTC)


def test_a_bucket_without_leverages_keeps_its_total(context, rows_of):
    rows = rows_of(parse(changed({"price": 94, "side": "", "totalUsd": 5}), context))
    assert [(row["side"], row["leverage"], row["value"]) for row in rows if row["value"] == 5] == [
        ("long", None, 5.0)
    ]


@pytest.mark.parametrize(
    ("bucket", "column", "reason"),
    [
        ("junk", "buckets", "not an object"),
        ({"price": None, "side": "long", "l10xUsd": 1}, "price", "price is not a positive number"),
        ({"price": 94, "side": "buy", "l10xUsd": 1}, "side", "side is neither long nor short"),
        ({"price": 94, "side": "long", "l10xUsd": -1}, "l10xUsd", "value is negative"),
        ({"price": 94, "side": "long", "l10xUsd": "x"}, "l10xUsd", "value is not a finite number"),
        ({"price": 94, "side": "long", "lmaxUsd": 1}, "lmaxUsd", "unknown leverage key"),
        ({"price": 94, "side": "long", "l0xUsd": 1}, "l0xUsd", "unknown leverage key"),
        (
            {"price": 94, "side": "long", "l10xUsd": 1, "l25xUsd": 1, "totalUsd": 5},
            "totalUsd",
            "leverages add up to 2, not to totalUsd",
        ),
        (
            {"price": 94, "side": "long"},
            "totalUsd",
            "neither leverages nor a usable totalUsd",
        ),
    ],
)
def test_bad_buckets_go_to_quarantine(context, rows_of, bucket, column, reason):
    batches = parse(changed(bucket), context)
    (quarantined,) = rows_of(batches, "quarantine")
    assert (quarantined["row_number"], quarantined["column_name"], quarantined["reason"]) == (
        4,
        column,
        f"datamaxi: {reason}",
    )
    assert sum(row["value"] for row in rows_of(batches)) == 10.0


@pytest.mark.parametrize(
    ("top", "message"),
    [
        ({"buckets": []}, r"buckets is \[\]"),
        ({"buckets": [{"price": 90, "side": "long", "l10xUsd": 0}]}, "every value is zero"),
        ({"generatedAt": None}, "generatedAt is None"),
        ({"exchange": ""}, "exchange is missing"),
        ({"base": "ETH", "symbol": "ETHUSDT"}, "the map is of 'ETH', not of the requested 'BTC'"),
        ({"currentPrice": 2000.0}, "its price 2000 is 20 times the expected 100"),
    ],
)
def test_an_unusable_answer_names_field_and_value(context, top, message):
    expected = replace(context, asset="BTC", reference_price=100.0)
    with pytest.raises(InputRejected, match=message):
        parse(changed(**top), expected)


def test_an_answer_of_another_venue_is_refused(context):
    with pytest.raises(InputRejected, match="of venue 'binance', not of the requested 'okx'"):
        parse(changed(), replace(context, venue_scope="okx"))


def test_an_error_object_is_reported(context):
    with pytest.raises(InputRejected, match="an error instead of data: 'base is required'"):
        parse(b'{"error":"base is required"}', context)
