"""The doctor looks at a lake on servers, also while a writer is at work, and names what refuses."""

import pytest
from workbench.lakes import ACCESS, Lake

from jobs.collect.lake_examination import examine_lake_of
from jobs.settings import Settings
from jobs.writer import open_writer


def found(settings):
    return {one.kind: one for one in examine_lake_of(settings)}


@pytest.fixture
def settings(postgres, objects, tmp_path):
    pytest.importorskip("duckdb_extension_ducklake", reason="DuckLake is not installed")
    lake = Lake(postgres, postgres.make_database(), objects.make_bucket("examined"))
    return Settings(home=tmp_path, warehouse=lake.address, data=lake.data, threads=1)


def test_catalogue_and_bucket_are_reported(settings, objects):
    assert "the lake is empty, the first run makes it" in found(settings)["catalogue"].notes
    with open_writer(settings):
        checks = found(settings)
        assert {one.status for one in checks.values()} == {"fits"}, checks
        notes = ", ".join(checks["catalogue"].notes)
        assert "PostgreSQL " in notes
        assert "catalogue of version " in notes
    objects.refuse(after=0)
    try:
        checks = found(settings)
    finally:
        objects.refuse(after=None)
    assert {one.status for one in checks.values()} == {"not checked"}
    assert "access is refused" in checks["data"].reason
    for one in checks.values():
        assert ACCESS["AWS_SECRET_ACCESS_KEY"] not in one.reason
