"""The query behind `liqheat status`: what it counts of a venue, and where it counts nothing."""

from datetime import UTC, datetime

import duckdb

from warehouse.queries import named_query

PUBLISHED = """
create schema marts;
create schema quality;
create table marts.data_feeds (
    venue text, instrument text, kind text, newest_at timestamptz, expected_until_at timestamptz
);
create table marts.data_gaps (
    venue text, instrument text, kind text, missing_count int, is_lost bool
);
create table quality.quarantine (venue text, ingested_at timestamptz);
insert into marts.data_feeds values
    ('whole', 'BTC', 'ohlcv', null, null), ('lossy', 'BTC', 'ohlcv', null, null),
    ('late', 'BTC', 'ohlcv', null, '2026-03-01 00:00:00+00');
insert into marts.data_gaps values
    ('lossy', 'BTC', 'ohlcv', 3, true), ('late', 'BTC', 'ohlcv', 2, false),
    -- Of another collector.
    ('lossy', 'ETH', 'ohlcv', 7, false), ('elsewhere', 'BTC', 'ohlcv', 9, false);
insert into quality.quarantine values ('late', '2026-03-01 00:00:00+00');
"""


def test_gaps_of_one_sort_leave_the_other_uncounted_and_none_count_as_zero():
    connection = duckdb.connect()
    connection.execute(PUBLISHED)
    since = datetime(2026, 2, 1, tzinfo=UTC)
    found = connection.execute(named_query("venue_status"), {"since": since})
    columns = [column[0] for column in found.description]
    rows = {row[0]: dict(zip(columns, row, strict=True)) for row in found.fetchall()}
    counts = {
        venue: [row[name] for name in ("feeds", "missing", "lost", "quarantined")]
        for venue, row in rows.items()
    }
    assert counts == {"whole": [1, 0, 0, 0], "lossy": [1, None, 3, 0], "late": [0, 2, None, 1]}
