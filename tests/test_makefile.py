"""Targets work where node's registry cannot be reached."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NODE_TOOLS = "tests/system/browser/node_modules/.package-lock.json"


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not there")
def test_without_npms_registry_the_page_is_skipped_with_a_sentence(tmp_path):
    shutil.copy(ROOT / "Makefile", tmp_path)
    (tmp_path / "tests/system/browser").mkdir(parents=True)
    shutil.copy(ROOT / "tests/system/browser/package-lock.json", tmp_path / "tests/system/browser")
    npm = tmp_path / "bin/npm"
    npm.parent.mkdir()
    npm.write_text("#!/bin/sh\nmkdir -p tests/system/browser/node_modules/half\nexit 1\n")
    npm.chmod(0o755)
    done = subprocess.run(
        ["make", NODE_TOOLS],
        cwd=tmp_path,
        env={**os.environ, "PATH": f"{npm.parent}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (
        "npm ci failed: the types and the accessibility of the page are not checked" in done.stdout
    )
    assert not (tmp_path / "tests/system/browser/node_modules").exists()
