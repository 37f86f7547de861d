"""What may import what, how large a piece may be, and that a name means one thing."""

import ast
import json
import subprocess
import sys
import tomllib
from collections import defaultdict
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

SPOKES = {"sources", "transforms", "quality", "warehouse"}

# Besides the standard library and the room itself.
ALLOWED = {
    "transforms": {"numpy", "numba"},
    "sources": {"ccxt", "aiohttp", "pyarrow", "numpy", "numba", "pydantic", "tenacity", "yaml"},
    "quality": {"great_expectations", "pandas", "pydantic", "yaml"},
    "warehouse": {"asyncpg", "duckdb", "pyarrow", "numpy", "pandas", "yaml"},
    "jobs": SPOKES
    | {
        "apprise",
        "dask",
        "distributed",
        "duckdb",
        "numpy",
        "pyarrow",
        "pydantic",
        "pydantic_settings",
    },
    # uvicorn and starlette are what Prefect's server is made of, yaml is for prefect.yaml.
    "flows": {"prefect", "jobs", "yaml", "uvicorn", "starlette"},
    "cli": {"typer", "rich", "jobs", "plots", "web"},
    "plots": {"lwcharts", "numpy", "pyarrow", "warehouse"},
    # Of jobs only what reads: the words of verdicts, settings and errors.
    "web": {
        "fastapi",
        "jinja2",
        "jobs",
        "markupsafe",
        "numpy",
        "plots",
        "prometheus_client",
        "pyarrow",
        "pydantic",
        "starlette",
        "uvicorn",
        "warehouse",
    },
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
    ("sources", "tenacity"): ("retry.py",),
    ("jobs", "apprise"): ("alerts/",),
    ("jobs", "dask"): ("engines/dask_engine.py",),
    ("jobs", "distributed"): ("engines/dask_engine.py", "engines/shard_files.py"),
    ("warehouse", "asyncpg"): ("postgres/",),
    ("cli", "plots"): ("explore.py", "show_bands.py", "show_disagreement.py", "steps.py"),
    ("flows", "yaml"): ("serve.py",),
    ("flows", "uvicorn"): ("serve.py",),
    ("flows", "starlette"): ("serve.py",),
}

FORBIDDEN_WORDS = {"utils", "util", "common", "helpers", "helper", "misc"}


def modules(room):
    return sorted((ROOT / room).rglob("*.py"))


@cache
def tree(path):
    return ast.parse(path.read_text())


def imports(path):
    """Yield (line, top package, names imported from it; empty where the package itself is)."""
    for node in ast.walk(tree(path)):
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


def first_party_imports():
    """Return the modules that each module of the rooms imports, type checking included."""
    files = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
        for room in ALLOWED
        for path in modules(room)
    }
    imported = {}
    for name, path in files.items():
        found = set()
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.ImportFrom) and node.module:
                below = {f"{node.module}.{alias.name}" for alias in node.names}
                found |= (below & files.keys()) or {node.module}
            elif isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
        imported[name] = found & files.keys() - {name}
    return imported


def test_no_module_imports_itself_through_others():
    TopologicalSorter(first_party_imports()).prepare()


def test_every_package_that_is_installed_is_a_room_with_a_rule():
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert packages <= set(ALLOWED)


def test_imports_are_absolute():
    relative = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for room in ALLOWED
        for path in modules(room)
        for node in ast.walk(tree(path))
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


def test_only_five_modules_open_a_database():
    """The writer's, what is published, to make an empty one, to write a file, to delete a lake."""
    opening = {
        path.relative_to(ROOT).as_posix()
        for room in ALLOWED
        for path in modules(room)
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Attribute)
        and node.attr == "connect"
        and isinstance(node.value, ast.Name)
        and node.value.id == "duckdb"
    }
    assert opening == {
        "warehouse/checkpoints.py",
        "warehouse/connect.py",
        "warehouse/lake.py",
        "warehouse/read.py",
        "warehouse/shared_files.py",
    }


def test_only_ledgers_read_the_clock():
    """Times come in as arguments, so a run for an hour gives the same rows whenever it is run."""
    reading = {
        path.relative_to(ROOT).as_posix()
        for room in sorted({*SPOKES, "jobs"})
        for path in modules(room)
        for node in ast.walk(tree(path))
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
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Attribute) and ast.unparse(node) in {"os.environ", "os.getenv"}
    ]
    assert not reading


MOST_MODULE_LINES = 500
MOST_MODEL_LINES = 550
MOST_FUNCTION_LINES = 80
MOST_PARAMETERS = 7
DEEPEST_NESTING = 5

