"""The published file: readers see the old view or the new one, whole."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest
from workbench import HOUR
from workbench.publishing import (
    FILE,
    LAST,
    files_in,
    mark_day_changed,
    publish_all,
    publish_file,
    published_rows,
)
from workbench.readers import reading

from warehouse import publication as publishing
from warehouse.contracts import public_relations, relations
from warehouse.errors import TerminalWarehouseError
from warehouse.read import open_published


def test_every_public_relation_is_published_with_its_rows(shop):
    path, _ = publish_file(shop)
    with duckdb.connect(str(path), read_only=True) as reader:
        for relation in public_relations():
            count = f"select count(*) from {relation.name}"
            assert reader.execute(count).fetchone() == (shop.one(count),), relation.name


def test_a_published_view_gives_what_the_writer_sees(shop):
    publish_file(shop)
    sums = (
        "select side, count(*), min(bin_index), max(price_high), "
        "printf('%.9e', sum(liquidation_usd)) "
        "from marts.liquidation_heatmap_hourly group by all order by all"
    )
    with duckdb.connect(str(shop.settings.published / FILE), read_only=True) as reader:
        assert reader.execute(sums).fetchall() == shop.rows(sums)
    with duckdb.connect() as reader:
        reader.execute(f"attach '{shop.settings.published / FILE}' as theirs (read_only)")
        assert reader.execute(sums.replace("from ", "from theirs.")).fetchall() == shop.rows(sums)


def test_tables_of_the_file_are_in_order_of_hour_and_rows_of_their_grain(shop):
    path, _ = publish_file(shop)
    with duckdb.connect(str(path), read_only=True) as reader:
        for name in ("marts.liquidation_by_leverage_hourly", "marts.liquidation_bands_hourly"):
            order = relations()[name].hourly_order
            rows = reader.execute(f"select {order} from {name} order by rowid").fetchall()
            assert rows, name
            assert rows == sorted(rows), name


def test_hours_before_the_window_are_left_to_parquet(shop):
    path, _ = publish_file(shop, window_start=LAST - 5 * HOUR)
    with duckdb.connect(str(path), read_only=True) as reader:
        for name in ("liquidation_heatmap_hourly", "market_context_hourly", "series_books_hourly"):
            first, last = reader.execute(
                f"select epoch(min(as_of)), epoch(max(as_of)) from marts.{name}"
            ).fetchone()
            assert (last - first, last) == (4 * 3600, LAST.timestamp()), name
        # What looks back over hours looks further back than the window.
        volumes = "select round(volume_24h_usd) from marts.market_context_hourly order by as_of"
        seen = reader.execute(volumes).fetchall()
    assert seen == shop.rows(volumes)[-5:]


def test_a_reader_keeps_its_view_while_the_file_is_replaced(shop):
    folder = shop.settings.published
    publish_file(shop, window_start=LAST - 5 * HOUR)
    reader = subprocess.Popen(
        [sys.executable, "-c",
         "import duckdb, sys; c = duckdb.connect(sys.argv[1], read_only=True); "
         "ask = lambda: print(c.execute('select count(distinct as_of) from "
         "marts.series_books_hourly').fetchone()[0], flush=True); "
         "ask(); sys.stdin.readline(); ask()", str(folder / FILE)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    with reader:
        assert reader.stdout.readline() == "5\n"
        publish_file(shop, window_start=LAST - 9 * HOUR)
        hours = "select count(distinct as_of) from marts.series_books_hourly"
        assert published_rows(folder / FILE, hours) == [(9,)]
        reader.stdin.write("\n")
        reader.stdin.flush()
        assert reader.stdout.readline() == "5\n"


def test_a_publication_that_fails_leaves_the_last_one(shop, monkeypatch):
    folder = shop.settings.published
    path, _ = publish_file(shop)
    before = path.read_bytes()

    def broken(*args):
        raise RuntimeError("no more")

    monkeypatch.setattr(publishing, "comment_statements", broken)
    with pytest.raises(RuntimeError, match="no more"):
        publish_file(shop)
    assert path.read_bytes() == before
    assert files_in(folder) - files_in(folder / "parquet") == {path.resolve(), path}
    monkeypatch.undo()
    # The writer's connection is still good for the next.
    publish_file(shop)


def test_the_file_is_on_the_disk_before_it_takes_the_name(shop, monkeypatch):
    folder = shop.settings.published
    synced = []
    fsync = os.fsync

    def noted(descriptor):
        synced.append((folder / FILE).exists())
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", noted)
    publish_file(shop)
    assert synced[0] is False
    assert synced[-1] is True


def test_what_a_killed_publication_left_is_cleared(shop):
    folder = shop.settings.published
    day = folder / "parquet" / "liquidation_heatmap_hourly" / "day=2026-01-29"
    day.mkdir(parents=True)
    (folder / ".writing").mkdir()
    (folder / "versions" / "half").mkdir(parents=True)
    half = [
        folder / ".writing" / FILE,
        folder / ".writing" / f"{FILE}.wal",
        folder / ".writing" / "liquidation_heatmap_hourly-2026-01-29",
        folder / "versions" / "half" / f"{FILE}.wal",
        # As earlier releases did.
        day / ".writing-77.parquet",
    ]
    for left in half:
        left.write_bytes(b"half")
    path, _ = publish_all(shop)
    assert files_in(folder) - files_in(folder / "parquet") == {path.resolve(), path}
    assert not files_in(folder).intersection(half)


def test_who_reads_while_it_is_published_sees_each_row_once(published):
    """`bench/publishing.py` does the same for longer."""
    shop, _ = published
    with reading(shop.settings.published, files=1, parquets=1) as seen:
        for _ in range(2):
            mark_day_changed(shop)
            publish_all(shop)
    for one in seen:
        assert (one.errors, len(one.answers)) == ([], 1)
        assert one.reads > 0
        assert one.answers[0][0] > 20
        assert one.answers[0][2] > 0


def test_the_same_process_sees_each_publication_while_a_connection_is_held(shop):
    """As a pool of connections does; DuckDB knows files of one process by their path."""
    hours = "select count(distinct as_of) from marts.series_books_hourly"
    held, seen = [], []
    try:
        for n_hours in (5, 9, 7):
            path, _ = publish_file(shop, window_start=LAST - n_hours * HOUR)
            held.append(duckdb.connect(str(path), read_only=True))
            seen.append([one.execute(hours).fetchone()[0] for one in held])
            with open_published(path) as reader:
                assert reader.execute(hours).fetchone() == (n_hours,)
    finally:
        for one in held:
            one.close()
    assert seen == [[5], [5, 9], [5, 9, 7]]


def test_published_files_cannot_be_written_to(published):
    shop, path = published
    stored = next(shop.settings.published.glob("parquet/*/*/data.parquet"))
    assert [one.stat().st_mode & 0o777 for one in (path.resolve(), stored)] == [0o444, 0o444]


def test_old_versions_go_when_nobody_can_want_them(published):
    shop, path = published
    versions = [path.resolve()]
    for _ in range(3):
        mark_day_changed(shop)
        publish_all(shop)
        versions.append(path.resolve())
    # Within a minute of one another all stay.
    assert [version.exists() for version in versions] == [True] * 4
    for age, version in enumerate(reversed(versions)):
        at = version.stat().st_mtime - 3600 * (age + 1)
        os.utime(version, (at, at))
    publish_all(shop)
    # The first three were followed by another an hour ago, the fourth just now.
    assert [version.exists() for version in versions] == [False, False, False, True]
    assert path.resolve() not in versions


def test_where_links_cannot_be_made_it_is_said(shop, monkeypatch):
    def refuse(*arguments, **options):
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(Path, "symlink_to", refuse)
    with pytest.raises(TerminalWarehouseError, match="no symbolic link can be made there"):
        publish_file(shop)
