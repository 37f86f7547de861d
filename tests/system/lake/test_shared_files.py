"""Rows that workers store as files of a lake are taken in once or not at all."""

import shutil
from contextlib import nullcontext
from datetime import timedelta

import pyarrow as pa
import pytest
from workbench import FEW, HOUR, START, home_with, workshop
from workbench.file_lakes import (
    Apart,
    copy_lake,
    data_files,
    differing,
    lake_settings,
    lake_workshop,
)

from jobs.build import build_assets, shard_rows, window_replay, window_store
from jobs.build.path_records import PATH_MODELS
from jobs.compare.compare_maps import compare_maps
from jobs.errors import ComparisonLost, ShardsLost
from jobs.maintain import maintain
from jobs.writer import open_writer
from warehouse import storage
from warehouse.address import ObjectStore
from warehouse.connect import transaction
from warehouse.errors import ContractViolation, LakeRejected, StorageFull, WarehouseError
from warehouse.shared_files import SharedPlace, StoredFile, register_files, write_file

pytest.importorskip("duckdb_extension_ducklake", reason="DuckLake is not installed")

UNTIL = START + timedelta(hours=26)
ESTIMATORS, MODELS = FEW[:1], PATH_MODELS[:1]

STORED = (
    "derived.heatmap",
    "derived.heatmap_by_tier",
    "derived.leverage_exposure",
    "derived.series_hour",
    "derived.path_exposure",
    "derived.model_checkpoint",
)
"""Tables whose rows workers make."""


@pytest.fixture(scope="module")
def not_built(market_records, tmp_path_factory):
    """The home of a lake with the records of two assets, nothing built; read only."""
    return home_with(market_records, tmp_path_factory.mktemp("loaded"), lake_workshop)


@pytest.fixture(scope="module")
def on_threads(loaded_market, tmp_path_factory):
    """A file with the same records, built on threads in one window; read only."""
    home = shutil.copytree(loaded_market, tmp_path_factory.mktemp("threads") / "home")
    with workshop(home) as shop:
        shop.build(UNTIL, ESTIMATORS, MODELS)
    return home / "warehouse.duckdb"


@pytest.fixture
def home(not_built, tmp_path):
    return copy_lake(not_built, tmp_path / "home")


@pytest.fixture
def engine(monkeypatch):
    """An engine apart, which builds run on; any row is worth a file."""
    apart = Apart()
    monkeypatch.setattr(build_assets, "open_engine", lambda _: nullcontext(apart))
    monkeypatch.setattr(storage, "_FEWEST_SHARED_BYTES", 1)
    return apart


def build(home):
    with lake_workshop(home) as shop:
        return shop.build(UNTIL, ESTIMATORS, MODELS)


def assert_equals(home, file):
    with lake_workshop(home) as shop:
        assert differing(shop, file) == set()


def registered(shop, name):
    schema, _, table = name.partition(".")
    listed = f"ducklake_list_files('warehouse', '{table}', schema => '{schema}')"
    return [path for (path,) in shop.rows(f"select data_file from {listed}")]


def test_rows_are_those_of_a_file_though_each_shard_was_run_twice(
    engine, home, on_threads, cut_into_days, monkeypatch
):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI")
    assert build(home).left_out == {}
    assert_equals(home, on_threads)
    assert b"wJalrXUtnFEMI" not in engine.sent
    with lake_workshop(home) as shop:
        for name in STORED:
            paths = registered(shop, name)
            assert len(paths) == len(set(paths))
            by_workers = [path for path in paths if "/build-2026" in path]
            assert 2 <= len(by_workers) <= 4, "of two shards in each of two windows"
    # The next build finds nothing to do; what no shard of the first came back with is deleted.
    assert build(home).row_count == 0
    files = data_files(home, "derived.heatmap")
    maintain(lake_settings(home), clock=lambda: UNTIL + timedelta(days=9000), is_fetching=False)
    assert len(data_files(home, "derived.heatmap")) < len(files) / 2
    assert_equals(home, on_threads)


def test_hours_that_are_built_again_replace_registered_rows(engine, home, on_threads):
    build(home)
    with lake_workshop(home) as shop:
        shop.rows("insert into meta.pending_build values ('BTC', ?)", [UNTIL - 9 * HOUR])
        assert shop.build(UNTIL, ESTIMATORS, MODELS).asset_count == 1
    assert_equals(home, on_threads)


def test_a_window_that_fails_after_its_files_were_registered_has_none_of_them(
    engine, home, on_threads, monkeypatch
):
    with monkeypatch.context() as patch:

        def fail(connection, *arguments):
            assert connection.execute("select count(*) from derived.heatmap").fetchone() > (0,)
            raise KeyboardInterrupt

        patch.setattr(window_store, "compare_maps", fail)
        with pytest.raises(KeyboardInterrupt):
            build(home)
    assert data_files(home, "derived.heatmap")
    with lake_workshop(home) as shop:
        assert not any(registered(shop, name) for name in STORED)
    build(home)
    assert_equals(home, on_threads)


