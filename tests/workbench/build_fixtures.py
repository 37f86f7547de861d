"""The small market, one asset of it, and builds that are cut finely."""

import shutil

import pytest

from jobs.build import limits
from workbench import END, home_with, where, workshop
from workbench.rebuilds import ONE


@pytest.fixture(scope="session")
def bitcoin(market_records):
    """The records of one asset on its linear and its inverse venue."""
    chosen = {}
    for kind, table in market_records.items():
        if kind == "provider_map":
            continue
        names = table["instrument"].to_pylist()
        chosen[kind] = where(table, [name.startswith("BTC/") for name in names])
    return chosen


@pytest.fixture(scope="session")
def built_at_once(bitcoin, tmp_path_factory):
    """The home of all records of the asset, built once; read only."""
    home = home_with(bitcoin, tmp_path_factory.mktemp("built"))
    with workshop(home) as shop:
        shop.build(END, ONE)
    return home


@pytest.fixture
def shop(built_at_once, tmp_path):
    """A workshop in a copy of it."""
    with workshop(shutil.copytree(built_at_once, tmp_path / "home")) as opened:
        yield opened


@pytest.fixture
def cut_into_days(monkeypatch):
    """Work through bars in windows of a day."""
    monkeypatch.setattr(limits, "WINDOW_DAYS", 1)


@pytest.fixture
def short_memory(monkeypatch):
    """Keep one midnight and fill holes of a day at most."""
    monkeypatch.setattr(limits, "KEPT_MIDNIGHTS", 1)
    monkeypatch.setattr(limits, "HOLE_DAYS", 1)
