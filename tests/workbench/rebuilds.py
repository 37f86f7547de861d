"""Records that arrive in pieces, and whether building them gives the rows of one rebuild."""

import shutil
from datetime import timedelta
from unittest import mock

import duckdb
import numpy as np

from jobs.build import limits
from transforms.estimators import ESTIMATORS
from workbench import HOUR, START, differences, instants, where, workshop

ONE = (ESTIMATORS["turnover"], ESTIMATORS["volume_profile"])
LINEAR = ("sim_alpha", "BTC/USDT:USDT")
INVERSE = ("sim_gamma", "BTC/USD:BTC")

MINUTES = timedelta(minutes=1)
BAR_HOURS = 1 / 12
_WINDOW_DAYS = limits.WINDOW_DAYS


def of(table, series):
    """Return which rows are of a series."""
    venue, instrument = series
    return (np.array(table["venue"].to_pylist()) == venue) & (
        np.array(table["instrument"].to_pylist()) == instrument
    )


def without(records, kind, series, first, last):
    """Return the records without those of a series and kind in [first, last) hours."""
    table = records[kind]
    at = instants(table, kind)
    return {**records, kind: where(table, ~(of(table, series) & (at >= first) & (at < last)))}


def only(records, kind, series, first, last):
    """Return what ``without`` leaves out."""
    table = records[kind]
    at = instants(table, kind)
    return {kind: where(table, of(table, series) & (at >= first) & (at < last))}


def until(records, hours, after=float("-inf")):
    """Return what is known at an hour and was not at an earlier one."""
    known = {}
    for kind, table in records.items():
        if kind in ("instrument", "leverage_bracket"):
            known[kind] = table if after == float("-inf") else table.slice(0, 0)
            continue
        at = instants(table, kind)
        # A bar is known when it has ended.
        ends = at + (BAR_HOURS if kind in ("ohlcv", "mark_ohlc", "realised_liquidation") else 0)
        known[kind] = where(table, (ends <= hours + 1e-9) & (ends > after + 1e-9))
    return known


def hour(number):
    return START + number * HOUR


def assert_equals_rebuild(
    tmp_path, arrivals, estimators=ONE, path_models=(), *, begun=None, rebuilt=None
):
    """Build as records arrive, and once from all of them; both must hold the same rows.

    Parameters
    ----------
    tmp_path : Path
        An empty folder.
    arrivals : sequence of (datetime, dict of str to Table)
        Hours to build up to, each with the records that arrive before it.
    estimators, path_models : sequence
        What is built.
    begun, rebuilt : Path, optional
        Homes that a module has built once: of the first arrival alone, and of all records at once.
    """
    grown = tmp_path / "grown"
    if begun is not None:
        shutil.copytree(begun, grown)
    with workshop(grown) as shop:
        for as_of, records in arrivals[begun is not None :]:
            shop.take_in(records)
            shop.build(as_of, estimators, path_models)
    if rebuilt is None:
        rebuilt = tmp_path / "rebuilt"
        # In one window, however the test cuts.
        uncut = mock.patch.object(limits, "WINDOW_DAYS", _WINDOW_DAYS)
        with workshop(rebuilt) as shop, uncut:
            for _, records in arrivals:
                for kind, table in records.items():
                    if len(table):
                        shop.land(kind, table)
            shop.load()
            shop.build(max(as_of for as_of, _ in arrivals), estimators, path_models)
    ledgers = [model for model in path_models if model.ledger is not None]
    with duckdb.connect(str(rebuilt / "warehouse.duckdb"), read_only=True) as reader:
        found = reader.execute(
            "select count(distinct as_of) > 0, count(distinct provider) from derived.heatmap"
        ).fetchone()
    assert found == (True, len(estimators) + len(ledgers))
    assert not differences(grown / "warehouse.duckdb", rebuilt / "warehouse.duckdb")
