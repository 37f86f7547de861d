"""Values in files: equal, writable, aligned; and what happens where a file cannot be written."""

import socket
import subprocess
import sys
import tempfile
from types import MappingProxyType

import numpy as np
import pyarrow as pa

from jobs.engines.shard_files import ValueFile, load_value, private_folder, store_value


def test_a_value_comes_back_as_it_was_and_can_be_changed_without_the_file(tmp_path):
    path = tmp_path / "value"
    value = {
        "floats": np.linspace(0.0, 1.0, 7),
        "columns": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        "none": np.zeros(0),
        "rows": pa.table({"text": ["a", None], "list": [[1.0], []]}),
        "proxy": MappingProxyType({1: 2}),
    }
    stored = store_value(value, path)
    assert stored == ValueFile(path, stored.sizes)
    loaded, again = load_value(stored), load_value(stored)
    path.unlink()
    for name in ("floats", "columns", "none"):
        np.testing.assert_array_equal(loaded[name], value[name])
    for name in ("floats", "columns"):
        assert loaded[name].strides == value[name].strides
        assert loaded[name].ctypes.data % 64 == 0
    assert loaded["rows"].equals(value["rows"])
    assert loaded["proxy"] == value["proxy"]
    loaded["floats"][0] = 5.0
    assert again["floats"][0] == value["floats"][0] == 0.0


def test_a_value_whose_file_cannot_be_written_is_handed_over_itself(tmp_path):
    value = {"floats": np.zeros(3)}
    assert store_value(value, tmp_path / "missing" / "value") is value
    assert load_value(value) is value


def test_the_folder_of_a_killed_process_goes_with_the_next_one(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    left, others = (
        tmp_path / f"liqheat-shards-{host}-{ended.pid}-x" for host in (socket.gethostname(), "far")
    )
    for folder in (left, others):
        folder.mkdir()
        (folder / "1.shard").write_bytes(b"rows")
    with private_folder() as first, private_folder() as second:
        assert {each.name for each in tmp_path.iterdir()} == {others.name, first.name, second.name}
        assert first.stat().st_mode & 0o777 == 0o700
    assert list(tmp_path.iterdir()) == [others]