def test_few_rows_travel_to_the_writer_and_share_a_file(engine, home, monkeypatch):
    monkeypatch.setattr(storage, "_FEWEST_SHARED_BYTES", 1_000_000_000)
    build(home)
    assert not [path for path in data_files(home, "derived.*") if path.name.startswith("build-")]


def test_an_asset_whose_rows_cannot_be_stored_is_left_out_and_built_later(
    engine, home, on_threads, monkeypatch
):
    def write_thick(place, name, rows, store):
        if rows["asset"][0].as_py() == "THIN":
            raise StorageFull("writing there: no room on the disk")
        return write_file(place, name, rows, store)

    with monkeypatch.context() as patch:
        patch.setattr(shard_rows, "write_file", write_thick)
        report = build(home)
    assert list(report.left_out) == ["THIN"]
    assert "cannot store its rows: writing there: no room on the disk" in report.left_out["THIN"]
    assert build(home).asset_count == 1
    assert_equals(home, on_threads)


def test_an_asset_left_out_takes_its_rows_from_the_file_that_it_shares_with_another(
    engine, home, on_threads, monkeypatch
):
    engine.shard_count = 1

    def lose_thin(connection, assets, *arguments):
        if "THIN" in assets:
            raise ComparisonLost("THIN: too slow", ["THIN"])
        return compare_maps(connection, assets, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(window_store, "compare_maps", lose_thin)
        assert list(build(home).left_out) == ["THIN"]
    with lake_workshop(home) as shop:
        assert shop.rows("select distinct asset from derived.heatmap") == [("BTC",)]
    assert build(home).asset_count == 1
    assert_equals(home, on_threads)


def test_no_place_for_any_row_is_an_error_that_names_it(engine, home, monkeypatch, tmp_path):
    (tmp_path / "taken").write_text("no folder")
    place = SharedPlace(f"{tmp_path}/taken/", 1)
    monkeypatch.setattr(window_replay, "shared_place", lambda _: place)
    with pytest.raises(ShardsLost, match=r"cannot store its rows: writing .*/taken/derived/"):
        build(home)


@pytest.fixture
def one_file(home):
    """A lake, and a file of rows for it that is not registered."""
    with lake_workshop(home) as shop:
        place = storage.shared_place(shop.connection).named("run-hour-000")
        rows = shop.connection.execute("from raw.ohlcv limit 5").to_arrow_table()
        yield shop, place, rows


def test_a_file_is_never_taken_in_twice(one_file):
    shop, place, rows = one_file
    before = shop.one("select count(*) from raw.ohlcv")
    file = write_file(place, "raw.ohlcv", rows, ObjectStore())
    twice = pytest.raises(ContractViolation, match="its rows would be there twice")
    with twice, transaction(shop.connection):
        register_files(shop.connection, "raw.ohlcv", [file, file])
    with transaction(shop.connection):
        register_files(shop.connection, "raw.ohlcv", [file])
    with twice, transaction(shop.connection):
        register_files(shop.connection, "raw.ohlcv", [file])
    assert registered(shop, "raw.ohlcv").count(file.path) == 1
    assert shop.one("select count(*) from raw.ohlcv") == before + 5


def test_a_file_that_only_the_worker_sees_says_where_data_has_to_be(one_file):
    shop, place, _ = one_file
    file = StoredFile(f"{place.folder}raw/ohlcv/elsewhere.parquet", 3)
    elsewhere = pytest.raises(LakeRejected, match="a folder that all machines of the cluster share")
    with elsewhere, transaction(shop.connection):
        register_files(shop.connection, "raw.ohlcv", [file])


def test_rows_that_a_table_would_refuse_are_refused(one_file):
    _, place, rows = one_file
    with pytest.raises(ContractViolation, match="lack the column venue"):
        write_file(place, "raw.ohlcv", rows.drop_columns("venue"), ObjectStore())
    nameless = rows.set_column(0, "venue", pa.nulls(5, pa.string()))
    with pytest.raises(ContractViolation, match=r"a row of raw\.ohlcv has no venue"):
        write_file(place, "raw.ohlcv", nameless, ObjectStore())


def test_a_catalogue_of_a_place_that_could_not_be_used_is_named_as_empty(tmp_path):
    settings = lake_settings(tmp_path)
    unusable = settings.model_copy(update={"data": "/proc/nowhere"})
    for given, said in (
        (unusable, "Failed to create directory"),
        (settings, "which holds nothing"),
    ):
        with pytest.raises(WarehouseError, match=said), open_writer(given):
            pass
    (tmp_path / "catalogue.ducklake").unlink()
    with open_writer(settings):
        pass
