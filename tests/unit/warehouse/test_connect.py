"""One writer at a time, readers that cannot write, and errors that say what to do."""

import errno
import os
import subprocess
import sys
from contextlib import suppress
from datetime import UTC, datetime

import duckdb
import pytest

from warehouse.connect import open_warehouse, transaction
from warehouse.error_messages import translated
from warehouse.errors import (
    StorageFull,
    TerminalWarehouseError,
    TransientWarehouseError,
    WarehouseBusy,
)

HOLD = (
    "import sys; from pathlib import Path; from warehouse.connect import open_warehouse\n"
    "with open_warehouse(Path(sys.argv[1])):\n"
    "    print('open', flush=True); sys.stdin.readline()"
)


def test_a_second_writer_is_refused(tmp_path):
    path = tmp_path / "warehouse.duckdb"
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as writer:
        assert writer.stdout.readline() == "open\n"
        with pytest.raises(WarehouseBusy) as actual, open_warehouse(path):
            pass
        writer.stdin.write("\n")
        writer.stdin.flush()
    message = str(actual.value)
    assert message.startswith(f"opening {path}: another writer has it open")
    assert str(writer.pid) in message
    assert "wait for it to end, or read the published file instead" in message
    assert isinstance(actual.value, TransientWarehouseError)
    # The lock goes with the process.
    with open_warehouse(path):
        pass


def test_views_of_other_definitions_are_replaced_and_equal_ones_are_kept(tmp_path):
    path = tmp_path / "warehouse.duckdb"

    def edited():
        with open_warehouse(path) as connection:
            return "edited" in connection.execute("describe marts.pipeline_runs").fetchall()[0]

    with open_warehouse(path) as connection:
        connection.execute("create or replace view marts.pipeline_runs as select 1 as edited")
    assert edited()
    with open_warehouse(path) as connection:
        connection.execute("create or replace macro definitions_sha256() as 'of another release'")
    assert not edited()


def test_a_second_writer_of_the_same_process_is_refused_too(tmp_path):
    path = tmp_path / "warehouse.duckdb"
    with (
        open_warehouse(path),
        pytest.raises(WarehouseBusy, match="another writer has it open"),
        open_warehouse(path),
    ):
        pass


def test_a_file_that_is_no_database_is_named(tmp_path):
    path = tmp_path / "warehouse.duckdb"
    path.write_bytes(b"this is a letter, not a database" * 400)
    with (
        pytest.raises(TerminalWarehouseError, match=r"opening .*warehouse\.duckdb"),
        open_warehouse(path),
    ):
        pass


def test_opening_makes_folders_and_brings_the_schema_up_to_date(tmp_path):
    with open_warehouse(tmp_path / "a" / "b" / "warehouse.duckdb") as connection:
        (count,) = connection.execute("select count(*) from raw.ohlcv").fetchone()
    assert count == 0


def test_instants_are_utc_whatever_the_machine(tmp_path, monkeypatch):
    monkeypatch.setenv("TZ", "America/New_York")
    with open_warehouse(tmp_path / "warehouse.duckdb") as connection:
        instant = connection.execute("select '2026-01-01'::timestamptz").fetchone()[0]
    assert instant == datetime(2026, 1, 1, tzinfo=UTC)


def test_a_transaction_that_fails_leaves_nothing(tmp_path):
    with open_warehouse(tmp_path / "warehouse.duckdb") as connection:
        with suppress(KeyboardInterrupt), transaction(connection):
            connection.execute("insert into meta.pending_publish values ('2026-01-01')")
            raise KeyboardInterrupt
        with transaction(connection):
            connection.execute("insert into meta.pending_publish values ('2026-01-02')")
        rows = connection.execute("select published_day::varchar from meta.pending_publish")
        assert rows.fetchall() == [("2026-01-02",)]


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)),
        duckdb.IOException('IO Error: Could not write file "x": No space left on device'),
        duckdb.OutOfMemoryException("failed to offload data block: disk is full"),
    ],
)
def test_a_full_disk_may_pass(error):
    with (
        pytest.raises(StorageFull, match=r"^building x: no room on the disk .* run the same"),
        translated("building x"),
    ):
        raise error


def test_other_errors_name_what_was_being_done():
    with (
        pytest.raises(TerminalWarehouseError, match=r"^building x: .*Permission denied"),
        translated("building x"),
    ):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
