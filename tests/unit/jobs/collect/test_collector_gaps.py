"""The writer's ``marts.data_gaps`` has what its collectors miss, as they last said."""

from datetime import UTC, datetime, timedelta

import pytest
from workbench import prepare_home

from jobs.collect.transfer_report import read_transfer_report
from jobs.pipeline import load
from jobs.settings import Settings
from jobs.writer import open_writer
from warehouse.feed_ledger import Feed, read_gaps, refresh_gaps, write_feeds

AT = datetime(2026, 2, 1, 10, 7, tzinfo=UTC)


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


def test_gaps_of_a_collector_are_in_the_marts_of_the_writer(homes):
    collector, writer = homes
    with open_writer(collector) as connection:
        feed = Feed(
            "okx", "BTC/USDT:USDT", "ohlcv", "BTC", 3600, 1, 0, 0, None, AT - timedelta(hours=9)
        )
        write_feeds(connection, [feed], venues=["okx"], at=AT)
        refresh_gaps(connection, AT - timedelta(hours=9), AT, checked_at=AT)
    load(collector)
    load(writer)
    gaps = "select * from marts.data_gaps order by all"
    assert rows_of(writer, gaps) == rows_of(collector, gaps)
    assert rows_of(writer, "select venue, missing_count from marts.data_gaps") == [("okx", 9)]
    # The writer requests nothing of it.
    with open_writer(writer) as connection:
        assert read_gaps(connection) == []
    # What the collector has found is no gap any more.
    with open_writer(collector) as connection:
        connection.execute("delete from meta.feed_gap")
    load(collector)
    load(writer)
    assert rows_of(writer, gaps) == []
    # The card in the report that status reads has no need of them.
    (card,) = read_transfer_report(writer).cards
    assert card.gaps == ()
