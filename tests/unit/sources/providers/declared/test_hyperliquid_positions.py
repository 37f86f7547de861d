import json
import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from workbench import provider_answers

from sources.errors import InputRejected
from sources.providers.declared.hyperliquid_positions import PROVIDER, parse
from sources.providers.provider import context_from_name

NOON = datetime(2026, 3, 3, 12, tzinfo=UTC)
NOON_MS = 1772539200000


def position(coin="BTC", szi="2", liquidation="80", leverage=10, value=None, **more):
    return {
        "type": "oneWay",
        "position": {
            "coin": coin,
            "szi": szi,
            "entryPx": "95",
            "positionValue": str(abs(float(szi)) * 100) if value is None else value,
            "liquidationPx": liquidation,
            "leverage": {"type": "cross", "value": leverage},
            **more,
        },
    }


def line(wallet, *positions, time=NOON_MS):
    state = {"marginSummary": {}, "assetPositions": list(positions), "time": time}
    return json.dumps({"wallet": wallet, "state": state})


def lines(*each):
    return "\n".join(each).encode()


def test_each_position_is_a_point_worth_its_size_at_its_liquidation_price(context, rows_of):
    raw = lines(
        line("0xa", position()),
        line("0xb", position(szi="-3", liquidation="130", leverage=5)),
        line("0xc", position(szi="1", liquidation="70.5"), time=NOON_MS + 1000),
    )
    rows = rows_of(parse(raw, context))
    assert [
        (r["price_low"], r["price_high"], r["side"], r["leverage"], r["value"]) for r in rows
    ] == [
        (80.0, 80.0, "long", 10.0, 160.0),
        (130.0, 130.0, "short", 5.0, 390.0),
        (70.5, 70.5, "long", 10.0, 70.5),
    ]
    for row in rows:
        assert (row["unit"], row["semantics"], row["venue_scope"]) == (
            "usd",
            "standing",
            "hyperliquid",
        )
        assert (row["model"], row["reference_price"]) == ("wallet_states", 100.0)
        # the map stands when the last wallet had answered
        assert row["as_of"] == datetime(2026, 3, 3, 12, 0, 1, tzinfo=UTC)
        assert row["observed_open_interest_ratio"] is None


def test_a_position_that_cannot_be_liquidated_counts_as_observed_but_not_in_the_map(
    context, rows_of
):
    raw = lines(
        line("0xa", position(szi="2")),
        line("0xb", position(szi="-1", liquidation="130")),
        line("0xc", position(szi="6", liquidation=None)),
    )
    known = replace(context, open_interest_usd=lambda asset, as_of: 2000.0)
    rows = rows_of(parse(raw, known))
    assert {row["side"]: row["observed_open_interest_ratio"] for row in rows} == {
        "long": 0.4,  # (2 + 6) x 100 of 2000
        "short": 0.05,
    }
    assert sum(row["value"] for row in rows) == 160.0 + 130.0


def test_open_interest_is_requested_for_the_asset_and_the_instant(context):
    requested = []
    known = replace(context, open_interest_usd=lambda *args: requested.append(args))
    parse(lines(line("0xa", position(), position(coin="ETH"))), known)
    assert set(requested) == {("BTC", NOON), ("ETH", NOON)}


def test_wallets_without_anything_to_liquidate_are_an_empty_map(context):
    (batch,) = parse(lines(line("0xa", position(liquidation=None), position(szi="0"))), context)
    assert (batch.kind, batch.table.num_rows) == ("provider_map", 0)


def test_one_coin_can_be_picked(context, rows_of):
    raw = lines(line("0xa", position(), position(coin="ETH")))
    assert {row["asset"] for row in rows_of(parse(raw, context))} == {"BTC", "ETH"}
    assert {row["asset"] for row in rows_of(parse(raw, replace(context, asset="ETH")))} == {"ETH"}


def test_a_coin_quoted_by_the_thousand_is_read_per_unit(context, rows_of):
    raw = lines(line("0xa", position(coin="kPEPE", szi="5", liquidation="0.008", value="0.05")))
    (row,) = rows_of(parse(raw, context))
    assert (row["asset"], row["price_low"], row["value"]) == ("PEPE", 8e-6, pytest.approx(0.04))
    assert row["reference_price"] == pytest.approx(1e-5)


