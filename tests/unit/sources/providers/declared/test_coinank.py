import json
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from workbench.provider_answers import coinank_aggregate, coinank_pair

from sources.errors import InputRejected
from sources.providers.declared.coinank import PROVIDER, parse
from sources.providers.provider import context_from_name

PAIR = {
    "success": True,
    "code": "1",
    "msg": None,
    "data": {
        "symbol": "BTCUSDT",
        "x25": [0.0, 5.0, 0.0, 0.0, 7.0],
        "x100": [0.0, 0.0, 3.0, 4.0, 0.0],
        "prices": [98.0, 100.0, 102.0, 104.0, 106.0],
        "lastIndex": 2.0,
        "lastPrice": 102.0,
    },
}
AGGREGATED = {
    "success": True,
    "code": "1",
    "data": {
        "Binance": [1.0, 0.0, 0.0, 0.0, 2.0],
        "Okex": [0.0, 4.0, 0.0, 0.0, 0.0],
        "Lighter": [0.0, 0.0, 0.0, 8.0, 0.0],
        "prices": [98.0, 100.0, 102.0, 104.0, 106.0],
        "lastIndex": 2.0,
        "lastPrice": 102.0,
    },
}


@pytest.fixture
def request_context(context):
    return replace(
        context,
        captured_at=datetime(2026, 3, 3, 14, 37, tzinfo=UTC),
        symbol="BTCUSDT",
        venue_scope="Binance",
        window="1d",
    )


def changed(answer, **data):
    copy = deepcopy(answer)
    copy["data"].update(data)
    return json.dumps(copy).encode()


def test_rungs_become_cells_with_side_leverage_and_relative_unit(request_context, rows_of):
    rows = rows_of(parse(changed(PAIR), request_context))
    seen = {
        (row["price_low"], row["price_high"], row["side"], row["leverage"]): row["value"]
        for row in rows
    }
    assert seen == {
        (99.0, 101.0, "long", 25.0): 5.0,
        (105.0, 107.0, "short", 25.0): 7.0,
        (101.0, 103.0, "unknown", 100.0): 3.0,
        (103.0, 105.0, "short", 100.0): 4.0,
    }
    for row in rows:
        assert (row["unit"], row["semantics"], row["venue_scope"]) == (
            "relative",
            "opened",
            "binance",
        )
        assert (row["asset"], row["window"], row["reference_price"]) == ("BTC", "1d", 102.0)
        assert row["as_of"] == request_context.captured_at


def test_venues_of_the_aggregate_are_kept_apart_and_named_as_ours(request_context, rows_of):
    rows = rows_of(parse(changed(AGGREGATED), replace(request_context, symbol=None, asset="BTC")))
    assert {(row["venue_scope"], row["side"]): row["value"] for row in rows} == {
        ("binance", "long"): 1.0,
        ("binance", "short"): 2.0,
        ("okx", "long"): 4.0,
        ("lighter", "short"): 8.0,
    }
    assert {row["model"] for row in rows} == {"getAggLiqMap"}
    assert {row["leverage"] for row in rows} == {None}


def test_numbers_given_as_text_read_the_same(request_context):
    as_text = changed(
        PAIR,
        x25=["0", "5.0", "0", "0", "7"],
        prices=["98", "100", "102", "104", "106"],
        lastIndex="2",
        lastPrice="102.0",
    )
    (plain,) = parse(changed(PAIR), request_context)
    (text,) = parse(as_text, request_context)
    dropped = ["raw_sha256"]
    assert text.table.drop_columns(dropped).equals(plain.table.drop_columns(dropped))


