"""The memory that DuckDB may use where no setting says so."""

import os
from pathlib import Path

import pytest

from jobs.settings import Settings
from jobs.writer import open_within_limits
from warehouse.connect import open_warehouse, scalar
from warehouse.machine_memory import default_memory_bytes

PHYSICAL = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
MB = 1_000_000


def put(root, files):
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


@pytest.mark.parametrize(
    ("files", "half"),
    [
        # A container with its own namespace, version 2.
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": f"{400 * MB}\n"}, 200 * MB),
        # A service within a slice that has less.
        (
            {
                "proc/self/cgroup": "0::/a.slice/b.service\n",
                "sys/fs/cgroup/a.slice/memory.max": f"{300 * MB}\n",
                "sys/fs/cgroup/a.slice/b.service/memory.max": "max\n",
            },
            150 * MB,
        ),
        # Version 1, whose path is that of the machine.
        (
            {
                "proc/self/cgroup": "9:name=systemd:/\n4:cpu,memory:/docker/x\n0::/\n",
                "sys/fs/cgroup/memory/memory.limit_in_bytes": f"{200 * MB}\n",
            },
            100 * MB,
        ),
        # No limit, in both ways to say so, and no control groups.
        (
            {
                "proc/self/cgroup": "4:memory:/\n0::/\n",
                "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
                "sys/fs/cgroup/memory.max": "max\n",
            },
            PHYSICAL // 2,
        ),
        ({}, PHYSICAL // 2),
    ],
)
def test_half_of_what_there_is(tmp_path, files, half):
    assert default_memory_bytes(put(tmp_path, files)) == half


def test_it_holds_wherever_no_setting_says_otherwise(tmp_path, monkeypatch):
    monkeypatch.setattr("warehouse.machine_memory.default_memory_bytes", lambda: 1 << 29)
    limit = "select current_setting('memory_limit')"
    with open_warehouse(tmp_path / "warehouse.duckdb") as connection:
        assert scalar(connection, limit) == "512.0 MiB"
    settings = Settings(home=tmp_path / "home", memory_limit_mb=300)
    Path(settings.home).mkdir()
    with open_within_limits(settings, settings.home / "warehouse.duckdb") as connection:
        assert scalar(connection, limit) == "286.1 MiB"


def test_readers_take_no_more_than_that(monkeypatch):
    monkeypatch.setattr("jobs.settings.default_memory_bytes", lambda: 700 * MB)
    assert Settings().query_memory_mb == 700
    monkeypatch.setattr("jobs.settings.default_memory_bytes", lambda: 9000 * MB)
    assert Settings().query_memory_mb == 2048
    assert Settings(query_memory_mb=4096).query_memory_mb == 4096
