import datetime as dt

import pytest

from sources.venues.brackets import margin_rule, read_brackets, read_described_brackets
from sources.venues.declared import VENUES
from sources.venues.instruments import Instrument
from sources.venues.responses import ResponseContext

NOW = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
# Binance's BTCUSDT: cap, maintenance ratio, deduction.
BINANCE = [(50_000, 0.004, 0), (600_000, 0.005, 50), (3_000_000, 0.0065, 950)]
BINANCE += [(12_000_000, 0.01, 11_450), (70_000_000, 0.02, 131_450)]


def contract(venue, size=1.0, multiplier=1.0, index=0, info=None, asset="X"):
    product = VENUES[venue].products[index]
    kind = product.contract_kind
    market = {"id": "ID", "info": info or {}}
    return Instrument(
        venue, "X", asset, "USDT", kind, size, multiplier, None, True, product, "ID", "X", market
    )


def context(instrument):
    return ResponseContext(instrument.venue, {"ID": instrument}, NOW, "request")


def read(venue, rows, price=None, **settings):
    instrument = contract(venue, **settings)
    answer = {"result": {"list": rows}, "data": rows}
    if venue in ("gate", "binance"):
        answer = rows
    batches = read_brackets(
        instrument.product.brackets, answer, context(instrument), {"X": price} if price else {}
    )
    by_kind = {batch.kind: batch.table.to_pylist() for batch in batches}
    return by_kind["leverage_bracket"], by_kind.get("quarantine", [])


def described(venue, price=60_000.0, **settings):
    instrument = contract(venue, **settings)
    batches = read_described_brackets(
        instrument.product.brackets,
        [instrument],
        context(instrument),
        {"X": price} if price else {},
    )
    by_kind = {batch.kind: batch.table.to_pylist() for batch in batches}
    return by_kind["leverage_bracket"], by_kind.get("quarantine", [])


def test_gates_deductions_and_its_contracts_own_fee_are_kept():
    rows = [
        {
            "tier": number,
            "risk_limit": str(cap),
            "maintenance_rate": str(ratio),
            "leverage_max": "20",
            "deduction": str(deduction),
        }
        for number, (cap, ratio, deduction) in enumerate(BINANCE, start=1)
    ]
    brackets, refused = read("gate", rows, info={"taker_fee_rate": "0.0005"})
    assert refused == []
    assert [row["maintenance_deduction_usd"] for row in brackets] == [
        deduction for _, _, deduction in BINANCE
    ]
    assert [row["notional_floor_usd"] for row in brackets] == [0, 50_000, 600_000, 3e6, 12e6]
    assert {row["valid_from_at"] for row in brackets} == {NOW}
    assert {row["liquidation_fee_ratio"] for row in brackets} == {0.0005}


def test_no_deduction_is_invented_where_the_venue_publishes_none():
    rows = [
        {"tier": "1", "minSz": "0", "maxSz": "50", "mmr": "0.01", "maxLever": "50"},
        {"tier": "2", "minSz": "51", "maxSz": "200", "mmr": "0.02", "maxLever": "25"},
    ]
    brackets, refused = read("okx", rows, price=10_000.0, size=0.01)
    assert refused == []
    assert [row["notional_cap_usd"] for row in brackets] == [5_000, 20_000]
    assert [row["maintenance_deduction_usd"] for row in brackets] == [0, 0]
    assert {row["liquidation_fee_ratio"] for row in brackets} == {0.0005}
    rows = [
        {"riskLimitValue": str(cap), "maintenanceMargin": str(ratio), "maxLeverage": "20"}
        for cap, ratio, _ in BINANCE
    ]
    assert {row["maintenance_deduction_usd"] for row in read("bybit", rows)[0]} == {0}


def test_a_first_bracket_may_leave_its_deduction_out_and_no_other():
    rows = [
        {
            "riskLimitValue": str(cap),
            "maintenanceMargin": str(ratio),
            "maxLeverage": "20",
            "mmDeduction": str(deduction or ""),
        }
        for cap, ratio, deduction in BINANCE
    ]
    brackets, _ = read("bybit", rows)
    assert [row["maintenance_deduction_usd"] for row in brackets] == [
        deduction for _, _, deduction in BINANCE
    ]
    rows[2]["mmDeduction"] = ""
    brackets, (refused,) = read("bybit", rows)
    assert brackets == []
    assert refused["column_name"] == "cum"
    assert "bracket 3: has no deduction while others have" in refused["reason"]


