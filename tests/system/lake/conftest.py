"""Lakes that tests of their failures use: one that is built once, copied for each test."""

import shutil

import pytest
from workbench.lakes import ACCESS, HOURS, Lake, build_until, object_server

from jobs.move_warehouse import move_to
from jobs.settings import Settings


@pytest.fixture(scope="session")
def object_store():
    """Yield an S3 server."""
    pytest.importorskip("moto", reason="the S3 stand-in is not installed")
    with object_server() as server:
        yield server


@pytest.fixture(scope="module")
def objects(object_store):
    """Return an S3 server that the environment names."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in ACCESS.items():
            patch.setenv(name, value)
        patch.setenv("AWS_ENDPOINT_URL", object_store.url)
        yield object_store


@pytest.fixture(scope="session")
def built(market_records, tmp_path_factory):
    """Return the settings of a home whose warehouse is a file, built but not published."""
    pytest.importorskip("duckdb_extension_ducklake", reason="DuckLake is not installed")
    settings = Settings(home=tmp_path_factory.mktemp("built"), threads=1)
    build_until(settings, market_records, float("-inf"), HOURS[-1])
    return settings


@pytest.fixture(scope="session")
def original(built, postgres, tmp_path_factory):
    """Return a lake with the rows of the file; copied, not changed."""
    data = tmp_path_factory.mktemp("original") / "data"
    lake = Lake(postgres, postgres.make_database(), str(data))
    move_to(built, lake.address, data=lake.data)
    return lake


@pytest.fixture(scope="session")
def an_hour_more(built, market_records, tmp_path_factory):
    """Return a file with the rows of the first and of one hour more; read only."""
    settings = Settings(home=tmp_path_factory.mktemp("an-hour-more"), threads=1)
    move_to(built, str(settings.warehouse))
    build_until(settings, market_records, HOURS[-1], HOURS[-1] + 1)
    return settings.warehouse


@pytest.fixture
def copied(original, tmp_path):
    """Return a lake with the rows of the file, and the settings of a home for it."""
    server = original.server
    lake = Lake(server, server.make_database(original.database), str(tmp_path / "data"))
    shutil.copytree(original.data, lake.data)
    server.run(
        lake.database,
        "update liqheat_lake.ducklake_metadata set value = "
        f"replace(value, '{original.data}', '{lake.data}') where key = 'data_path'",
    )
    return lake, lake.settings(tmp_path / "home")
