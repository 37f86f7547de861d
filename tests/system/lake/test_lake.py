"""A lake holds what a file holds, row for row, and nothing half done whatever fails."""

import json
import re
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import duckdb
import pytest
from workbench import END, FEW, HOUR, START, differences
from workbench.lakes import ACCESS, HOURS, Lake, build_until, land_hours, moved
from workbench.postgres_server import PASSWORD
from workbench.shards import small_cluster

from jobs import pipeline
from jobs.check.run_suites import check
from jobs.maintain import maintain
from jobs.move_warehouse import move_to
from jobs.pipeline import build_maps, load, rebuild
from jobs.publish.publish import publish
from jobs.settings import Settings
from jobs.writer import open_writer
from transforms.estimators import ESTIMATORS
from warehouse import storage
from warehouse.errors import (
    DataFileMissing,
    LakeRejected,
    TerminalWarehouseError,
    WarehouseBusy,
)

ALL = ("meta", "raw", "intermediate", "derived", "quality", "marts")


def run_hours(settings, records):
    first = float("-inf")
    for last in HOURS:
        build_until(settings, records, first, last)
        first, as_of = last, START + last * HOUR
        publish(settings, as_of=as_of)
    check(settings, as_of=as_of)
    publish(settings, as_of=as_of)


@pytest.fixture(scope="module")
def filed(market_records, tmp_path_factory):
    """Return the settings of a home whose warehouse is a file; read only."""
    settings = Settings(home=tmp_path_factory.mktemp("filed"), threads=1)
    run_hours(settings, market_records)
    return settings


@pytest.fixture(scope="module")
def laked(market_records, tmp_path_factory, postgres, objects):
    """Return a lake, and the settings of the home that was built on it."""
    lake = Lake(postgres, postgres.make_database(), objects.make_bucket("built"))
    settings = lake.settings(tmp_path_factory.mktemp("laked"))
    run_hours(settings, market_records)
    return lake, settings


@pytest.fixture
def empty(postgres, objects, tmp_path):
    """Return a lake that is not made yet, on the local disk, and the settings of its home."""
    lake = Lake(postgres, postgres.make_database(), str(tmp_path / "data"))
    return lake, lake.settings(tmp_path / "home")


# Rows of these name the publication and its instant, which differ from home to home.
OF_PUBLICATIONS = ("marts.published_changes", "marts.published_hours")
BESIDE_THEM = dict.fromkeys(OF_PUBLICATIONS, "false")


def test_a_lake_holds_every_row_that_a_file_holds(filed, laked, tmp_path):
    schemas = ("raw", "derived", "intermediate", "marts")
    there = moved(laked[1], tmp_path / "moved")
    assert differences(filed.warehouse, there, schemas=schemas, conditions=BESIDE_THEM) == {}


def test_what_is_published_of_a_lake_is_what_is_published_of_a_file(filed, laked):
    files = [home / "published" / "liqheat.duckdb" for home in (filed.home, laked[1].home)]
    assert differences(*files, schemas=("marts", "quality"), conditions=BESIDE_THEM) == {}
    for name in OF_PUBLICATIONS:
        counts = []
        for file in files:
            with duckdb.connect(str(file), read_only=True) as reader:
                counts += reader.execute(f"select count(*) from {name}").fetchall()
        assert counts[0] == counts[1]
    days = [
        {path.relative_to(home) for path in home.rglob("published/parquet/**/*.parquet")}
        for home in (filed.home, laked[1].home)
    ]
    assert days[0] == days[1] != set()


def test_a_moved_warehouse_is_the_same_and_the_first_stays(filed, empty, tmp_path):
    lake, settings = empty
    before = filed.warehouse.read_bytes()
    report = move_to(filed, lake.address, data=lake.data)
    assert report.rows_by_table["derived.heatmap"] > 0
    assert filed.warehouse.read_bytes() == before
    back = moved(settings, tmp_path / "back.duckdb")
    assert differences(filed.warehouse, back, schemas=ALL) == {}
    with pytest.raises(TerminalWarehouseError, match="holds a warehouse; move to another place"):
        move_to(filed, lake.address, data=lake.data)


def interrupt_move(settings, lake):
    """Begin to move a file to a lake, and stop in the middle."""

    def stop(step, item, share):
        if share > 0.5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        move_to(settings, lake.address, data=lake.data, progress=stop)


def folders_of(lake):
    """Return the folders with files below the data of a lake."""
    return {path.relative_to(lake.data).parts[0] for path in Path(lake.data).rglob("*.parquet")}


def test_a_move_that_is_interrupted_leaves_nothing_and_can_be_repeated(built, empty):
    lake, settings = empty
    foreign = Path(lake.data) / "0123456789ab" / "foreign.parquet"
    foreign.parent.mkdir(parents=True)
    foreign.touch()
    interrupt_move(built, lake)
    with pytest.raises(TerminalWarehouseError, match="is empty: there is nothing to move"):
        moved(settings, settings.home / "other.duckdb")
    (left,) = folders_of(lake) - {foreign.parent.name}
    assert move_to(built, lake.address, data=lake.data).rows_by_table["raw.ohlcv"] > 0
    assert foreign.exists()
    assert len(folders_of(lake)) == 2
    assert left not in folders_of(lake)


