"""Prefect with a server, and what flows run over."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from workbench.prefect_fixtures import home, imports_as_before

__all__ = ["home", "imports_as_before", "prefect_server", "small_market"]

SERVER_START_SECONDS = 180
"""Thirty, as Prefect has it, is not always enough on two busy cores."""

MARKET_START = datetime(2026, 1, 5, tzinfo=UTC)
MARKET_END = MARKET_START + timedelta(days=1)


@pytest.fixture(scope="package")
def prefect_server() -> Iterator[None]:
    # It takes seconds to start; for a session it would take part of a core from all that follow.
    from prefect.testing.utilities import prefect_test_harness

    with prefect_test_harness(server_startup_timeout=SERVER_START_SECONDS):
        yield


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
