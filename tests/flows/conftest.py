"""Prefect for the tests of this folder: its own home and server, nothing of the user's."""

import atexit
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
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

SERVER_START_SECONDS = 180
"""Thirty, as Prefect has it, is not always enough on two busy cores."""


@pytest.fixture(scope="package")
def prefect_server() -> Iterator[None]:
    # It takes seconds to start; for a session it would take part of a core from all that follow.
    from prefect.testing.utilities import prefect_test_harness

    with prefect_test_harness(server_startup_timeout=SERVER_START_SECONDS):
        yield


@pytest.fixture(autouse=True)
def _imports_as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
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


MARKET_START = datetime(2026, 1, 5, tzinfo=UTC)
MARKET_END = MARKET_START + timedelta(days=1)


@pytest.fixture
def small_market(home: Path) -> datetime:
    """Land a day of one simulated asset on one venue; return its last hour."""
    from jobs.collect.landing import land
    from sources.simulated import MarketParameters, simulate

    shipped = MarketParameters(start=MARKET_START, days=1, seed=7)
    parameters = MarketParameters(
        start=MARKET_START,
        days=1,
        seed=7,
        assets=shipped.assets[:1],
        venues=shipped.venues[:1],
    )
    for number, batch in enumerate(simulate(parameters, ingested_at=MARKET_END)):
        land(batch, home / "landing", f"simulated-{number:04d}")
    return MARKET_END
