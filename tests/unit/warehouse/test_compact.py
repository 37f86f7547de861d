"""Compaction deletes what nobody reads, and nothing else."""

from datetime import timedelta

import pytest
from workbench import DAY, END, HOUR, START, stamped, workshop

from warehouse.compact import delete_old_changes, delete_superseded
from warehouse.contracts import relations
from warehouse.storage import tidy

KINDS = ("ohlcv", "mark_ohlc", "open_interest", "funding_rate", "realised_liquidation")


@pytest.fixture
def shop(tmp_path, market_records):
    with workshop(tmp_path) as opened:
        for number in range(3):
            at = END + number * HOUR
            opened.take_in({kind: stamped(market_records[kind], at) for kind in KINDS})
        yield opened


def staged(shop):
    return {
        kind: shop.rows(
            f"select count(*), sum(hash(stored)::hugeint) from staging.stg_{kind} as stored"
        )
        for kind in KINDS
    }


def test_what_is_read_stays_and_what_was_replaced_goes(shop, market_records):
    before = staged(shop)
    deleted = delete_superseded(shop.connection, START - 9 * DAY, END + DAY)
    tidy(shop.connection, START)
    assert staged(shop) == before
    for kind in KINDS:
        assert deleted[f"raw.{kind}"] == 2 * len(market_records[kind])
        assert shop.one(f"select count(*) from raw.{kind}") == len(market_records[kind])


def test_rows_of_other_instants_stay(shop, market_records):
    delete_superseded(shop.connection, START - 9 * DAY, START + DAY)
    late = shop.one("select count(*) from raw.ohlcv where bar_start_at >= ?", [START + DAY])
    kept = shop.one("select count(*) from staging.stg_ohlcv where bar_start_at >= ?", [START + DAY])
    assert late == 3 * kept > 0
    assert delete_superseded(shop.connection, START, START + timedelta(1))["raw.ohlcv"] == 0


@pytest.mark.parametrize("kind", KINDS)
def test_the_key_is_that_of_the_contract(kind):
    assert relations()[f"raw.{kind}"].grain[-1] == "ingested_at"


def test_old_changes_of_positions_go(tmp_path):
    with workshop(tmp_path) as shop:
        for days in (59, 61):
            shop.connection.execute(
                "insert into raw.account_position (account_key, venue_scope, asset, observed_at, "
                "change, side, quantity, source, ingested_at) "
                "select 'a', 'hyperliquid', 'BTC', $at, 'first', 'long', 1, 'x', $at",
                {"at": END - days * DAY},
            )
        assert delete_old_changes(shop.connection, END - 60 * DAY) == {"raw.account_position": 1}
        assert shop.one("select min(observed_at) from raw.account_position") == END - 59 * DAY
