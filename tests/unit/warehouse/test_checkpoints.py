"""What interrupts a checkpoint costs nothing: the file opens again with every committed row."""

import shutil
import subprocess
import sys
from contextlib import contextmanager, suppress
from pathlib import Path

import duckdb
import numpy as np
import pytest

from warehouse import checkpoints
from warehouse.checkpoints import COMPANIONS, beside, checkpointed, held, holds_nothing
from warehouse.connect import open_warehouse, replaced_warehouse, transaction
from warehouse.database_file import FileStorage
from warehouse.errors import WarehouseBusy, WarehouseDamaged

HEADER_BYTES, BLOCK_BYTES, PAGE_BYTES = 12_288, 262_144, 4096
ROWS = 20_000


class BrokenOff(BaseException):
    """A checkpoint ends here."""


class Breaking:
    """A connection that breaks off after a checkpoint, and what the file held before it."""

    def __init__(self, connection, path):
        self.connection = connection
        self.path = path
        self.before = {}

    def execute(self, sql):
        if not sql.startswith("checkpoint"):
            return self.connection.execute(sql)
        self.before = {each: each.read_bytes() for each in (self.path, log_of(self.path))}
        self.connection.execute(sql)
        raise BrokenOff


def log_of(path):
    return beside(path, ".wal")


def copy_of(path):
    return beside(path, ".before-checkpoint")


@contextmanager
def opened(path):
    with held(path), duckdb.connect() as connection, checkpointed(connection):
        FileStorage(path).attach(connection, "stored")
        connection.execute("use stored")
        yield connection


def store(connection, step, word="name"):
    """Add rows to a table, and delete older ones."""
    with transaction(connection):
        connection.execute("create table if not exists numbers (number bigint, name varchar)")
        connection.execute(
            f"insert into numbers select {step * ROWS} + n, '{word} ' || n from range({ROWS}) t(n)"
        )
        connection.execute(f"delete from numbers where number < {(step - 2) * ROWS}")


def totals(connection):
    return connection.execute(
        "select count(*), count(distinct number), min(number), max(number), min(name) from numbers"
    ).fetchone()


def expected_totals(step):
    first = max(step - 2, 0)
    return ((step + 1 - first) * ROWS, (step + 1 - first) * ROWS, first * ROWS,
            (step + 1) * ROWS - 1, "name 0")  # fmt: skip


def break_off(path, step, word="name"):
    """Break off a checkpoint after its last write; return what the file and its log held before."""
    with held(path), duckdb.connect() as connection:
        breaking = Breaking(connection, path)
        with suppress(BrokenOff), checkpointed(breaking):
            FileStorage(path).attach(connection, "stored")
            connection.execute("use stored")
            store(connection, step, word)
    assert copy_of(path).exists()
    return breaking.before


def stored(path, steps):
    """Store the first steps in a file."""
    for step in range(steps):
        with opened(path) as connection:
            store(connection, step)
    return path


@pytest.fixture
def broken_off(tmp_path):
    """Return a file whose checkpoint broke off, and what was there before."""
    path = stored(tmp_path / "stored.duckdb", 3)
    return path, break_off(path, 3)


def tear(path, before):
    """Leave of a checkpoint's writes into blocks in use the first page each; return how many."""
    after, content = path.read_bytes(), bytearray(before[path])
    with duckdb.connect() as connection:
        path.write_bytes(content)
        connection.execute(f"attach '{path}' as stored (read_only)")
        blocks = connection.execute("select block_id from pragma_metadata_info('stored')")
        starts = [HEADER_BYTES + block * BLOCK_BYTES for (block,) in blocks.fetchall()]
    torn = 0
    for start in starts:
        end = start + BLOCK_BYTES
        if after[start:end] != content[start:end]:
            content[start : start + PAGE_BYTES] = after[start : start + PAGE_BYTES]
            torn += 1
    path.write_bytes(content)
    log_of(path).write_bytes(before[log_of(path)])
    return torn