def test_published_deductions_are_kept_and_order_does_not_matter():
    floors = [0, *(cap for cap, _, _ in BINANCE)]
    brackets = [
        {
            "notionalFloor": floors[number],
            "notionalCap": cap,
            "maintMarginRatio": ratio,
            "bracket": number + 1,
            "cum": deduction + 0.5,
            "initialLeverage": 20,
        }
        for number, (cap, ratio, deduction) in enumerate(BINANCE)
    ]
    actual, refused = read("binance", [{"symbol": "ID", "brackets": brackets[::-1]}])
    assert refused == []
    assert [row["maintenance_deduction_usd"] for row in actual] == pytest.approx(
        [deduction + 0.5 for _, _, deduction in BINANCE]
    )


def test_caps_in_contracts_are_valued_at_the_mark():
    rows = [{"minSz": "0", "maxSz": "500", "mmr": "0.004", "maxLever": "100"}]
    linear, _ = read("okx", rows, price=70_000.0, size=0.01)
    assert linear[0]["notional_cap_usd"] == pytest.approx(500 * 0.01 * 70_000)
    inverse, _ = read("okx", rows, size=100.0, index=1)
    assert inverse[0]["notional_cap_usd"] == pytest.approx(50_000)
    none, refused = read("okx", rows, size=0.01)
    assert none == []
    assert "mark price" in refused[0]["reason"]


def test_caps_in_coins_are_valued_at_the_mark():
    rows = [{"riskLimitValue": "150", "maintenanceMargin": "0.005", "maxLeverage": "100"}]
    brackets, _ = read("bybit", rows, price=60_000.0, index=1)
    assert brackets[0]["notional_cap_usd"] == pytest.approx(9_000_000)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"maintenance_rate": "0.5", "leverage_max": "100"}, "not below the initial margin"),
        ({"maintenance_rate": "0.02", "leverage_max": "50"}, "not below the initial margin"),
        ({"maintenance_rate": "50"}, "is not between 0 and 1"),
        ({"maintenance_rate": "0"}, "is not between 0 and 1"),
        ({"leverage_max": "0.5"}, "leverage 0.5 is not between 1 and 1000"),
        ({"leverage_max": "many"}, "not a finite number"),
        ({"maintenance_rate": None}, "missing"),
        ({"risk_limit": "60"}, "numbered 2, 1: one is missing or not in order"),
        ({"maintenance_rate": "0.003"}, "falls with size"),
        ({"risk_limit": "NaN"}, "not a finite number"),
        ({"leverage_max": "125"}, "leverage rises with size"),
        ({"tier": 3}, "numbered 1, 3: one is missing"),
    ],
)
def test_one_bad_bracket_refuses_the_whole_set_with_what_was_received(change, reason):
    good = {"risk_limit": "100", "maintenance_rate": "0.004", "leverage_max": "100", "tier": 1}
    bad = {"risk_limit": "200", "maintenance_rate": "0.005", "leverage_max": "50", "tier": 2}
    bad |= change
    brackets, refused = read("gate", [good, bad])
    assert brackets == []
    assert reason in refused[0]["reason"]
    assert refused[0]["instrument"] == "X"
    assert refused[0]["venue"] == "gate"
    assert refused[0]["column_name"] in ("maintenance", "leverage", "cap", "number")
    assert "maintenance_rate" in refused[0]["received"]


@pytest.mark.parametrize(
    ("fee", "reason"),
    [
        ("-0.0005", "liquidation fee -0.0005 is no ratio"),
        ("free", "'free' is no number"),
        ("0.006", "with a fee of 0.006 is not below the initial margin of 100x"),
    ],
)
def test_a_fee_that_cannot_be_is_refused(fee, reason):
    rows = [{"risk_limit": "100", "maintenance_rate": "0.004", "leverage_max": "100"}]
    brackets, (refused,) = read("gate", rows, info={"taker_fee_rate": fee})
    assert brackets == []
    assert reason in refused["reason"]


def test_a_missing_bracket_shows_as_a_hole_between_floors():
    rows = [
        {"startUnit": "0", "endUnit": "5000", "keepMarginRate": "0.01", "leverage": "50"},
        {"startUnit": "20000", "endUnit": "90000", "keepMarginRate": "0.02", "leverage": "25"},
    ]
    brackets, (refused,) = read("bitget", rows)
    assert brackets == []
    assert refused["column_name"] == "floor"
    assert "bracket 2 begins at 20000 USD and the one before it ends at 5000" in refused["reason"]


