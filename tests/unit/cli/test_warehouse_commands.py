"""`liqheat warehouse move`, from one file to another."""

import shutil

import pytest
from workbench import differences


@pytest.fixture
def home_of_commands(small_home, tmp_path):
    shutil.copy(small_home / "warehouse.duckdb", tmp_path)
    return tmp_path


def test_rows_are_the_same_in_both_places(run, home_of_commands, tmp_path):
    target = tmp_path / "elsewhere" / "heat.duckdb"
    said = run("warehouse", "move", "--to", str(target)).stderr
    assert "the same in both places; unset LIQHEAT_WAREHOUSE to use the home's" in said
    source = home_of_commands / "warehouse.duckdb"
    schemas = ("raw", "intermediate", "derived", "quality")
    assert differences(source, target, schemas=schemas) == {}


def test_a_place_that_is_taken_is_left_alone(run, home_of_commands, tmp_path):
    target = tmp_path / "heat.duckdb"
    shutil.copy(home_of_commands / "warehouse.duckdb", target)
    before = target.stat()
    said = run("warehouse", "move", "--to", str(target), code=1).stderr
    assert "holds a warehouse; move to another place, or set that one aside first" in said
    assert target.stat().st_mtime_ns == before.st_mtime_ns
