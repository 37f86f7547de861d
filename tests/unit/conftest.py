"""The published file of the small market, changed for what a test has to show."""

import shutil

import duckdb
import pytest

from jobs.read.query import published_file
from jobs.settings import Settings


@pytest.fixture(scope="module")
def changed_file(small_home, tmp_path_factory):
    """Return a function that runs statements in a copy of the published file and returns it."""

    def change(*statements, parameters=None):
        copy = tmp_path_factory.mktemp("changed") / "liqheat.duckdb"
        shutil.copyfile(published_file(Settings(home=small_home)), copy)
        with duckdb.connect(str(copy)) as writer:
            for statement in statements[:-1]:
                writer.execute(statement)
            writer.execute(statements[-1], parameters)
        return copy

    return change