MEXC = {
    "riskBaseVol": 100_000,
    "riskIncrVol": 200_000,
    "maxVol": 1_000_000,
    "maintenanceMarginRate": 0.004,
    "riskIncrMmr": 0.004,
    "initialMarginRate": 0.008,
    "riskIncrImr": 0.004,
    "maxLeverage": 125,
    "liquidationFeeRate": 0.0002,
}


def test_steps_of_the_markets_own_description_become_brackets():
    rows, refused = described("mexc", size=0.0001, info=MEXC)
    assert refused == []
    assert [row["notional_cap_usd"] for row in rows] == pytest.approx(
        [volume * 0.0001 * 60_000 for volume in (1e5, 3e5, 5e5, 7e5, 9e5, 1e6)]
    )
    assert [row["maintenance_margin_ratio"] for row in rows] == pytest.approx(
        [0.004, 0.008, 0.012, 0.016, 0.020, 0.024]
    )
    assert rows[0]["max_leverage"] == pytest.approx(125)
    assert rows[4]["max_leverage"] == pytest.approx(1 / 0.024)
    assert {row["maintenance_deduction_usd"] for row in rows} == {0}
    assert {row["liquidation_fee_ratio"] for row in rows} == {0.0002}


def test_a_step_of_zero_is_one_bracket():
    rows, refused = described("mexc", size=0.0001, info=MEXC | {"riskIncrVol": 0})
    assert refused == []
    assert [row["notional_cap_usd"] for row in rows] == pytest.approx([1e6 * 0.0001 * 60_000])
    assert rows[0]["maintenance_margin_ratio"] == 0.004


@pytest.mark.parametrize(("kind", "unit"), [("BY_VOLUME", 0.0001 * 60_000), ("BY_VALUE", 1.0)])
def test_listed_brackets_replace_the_steps(kind, unit):
    listed = [
        {"level": 1, "maxVol": 50_000, "mmr": 0.001, "imr": 0.002, "maxLeverage": 500},
        {"level": 2, "maxVol": 310_000, "mmr": 0.0025, "imr": 0.005, "maxLeverage": 200},
    ]
    info = MEXC | {"riskLimitType": kind, "riskLimitMode": "CUSTOM", "riskLimitCustom": listed}
    rows, refused = described("mexc", size=0.0001, info=info)
    assert refused == []
    assert [row["notional_cap_usd"] for row in rows] == pytest.approx([5e4 * unit, 31e4 * unit])
    assert [row["max_leverage"] for row in rows] == [500, 200]
    info["riskLimitCustom"] = [listed[0], listed[1] | {"level": 3}]
    rows, (fault,) = described("mexc", size=0.0001, info=info)
    assert rows == []
    assert fault["column_name"] == "number"


@pytest.mark.parametrize(
    ("change", "column"),
    [
        ({"maxVol": 0}, "maxVol"),
        ({"initialMarginRate": None}, "initialMarginRate"),
        ({"riskIncrVol": -1}, "riskIncrVol"),
        ({"riskIncrMmr": "x"}, "riskIncrMmr"),
    ],
)
def test_steps_that_cannot_be_are_refused_by_field(change, column):
    rows, (refused,) = described("mexc", size=0.0001, info=MEXC | change)
    assert rows == []
    assert refused["column_name"] == column
    assert refused["instrument"] == "X"


META = {
    "universe": [
        {"name": "BTC", "maxLeverage": 40, "marginTableId": 56},
        {"name": "ATOM", "maxLeverage": 5, "marginTableId": 5},
        {"name": "NEW", "maxLeverage": 10, "marginTableId": 99},
        {"name": "BARE", "maxLeverage": 10},
    ],
    "marginTables": [
        [
            56,
            {
                "description": "tiered 40x",
                "marginTiers": [
                    {"lowerBound": "0.0", "maxLeverage": 40},
                    {"lowerBound": "150000000.0", "maxLeverage": 20},
                ],
            },
        ]
    ],
}