NESTING = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.With, ast.AsyncWith, ast.Try, ast.Match)
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def nesting(node, depth=0):
    """Return how deep the blocks below a node are nested; an `elif` is no deeper than its `if`."""
    deepest = depth
    for field in ("body", "handlers", "orelse", "finalbody", "cases"):
        children = getattr(node, field, [])
        is_elif = field == "orelse" and isinstance(node, ast.If) and len(children) == 1
        for child in children if isinstance(children, list) else []:
            if isinstance(child, (*FUNCTIONS, ast.ClassDef)):
                continue
            is_deeper = isinstance(child, NESTING) and not (is_elif and isinstance(child, ast.If))
            deepest = max(deepest, nesting(child, depth + is_deeper))
    return deepest


def parameters(function):
    """Return how many arguments a caller has to think of."""
    names = function.args
    listed = [*names.posonlyargs, *names.args, *names.kwonlyargs, names.vararg, names.kwarg]
    return sum(one is not None and one.arg not in ("self", "cls") for one in listed)


def is_kernel(function):
    """Return whether numba compiles a function: it takes arrays one by one, not in a record."""
    decorators = " ".join(map(ast.unparse, function.decorator_list))
    return any(word in decorators for word in ("njit", "compiled", "inlined", "vectorize"))


def is_command(function):
    """Return whether typer calls a function, once for each option of the command."""
    return function.name.endswith("_command")


def python_files():
    rooms = (*ALLOWED, "bench", "tests")
    return [path for room in rooms for path in modules(room)]


def too_large():
    """Yield what is too large about a module, a SQL model or a function."""
    for path in python_files():
        where = path.relative_to(ROOT)
        lines = len(path.read_text().splitlines())
        if lines > MOST_MODULE_LINES:
            yield f"{where} has {lines} lines"
        for node in ast.walk(tree(path)):
            if not isinstance(node, FUNCTIONS):
                continue
            here = f"{where}:{node.lineno} {node.name}"
            lines = node.end_lineno - node.lineno + 1
            if lines > MOST_FUNCTION_LINES:
                yield f"{here} has {lines} lines"
            if nesting(node) > DEEPEST_NESTING:
                yield f"{here} is nested {nesting(node)} deep"
            if parameters(node) > MOST_PARAMETERS and not (is_kernel(node) or is_command(node)):
                yield f"{here} has {parameters(node)} parameters"
    for path in sorted((ROOT / "sql").rglob("*.sql")):
        lines = len(path.read_text().splitlines())
        if lines > MOST_MODEL_LINES:
            yield f"{path.relative_to(ROOT)} has {lines} lines"


def test_no_module_model_or_function_is_too_large_to_read():
    found = list(too_large())
    assert not found, "\n".join(found)


# Each spoke has its errors; a venue's name means that venue wherever it is dealt with.
SHARED_MODULE_NAMES = {"__init__", "errors", "binance"}


def test_a_class_name_means_one_thing():
    homes = defaultdict(list)
    for path in python_files():
        if path.is_relative_to(ROOT / "tests"):
            continue
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.ClassDef):
                homes[node.name].append(f"{path.relative_to(ROOT)}:{node.lineno}")
    twice = {name: found for name, found in homes.items() if len(found) > 1}
    assert not twice


def test_a_module_name_means_one_thing():
    """Flows and benchmarks aside: they share the name of the job they run or measure."""
    homes = defaultdict(list)
    for room in set(ALLOWED) - {"flows"}:
        for path in modules(room):
            homes[path.stem].append(path.relative_to(ROOT).as_posix())
    twice = {name: found for name, found in homes.items() if len(found) > 1}
    assert not {name: twice[name] for name in set(twice) - SHARED_MODULE_NAMES}


def test_packages_are_shipped():
    text = (ROOT / "pyproject.toml").read_text()
    line = next(line for line in text.splitlines() if line.startswith("packages = ["))
    assert set(json.loads(line.removeprefix("packages = "))) == {*ALLOWED, "sql"}


def test_examples_in_docstrings_are_run():
    with_examples = {
        room for room in ALLOWED for path in modules(room) if ">>> " in path.read_text()
    }
    configured = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert with_examples <= {*configured["tool"]["pytest"]["ini_options"]["testpaths"]}


def test_help_imports_nothing_that_takes_seconds():
    finished = subprocess.run(
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
    exit_code, loaded = json.loads(finished.stdout)
    slow = {
        "apprise",
        "ccxt",
        "distributed",
        "duckdb",
        "great_expectations",
        "numba",
        "pandas",
        "prefect",
    }
    assert exit_code == 0
    assert slow.isdisjoint(loaded)
