"""One asset of the small market, and builds that are cut finely."""

import pytest
from workbench import where

from jobs.build import limits


@pytest.fixture(scope="module")
def bitcoin(market_records):
    """The records of one asset on its linear and its inverse venue."""
    chosen = {}
    for kind, table in market_records.items():
        if kind == "provider_map":
            continue
        names = table["instrument"].to_pylist()
        chosen[kind] = where(table, [name.startswith("BTC/") for name in names])
    return chosen


@pytest.fixture
def cut_into_days(monkeypatch):
    """Work through bars in windows of a day."""
    monkeypatch.setattr(limits, "WINDOW_DAYS", 1)


@pytest.fixture
def short_memory(monkeypatch):
    """Keep one midnight and fill holes of a day at most."""
    monkeypatch.setattr(limits, "KEPT_MIDNIGHTS", 1)
    monkeypatch.setattr(limits, "HOLE_DAYS", 1)