def hyperliquid(name):
    instrument = contract("hyperliquid")
    known = ResponseContext("hyperliquid", {name: instrument}, NOW, "request")
    batches = read_brackets(instrument.product.brackets, META, known, {})
    by_kind = {batch.kind: batch.table.to_pylist() for batch in batches}
    return by_kind["leverage_bracket"], by_kind.get("quarantine", [])


def test_hyperliquids_maintenance_margin_is_half_the_initial_one_at_the_tiers_maximum():
    rows, refused = hyperliquid("BTC")
    assert refused == []
    assert [row["maintenance_margin_ratio"] for row in rows] == [0.0125, 0.025]
    assert [row["max_leverage"] for row in rows] == [40, 20]
    assert [row["notional_cap_usd"] for row in rows] == [150e6, None]
    assert rows[1]["maintenance_deduction_usd"] == pytest.approx(150e6 * 0.0125)
    assert rows[0]["liquidation_fee_ratio"] == 0


def test_a_table_number_that_is_a_leverage_is_one_bracket_and_a_lost_table_is_refused():
    rows, _ = hyperliquid("ATOM")
    assert [(row["maintenance_margin_ratio"], row["max_leverage"]) for row in rows] == [(0.1, 5)]
    rows, (refused,) = hyperliquid("NEW")
    assert rows == []
    assert refused["column_name"] == "table"
    assert "margin table 99 is not among those listed" in refused["reason"]
    # Without a number, nobody knows whether it has tiers.
    rows, (refused,) = hyperliquid("BARE")
    assert rows == []
    assert (refused["column_name"], refused["reason"]) == ("table", "missing or no number")


def test_deribits_margin_grows_with_size_from_one_per_cent():
    rows, refused = described(
        "deribit", price=50_000.0, asset="BTC", info={"max_leverage": 50}, multiplier=1.0
    )
    assert refused == []
    assert (rows[0]["maintenance_margin_ratio"], rows[0]["max_leverage"]) == (0.01, 50)
    # 20 BTC on, .005 % each.
    assert rows[1]["notional_floor_usd"] == pytest.approx(20 * 50_000)
    assert rows[1]["maintenance_margin_ratio"] == pytest.approx(0.01 + 20 * 0.00005)
    assert rows[1]["max_leverage"] == pytest.approx(1 / 0.021)
    assert rows[-1]["notional_cap_usd"] is None
    ether, _ = described("deribit", price=2_500.0, asset="ETH", info={"max_leverage": 50})
    assert ether[1]["notional_floor_usd"] == pytest.approx(250 * 2_500)
    none, (refused,) = described("deribit", asset="SOL", info={"max_leverage": 10})
    assert none == []
    assert "no margins are declared for SOL" in refused["reason"]


def test_htx_publishes_shares_of_the_initial_margin_and_those_of_the_highest_leverage_count():
    ladders = [
        {"ladder": 0, "min_size": 0, "max_size": 1999, "adjust_factor": 0.65},
        {"ladder": 1, "min_size": 2000, "max_size": None, "adjust_factor": 0.8},
    ]
    low = [{"ladder": 0, "min_size": 0, "max_size": None, "adjust_factor": 0.06}]
    row = {
        "contract_code": "ID",
        "list": [{"lever_rate": 5, "ladders": low}, {"lever_rate": 125, "ladders": ladders}],
    }
    brackets, refused = read("htx", [row], price=60_000.0, size=0.001)
    assert refused == []
    assert [one["maintenance_margin_ratio"] for one in brackets] == pytest.approx(
        [0.65 / 125, 0.8 / 125]
    )
    assert [one["notional_cap_usd"] for one in brackets] == [pytest.approx(1999 * 60), None]
    assert {one["max_leverage"] for one in brackets} == {125}
    brackets, (fault,) = read("htx", [{"contract_code": "ID", "list": []}], price=60_000.0)
    assert brackets == []
    assert fault["column_name"] == "leverage"


@pytest.mark.parametrize("venue", VENUES.values(), ids=lambda venue: venue.name)
def test_every_product_with_brackets_declares_its_formula_with_a_source(venue):
    for product in venue.products:
        rule = product.margin_rule
        assert margin_rule(venue.name, product.contract_kind) == rule
        assert 0 <= rule.fee_ratio < 0.01
        if product.brackets is not None:
            assert "not known" not in rule.source
            columns = getattr(getattr(product.brackets, "endpoint", None), "columns", {})
            assert (rule.deduction == "published") <= ("cum" in columns)
