"""The page's JavaScript stays small enough to read, and its types hold."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MODULES = sorted([*ROOT.glob("plots/chart/*.js"), *ROOT.glob("web/static/*.js")])
MOST_LINES = 2550
MOST_MODULE_LINES = 500
MOST_COLUMNS = 100
# A second statement on the line, or a declaration that goes on with a second name.
SEVERAL_STATEMENTS = r"^(?!\s*(?:for\b|//|/?\*)).*;\s+\w|^\s*(?:const|let)\s+\w+(?:\s*=.*)?,$"
TEXTS = r"\"[^\"]*\"|`[^`]*`"
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


def test_lines_are_short_and_hold_one_statement():
    long, packed = [], []
    for path in MODULES:
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if len(line) > MOST_COLUMNS:
                long.append((path.name, number))
            if re.search(SEVERAL_STATEMENTS, re.sub(TEXTS, "", line)):
                packed.append((path.name, number))
    assert long == []
    assert packed == []


def test_no_module_is_loaded_from_elsewhere():
    outside = [
        (path.name, address)
        for path in MODULES
        for address in re.findall(IMPORTED, path.read_text())
        if not address.startswith(("./", "/chart/", "/static/"))
    ]
    assert outside == []


def test_types_hold():
    compiler = ROOT / "tests/system/browser/node_modules/.bin/tsc"
    if not compiler.exists():
        pytest.skip("TypeScript is not installed: `make types` installs it where npm is")
    ran = subprocess.run(
        [compiler, "--project", ROOT / "tests/system/browser"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout
