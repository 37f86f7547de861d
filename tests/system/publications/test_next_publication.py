"""A publication goes on from the last one, and is the same as one made anew."""

import os
import shutil
import subprocess
import sys

import duckdb
import pytest
from workbench import END, HOUR, differences, of_one_series, stamped, with_column
from workbench.publishing import (
    EVERYTHING,
    FILE,
    LAST,
    files_in,
    mark_day_changed,
    publish_all,
    publish_days,
    publish_file,
    published_rows,
)

from transforms.estimators import ESTIMATORS
from warehouse.errors import PublishedFileDamaged
from warehouse.read import open_published


def take_in(shop, name, records):
    """Load more than the fixture has; under names of its own, for those are loaded."""
    for kind, table in records.items():
        shop.land(kind, table, f"{name}-{kind}")
    report = shop.load()
    assert not report.rejected
    assert report.file_count == len(records)


def comments_in(path):
    with duckdb.connect(str(path), read_only=True) as reader:
        return reader.execute(
            "select schema_name, table_name, null, comment from duckdb_tables() union all "
            "select schema_name, view_name, null, comment from duckdb_views() "
            "where not internal union all "
            "select schema_name, table_name, column_name, comment from duckdb_columns() "
            "where not internal order by all"
        ).fetchall()


def assert_equals_one_made_anew(shop, window_start=EVERYTHING):
    """Hold the rows of every public relation, and what is said of them, against a new file's."""
    path, counts = publish_all(shop, window_start)
    known = shop.rows("from meta.publication")
    anew, anew_counts = publish_file(shop, shop.settings.published / "anew", window_start)
    shop.connection.execute("delete from meta.publication")
    shop.connection.execute("insert into meta.publication values (?, ?, ?)", list(known[0]))
    assert counts == anew_counts
    assert not differences(path, anew, schemas=("marts", "quality"))
    assert comments_in(path) == comments_in(anew) != []
    # The next publication goes on from the file that people read.
    anew.unlink()
    return path


def test_a_file_made_from_the_last_one_equals_one_made_anew(shop, spans, market_records):
    turnover = [ESTIMATORS["turnover"]]
    assert_equals_one_made_anew(shop)
    spans.clear()
    take_in(shop, "later", of_one_series(market_records, 26, 51))
    shop.build(LAST + 24 * HOUR, turnover)
    assert_equals_one_made_anew(shop)
    # Two of three days have changed, which is most: as well write all.
    assert spans == [None, None]
    shop.build(LAST + 25 * HOUR, turnover)
    assert_equals_one_made_anew(shop)
    assert spans[2:] == [["2026-01-31"], None]
    late = of_one_series(market_records, 3, 4)["ohlcv"]
    volumes = late["volume_quantity"].to_numpy() * 1.5
    corrected = stamped(with_column(late, "volume_quantity", volumes), END)
    take_in(shop, "corrected", {"ohlcv": corrected})
    shop.build(LAST + 25 * HOUR, turnover)
    assert_equals_one_made_anew(shop)
    assert spans[4:] == [None, None]


def test_hours_that_leave_the_window_leave_the_file(shop, spans, market_records):
    turnover = [ESTIMATORS["turnover"]]
    take_in(shop, "later", of_one_series(market_records, 26, 51))
    shop.build(LAST + 23 * HOUR, turnover)
    publish_all(shop, LAST - 20 * HOUR)
    for hours in (24, 25):
        shop.build(LAST + hours * HOUR, turnover)
        path = assert_equals_one_made_anew(shop, LAST + (hours - 43) * HOUR)
        with duckdb.connect(str(path), read_only=True) as reader:
            count = "select count(distinct as_of) from marts.series_books_hourly"
            assert reader.execute(count).fetchone() == (43,)
    assert [days for days in spans if days is not None] == [["2026-01-31"], ["2026-01-31"]]
    # A window that reaches back again needs hours that the file no longer has.
    assert_equals_one_made_anew(shop, LAST - 20 * HOUR)
    assert spans[-2:] == [None, None]


def test_what_only_newest_hours_have_leaves_days_that_have_not_changed(shop, spans, market_records):
    take_in(shop, "later", of_one_series(market_records, 26, 51))
    for hours in (24, 25):
        shop.build(LAST + hours * HOUR, [ESTIMATORS["turnover"]], detail_hours=30)
        path = assert_equals_one_made_anew(shop)
        with duckdb.connect(str(path), read_only=True) as reader:
            for name in ("liquidation_heatmap_by_tier_arrays", "touch_odds_arrays"):
                count = f"select count(distinct as_of), max(as_of) from marts.{name}"
                newest = (LAST + hours * HOUR).replace(tzinfo=None)
                assert reader.execute(count).fetchone() == (30, newest)
    assert spans[2] == ["2026-01-31"]


