"""The writer's ``marts.data_gaps`` has what its collectors miss, as they last said."""

from datetime import UTC, datetime, timedelta

import pytest
from workbench import prepare_home

from jobs.collect.transfer_report import read_transfer_report
from jobs.pipeline import load
from jobs.settings import Settings
from jobs.writer import open_writer
from warehouse.feed_ledger import (
    Feed,
    missing_by_venue,
    newest_gaps,
    read_gaps,
    refresh_gaps,
    write_feeds,
)

AT = datetime(2026, 2, 1, 10, 7, tzinfo=UTC)


GAPS = "select * from marts.data_gaps order by all"


@pytest.fixture
def homes(tmp_path):
    """Return a collector and its writer."""
    shared = tmp_path / "shared"
    shared.mkdir()
    for name in ("collector", "writer"):
        prepare_home(tmp_path / name)
    return (
        Settings(home=tmp_path / "collector", threads=1, send_to=str(shared)),
        Settings(home=tmp_path / "writer", threads=1, receive_from=str(shared)),
    )


def rows_of(settings, sql):
    with open_writer(settings) as connection:
        return connection.execute(sql).fetchall()


def miss_hours(settings):
    """Let a home follow a feed of which nothing has landed for nine hours."""
    with open_writer(settings) as connection:
        feed = Feed(
            "okx", "BTC/USDT:USDT", "ohlcv", "BTC", 3600, 1, 0, 0, None, AT - timedelta(hours=9)
        )
        write_feeds(connection, [feed], venues=["okx"], at=AT)
        refresh_gaps(connection, AT - timedelta(hours=9), AT, checked_at=AT)


def test_gaps_of_a_collector_are_in_the_marts_of_the_writer(homes):
    collector, writer = homes
    miss_hours(collector)
    load(collector)
    load(writer)
    assert rows_of(writer, GAPS) == rows_of(collector, GAPS)
    assert rows_of(writer, "select venue, missing_count from marts.data_gaps") == [("okx", 9)]
    # The writer requests nothing of it, and does not count it as its own.
    with open_writer(writer) as connection:
        assert read_gaps(connection) == []
        assert missing_by_venue(connection) == {}
        assert newest_gaps(connection, 10) == ()
    # What the collector has found is no gap any more.
    with open_writer(collector) as connection:
        connection.execute("delete from meta.feed_gap")
    load(collector)
    load(writer)
    assert rows_of(writer, GAPS) == []
    # The card in the report that status reads has no need of them.
    (card,) = read_transfer_report(writer).cards
    assert card.gaps == ()


def test_gaps_of_a_collector_that_is_gone_go_with_it(homes, tmp_path):
    collector, writer = homes
    miss_hours(collector)
    load(collector)
    load(writer)
    known = rows_of(writer, GAPS)
    assert known
    # As long as nobody knows, they stay.
    shared = tmp_path / "shared"
    shared.rename(tmp_path / "unplugged")
    load(writer)
    assert rows_of(writer, GAPS) == known
    (tmp_path / "unplugged").rename(shared)
    for card in (shared / "collectors").iterdir():
        card.unlink()
    load(writer)
    assert rows_of(writer, GAPS) == []


def test_a_home_that_receives_no_more_has_no_gaps_of_others(homes):
    collector, writer = homes
    miss_hours(collector)
    load(collector)
    load(writer)
    assert rows_of(writer, GAPS)
    alone = writer.model_copy(update={"receive_from": None})
    load(alone)
    assert rows_of(alone, GAPS) == []