def test_maintenance_deletes_what_a_rebuild_left_that_was_stopped(
    copied, market_records, monkeypatch
):
    lake, settings = copied
    land_hours(settings, market_records, float("-inf"), HOURS[0])
    before = folders_of(lake)
    restore = pipeline.restore

    def restore_and_stop(*arguments, **more):
        restore(*arguments, **more)
        raise KeyboardInterrupt

    monkeypatch.setattr(pipeline, "restore", restore_and_stop)
    with pytest.raises(KeyboardInterrupt):
        rebuild(settings)
    assert len(folders_of(lake)) == 2
    maintain(settings, clock=lambda: END, is_fetching=False)
    assert folders_of(lake) == before


def test_a_lake_whose_catalogue_is_a_file(filed, tmp_path):
    to, data = f"ducklake:{tmp_path / 'catalogue.ducklake'}", str(tmp_path / "data")
    move_to(filed, to, data=data)
    settings = Settings(home=tmp_path / "home", warehouse=to, data=data, threads=1)
    with open_writer(settings), pytest.raises(WarehouseBusy), open_writer(settings):
        pass
    back = moved(settings, tmp_path / "back.duckdb")
    assert differences(filed.warehouse, back, schemas=ALL) == {}


def test_workers_store_on_object_storage_what_the_writer_takes_in(
    filed, postgres, objects, market_records, monkeypatch, tmp_path
):
    lake = Lake(postgres, postgres.make_database(), objects.make_bucket("shared"))
    settings = lake.settings(tmp_path / "home")
    land_hours(settings, market_records, float("-inf"), HOURS[-1])
    load(settings)
    monkeypatch.setattr(storage, "_FEWEST_SHARED_BYTES", 1)
    with small_cluster(1) as cluster:
        on_dask = settings.model_copy(update={"on": cluster.scheduler_address})
        build_maps(on_dask, as_of=START + HOURS[-1] * HOUR, estimators=FEW)
    with open_writer(settings) as connection:
        files = connection.execute(
            "select data_file from ducklake_list_files('warehouse', 'heatmap', schema => 'derived')"
        ).fetchall()
    assert any(re.search(r"derived/heatmap/\w{32}-20260130T0700-000-\w{12}\.", f) for (f,) in files)
    there = moved(settings, tmp_path / "moved")
    assert differences(filed.warehouse, there, schemas=("derived", "intermediate")) == {}


def test_a_second_writer_is_refused_and_the_first_goes_on(laked):
    _, settings = laked
    with open_writer(settings) as connection:
        held = pytest.raises(
            WarehouseBusy, match=r"another writer has it open \(server process \d+"
        )
        with held, open_writer(settings):
            pass
        assert connection.execute("select count(*) > 0 from raw.ohlcv").fetchone() == (True,)


KILLED = """
import os, signal, sys
from datetime import datetime
from jobs.build import shard_rows
from jobs.pipeline import build_maps, load
from jobs.settings import read_settings
from transforms.estimators import ESTIMATORS
insert = shard_rows.insert_rows
left = [int(sys.argv[1])]
def insert_and_die(*arguments):
    count = insert(*arguments)
    left[0] -= 1
    if not left[0]:
        os.kill(os.getpid(), signal.SIGKILL)
    return count
shard_rows.insert_rows = insert_and_die
load(read_settings())
few = [ESTIMATORS[name] for name in sys.argv[3:]]
build_maps(read_settings(), as_of=datetime.fromisoformat(sys.argv[2]), estimators=few)
"""


def test_a_build_that_is_killed_leaves_nothing_half_done_and_the_next_does_it_all(
    built, copied, market_records, tmp_path
):
    lake, settings = copied
    as_of = START + (HOURS[-1] + 1) * HOUR
    again = Settings(home=tmp_path / "again", threads=1)
    move_to(built, str(again.warehouse))
    for each in (settings, again):
        land_hours(each, market_records, HOURS[-1], HOURS[-1] + 1)
    names = [name for name, each in ESTIMATORS.items() if each in FEW]
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, "3", as_of.isoformat(), *names],
        env=lake.environment(settings.home), check=False, capture_output=True,
    )  # fmt: skip
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    with open_writer(settings, wait_seconds=20) as connection:
        assert connection.execute(
            "select count(*) from derived.heatmap where as_of = ?", [as_of]
        ).fetchone() == (0,)
    for each in (settings, again):
        load(each)
        build_maps(each, as_of=as_of, estimators=FEW)
    there = moved(settings, tmp_path / "there.duckdb")
    assert differences(again.warehouse, there, schemas=("raw", "derived", "intermediate")) == {}


