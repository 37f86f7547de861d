"""The doctor says whether a lake can be read and written, and changes nothing of it."""

import os

import pytest
from workbench.file_lakes import lake_settings

from jobs.collect.lake_examination import examine_lake_of
from jobs.settings import Settings
from jobs.writer import open_writer


def found(settings):
    return {one.kind: one for one in examine_lake_of(settings)}


def everything(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_a_warehouse_in_a_file_is_no_lake(tmp_path):
    assert examine_lake_of(Settings(home=tmp_path)) == []


def test_a_lake_that_is_not_made_yet_is_said_to_be_empty_and_stays_so(tmp_path):
    checks = found(lake_settings(tmp_path))
    assert {one.status for one in checks.values()} == {"fits"}
    assert "the lake is empty, the first run makes it" in checks["catalogue"].notes
    assert everything(tmp_path) == []


def test_versions_of_a_lake_are_reported_and_nothing_of_it_changes(tmp_path):
    settings = lake_settings(tmp_path)
    with open_writer(settings):
        pass
    before = everything(tmp_path)
    checks = found(settings)
    assert {one.status for one in checks.values()} == {"fits"}, checks
    notes = ", ".join(checks["catalogue"].notes)
    assert "DuckDB " in notes
    assert "ducklake " in notes
    assert "catalogue of version " in notes
    assert "migrations, the last is " in notes
    assert everything(tmp_path) == before


def test_an_unusable_catalogue_or_data_path_is_reported_with_its_setting(tmp_path):
    settings = lake_settings(tmp_path)
    (tmp_path / "catalogue.ducklake").write_bytes(b"no catalogue" * 100)
    (tmp_path / "data").write_text("no folder")
    checks = found(settings)
    assert {one.status for one in checks.values()} == {"not checked"}
    assert "catalogue.ducklake" in checks["catalogue"].reason
    assert "correct LIQHEAT_DATA" in checks["data"].reason


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_is_reported(tmp_path):
    settings = lake_settings(tmp_path)
    (tmp_path / "data").mkdir(mode=0o500)
    assert "cannot be written" in found(settings)["data"].reason


def test_a_server_that_is_not_there_is_reported(tmp_path):
    settings = Settings(
        home=tmp_path,
        warehouse="ducklake:postgres://u:secret-of-mine@127.0.0.1:1/db",
        data=str(tmp_path / "data"),
    )
    checks = found(settings)
    assert checks["catalogue"].status == "not checked"
    assert "no connection" in checks["catalogue"].reason
    assert "secret-of-mine" not in checks["catalogue"].reason
