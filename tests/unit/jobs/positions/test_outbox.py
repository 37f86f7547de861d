import math
import re
from datetime import timedelta

import pyarrow.parquet as pq
import pytest
from workbench.account_states import START, found, position, state, swept

from jobs.instants import to_microseconds
from jobs.positions import outbox
from jobs.positions.account_book import AccountBook
from jobs.positions.outbox import change_record, land_outbox, liquidation_record
from jobs.settings import Settings
from sources.accounts.fills import AccountLiquidation
from warehouse.errors import StorageFull
from warehouse.load import LIVE_NAME

LATER = START + timedelta(hours=1)


@pytest.fixture
def settings(tmp_path):
    return Settings(home=tmp_path)


@pytest.fixture
def book(tmp_path):
    book = AccountBook(tmp_path / "positions" / "accounts.sqlite")
    book.store([found(0)])
    yield book
    book.close()


def record(stored, change):
    return change_record(stored, change, "0123456789abcdef", 95.0)


def landed(settings, kind="account_position"):
    files = sorted((settings.landing / kind).glob("*.parquet"))
    return [row for file in files for row in pq.read_table(file).to_pylist()]


def test_changes_land_with_what_was_known_before_and_after(book, settings):
    book.store(swept=[swept(0, 1, state(position("BTC")))], record_of=record)
    book.store(swept=[swept(0, 9, state(), was_empty=True)], record_of=record)
    assert land_outbox(book, settings, START) == 2
    first, closed = landed(settings)
    assert first["change"] == "first"
    assert first["previous_at"] is first["previous_quantity"] is None
    assert first["observed_at"] == START + timedelta(minutes=1)
    assert (first["quantity"], first["margin_usd"], first["mark_price"]) == (1.0, 20.0, 100.0)
    assert (closed["change"], closed["quantity"], closed["previous_quantity"]) == ("closed", 0, 1)
    assert closed["previous_at"] == first["observed_at"]
    assert (closed["mark_price"], closed["margin_usd"]) == (95.0, None)
    assert {row["venue_scope"] for row in (first, closed)} == {"hyperliquid"}


def test_names_end_as_those_of_live_batches_do(book, settings):
    unnamed = position("x", asset="<b>")
    book.store(swept=[swept(0, 1, state(position("BTC"), unnamed))], record_of=record)
    land_outbox(book, settings, START)
    names = [path.name for path in settings.landing.rglob("*.parquet")]
    assert len(names) == 2
    assert all(re.search(LIVE_NAME, name) for name in names)


def test_what_is_not_known_is_null(book, settings):
    unknown = position("BTC", entry_price=math.nan, leverage=math.nan, is_cross=None)
    book.store(swept=[swept(0, 1, state(unknown, value=math.nan))], record_of=record)
    land_outbox(book, settings, START)
    (row,) = landed(settings)
    unknowns = ("entry_price", "leverage", "is_cross", "account_value_usd")
    assert [row[name] for name in unknowns] == [None] * 4


def test_nothing_lands_where_nothing_waits(book, settings):
    assert land_outbox(book, settings, START) == 0
    assert not settings.landing.exists()


def test_a_process_killed_after_landing_lands_the_same_file_again(book, settings, monkeypatch):
    book.store(swept=[swept(0, 1, state(position("BTC")))], record_of=record)

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(AccountBook, "discard", killed)
        with pytest.raises(KeyboardInterrupt):
            land_outbox(book, settings, START)
    book.store(swept=[swept(0, 9, state(), was_empty=True)], record_of=record)
    assert land_outbox(book, settings, LATER) == 2
    assert [row["change"] for row in landed(settings)] == ["first", "closed"]


def test_a_full_disk_leaves_the_records_in_the_book(book, settings, monkeypatch):
    book.store(swept=[swept(0, 1, state(position("BTC")))], record_of=record)

    def is_full(*_):
        raise StorageFull("no room")

    with monkeypatch.context() as patched:
        patched.setattr(outbox, "land", is_full)
        with pytest.raises(StorageFull):
            land_outbox(book, settings, START)
    assert book.waiting() == 1
    assert land_outbox(book, settings, LATER) == 1
    assert len(landed(settings)) == 1


def test_an_asset_with_a_malformed_name_lands_apart(book, settings):
    book.store(
        swept=[swept(0, 1, state(position("BTC"), position("x", asset="<b>")))], record_of=record
    )
    land_outbox(book, settings, START)
    assert [row["asset"] for row in landed(settings)] == ["BTC"]
    assert len(landed(settings, "quarantine")) == 1


def test_a_confirmed_liquidation_lands(book, settings):
    one = AccountLiquidation("kPEPE", START, "long", 4e-6, 5e9, "market", "77")
    book.settle([], [liquidation_record(one)])
    land_outbox(book, settings, LATER)
    (row,) = landed(settings, "realised_liquidation")
    assert (row["venue"], row["order_key"], row["side"]) == ("hyperliquid", "77", "long")
    assert row["liquidated_usd"] == pytest.approx(20_000.0)
    assert to_microseconds(row["period_start_at"]) == to_microseconds(START)
    assert row["is_complete_feed"] is False