def test_a_bucket_that_is_not_there_is_named_and_can_be_made_then(postgres, objects, tmp_path):
    lake = Lake(postgres, postgres.make_database(), "s3://absent/lake")
    settings = lake.settings(tmp_path)
    with pytest.raises(LakeRejected, match=r"there is no such bucket.*create it, or correct"):
        load(settings)
    objects.make_bucket("absent")
    assert load(settings).file_count == 0


def test_a_schema_with_tables_of_others_is_not_dropped(empty):
    lake, settings = empty
    lake.server.run(
        lake.database,
        "create schema liqheat_lake authorization publisher",
        "create table liqheat_lake.theirs (a integer)",
    )
    with pytest.raises(LakeRejected, match="holds theirs, which is not of a lake"):
        load(settings)
    assert lake.server.run(lake.database, "select count(*) from liqheat_lake.theirs") == [(0,)]


def test_storage_that_refuses_says_which_credentials_to_check(laked, objects):
    _, settings = laked
    objects.refuse(after=0)
    try:
        with pytest.raises(
            LakeRejected, match=r"refuses access .* check AWS_ACCESS_KEY_ID"
        ) as caught:
            load(settings)
    finally:
        objects.refuse(after=None)
    assert ACCESS["AWS_SECRET_ACCESS_KEY"] not in str(caught.value)
    load(settings)


def test_a_data_file_that_was_deleted_is_named_with_what_is_gone_and_heals_when_it_is_back(copied):
    _, settings = copied
    with open_writer(settings) as connection:
        ((path, *_), *_) = connection.execute(
            "select data_file from ducklake_list_files('warehouse', 'heatmap', schema => 'derived')"
        ).fetchall()
    (file,) = settings.home.parent.glob(f"data/**/{path.rpartition('/')[2]}")
    kept = file.rename(settings.home.parent / "kept")
    named = pytest.raises(
        DataFileMissing,
        match=rf"{file.name}[\s\S]*liqheat rebuild`; gone are rows of derived\.heatmap, "
        r"asset BTC to BTC, as_of 2026-01-29 .* to 2026-01-30 07:00",
    )
    summed = "select sum(price) from derived.heatmap"
    with named, open_writer(settings) as connection:
        connection.execute(summed).fetchall()
    kept.rename(file)
    with open_writer(settings) as connection:
        connection.execute(summed).fetchall()


def test_a_catalogue_of_a_later_release_is_refused(copied):
    lake, settings = copied
    lake.server.run(
        lake.database,
        "update liqheat_lake.ducklake_metadata set value = '9.9' where key = 'version'",
    )
    with pytest.raises(LakeRejected, match=r"another release of DuckLake .* update liqheat"):
        load(settings)


def test_data_is_looked_for_where_the_catalogue_has_it(copied, tmp_path):
    _, settings = copied
    elsewhere = settings.model_copy(update={"data": str(tmp_path / "elsewhere")})
    with pytest.raises(LakeRejected, match=r"LIQHEAT_DATA says .*elsewhere"):
        load(elsewhere)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("/d", "/no_such_d"), "there is no such database; create it with `createdb`"),
        (("publisher:", "publisher:no"), "the server refuses the login; check user and password"),
    ],
)
def test_a_server_that_refuses_says_why_and_no_password(empty, change, message):
    lake, settings = empty
    refused = Settings(home=settings.home, warehouse=lake.address.replace(*change), data=lake.data)
    with pytest.raises(LakeRejected, match=message):
        load(refused)
    (record,) = (settings.home / "runs").glob("*.json")
    assert json.loads(record.read_text())["status"] == "failed"
    assert PASSWORD not in record.read_text()
    assert lake.address.partition("@")[0] not in record.read_text()


def test_maintenance_merges_files_and_keeps_every_row(copied, tmp_path):
    _, settings = copied
    count = (
        "select count(*) from ducklake_list_files('warehouse', 'pipeline_run', schema => 'meta')"
    )
    for _ in range(3):
        load(settings)
    with open_writer(settings) as connection:
        (before,) = connection.execute(count).fetchone()
    earlier = moved(settings, tmp_path / "earlier.duckdb")
    maintain(settings, clock=lambda: END + timedelta(days=9000), is_fetching=False)
    with open_writer(settings) as connection:
        (after,) = connection.execute(count).fetchone()
    assert after < before
    later = moved(settings, tmp_path / "later.duckdb")
    assert differences(earlier, later, schemas=("derived", "intermediate")) == {}


def test_a_lake_is_rebuilt_from_raw_history_and_the_first_is_kept(copied, market_records):
    lake, settings = copied
    land_hours(settings, market_records, float("-inf"), HOURS[0])
    report = rebuild(settings)
    assert report.rows_by_kind["ohlcv"] > 0
    with open_writer(settings) as connection:
        assert connection.execute("select count(*) from derived.heatmap").fetchone() == (0,)
    assert (
        lake.server.run(
            lake.database,
            "select count(*) from liqheat_lake_old_1.ducklake_table where end_snapshot is null",
        )[0][0]
        > 50
    )
