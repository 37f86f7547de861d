"""Leverage brackets from ccxt-form files, and what is wrong with some."""

import datetime as dt
import json
from pathlib import Path

import pytest

from sources.bracket_files import import_brackets
from sources.errors import InputRejected

RECORDED = Path(__file__).parents[3] / "../shared/data/leverage_brackets"
VALID_FROM = dt.datetime(2024, 10, 1, tzinfo=dt.UTC)
INGESTED_AT = dt.datetime(2026, 10, 1, tzinfo=dt.UTC)


def tier(floor, cap, ratio, leverage, cum=None):
    return {
        "minNotional": floor,
        "maxNotional": cap,
        "maintenanceMarginRate": ratio,
        "maxLeverage": leverage,
        "info": {} if cum is None else {"cum": cum},
    }


GOOD = [
    tier(0, 50_000, 0.004, 125, 0),
    tier(50_000, 600_000, 0.005, 100, 50),
    tier(600_000, 3_000_000, 0.0065, 75, 950),
    tier(3_000_000, 12_000_000, 0.01, 50, 11_450),
    tier(12_000_000, None, 0.02, 25, 131_450),
]


def run(folder, content, venue="binance"):
    path = folder / "brackets.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    batches = import_brackets(path, venue=venue, valid_from=VALID_FROM, ingested_at=INGESTED_AT)
    return {batch.kind: batch.table.to_pylist() for batch in batches}


def changed(number, **changes):
    return [{**one, **changes} if i == number - 1 else one for i, one in enumerate(GOOD)]


def test_deductions_are_computed_from_floors_and_margin_rates(tmp_path):
    unknown = [{**one, "info": None} for one in GOOD]
    for tiers in (GOOD, unknown, list(reversed(GOOD))):
        rows = run(tmp_path, {"BTC/USDT:USDT": tiers})["leverage_bracket"]
        deductions = [row["maintenance_deduction_usd"] for row in rows]
        assert deductions == pytest.approx([0, 50, 950, 11_450, 131_450])
    assert [row["bracket"] for row in rows] == [1, 2, 3, 4, 5]
    assert rows[-1]["notional_cap_usd"] is None
    assert rows[0]["valid_from_at"] == VALID_FROM


def test_the_venues_own_formula_decides_deduction_and_fee(tmp_path):
    without = [{**one, "info": None} for one in GOOD]
    for venue, tiers, deductions, fee in (
        ("okx", without, [0, 0, 0, 0, 0], 0.0005),
        ("gate", without, [0, 50, 950, 11_450, 131_450], 0.00075),
        # Of a venue that is not declared the file says whether it has deductions.
        ("lighter", without, [0, 0, 0, 0, 0], 0.0),
        ("lighter", GOOD, [0, 50, 950, 11_450, 131_450], 0.0),
    ):
        rows = run(tmp_path, {"BTC/USDT:USDT": tiers}, venue=venue)["leverage_bracket"]
        assert [row["maintenance_deduction_usd"] for row in rows] == pytest.approx(deductions)
        assert {row["liquidation_fee_ratio"] for row in rows} == {fee}


def test_a_margin_that_the_venues_fee_uses_up_is_set_aside(tmp_path):
    tight = [{**GOOD[0], "maintenanceMarginRate": 0.0078, "maxNotional": None, "info": None}]
    assert "quarantine" not in run(tmp_path, {"BTC/USDT:USDT": tight}, venue="binance")
    (row,) = run(tmp_path, {"BTC/USDT:USDT": tight}, venue="okx")["quarantine"]
    assert (row["venue"], row["instrument"]) == ("okx", "BTC/USDT:USDT")
    assert "with a fee of 0.0005" in row["reason"]