def test_bare_states_read_like_lines(context):
    state = json.loads(line("0xa", position()))["state"]
    for raw in (json.dumps(state), json.dumps([state]), json.dumps(state, indent=1)):
        (bare,) = parse(raw.encode(), context)
        assert bare.table["value"].to_pylist() == [160.0]


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (position(szi="junk", value="1"), "szi is not a finite number"),
        (position(liquidation="-5"), "liquidationPx is not a positive number"),
        (position(liquidation="NaN"), "liquidationPx is not a positive number"),
        (position(coin=None), "position or its coin is missing"),
        ({"type": "oneWay"}, "position or its coin is missing"),
        (position(coin="xyz:GOLD"), "a contract of a builder's own exchange"),
    ],
)
def test_bad_positions_go_to_quarantine(context, rows_of, bad, reason):
    batches = parse(lines(line("0xa", position()), line("0xb", bad)), context)
    (quarantined,) = rows_of(batches, "quarantine")
    assert quarantined["reason"].startswith(f"hyperliquid_positions: {reason}")
    assert quarantined["row_number"] == 2
    assert [row["value"] for row in rows_of(batches)] == [160.0]


def test_a_coin_twice_in_a_wallet_counts_once(context, rows_of):
    batches = parse(lines(line("0xa", position(), position(szi="5"))), context)
    assert [row["value"] for row in rows_of(batches)] == [160.0]
    (quarantined,) = rows_of(batches, "quarantine")
    assert "a coin twice" in quarantined["reason"]


def test_an_unknown_leverage_is_left_open(context, rows_of):
    unknown = ("?", None, 0)
    raw = lines(*(line(f"0x{n}", position(leverage=one)) for n, one in enumerate(unknown)))
    assert [row["leverage"] for row in rows_of(parse(raw, context))] == [None, None, None]


def test_a_wallet_given_twice_counts_once_and_broken_lines_go_to_quarantine(context, rows_of):
    raw = lines(
        line("0xA", position()),
        line("0xa", position()),
        line("0xb", position())[:50],
        "[1]",
        '{"wallet":"0xc","state":null}',
    )
    batches = parse(raw, context)
    assert len(rows_of(batches)) == 1
    assert [row["row_number"] for row in rows_of(batches, "quarantine")] == [3, 4, 2, 5]


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b'"deserialization failed"', "neither wallet states nor a known recording"),
        (b"null", "neither wallet states nor a known recording: None"),
        (b"[]", "neither wallet states nor a known recording"),
        (b'{"wallet":"0xa","state":{"assetPos', "no usable cell, 1 refused.*line is not JSON"),
        (b"<html>", "HTML"),
        (b"", "empty"),
    ],
)
def test_what_is_no_answer_is_refused_with_a_reason(context, raw, message):
    with pytest.raises(InputRejected, match=message):
        parse(raw, context)


def test_states_without_a_time_need_the_capture(context):
    raw = lines(line("0xa", position(), time=None))
    with pytest.raises(InputRejected, match="carries no instant"):
        parse(raw, context)
    assert parse(raw, replace(context, captured_at=NOON))


def top_wallets(**coin):
    snapshot = {
        "currentPrice": 100.0,
        "longLiquidations": [
            # cell 5 below price, 6 % below: [94.0, 95.2), middle 94.6
            {"price": 94.6, "value": 7.0, "cumulative": 7.0, "10x": 3.0, "25x": 4.0, "50x": 0}
        ],
        "shortLiquidations": [
            {"price": 100.6, "value": 2.0, "cumulative": 2.0, "10x": 0, "25x": 0, "50x": 2.0}
        ],
        **coin,
    }
    return json.dumps(
        {
            "committed_at": "2026-03-03T12:00:00+00:00",
            "data": {"BTC": snapshot},
            "leverageBuckets": [
                {"min": 1, "max": 10, "label": "10x"},
                {"min": 11, "max": 25, "label": "25x"},
                {"min": 26, "max": 50, "label": "50x"},
            ],
        }
    ).encode()


