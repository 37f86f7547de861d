"""The page's JavaScript stays small enough to read, and its types hold."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MODULES = sorted([*ROOT.glob("plots/chart/*.js"), *ROOT.glob("web/static/*.js")])
MOST_LINES = 1500
MOST_MODULE_LINES = 500
IMPORTED = r"""(?:\bfrom\s+|\bimport\s*\(?\s*)["']([^"']+)["']"""


def lines_of_code(path):
    """Return the lines that are neither blank nor comments; types are comments."""
    text = re.sub(r"/\*.*?\*/", "", path.read_text(), flags=re.DOTALL)
    return [
        line for line in text.splitlines() if line.strip() and not line.strip().startswith("//")
    ]


def test_there_is_little_of_it():
    assert MODULES
    assert sum(len(lines_of_code(path)) for path in MODULES) < MOST_LINES
    assert max(len(path.read_text().splitlines()) for path in MODULES) <= MOST_MODULE_LINES


def test_no_module_is_loaded_from_elsewhere():
    outside = [
        (path.name, address)
        for path in MODULES
        for address in re.findall(IMPORTED, path.read_text())
        if not address.startswith(("./", "/chart/", "/static/"))
    ]
    assert outside == []


def test_types_hold():
    compiler = ROOT / "tests/browser/node_modules/.bin/tsc"
    if not compiler.exists():
        pytest.skip("TypeScript is not installed: `make types` installs it where npm is")
    ran = subprocess.run(
        [compiler, "--project", ROOT / "tests/browser"], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stdout
