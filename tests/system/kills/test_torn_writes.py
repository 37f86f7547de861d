"""Killed in the middle of any write into its file, the warehouse opens with what was committed."""

import os
import shutil
import signal
import subprocess
from pathlib import Path

import duckdb
import pytest
from workbench.forking import Forks

from warehouse.checkpoints import COMPANIONS, beside
from warehouse.connect import open_warehouse, transaction

SOURCE = Path(__file__).with_name("torn_writes.c")
ROWS = 5_000
NO_WRITE = 0

pytestmark = pytest.mark.skipif(
    os.uname().sysname != "Linux" or shutil.which("cc") is None,
    reason="needs Linux and a C compiler",
)


def store(home, step, torn_write, torn_bytes):
    """Commit rows twice; run in a process that may be killed at one of its writes."""
    with open_warehouse(Path(home, "warehouse.duckdb"), threads=1) as connection:
        os.environ |= {"TORN_WRITE": str(torn_write), "TORN_BYTES": str(torn_bytes)}
        os.environ["TORN_FILE"] = f"{home}/warehouse.duckdb"
        for part in range(2):
            with transaction(connection):
                connection.execute("create table if not exists raw.torn (step bigint, n bigint)")
                connection.execute("insert into raw.torn select ?, n from range(?) t(n)",
                                   [2 * step + part, ROWS])  # fmt: skip
                connection.execute("delete from raw.torn where step < ?", [2 * step + part - 2])
            Path(home, f"committed-{part}").touch()


def stored(home):
    with open_warehouse(home / "warehouse.duckdb", threads=1) as connection:
        return connection.execute(
            "select step, count(distinct n) from raw.torn group by all order by all"
        ).fetchall()


def expected(committed):
    """Return what is stored after some parts of steps were committed."""
    return [(part, ROWS) for part in range(committed) if part >= committed - 3]


@pytest.fixture
def forks(tmp_path, monkeypatch):
    library = tmp_path / "torn_writes.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", library, SOURCE, "-ldl"], check=True)
    monkeypatch.setenv("LD_PRELOAD", str(library))
    with Forks(__name__) as forks:
        monkeypatch.delenv("LD_PRELOAD")
        yield forks


def is_refused(path):
    """Return whether DuckDB by itself finds a file damaged."""
    try:
        with duckdb.connect(str(path), read_only=True):
            return False
    except duckdb.IOException as exc:
        return "checksum" in str(exc)


@pytest.mark.parametrize("torn_bytes", [0, 4096])
def test_a_write_of_which_a_part_was_done_costs_nothing(forks, tmp_path, torn_bytes):
    whole = tmp_path / "whole"
    whole.mkdir()
    for step in range(2):
        assert forks.start(__name__, "store", str(whole), step, NO_WRITE, 0).end() == 0
    assert stored(whole) == expected(4)
    for part in range(2):
        (whole / f"committed-{part}").unlink()
    kills = undone = refused = 0
    while True:
        home = tmp_path / f"killed-{kills + 1}"
        shutil.copytree(whole, home)
        path = home / "warehouse.duckdb"
        code = forks.start(__name__, "store", str(home), 2, kills + 1, torn_bytes).end()
        if code == 0:
            break
        assert code == -signal.SIGKILL
        kills += 1
        undone += beside(path, ".before-checkpoint").exists()
        refused += is_refused(path)
        committed = 4 + len(list(home.glob("committed-*")))
        # A kill may come after a commit and before it was noted.
        assert stored(home) in (expected(committed), expected(committed + 1))
        assert not any(beside(path, each).exists() for each in COMPANIONS)
        shutil.rmtree(home)
    assert kills >= 3
    assert undone >= 2
    # By itself DuckDB opens some of these files no more.
    assert (refused > 0) == (torn_bytes > 0)
