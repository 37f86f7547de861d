"""The parts of the page's scripts that need no browser, where node is installed."""

import shutil
import subprocess
from pathlib import Path

import pytest

MODULES = Path(__file__).with_name("page_modules.mjs")


def test_pure_parts_of_the_page():
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed: it runs tests of the page's scripts, nothing else")
    ran = subprocess.run([node, "--test", MODULES], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