@pytest.mark.parametrize(
    "harm", ["torn", "torn unnoticed", "gone", "a plain file", "another", "older form"]
)
def test_a_file_that_is_not_the_last_one_is_made_anew(published, spans, harm):
    shop, path = published
    version = path.resolve()
    version.chmod(0o644)
    if harm == "torn":
        version.write_bytes(version.read_bytes()[:5000])
    elif harm == "torn unnoticed":
        # As a disk does it, without a trace in the file's times.
        times = version.stat().st_atime_ns, version.stat().st_mtime_ns
        content = bytearray(version.read_bytes())
        content[len(content) // 4 :: 1000] = bytes(len(content[len(content) // 4 :: 1000]))
        version.write_bytes(content)
        os.utime(version, ns=times)
    elif harm == "gone":
        path.unlink()
    elif harm == "a plain file":
        content = version.read_bytes()
        path.unlink()
        path.write_bytes(content)
    elif harm == "another":
        with duckdb.connect(str(path)) as writer:
            writer.execute("create or replace macro publication_id() as 'somebody else'")
    else:
        shop.connection.execute("update meta.publication set form_sha256 = 'of last year'")
    spans.clear()
    mark_day_changed(shop)
    assert_equals_one_made_anew(shop)
    assert spans[-2:] == [None, None]
    assert path.is_symlink()
    assert files_in(path.parent / ".writing") == set()


def test_a_publication_that_was_killed_before_it_was_noted_is_made_again(
    published, spans, killed_before_link
):
    shop, _ = published
    shop.connection.execute("insert into meta.pending_publish values ('2026-01-30')")
    publish_days(shop)
    killed_before_link(publish_file, shop)
    assert shop.one("select count(*) from meta.pending_file") == 1
    assert_equals_one_made_anew(shop)
    assert shop.one("select count(*) from meta.pending_file") == 0


WRITE_AND_DIE = (
    "import duckdb, os, signal, sys; c = duckdb.connect(sys.argv[1]); "
    "c.execute('delete from quality.threshold; create table mine as select 1 as x'); "
    "os.kill(os.getpid(), signal.SIGKILL)"
)


def test_what_a_killed_session_wrote_beside_the_file_is_never_replayed(published, spans):
    shop, path = published
    expected = published_rows(path, "select count(*) from marts.series_books_hourly")
    path.resolve().chmod(0o644)
    subprocess.run([sys.executable, "-c", WRITE_AND_DIE, str(path)], check=False)
    wal = path.resolve().with_name(f"{FILE}.wal")
    assert wal.stat().st_size > 0
    # As somebody's does that does not follow links.
    path.with_name(f"{FILE}.wal").write_bytes(wal.read_bytes())
    with pytest.raises(PublishedFileDamaged, match="has written to it"), open_published(path):
        pass
    mark_day_changed(shop)
    spans.clear()
    publish_all(shop)
    assert spans == [None]
    assert not path.with_name(f"{FILE}.wal").exists()
    assert published_rows(path, "select count(*) from marts.series_books_hourly") == expected
    assert published_rows(path, "from duckdb_tables() where table_name = 'mine'") == []


def test_what_somebody_wrote_into_the_file_is_not_carried_on(published, spans):
    shop, path = published
    path.resolve().chmod(0o644)
    with duckdb.connect(str(path)) as writer:
        writer.execute("delete from marts.series_books_hourly")
    mark_day_changed(shop)
    spans.clear()
    assert_equals_one_made_anew(shop)
    assert spans == [None, None]


def test_a_home_can_be_copied_and_moved(published, spans, tmp_path):
    shop, _ = published
    folder = tmp_path / "elsewhere"
    shutil.copytree(shop.settings.published, folder, symlinks=True)
    shutil.rmtree(shop.settings.published)
    with open_published(folder / FILE) as reader:
        assert reader.execute("select count(*) > 0 from marts.series_books_hourly").fetchall() == [
            (True,)
        ]
    mark_day_changed(shop)
    publish_days(shop)
    spans.clear()
    publish_file(shop, folder)
    assert spans == [["2026-01-30"]]
