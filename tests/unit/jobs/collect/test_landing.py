"""Landing files appear whole or not at all."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from workbench import START, table_of

from jobs.collect.landing import land
from sources.records import Batch
from warehouse.errors import StorageFull


def sentiment(value):
    row = {"index_name": "fear_greed", "observed_at": START, "index_value": value}
    return Batch("sentiment", table_of("sentiment", [row]))


def test_a_batch_lands_under_its_kind_and_name(tmp_path):
    path = land(sentiment(40.0), tmp_path, "monday")
    assert path == tmp_path / "sentiment" / "monday.parquet"
    assert pq.read_table(path).equals(sentiment(40.0).table)


def test_landing_the_same_name_again_leaves_the_file_as_it_is(tmp_path):
    path = land(sentiment(40.0), tmp_path, "monday")
    before = path.read_bytes()
    assert land(sentiment(60.0), tmp_path, "monday") == path
    assert path.read_bytes() == before


def test_no_part_of_a_file_is_seen_when_writing_fails(tmp_path, monkeypatch):
    def broken(table, file, **options):
        file.write(b"PAR1 half of it")
        raise OSError(errno.EIO, "broken disk")

    monkeypatch.setattr(pq, "write_table", broken)
    with pytest.raises(Exception, match="broken disk"):
        land(sentiment(40.0), tmp_path, "monday")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_what_others_leave_among_temporary_files_is_no_error(tmp_path):
    (tmp_path / ".writing").mkdir()
    (tmp_path / ".writing" / ".DS_Store").touch()
    assert land(sentiment(40.0), tmp_path, "monday").exists()


def test_the_name_appears_only_after_the_bytes_are_on_the_disk(tmp_path, monkeypatch):
    order = []
    target = tmp_path / "sentiment" / "monday.parquet"
    monkeypatch.setattr(os, "fsync", lambda descriptor: order.append(("sync", target.exists())))
    replace = Path.replace

    def noted(self, other):
        order.append(("rename", target.exists()))
        return replace(self, other)

    monkeypatch.setattr(Path, "replace", noted)
    land(sentiment(40.0), tmp_path, "monday")
    # The bytes, the name, then the folder that holds the name.
    assert order == [("sync", False), ("rename", False), ("sync", True)]


def test_a_full_disk_says_so_and_what_to_do(tmp_path, monkeypatch):
    def full(table, file, **options):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(pq, "write_table", full)
    with pytest.raises(StorageFull, match=r"monday\.parquet: no room on the disk .* free some"):
        land(sentiment(40.0), tmp_path, "monday")


def test_what_a_killed_process_left_is_cleared_by_the_next(tmp_path):
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        ended.wait()
    writing = tmp_path / ".writing"
    writing.mkdir()
    (writing / f"sentiment-monday-{ended.pid}").write_bytes(b"half")
    (writing / f"sentiment-tuesday-{os.getppid()}").write_bytes(b"somebody is at it")
    land(sentiment(40.0), tmp_path, "monday")
    assert [path.name for path in writing.iterdir()] == [f"sentiment-tuesday-{os.getppid()}"]