@pytest.mark.parametrize(
    ("tiers", "column", "reason"),
    [
        (changed(1, minNotional=1), "minNotional", "does not begin at 0"),
        (changed(3, minNotional=700_000), "minNotional", "does not begin where"),
        (changed(3, maintenanceMarginRate=0.001), "maintenanceMarginRate", "falls with size"),
        (changed(3, maintenanceMarginRate=1.2), "maintenanceMarginRate", "not between 0 and 1"),
        (
            changed(5, maintenanceMarginRate=0.04),
            "maintenanceMarginRate",
            "not below the initial margin",
        ),
        (changed(3, maxLeverage=110), "maxLeverage", "rises with size"),
        (changed(5, maxLeverage=0), "maxLeverage", "not between 1 and 1000"),
        (changed(2, maxNotional=None), "maxNotional", "has no end but is not the last"),
        (changed(2, maxNotional=50_000), "maxNotional", "before it begins"),
        (changed(2, maxLeverage="many"), "maxLeverage", "not a finite number"),
        (changed(2, maxLeverage=True), "maxLeverage", "not a finite number"),
        (changed(2, maintenanceMarginRate=None), "maintenanceMarginRate", "missing"),
        (changed(2, minNotional="nan"), "minNotional", "not a finite number"),
        (changed(4, info={"cum": "11451"}), "cum", "does not follow"),
        ([], None, "no list of tiers"),
        ([1], None, "not a set of keys"),
    ],
)
def test_unusable_brackets_are_set_aside_whole_and_the_others_land(tmp_path, tiers, column, reason):
    records = run(tmp_path, {"ETH/USDT:USDT": GOOD, "BTC/USDT:USDT": tiers})
    assert len(records["leverage_bracket"]) == 5
    (row,) = records["quarantine"]
    assert row["instrument"] == "BTC/USDT:USDT"
    assert row["row_number"] == 2
    assert row["column_name"] == column
    assert reason in row["reason"]


@pytest.mark.parametrize(
    ("symbol", "reason"),
    [
        ("ETH/BTC:BTC", "not in dollars"),
        ("BTC/USD:BTC", "not in dollars"),
        ("BTC", "unknown symbol"),
    ],
)
def test_brackets_that_are_not_in_dollars_are_set_aside(tmp_path, symbol, reason):
    assert reason in run(tmp_path, {symbol: GOOD})["quarantine"][0]["reason"]


@pytest.mark.parametrize(
    ("content", "said"),
    [("[1, 2", "torn or no JSON"), ("[]", "found list"), ("{}", "without content")],
)
def test_a_file_of_another_form_is_refused(tmp_path, content, said):
    with pytest.raises(InputRejected, match=said):
        run(tmp_path, content)
    with pytest.raises(InputRejected, match="cannot be read"):
        list(
            import_brackets(
                tmp_path / "none.json",
                venue="binance",
                valid_from=VALID_FROM,
                ingested_at=INGESTED_AT,
            )
        )


def test_a_file_of_many_contracts_agrees_with_its_own_deductions(tmp_path):
    # With whole steps, the deduction is the sum of floor x step of the rate.
    small = [
        tier(0, 5_000, 0.01, 50, 0),
        tier(5_000, 25_000, 0.025, 20, 75),
        tier(25_000, None, 0.1, 5, 1_950),
    ]
    coins = {"BTC/USDT:USDT": GOOD, "PEPE/USDT:USDT": small, "ETH/BTC:BTC": small}
    records = run(tmp_path, coins)
    assert len(records["leverage_bracket"]) == len(GOOD) + len(small)
    assert {row["instrument"] for row in records["leverage_bracket"]} == set(list(coins)[:2])
    assert [row["instrument"] for row in records["quarantine"]] == ["ETH/BTC:BTC"]


@pytest.mark.skipif(not RECORDED.exists(), reason="no recorded brackets beside the project")
@pytest.mark.parametrize(
    ("name", "n_symbols", "n_brackets"),
    [("binance_usdm_2024-10.json", 348, 2795), ("binance_usdm_2026-09.json", 906, 7266)],
)
def test_recorded_files_agree_with_their_own_deductions(name, n_symbols, n_brackets):
    batches = import_brackets(
        RECORDED / name, venue="binance", valid_from=VALID_FROM, ingested_at=INGESTED_AT
    )
    records = {batch.kind: batch.table for batch in batches}
    assert len(records["leverage_bracket"]) == n_brackets
    assert len(records["leverage_bracket"]["instrument"].unique()) == n_symbols
    assert records["quarantine"]["instrument"].to_pylist() == ["ETH/BTC:BTC"]
