"""Small files are seen whole or not at all."""

from pathlib import Path

import pytest

from warehouse.durable_files import write_whole


def test_a_small_file_is_replaced_only_once_the_new_one_is_whole(tmp_path, monkeypatch):
    path = tmp_path / "new" / "run.json"
    write_whole(path, b"old")
    write_bytes = Path.write_bytes

    def broken(self, content):
        write_bytes(self, content[:2])
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "write_bytes", broken)
    with pytest.raises(KeyboardInterrupt):
        write_whole(path, b"newer")
    assert path.read_bytes() == b"old"
    monkeypatch.undo()
    write_whole(path, b"newer")
    assert {each.name: each.read_bytes() for each in path.parent.iterdir()} == {
        "run.json": b"newer"
    }
