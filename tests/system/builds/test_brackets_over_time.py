"""Brackets that change, arrive late or are missing: each hour is built with those in force."""

from dataclasses import replace

import numpy as np
import pytest
from workbench import END, START, differences, where, with_column, workshop
from workbench.rebuilds import LINEAR, ONE, assert_equals_rebuild, hour, of, until

from transforms import ladders


def brackets_from(records, valid_from_hours, ratio):
    """Return brackets of all instruments that hold from an hour on."""
    table = with_column(
        records["leverage_bracket"],
        "maintenance_margin_ratio",
        np.full(len(records["leverage_bracket"]), ratio),
    )
    held_from = np.datetime64(hour(valid_from_hours).replace(tzinfo=None), "us")
    return with_column(table, "valid_from_at", np.full(len(table), held_from))


@pytest.mark.parametrize("valid_from_hours", [40.5, -100.0], ids=["changed", "older than known"])
def test_brackets_that_arrive_late(tmp_path, bitcoin, built_at_once, valid_from_hours):
    late = brackets_from(bitcoin, valid_from_hours, 0.008)
    arrivals = [(END, bitcoin), (END, {"leverage_bracket": late})]
    assert_equals_rebuild(tmp_path, arrivals, begun=built_at_once)


def test_the_oldest_brackets_also_hold_before_them_when_they_arrive_late(tmp_path, bitcoin):
    early = {kind: table for kind, table in bitcoin.items() if kind != "leverage_bracket"}
    late = {"leverage_bracket": brackets_from(bitcoin, 40.5, 0.008)}
    assert_equals_rebuild(tmp_path, [(END, early), (END, late)])


def test_brackets_that_cannot_be_are_passed_over(tmp_path, bitcoin, built_at_once, caplog):
    impossible = brackets_from(bitcoin, 40.5, 0.3)
    with workshop(tmp_path / "passed over") as shop:
        shop.take_in(bitcoin)
        shop.take_in({"leverage_bracket": impossible})
        shop.build(END, ONE)
    assert "BTC/USDT:USDT: the brackets valid from" in caplog.text
    found = differences(
        tmp_path / "passed over" / "warehouse.duckdb", built_at_once / "warehouse.duckdb"
    )
    assert all(name.startswith(("raw.leverage_bracket", "staging.")) for name in found)


def test_without_brackets_the_ladder_follows_open_interest_however_builds_are_cut(
    tmp_path, bitcoin, monkeypatch
):
    # The day's open interest lies on both sides of these in the course of the four days.
    usd = bitcoin["open_interest"]["open_interest_quantity"].to_numpy()
    linear = of(bitcoin["open_interest"], LINEAR)
    middle = float(np.median(usd[linear])) * float(
        np.median(bitcoin["ohlcv"]["close"].to_numpy()[of(bitcoin["ohlcv"], LINEAR)])
    )
    scaled = {
        **ladders.DEFAULT_LADDERS,
        "large": replace(ladders.DEFAULT_LADDERS["large"], smallest_open_interest_usd=middle),
    }
    monkeypatch.setattr(ladders, "DEFAULT_LADDERS", scaled)
    assets = np.full(len(bitcoin["instrument"]), "DOGE")
    unknown = {
        kind: where(table, of(table, LINEAR))
        for kind, table in bitcoin.items()
        if kind != "leverage_bracket"
    }
    assets = np.full(len(unknown["instrument"]), "DOGE")
    unknown["instrument"] = with_column(unknown["instrument"], "asset", assets)
    arrivals = [(hour(30), until(unknown, 30)), (hour(77), until(unknown, 77, 30))]
    assert_equals_rebuild(tmp_path, arrivals, ONE[:1])
    with workshop(tmp_path / "grown") as grown:
        found = grown.rows(
            "select distinct brackets_source, brackets_valid_from_at is null, default_ladder "
            "from marts.series_books_hourly where venue = 'sim_alpha' order by all"
        )
    assert found == [("default", True, "large"), ("default", True, "middle")]


def test_books_name_the_brackets_of_each_hour(tmp_path, bitcoin):
    imported = with_column(
        brackets_from(bitcoin, 40.0, 0.008),
        "source",
        np.full(len(bitcoin["leverage_bracket"]), "recorded:leverage_brackets"),
    )
    with workshop(tmp_path) as shop:
        shop.take_in(bitcoin)
        shop.take_in({"leverage_bracket": imported})
        shop.build(END, ONE)
        found = shop.rows(
            "select distinct brackets_source, brackets_valid_from_at, default_ladder, "
            "reference_bracket, reference_cap_usd, reference_maintenance_margin_ratio "
            "from marts.series_books_hourly where venue = 'sim_alpha' order by all"
        )
    assert found == [
        ("user", hour(40), None, 1, None, 0.008),
        ("venue", START, None, 1, None, 0.004),
    ]