def test_top_wallets_cells_get_their_true_edges_and_bucket_tops(context, rows_of):
    known = replace(context, open_interest_usd=lambda asset, as_of: 100.0)
    rows = rows_of(parse(top_wallets(), known))
    assert [
        (
            pytest.approx(r["price_low"]),
            pytest.approx(r["price_high"]),
            r["side"],
            r["leverage"],
            r["value"],
            r["observed_open_interest_ratio"],
        )
        for r in rows
    ] == [
        (94.0, 95.2, "long", 10.0, 3.0, 0.07),
        (94.0, 95.2, "long", 25.0, 4.0, 0.07),
        (100.0, 101.2, "short", 50.0, 2.0, 0.02),
    ]
    assert {(row["as_of"], row["model"]) for row in rows} == {(NOON, "top_wallets")}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"price": 95.2}, "price 95.2 is no middle of a cell 1.2 wide"),
        ({"price": 55.0}, "price 55 is no middle of a cell"),
        ({"price": None}, "price is not a positive number"),
        ({"value": -1}, "value is negative"),
        ({"value": "x"}, "value is not a finite number"),
        ({"10x": 9.0}, "leverage buckets add up to 13, not to value 7"),
        ({"10x": -3.0}, "a leverage bucket is negative"),
        ({"200x": 1.0}, "unknown leverage key 200x"),
    ],
)
def test_bad_top_wallets_cells_go_to_quarantine(context, rows_of, change, reason):
    good = json.loads(top_wallets())["data"]["BTC"]["longLiquidations"][0]
    batches = parse(top_wallets(longLiquidations=[{**good, **change}]), context)
    (quarantined,) = rows_of(batches, "quarantine")
    assert f"BTC long: {reason}" in quarantined["reason"]
    assert [row["side"] for row in rows_of(batches)] == ["short"]


def test_a_recording_without_the_requested_coin_is_refused(context):
    with pytest.raises(InputRejected, match="the recording has BTC, not the requested 'ETH'"):
        parse(top_wallets(), replace(context, asset="ETH"))


def all_accounts(**change):
    return json.dumps(
        {
            "symbol": "BTCUSDT",
            "snapshot_ts": "2026-03-03T12:00:00Z",
            "reference_price": 100.0,
            "bucket_grid": {"min_price": 50.0, "max_price": 154.0, "step": 10.0},
            "long_distribution": {"50.0": 99.0, "80.0": 4.0, "90.0": "6.0"},
            "short_distribution": {"110.0": 5.0, "150.0": 77.0},
            **change,
        }
    ).encode()


def test_all_accounts_leave_out_the_cells_that_hold_all_beyond_the_grid(context, rows_of):
    known = replace(context, open_interest_usd=lambda asset, as_of: 1000.0)
    batches = parse(all_accounts(), known)
    assert [
        (
            r["price_low"],
            r["price_high"],
            r["side"],
            r["value"],
            round(r["observed_open_interest_ratio"], 6),
        )
        for r in rows_of(batches)
    ] == [
        (80.0, 90.0, "long", 4.0, 0.109),
        (90.0, 100.0, "long", 6.0, 0.109),
        (110.0, 120.0, "short", 5.0, 0.082),
    ]
    assert [row["received"] for row in rows_of(batches, "quarantine")] == [
        '{"50.0": 99.0}',
        '{"150.0": 77.0}',
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"symbol": "ETHUSDT"}, "the map is of 'ETHUSDT', not of the requested 'BTC'"),
        ({"bucket_grid": {}}, "bucket_grid is {}"),
        ({"bucket_grid": {"step": 0}}, "bucket_grid.step is 0.0"),
        ({"reference_price": "x"}, "reference_price is nan"),
        ({"snapshot_ts": None}, "carries no instant"),
        ({"long_distribution": None, "short_distribution": []}, "is not an object"),
    ],
)
def test_an_unusable_recording_names_field_and_value(context, change, message):
    with pytest.raises(InputRejected, match=message):
        parse(all_accounts(**change), replace(context, asset="BTC"))


def test_accounts_without_anything_to_liquidate_are_an_empty_map(context):
    (batch,) = parse(all_accounts(long_distribution={}, short_distribution={}), context)
    assert batch.table.num_rows == 0


TOP_WALLETS_NAME = "hyperliquid_positions/top_wallets_20260214_20260222.jsonl"
ALL_ACCOUNTS_NAME = "hyperliquid_positions/all_accounts_BTC_20260405T143000Z.json"
ACCOUNTS_AT = datetime(2026, 4, 5, 14, 30, tzinfo=UTC)
RECORDED_BEYOND_USD = {"long": 109166349.76976983, "short": 105935261.22140011}


def invented_wallets(_):
    hours = [NOON - timedelta(hours=n) for n in (3, 2, 1)]
    prices = {"BTC": 68_761.0, "SOL": 88.5, "DOGE": 0.0967}
    return provider_answers.top_wallets([(at, prices) for at in hours])


def invented_accounts(_):
    return provider_answers.all_accounts(ACCOUNTS_AT)


