"""Publication: readers see the old view or the new one, whole, and Parquet holds every day."""

import errno
import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest
from workbench import (
    END,
    HOUR,
    START,
    differences,
    of_one_series,
    stamped,
    with_column,
    workshop,
)
from workbench.readers import reading

from jobs.publish.publish import publish
from jobs.settings import Settings
from jobs.writer import open_writer
from transforms.estimators import ESTIMATORS
from warehouse import publication as publishing
from warehouse import published_versions
from warehouse.contracts import public_relations
from warehouse.errors import PublishedFileDamaged, TerminalWarehouseError
from warehouse.publication import changed_days, lost_days, publication
from warehouse.read import open_published

LAST = START + 26 * HOUR
FILE = published_versions.PUBLISHED_FILE
EVERYTHING = datetime(2000, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def built(tmp_path_factory, market_records):
    """Return the folder of one series built over 26 hours, read only."""
    home = tmp_path_factory.mktemp("built")
    with workshop(home) as shop:
        shop.take_in(of_one_series(market_records, last=26))
        shop.build(LAST, [ESTIMATORS["turnover"]])
    return home


@pytest.fixture
def shop(built, tmp_path):
    """A writer's copy of it."""
    home = tmp_path / "home"
    home.mkdir()
    (home / "warehouse.duckdb").write_bytes((built / "warehouse.duckdb").read_bytes())
    with workshop(home) as opened:
        yield opened


def publish_file(connection, folder, *, window_start):
    """Publish the file alone."""
    with publication(connection, folder, window_start=window_start) as made:
        made.fill()
        return made.swap_in()


def publish_days(shop, on_day=lambda day: None):
    """Write the Parquet that is out of date, and no file; return its days."""
    days = changed_days(shop.connection)
    with publication(shop.connection, shop.settings.published, window_start=EVERYTHING) as made:
        made.fill()
        made.write_days(days, threads=2, on_day=on_day)
        made.discard()
    return days


def published_rows(path, sql):
    """Ask in a process of its own, as readers do."""
    told = subprocess.run(
        [sys.executable, "-c", "import duckdb, sys; "
         "c = duckdb.connect(sys.argv[1], read_only=True); "
         "print(c.execute(sys.argv[2]).fetchall())", str(path), sql],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return eval(told.stdout)  # noqa: S307


def test_every_public_relation_is_published_with_its_rows(shop):
    path, _ = publish_file(shop.connection, shop.settings.published, window_start=EVERYTHING)
    with duckdb.connect(str(path), read_only=True) as reader:
        for relation in public_relations():
            count = f"select count(*) from {relation.name}"
            assert reader.execute(count).fetchone() == (shop.one(count),), relation.name


def test_a_published_view_gives_what_the_writer_sees(shop):
    publish_file(shop.connection, shop.settings.published, window_start=EVERYTHING)
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


def test_hours_before_the_window_are_left_to_parquet(shop):
    path, _ = publish_file(shop.connection, shop.settings.published, window_start=LAST - 5 * HOUR)
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
    publish_file(shop.connection, folder, window_start=LAST - 5 * HOUR)
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
        publish_file(shop.connection, folder, window_start=LAST - 9 * HOUR)
        hours = "select count(distinct as_of) from marts.series_books_hourly"
        assert published_rows(folder / FILE, hours) == [(9,)]
        reader.stdin.write("\n")
        reader.stdin.flush()
        assert reader.stdout.readline() == "5\n"


def test_a_publication_that_fails_leaves_the_last_one(shop, monkeypatch):
    folder = shop.settings.published
    path, _ = publish_file(shop.connection, folder, window_start=EVERYTHING)
    before = path.read_bytes()

    def broken(*args):
        raise RuntimeError("no more")

    monkeypatch.setattr(publishing, "comment_statements", broken)
    with pytest.raises(RuntimeError, match="no more"):
        publish_file(shop.connection, folder, window_start=EVERYTHING)
    assert path.read_bytes() == before
    assert files_in(folder) == {path.resolve(), path}
    monkeypatch.undo()
    # The writer's connection is still good for the next.
    publish_file(shop.connection, folder, window_start=EVERYTHING)


def test_the_file_is_on_the_disk_before_it_takes_the_name(shop, monkeypatch):
    folder = shop.settings.published
    synced = []
    fsync = os.fsync

    def noted(descriptor):
        synced.append((folder / FILE).exists())
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", noted)
    publish_file(shop.connection, folder, window_start=EVERYTHING)
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


def files_in(folder):
    return {path for path in folder.rglob("*") if path.is_file()}


def assert_parquet_equals_marts(shop):
    """Every day of every hourly relation is in Parquet as the writer sees it."""
    folder = shop.settings.published / "parquet"
    for relation in public_relations():
        if "as_of" not in relation.grain:
            continue
        name = relation.name.split(".")[1]
        days = shop.rows(f"select distinct as_of::date::varchar from {relation.name}")
        files = sorted(folder.glob(f"{name}/*/data.parquet"))
        assert {path.parent.name for path in files} == {f"day={day}" for (day,) in days}, name
        if not files:
            continue
        columns = ", ".join(
            f'printf(\'%.9e\', "{column.name}") as "{column.name}"'
            if column.type == "DOUBLE"
            else f'"{column.name}"'
            for column in relation.columns
        )
        stored = (
            f"select {columns} from read_parquet("
            f"'{folder}/{name}/*/data.parquet', hive_partitioning = false)"
        )
        seen = f"select {columns} from {relation.name}"
        for one, other in ((stored, seen), (seen, stored)):
            assert shop.one(f"select count(*) from ({one} except all {other})") == 0, name


def test_parquet_holds_what_the_marts_hold(shop):
    days = publish_days(shop)
    # Payments of funding settle the intervals before them, on the day before.
    assert [day.isoformat() for day in days][:2] == ["2026-01-28", "2026-01-29"]
    assert_parquet_equals_marts(shop)
    assert changed_days(shop.connection) == []


def test_hours_without_a_bar_are_published_too(shop):
    """A map is shown for a day after the last bar."""
    publish_days(shop)
    shop.build(LAST + 30 * HOUR, [ESTIMATORS["turnover"]])
    assert [day.isoformat() for day in publish_days(shop)] == ["2026-01-30", "2026-01-31"]
    assert_parquet_equals_marts(shop)


def test_a_day_that_was_not_finished_is_written_again(shop):
    days = changed_days(shop.connection)

    def killed(day):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        publish_days(shop, on_day=killed)
    assert changed_days(shop.connection) == days[1:]
    publish_days(shop)
    assert_parquet_equals_marts(shop)


def test_a_home_with_odd_characters_is_published(built, tmp_path):
    home = tmp_path / "it's a home; with spaces"
    home.mkdir()
    (home / "warehouse.duckdb").write_bytes((built / "warehouse.duckdb").read_bytes())
    with workshop(home) as shop:
        publish_days(shop)
        path, _ = publish_file(shop.connection, shop.settings.published, window_start=EVERYTHING)
    assert path.exists()
    assert len(list(shop.settings.published.rglob("data.parquet"))) >= 2


def test_a_day_in_which_nothing_stands_has_no_file(shop):
    publish_days(shop)
    shop.connection.execute("insert into meta.pending_publish values ('2026-03-01')")
    publish_days(shop)
    assert not list(shop.settings.published.rglob("day=2026-03-01/data.parquet"))


def test_an_hour_more_costs_a_day_more(shop):
    publish_days(shop)
    before = {
        path: path.stat().st_mtime_ns for path in shop.settings.published.rglob("data.parquet")
    }
    shop.build(LAST + timedelta(hours=1), [ESTIMATORS["turnover"]])
    publish_days(shop)
    rewritten = {
        path.parent.name
        for path in shop.settings.published.rglob("data.parquet")
        if before.get(path) != path.stat().st_mtime_ns
    }
    assert rewritten == {"day=2026-01-30"}


def take_in(shop, name, records):
    """Load more than the fixture has; under names of its own, for those are loaded."""
    for kind, table in records.items():
        shop.land(kind, table, f"{name}-{kind}")
    report = shop.load()
    assert not report.rejected
    assert report.file_count == len(records)


def publish_all(shop, window_start=EVERYTHING):
    """Publish the file and the Parquet that is out of date; return the file and its rows."""
    with publication(shop.connection, shop.settings.published, window_start=window_start) as made:
        made.fill()
        made.write_days(changed_days(shop.connection), threads=2)
        return made.swap_in()


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
    anew, anew_counts = publish_file(
        shop.connection, shop.settings.published / "anew", window_start=window_start
    )
    shop.connection.execute("delete from meta.publication")
    shop.connection.execute("insert into meta.publication values (?, ?, ?)", list(known[0]))
    assert counts == anew_counts
    assert not differences(path, anew, schemas=("marts", "quality"))
    assert comments_in(path) == comments_in(anew) != []
    # The next publication goes on from the file that people read.
    anew.unlink()
    return path


@pytest.fixture
def spans(monkeypatch):
    """The days written into each publication, None where all were."""
    seen = []
    fill = publishing.Publication._fill_hourly

    def spied(made):
        seen.append(made._days and [day.isoformat() for day in made._days])
        fill(made)

    monkeypatch.setattr(publishing.Publication, "_fill_hourly", spied)
    return seen


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


def with_changes(shop):
    """Put a day out of date, so that the next publication goes on from the last one."""
    shop.connection.execute("insert into meta.pending_publish values ('2026-01-30')")


@pytest.mark.parametrize(
    "harm", ["torn", "torn unnoticed", "gone", "a plain file", "another", "older form"]
)
def test_a_file_that_is_not_the_last_one_is_made_anew(shop, spans, harm):
    path, _ = publish_all(shop)
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
            writer.execute("update meta.publication set publication_id = 'somebody else'")
    else:
        shop.connection.execute("update meta.publication set form_sha256 = 'of last year'")
    spans.clear()
    with_changes(shop)
    assert_equals_one_made_anew(shop)
    assert spans[-2:] == [None, None]
    assert path.is_symlink()
    assert files_in(path.parent / ".writing") == set()


def test_a_publication_that_was_killed_before_it_was_noted_is_made_again(shop, spans, monkeypatch):
    publish_all(shop)
    shop.connection.execute("insert into meta.pending_publish values ('2026-01-30')")
    publish_days(shop)

    def killed(*arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as context:
        context.setattr(published_versions, "_point_to", killed)
        with pytest.raises(KeyboardInterrupt):
            publish_file(shop.connection, shop.settings.published, window_start=EVERYTHING)
    assert shop.one("select count(*) from meta.pending_file") == 1
    assert_equals_one_made_anew(shop)
    assert shop.one("select count(*) from meta.pending_file") == 0


def test_who_reads_while_it_is_published_sees_each_row_once(shop):
    """`bench/publishing.py` does the same for longer."""
    publish_all(shop)
    with reading(shop.settings.published, files=1, parquets=1) as seen:
        for _ in range(2):
            with_changes(shop)
            publish_all(shop)
    for one in seen:
        assert (one.errors, len(one.answers)) == ([], 1)
        assert one.reads > 0
        assert one.answers[0][0] > 20
        assert one.answers[0][2] > 0


def test_a_reader_lists_only_finished_files_whatever_a_kill_left(shop):
    publish_days(shop)
    folder = shop.settings.published
    glob = f"select count(*) from '{folder}/parquet/series_books_hourly/*/*.parquet'"
    before = duckdb.sql(glob).fetchone()
    with_changes(shop)
    with pytest.raises(KeyboardInterrupt):
        publish_days(shop, on_day=interrupted)
    (folder / ".writing" / "series_books_hourly-2026-01-30").write_bytes(b"PAR1 half")
    assert duckdb.sql(glob).fetchone() == before


def interrupted(day):
    raise KeyboardInterrupt


def test_a_day_that_loses_its_rows_keeps_an_empty_file(shop):
    """Who has listed the files finds each."""
    publish_days(shop)
    (stored,) = shop.settings.published.glob("parquet/series_books_hourly/day=2026-01-30/*")
    shop.connection.execute("delete from derived.series_hour")
    with_changes(shop)
    publish_days(shop)
    assert pq.read_metadata(stored).num_rows == 0


def test_the_same_process_sees_each_publication_while_a_connection_is_held(shop):
    """As a pool of connections does; DuckDB knows files of one process by their path."""
    folder = shop.settings.published
    hours = "select count(distinct as_of) from marts.series_books_hourly"
    held, seen = [], []
    try:
        for n_hours in (5, 9, 7):
            path, _ = publish_file(shop.connection, folder, window_start=LAST - n_hours * HOUR)
            held.append(duckdb.connect(str(path), read_only=True))
            seen.append([one.execute(hours).fetchone()[0] for one in held])
            with open_published(path) as reader:
                assert reader.execute(hours).fetchone() == (n_hours,)
    finally:
        for one in held:
            one.close()
    assert seen == [[5], [5, 9], [5, 9, 7]]


WRITE_AND_DIE = (
    "import duckdb, os, signal, sys; c = duckdb.connect(sys.argv[1]); "
    "c.execute('delete from quality.threshold; create table mine as select 1 as x'); "
    "os.kill(os.getpid(), signal.SIGKILL)"
)


def test_what_a_killed_session_wrote_beside_the_file_is_never_replayed(shop, spans):
    path, _ = publish_all(shop)
    expected = published_rows(path, "select count(*) from marts.series_books_hourly")
    path.resolve().chmod(0o644)
    subprocess.run([sys.executable, "-c", WRITE_AND_DIE, str(path)], check=False)
    wal = path.resolve().with_name(f"{FILE}.wal")
    assert wal.stat().st_size > 0
    # As somebody's does that does not follow links.
    path.with_name(f"{FILE}.wal").write_bytes(wal.read_bytes())
    with pytest.raises(PublishedFileDamaged, match="has written to it"), open_published(path):
        pass
    with_changes(shop)
    spans.clear()
    publish_all(shop)
    assert spans == [None]
    assert not path.with_name(f"{FILE}.wal").exists()
    assert published_rows(path, "select count(*) from marts.series_books_hourly") == expected
    assert published_rows(path, "from duckdb_tables() where table_name = 'mine'") == []


def test_what_somebody_wrote_into_the_file_is_not_carried_on(shop, spans):
    path, _ = publish_all(shop)
    path.resolve().chmod(0o644)
    with duckdb.connect(str(path)) as writer:
        writer.execute("delete from marts.series_books_hourly")
    with_changes(shop)
    spans.clear()
    assert_equals_one_made_anew(shop)
    assert spans == [None, None]


def test_published_files_cannot_be_written_to(shop):
    path, _ = publish_all(shop)
    stored = next(shop.settings.published.glob("parquet/*/*/data.parquet"))
    assert [one.stat().st_mode & 0o777 for one in (path.resolve(), stored)] == [0o444, 0o444]


def test_old_versions_go_when_nobody_can_want_them(shop):
    path, _ = publish_all(shop)
    versions = [path.resolve()]
    for _ in range(3):
        with_changes(shop)
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
        publish_file(shop.connection, shop.settings.published, window_start=EVERYTHING)


def test_a_home_can_be_copied_and_moved(shop, spans, tmp_path):
    publish_all(shop)
    folder = tmp_path / "elsewhere"
    shutil.copytree(shop.settings.published, folder, symlinks=True)
    shutil.rmtree(shop.settings.published)
    with open_published(folder / FILE) as reader:
        assert reader.execute("select count(*) > 0 from marts.series_books_hourly").fetchall() == [
            (True,)
        ]
    with_changes(shop)
    publish_days(shop)
    spans.clear()
    publish_file(shop.connection, folder, window_start=EVERYTHING)
    assert spans == [["2026-01-30"]]


def test_a_day_of_parquet_that_was_deleted_is_written_again(home):
    settings = Settings(home=home)
    maps = sorted(settings.published.glob("parquet/liquidation_heatmap_hourly/day=*"))
    content = (maps[1] / "data.parquet").read_bytes()
    shutil.rmtree(maps[1])
    with open_writer(settings) as connection:
        assert [f"day={day}" for day in lost_days(connection, settings.published)] == [maps[1].name]
    publish(settings, as_of=END)
    assert (maps[1] / "data.parquet").read_bytes() == content