def test_a_contract_of_thousand_units_is_read_per_unit(request_context, rows_of):
    rows = rows_of(
        parse(
            changed(PAIR, symbol="1000PEPEUSDT"),
            replace(request_context, symbol=None, asset="PEPE"),
        )
    )
    assert {row["asset"] for row in rows} == {"PEPE"}
    assert {row["reference_price"] for row in rows} == {0.102}
    assert min(row["price_low"] for row in rows) == pytest.approx(0.099)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"lastIndex": 9}, r"data.lastIndex is 9.*0 to 4"),
        ({"lastIndex": 1.5}, r"data.lastIndex is 1.5"),
        ({"lastIndex": None}, r"data.lastIndex is None"),
        ({"lastPrice": "n/a"}, r"data.lastPrice is 'n/a'"),
        ({"lastIndex": 0}, r"prices\[lastIndex=0\] is 98 but lastPrice is 102"),
        ({"x25": [1.0, 2.0]}, r"data.x25 has 2 values for 5 prices"),
        ({"prices": []}, r"data.prices is \[\]"),
        ({"prices": [98.0, 100.0, "x", 104.0, 106.0]}, r"data.prices\[2\] is 'x'"),
        ({"prices": [98.0, 100.0, 100.0, 104.0, 106.0]}, r"data.prices does not ascend at index 2"),
        ({"prices": [-1.0, 100.0, 102.0, 104.0, 106.0]}, r"data.prices\[0\] is -1.0"),
        ({"symbol": "ETHUSDT"}, r"the map is of 'ETHUSDT', not of the requested 'BTCUSDT'"),
        ({"x25": [0.0] * 5, "x100": [0.0] * 5}, r"every value is zero"),
    ],
)
def test_an_unusable_answer_names_field_and_value(request_context, data, message):
    with pytest.raises(InputRejected, match=message) as caught:
        parse(changed(PAIR, **data), request_context)
    assert "coinank: saved.json: " in str(caught.value)
    assert "; " in str(caught.value)


def test_bad_values_go_to_quarantine_and_the_rest_stays(request_context, rows_of):
    raw = changed(PAIR, x25=[float("nan"), 5.0, -2.0, "junk", None])
    batches = parse(raw, request_context)
    quarantined = rows_of(batches, "quarantine")
    assert [(row["row_number"], row["column_name"], row["received"]) for row in quarantined] == [
        (1, "x25", "NaN"),
        (3, "x25", "-2.0"),
        (4, "x25", "junk"),
        (5, "x25", "null"),
    ]
    assert {row["reason"] for row in quarantined} == {
        "coinank: value is not a finite number",
        "coinank: value is negative",
    }
    assert {row["venue"] for row in quarantined} == {"binance"}
    assert sum(row["value"] for row in rows_of(batches)) == 12.0


@pytest.mark.parametrize("key", ["xmax", "x0", "x100000", "leverage25"])
def test_an_unknown_leverage_key_goes_to_quarantine(request_context, rows_of, key):
    batches = parse(changed(PAIR, **{key: [1.0] * 5}), request_context)
    (quarantined,) = rows_of(batches, "quarantine")
    assert (quarantined["reason"], quarantined["column_name"]) == (
        "coinank: unknown leverage key",
        key,
    )
    assert {row["leverage"] for row in rows_of(batches)} == {25.0, 100.0}


def test_an_error_object_is_reported_with_its_code(request_context):
    raw = b'{"success":false,"code":"-3","msg":"members only","data":null}'
    with pytest.raises(InputRejected, match="code '-3': 'members only'"):
        parse(raw, request_context)


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        ({"captured_at": None}, "carries no instant"),
        ({"venue_scope": None}, "does not name its venue"),
    ],
)
def test_what_only_the_request_knew_must_be_said(request_context, missing, message):
    with pytest.raises(InputRejected, match=message):
        parse(changed(PAIR), replace(request_context, **missing))


def test_the_aggregate_needs_its_asset_said(request_context):
    with pytest.raises(InputRejected, match="does not name its asset"):
        parse(changed(AGGREGATED), replace(request_context, symbol=None))


