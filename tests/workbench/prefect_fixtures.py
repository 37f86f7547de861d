"""Prefect for tests: its own home, nothing of the user's."""

import atexit
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

FLOWS = Path(__file__).parents[2] / "flows"

# Prefect reads its settings when it is first imported, which is when tests are collected.
_HOME = tempfile.mkdtemp(prefix="liqheat-prefect-")
atexit.register(shutil.rmtree, _HOME, ignore_errors=True)
os.environ.update(
    DO_NOT_TRACK="1",
    PREFECT_HOME=_HOME,
    PREFECT_SERVER_ANALYTICS_ENABLED="false",
    PREFECT_LOGGING_TO_API_ENABLED="false",
)
for _name in ("PREFECT_API_URL", "PREFECT_PROFILE"):
    os.environ.pop(_name, None)


@pytest.fixture(autouse=True)
def imports_as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Undo what Prefect does when it loads a flow file: top modules named `build`, `ingest` ..."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        file = getattr(sys.modules[name], "__file__", None)
        if "." not in name and file is not None and Path(file).parent == FLOWS:
            del sys.modules[name]


@pytest.fixture
def home(offline_home: Path) -> Path:
    return offline_home
