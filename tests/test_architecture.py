"""What may import what, room by room, and that nothing slow is imported before it is needed."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

SPOKES = {"sources", "transforms", "quality", "warehouse"}

# Besides the standard library and the room itself.
ALLOWED = {
    "transforms": {"numpy", "numba"},
    "sources": {"ccxt", "aiohttp", "pyarrow", "numpy", "numba", "yaml"},
    "quality": {"great_expectations", "pandas", "yaml"},
    "warehouse": {"duckdb", "pyarrow", "numpy", "pandas", "yaml"},
    "jobs": SPOKES | {"pydantic", "pydantic_settings", "numpy", "pyarrow", "duckdb"},
    # uvicorn and starlette are what Prefect's server is made of, yaml is for prefect.yaml.
    "flows": {"prefect", "jobs", "yaml", "uvicorn", "starlette"},
    "cli": {"typer", "rich", "jobs", "dashboard"},
    "dashboard": {"dash", "plotly", "numpy", "pyarrow", "warehouse"},
}

# Only these names of a package, and nothing else of it.
ALLOWED_NAMES = {
    # The connection is handed through; opening, reading SQL errors and the like are warehouse's.
    ("jobs", "duckdb"): {"DuckDBPyConnection"},
}

# Packages that only some modules of a room may import, by path below the room.
ALLOWED_MODULES = {
    ("sources", "numba"): ("simulated/",),
    ("sources", "ccxt"): ("venues/",),
    ("cli", "dashboard"): ("main.py",),
    ("flows", "yaml"): ("serve.py",),
    ("flows", "uvicorn"): ("serve.py",),
    ("flows", "starlette"): ("serve.py",),
}

FORBIDDEN_WORDS = {"utils", "util", "common", "helpers", "helper", "misc"}


def modules(room):
    return sorted((ROOT / room).rglob("*.py"))


def imports(path):
    """Yield (line, top package, names imported from it; empty where the package itself is)."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            for name in node.names:
                yield node.lineno, name.name.split(".")[0], set()
        elif isinstance(node, ast.ImportFrom):
            package = (node.module or "").split(".")[0]
            yield node.lineno, package, {name.name for name in node.names}


@pytest.mark.parametrize("room", ALLOWED)
def test_a_room_imports_only_what_it_may(room):
    refused = []
    for path in modules(room):
        below = path.relative_to(ROOT / room).as_posix()
        for line, package, names in imports(path):
            where = f"{path.relative_to(ROOT)}:{line}"
            if package == room or package in sys.stdlib_module_names:
                continue
            if package not in ALLOWED[room]:
                refused.append(f"{where} imports {package}")
            allowed_names = ALLOWED_NAMES.get((room, package))
            if allowed_names is not None and not (names and names <= allowed_names):
                refused.append(f"{where} imports more of {package} than {sorted(allowed_names)}")
            allowed_modules = ALLOWED_MODULES.get((room, package))
            if allowed_modules is not None and not below.startswith(allowed_modules):
                refused.append(f"{where} imports {package}, which is for {allowed_modules}")
    assert not refused, "\n".join(refused)


def test_every_package_that_is_installed_is_a_room_with_a_rule():
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert packages <= set(ALLOWED)


def test_imports_are_absolute():
    relative = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for room in ALLOWED
        for path in modules(room)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and node.level > 0
    ]
    assert not relative


def test_nothing_is_called_by_a_word_that_says_nothing():
    named = [
        path.relative_to(ROOT)
        for room in ALLOWED
        for path in (ROOT / room).rglob("*")
        if path.stem in FORBIDDEN_WORDS
    ]
    assert not named


def test_only_two_modules_open_a_database():
    """One opens the writer's, one what is published; a server or a lake can take their place."""
    opening = {
        path.relative_to(ROOT).as_posix()
        for room in ALLOWED
        for path in modules(room)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute)
        and node.attr == "connect"
        and isinstance(node.value, ast.Name)
        and node.value.id == "duckdb"
    }
    assert opening == {"warehouse/connect.py", "warehouse/read.py"}


def test_only_ledgers_read_the_clock():
    """Times come in as arguments, so a run for an hour gives the same rows whenever it is run."""
    reading = {
        path.relative_to(ROOT).as_posix()
        for room in sorted({*SPOKES, "jobs"})
        for path in modules(room)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute)
        and ast.unparse(node) in {"datetime.now", "datetime.utcnow", "date.today", "time.time"}
    }
    # When a run started and ended, and when a migration was applied.
    assert reading == {"jobs/runs.py", "warehouse/migrate.py"}


@pytest.mark.parametrize("room", [room for room in ALLOWED if room != "flows"])
def test_only_settings_read_the_environment(room):
    reading = [
        f"{path.relative_to(ROOT)}:{node.lineno} {ast.unparse(node)}"
        for path in modules(room)
        if path != ROOT / "jobs" / "settings.py"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and ast.unparse(node) in {"os.environ", "os.getenv"}
    ]
    assert not reading


def test_packages_are_shipped():
    text = (ROOT / "pyproject.toml").read_text()
    line = next(line for line in text.splitlines() if line.startswith("packages = ["))
    assert set(json.loads(line.removeprefix("packages = "))) == {*ALLOWED, "sql"}


def test_help_imports_nothing_that_takes_seconds():
    told = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys, json; from typer.testing import CliRunner; from cli.main import app; "
            "answer = CliRunner().invoke(app, ['--help']); "
            "print(json.dumps([answer.exit_code, sorted(sys.modules)]))",
        ],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    exit_code, loaded = json.loads(told.stdout)
    slow = {"prefect", "ccxt", "great_expectations", "duckdb", "numba", "pandas", "plotly", "dash"}
    assert exit_code == 0
    assert slow.isdisjoint(loaded)