@pytest.mark.parametrize(
    ("read", "n_snapshots", "n_rows", "n_quarantined"),
    [
        # BTC and SOL have nine cells a side; DOGE has nine longs.
        (invented_wallets, 3, 3 * 2 * 18, 3 * 9),
        (lambda recorded: recorded(TOP_WALLETS_NAME), 48, 1676, 2),
    ],
    ids=["invented", "recorded"],
)
def test_top_wallets_keep_the_mass_of_all_coins_but_the_unplaceable(
    recorded, context, rows_of, read, n_snapshots, n_rows, n_quarantined
):
    raw = read(recorded)
    batches = parse(raw, context)
    rows, quarantined = rows_of(batches), rows_of(batches, "quarantine")
    snapshots = [json.loads(each) for each in raw.decode().splitlines()]
    assert len(snapshots) == len({row["as_of"] for row in rows}) == n_snapshots
    total: dict[tuple[str, str], float] = {}
    for snapshot in snapshots:
        for coin, data in snapshot["data"].items():
            for side, key in (("long", "totalLongValue"), ("short", "totalShortValue")):
                total[coin, side] = total.get((coin, side), 0.0) + data[key]
    imported: dict[tuple[str, str], float] = {}
    for row in rows:
        key = (row["asset"], row["side"])
        imported[key] = imported.get(key, 0.0) + row["value"]
    unplaceable = sum(json.loads(row["received"])["value"] for row in quarantined)
    # DOGE's prices are rounded to cents, coarser than its cells; nothing else is refused.
    assert all("DOGE" in row["reason"] for row in quarantined)
    assert unplaceable == pytest.approx(total.pop(("DOGE", "long")), rel=1e-9)
    for key, usd in total.items():
        assert imported.pop(key, 0.0) == pytest.approx(usd, rel=1e-9)
    assert not imported
    assert (len(rows), len(quarantined)) == (n_rows, n_quarantined)
    assert {row["leverage"] for row in rows} <= {10.0, 25.0, 50.0, 100.0}
    for row in rows:
        assert (row["price_high"] <= row["reference_price"]) == (row["side"] == "long")
        width = (row["price_high"] - row["price_low"]) / row["reference_price"]
        assert width == pytest.approx(0.012, rel=1e-9)


every_account_map = pytest.mark.parametrize(
    ("read", "beyond", "price", "near"),
    [
        (invented_accounts, provider_answers.BEYOND_USD, 50_000.0, provider_answers.NEAR_RATIOS),
        (
            lambda recorded: recorded(ALL_ACCOUNTS_NAME),
            RECORDED_BEYOND_USD,
            66907.0,
            {"long": [0.00127, 0.0304, 0.0945], "short": [0.0079, 0.0327, 0.1716]},
        ),
    ],
    ids=["invented", "recorded"],
)


@every_account_map
def test_accounts_keep_the_mass_within_the_grid(recorded, rows_of, read, beyond, price, near):
    raw = read(recorded)
    name = ALL_ACCOUNTS_NAME.split("/")[1]
    named = context_from_name(PROVIDER, name, datetime(2026, 4, 5, 15, tzinfo=UTC))
    batches = parse(raw, named)
    rows, quarantined = rows_of(batches), rows_of(batches, "quarantine")
    document = json.loads(raw)
    for side, usd in beyond.items():
        distribution = document[f"{side}_distribution"]
        of_side = [row["value"] for row in rows if row["side"] == side]
        assert len(of_side) == len(distribution) - 1
        assert math.fsum(of_side) == pytest.approx(
            math.fsum(distribution.values()) - usd, rel=1e-12
        )
    assert len(quarantined) == 2
    assert {row["reference_price"] for row in rows} == {price}
    assert {row["as_of"] for row in rows} == {ACCOUNTS_AT}


@every_account_map
def test_accounts_are_as_far_from_price_as_published(
    recorded, context, rows_of, read, beyond, price, near
):
    later = replace(context, ingested_at=datetime(2026, 4, 6, tzinfo=UTC))
    batches = parse(read(recorded), later)
    for side, usd in beyond.items():
        of_side = [row for row in rows_of(batches) if row["side"] == side]
        whole = sum(row["value"] for row in of_side) + usd
        shares = [
            sum(row["value"] for row in of_side if abs(math.log(row["price_low"] / price)) <= reach)
            / whole
            for reach in (0.01, 0.02, 0.05)
        ]
        assert shares == pytest.approx(near[side], rel=0.01)
