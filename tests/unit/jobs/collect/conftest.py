"""Venues of a stand-in for the doctor to examine."""

import pytest
from standin import DAY, HOUR, VENUES, Faults, Standin, serving, synthetic_market
from workbench.live import instant

from jobs.collect import doctor
from jobs.collect.scope import Effort
from jobs.settings import Settings
from sources.venues import connection, session
from sources.venues.pacer import RequestPolicy

START = 1_772_323_200_000  # 2026-03-01
NOW = START + 41 * DAY + 3 * HOUR + 67_000
ONCE = RequestPolicy(attempts=1, concurrency=1)


@pytest.fixture(scope="module")
def standin():
    market = synthetic_market(
        start=START,
        end=START + 42 * DAY,
        venues=VENUES,
        assets={"BTC": 70_000.0, "PEPE": 4e-6},
        inverse_assets=("BTC",),
    )
    served = Standin(market, now=NOW, faults=Faults(seed=0), enforce_limits=False)
    with serving(served):
        yield served


@pytest.fixture
def without_pacing(monkeypatch):
    """Let ccxt ask as fast as it can: the stand-in has no limits here."""

    def open_at_once(*actual, **named):
        exchange = connection.open_exchange(*actual, **named)
        exchange.enableRateLimit = False
        return exchange

    monkeypatch.setattr(session, "open_exchange", open_at_once)


@pytest.fixture
def examine(standin, tmp_path, without_pacing):
    """Return a function that examines venues, each call with its faults."""

    def run(*venues, budget_seconds=60.0, **settings):
        return doctor.run_doctor(
            Settings(home=tmp_path / "home", venue_url=standin.base_url, **settings),
            clock=lambda: instant(standin.now),
            venues=venues,
            effort=Effort(budget_seconds, ONCE),
        )

    yield run
    standin.faults.clear()
    assert not (tmp_path / "home").exists()