def test_a_block_of_which_a_part_was_written_is_put_back(broken_off):
    path, before = broken_off
    assert tear(path, before) >= 1
    with opened(path) as connection:
        assert totals(connection) == expected_totals(3)
    assert not any(beside(path, ending).exists() for ending in COMPANIONS)
    with duckdb.connect(str(path), read_only=True) as connection:
        assert totals(connection) == expected_totals(3)


def test_without_the_copy_it_is_a_damaged_database(broken_off):
    path, before = broken_off
    tear(path, before)
    copy_of(path).unlink()
    damaged = pytest.raises(WarehouseDamaged, match=r"checksum.*run `liqheat rebuild`")
    with damaged, open_warehouse(path):
        pass


def test_what_a_finished_checkpoint_wrote_stays(broken_off):
    path, _ = broken_off
    with opened(path) as connection:
        assert totals(connection) == expected_totals(3)
        store(connection, 4)
    with opened(path) as connection:
        assert totals(connection) == expected_totals(4)
    assert not copy_of(path).exists()


def test_a_copy_that_cannot_be_read_is_set_aside(broken_off, caplog):
    path, _ = broken_off
    content = copy_of(path).read_bytes()
    copy_of(path).write_bytes(content[: len(content) // 2])
    with opened(path) as connection:
        assert totals(connection) == expected_totals(3)
    aside = beside(copy_of(path), ".unused")
    assert aside.stat().st_size == len(content) // 2
    assert f"set aside as {aside.name}" in caplog.text


def test_a_copy_that_lacks_blocks_is_set_aside(broken_off):
    path, _ = broken_off
    with np.load(copy_of(path)) as saved:
        content = {**saved, "offsets": saved["offsets"][:-1]}
    with copy_of(path).open("wb") as file:
        np.savez(file, **content)
    with opened(path) as connection:
        assert totals(connection) == expected_totals(3)
    assert beside(copy_of(path), ".unused").exists()


def test_a_copy_of_another_database_is_set_aside(tmp_path, caplog):
    """Of two copies of a file, each changed since, the headers are equal and the logs are not."""
    one = stored(tmp_path / "one.duckdb", 3)
    other = Path(shutil.copyfile(one, tmp_path / "other.duckdb"))
    before = break_off(one, 3) | break_off(other, 3, "mean")
    assert before[one][:HEADER_BYTES] == before[other][:HEADER_BYTES]
    for path in (other, log_of(other)):
        path.write_bytes(before[path])
    copy_of(one).replace(copy_of(other))
    with opened(other) as connection:
        assert totals(connection) == (*expected_totals(3)[:-1], "mean 0")
    assert "is not of other.duckdb and its log" in caplog.text


HOLD = (
    "import sys; from pathlib import Path; from warehouse.checkpoints import held\n"
    "with held(Path(sys.argv[1])):\n"
    "    print('held', flush=True); sys.stdin.readline()"
)


@pytest.mark.parametrize("state", ["new", "stored", "broken off"])
def test_another_process_is_waited_for_whatever_the_file_is_like(state, tmp_path):
    path = stored(tmp_path / "stored.duckdb", ["new", "stored", "broken off"].index(state))
    if state == "broken off":
        break_off(path, 2)
        kept = copy_of(path).read_bytes()
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout.readline() == b"held\n"
        if state == "broken off":
            # Put there again: this process finds it before it finds the lock.
            copy_of(path).write_bytes(kept)
        for refused in (open_warehouse(path), replaced_warehouse(path)):
            with pytest.raises(WarehouseBusy, match=rf"PID {other.pid}\b"), refused:
                pass
        other.stdin.write(b"\n")
        other.stdin.flush()
    with held(path):
        pass


def test_a_rebuilt_file_is_not_given_blocks_of_the_one_before(broken_off):
    path, before = broken_off
    tear(path, before)
    with FileStorage(path).replaced() as making, opened(making) as connection:
        store(connection, 0)
    with opened(path) as connection:
        assert totals(connection) == expected_totals(0)
    with opened(path.with_name("stored.duckdb.old-1")) as connection:
        assert totals(connection) == expected_totals(3)


@pytest.mark.parametrize("size", [0, PAGE_BYTES, 2 * PAGE_BYTES, HEADER_BYTES])
def test_a_file_that_was_only_begun_is_made(size, tmp_path):
    whole, path = tmp_path / "whole.duckdb", tmp_path / "stored.duckdb"
    with held(whole):
        pass
    path.write_bytes(whole.read_bytes()[:size])
    assert holds_nothing(path)
    with opened(path) as connection:
        assert holds_nothing(path)
        store(connection, 0)
    assert not holds_nothing(path)
    with opened(path) as connection:
        assert totals(connection) == expected_totals(0)


def test_a_small_file_of_something_else_stays_as_it_is(tmp_path):
    path = tmp_path / "letter.txt"
    path.write_text("a letter\n" * 100)
    assert not holds_nothing(path)
    with pytest.raises(WarehouseDamaged, match="not a valid DuckDB"), open_warehouse(path):
        pass
    assert path.read_text() == "a letter\n" * 100


def test_what_is_only_in_the_log_counts_as_stored(tmp_path):
    path = tmp_path / "stored.duckdb"
    with opened(path) as connection, transaction(connection):
        connection.execute("create table numbers (number bigint)")
        connection.execute("commit; begin")
        assert path.stat().st_size == HEADER_BYTES
        assert not holds_nothing(path)


def test_a_file_is_opened_once_in_a_process(tmp_path):
    path = tmp_path / "warehouse.duckdb"
    with open_warehouse(path) as connection:
        with pytest.raises(WarehouseBusy, match="this process has"), open_warehouse(path):
            pass
        assert connection.execute("select 1").fetchone() == (1,)
        # The refusal has not freed the lock.
        other = "import duckdb, sys; duckdb.connect(sys.argv[1])"
        found = subprocess.run(
            [sys.executable, "-c", other, str(path)], capture_output=True, text=True, check=False
        )
    assert "Could not set lock" in found.stderr


def test_a_large_log_is_brought_in_between_transactions(tmp_path, monkeypatch):
    path = tmp_path / "stored.duckdb"
    with opened(path) as connection:
        store(connection, 0)
        assert log_of(path).stat().st_size
        monkeypatch.setattr(checkpoints, "_LARGEST_LOG_BYTES", 0)
        store(connection, 1)
        assert not log_of(path).exists()
        assert not copy_of(path).exists()


def test_a_log_stays_while_another_transaction_writes(tmp_path, monkeypatch):
    path = tmp_path / "stored.duckdb"
    with opened(path) as connection:
        other = connection.cursor()
        other.execute("use stored; begin; create table others (number bigint)")
        monkeypatch.setattr(checkpoints, "_LARGEST_LOG_BYTES", 0)
        store(connection, 0)
        assert log_of(path).stat().st_size
        assert not copy_of(path).exists()
        other.execute("rollback")
        other.close()
    assert not log_of(path).exists()


def test_a_file_whose_log_was_not_brought_in_replaces_none(tmp_path):
    path = tmp_path / "stored.duckdb"
    with opened(path) as connection:
        store(connection, 0)

    def rebuild():
        with FileStorage(path).replaced() as making, opened(making) as connection:
            store(connection, 1)
            cursor = connection.cursor()
            cursor.execute("use stored; begin; create table others (number bigint)")

    with pytest.raises(duckdb.TransactionException, match="Cannot CHECKPOINT"):
        rebuild()
    with opened(path) as connection:
        assert totals(connection) == expected_totals(0)


def test_an_error_leaves_nothing_in_the_log(tmp_path):
    path = tmp_path / "stored.duckdb"

    def fail():
        with opened(path) as connection:
            store(connection, 0)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert not log_of(path).exists()
    with duckdb.connect(str(path), read_only=True) as connection:
        assert totals(connection) == expected_totals(0)


def test_a_path_through_a_link_is_the_same_file(tmp_path):
    (tmp_path / "disk").mkdir()
    link = tmp_path / "link"
    link.symlink_to("disk")
    with opened(link / "stored.duckdb") as connection:
        store(connection, 0)
    assert not log_of(Path(tmp_path, "disk", "stored.duckdb")).exists()