def test_a_stale_capture_is_refused(request_context):
    with pytest.raises(InputRejected, match=r"stale capture.*0:23:00 old, allowed is 0:10:00"):
        parse(changed(PAIR), replace(request_context, max_age=timedelta(minutes=10)))
    assert parse(changed(PAIR), replace(request_context, max_age=timedelta(minutes=30)))


def test_a_capture_from_the_future_is_refused(request_context):
    later = request_context.ingested_at + timedelta(hours=1)
    with pytest.raises(InputRejected, match="after the reading"):
        parse(changed(PAIR), replace(request_context, captured_at=later))


def test_a_price_far_from_the_expected_one_is_another_symbol(request_context):
    with pytest.raises(InputRejected, match=r"0\.01 times the expected 10200"):
        parse(changed(PAIR), replace(request_context, reference_price=10200.0))


@pytest.fixture
def saved(recorded):
    """Return a reader of saved answers: invented ones by their form, recorded ones by name."""

    def read(source):
        return source() if callable(source) else recorded(f"coinank/{source}")

    return read


PAIR_NAME = "getLiqMap_Binance_BTCUSDT_20260303T143706Z.json"
AGGREGATE_NAME = "getAggLiqMap_BTC_20260303T143706Z.json"


def invented_pair():
    return coinank_pair(66_950.0)


def invented_aggregate():
    return coinank_aggregate(66_926.0)


@pytest.mark.parametrize(
    ("source", "name", "count", "total"),
    [
        (invented_pair, PAIR_NAME, None, None),
        (invented_aggregate, AGGREGATE_NAME, None, None),
        (PAIR_NAME, PAIR_NAME, 3706, 28173578887.0),
        (AGGREGATE_NAME, AGGREGATE_NAME, 4948, 287236895066.0),
    ],
)
def test_saved_answers_keep_their_whole_mass_and_split_at_the_last_index(
    saved, context, rows_of, source, name, count, total
):
    raw = saved(source)
    named = context_from_name(PROVIDER, name, context.ingested_at)
    (batch,) = parse(raw, named)
    rows = rows_of([batch])
    data = json.loads(raw)["data"]
    index = int(data["lastIndex"])
    assert data["prices"][index] == data["lastPrice"]
    lists = [v for k, v in data.items() if isinstance(v, list) and k != "prices"]
    if count is None:
        count, total = np.count_nonzero(lists), np.sum(lists)
    assert len(rows) == count
    assert sum(map(sum, lists)) == total
    assert sum(row["value"] for row in rows) == total
    for side, part in (("long", slice(None, index)), ("short", slice(index + 1, None))):
        of_side = [row for row in rows if row["side"] == side]
        assert sum(row["value"] for row in of_side) == sum(sum(each[part]) for each in lists)
        reach = [row["price_high" if side == "long" else "price_low"] for row in of_side]
        assert all((edge < data["lastPrice"]) == (side == "long") for edge in reach)
    assert np.allclose([row["price_high"] - row["price_low"] for row in rows], 2.0)
    assert {row["as_of"].isoformat() for row in rows} == {"2026-03-03T14:37:06+00:00"}
    assert {row["side"] for row in rows} == {"long", "short"}


@pytest.mark.parametrize(
    ("pair", "aggregate"), [(invented_pair, invented_aggregate), (PAIR_NAME, AGGREGATE_NAME)]
)
def test_a_saved_pair_has_nine_leverages_and_the_aggregate_six_venues(
    saved, context, rows_of, pair, aggregate
):
    tiers, venues = (
        {
            row[column]
            for row in rows_of(
                parse(saved(source), context_from_name(PROVIDER, name, context.ingested_at))
            )
        }
        for source, name, column in (
            (pair, PAIR_NAME, "leverage"),
            (aggregate, AGGREGATE_NAME, "venue_scope"),
        )
    )
    assert tiers == {25.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0, 90.0, 100.0}
    assert venues == {"binance", "bybit", "okx", "hyperliquid", "aster", "lighter"}
