"""An empty warehouse for maps to be compared in."""

import pytest

from warehouse.connect import open_warehouse


@pytest.fixture
def connection(tmp_path):
    with open_warehouse(tmp_path / "warehouse.duckdb", threads=1) as connection:
        yield connection
