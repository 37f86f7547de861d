import os
import subprocess
import sys
from pathlib import Path

import pytest

from transforms.compiler import cache_folder, source_hash

ROOT = Path(__file__).parents[3]

HELPER = "from transforms.compiler import fast_compiled\nSTEP = {step}\n"
KERNEL = """
from transforms.compiler import fast_compiled
from transforms.helper import STEP


@fast_compiled
def stepped(number):
    return number + STEP


print(stepped(1), len(stepped.stats.cache_hits))
"""


def run_kernel(folder, **environment):
    done = subprocess.run(
        [sys.executable, "-m", "transforms.kernel"],
        cwd=folder,
        env={**os.environ, "NUMBA_CACHE_DIR": "", **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.split()


@pytest.fixture
def room(tmp_path):
    room = tmp_path / "transforms"
    room.mkdir()
    for name in ("__init__", "compiler"):
        (room / f"{name}.py").write_text((ROOT / f"transforms/{name}.py").read_text())
    (room / "helper.py").write_text(HELPER.format(step=1))
    (room / "kernel.py").write_text(KERNEL)
    return room


def test_a_change_in_another_module_is_compiled_anew_and_none_is_not(room):
    assert run_kernel(room.parent) == ["2", "0"]
    assert run_kernel(room.parent) == ["2", "1"]
    (room / "helper.py").write_text(HELPER.format(step=5))
    assert run_kernel(room.parent) == ["6", "0"]


def test_where_sources_cannot_be_written_beside_the_user_s_cache_is_used(room, tmp_path):
    # A file in its place, as root may write anywhere.
    (room / "__pycache__").write_text("")
    home = tmp_path / "home"
    home.mkdir()
    assert run_kernel(room.parent, HOME=str(home)) == ["2", "0"]
    assert run_kernel(room.parent, HOME=str(home)) == ["2", "1"]
    assert list(home.glob(".cache/liqheat/numba-*"))


def test_without_any_folder_to_write_to_nothing_is_cached(room, tmp_path):
    (room / "__pycache__").write_text("")
    home = tmp_path / "home"
    home.write_text("")
    for _ in range(2):
        assert run_kernel(room.parent, HOME=str(home)) == ["2", "0"]


def test_the_cache_is_named_after_every_source(room):
    before = source_hash(room)
    (room / "more").mkdir()
    (room / "more" / "deep.py").write_text("")
    assert source_hash(room) != before
    folder = cache_folder()
    assert folder is None or folder.endswith(source_hash(ROOT / "transforms"))
