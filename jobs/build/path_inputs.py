"""Reading what the replay of reference paths needs: where they begin, fits, liquidations.

Instants are int64 microseconds since 1970, UTC.
"""

import math
from collections.abc import Iterable, Sequence

import numpy as np
import pyarrow as pa
from duckdb import DuckDBPyConnection

from jobs.build.path_records import (
    CAPTURE_HOURS,
    NO_AMOUNTS,
    AssetPath,
    HourlyAmounts,
    PathInputs,
    read_checkpoint,
)
from jobs.build.reference_path import ContractKey
from jobs.build.replay_records import Series
from jobs.calibrate.fits_in_force import fits_in_force
from jobs.grouping import run_slices
from jobs.instants import BEGINNING, DAY_MICROSECONDS, HOUR_MICROSECONDS, to_instant
from transforms.ledger import LEDGERS, LedgerState
from transforms.series import SIDES
from transforms.state import State
from warehouse.models import set_window
from warehouse.queries import named_query

_CAPTURE_MICROSECONDS = CAPTURE_HOURS * HOUR_MICROSECONDS


def new_paths(series: Iterable[Series]) -> dict[str, AssetPath]:
    """Return the paths of the assets of some series, before their first bar."""
    contracts: dict[str, list[ContractKey]] = {}
    for each in series:
        key = ContractKey(each.contract_kind == "inverse", each.venue, each.instrument)
        contracts.setdefault(each.asset, []).append(key)
    return {asset: AssetPath(asset, tuple(sorted(keys))) for asset, keys in contracts.items()}


def resume_path(
    path: AssetPath, provider: str, payload: bytes, first_bar_start: int, last_bar_end: int
) -> None:
    """Set a path to what a checkpoint of one of its models holds."""
    path.reference.contract, state = read_checkpoint(payload)
    path.first_bar_start, path.last_bar_end = first_bar_start, last_bar_end
    if provider in LEDGERS:
        path.ledger_states[provider] = LedgerState.from_bytes(state)
    else:
        path.path_only_state = State.from_bytes(state)


def path_starts(connection: DuckDBPyConnection, assets: Sequence[str]) -> dict[str, int]:
    """Return the midnights before the first bars of assets whose paths have no checkpoint.

    A path begins with the first bar of any contract, however little is out of date: levels last
    for months.
    """
    if not assets:
        return {}
    rows = connection.execute(named_query("first_bars"), {"assets": list(assets)}).fetchall()
    return {
        asset: max(first // DAY_MICROSECONDS * DAY_MICROSECONDS, BEGINNING) for asset, first in rows
    }


def read_expected(
    connection: DuckDBPyConnection, paths: dict[str, AssetPath], begins_at: dict[str, int]
) -> None:
    """Set what ledgers expected in the hours before their paths go on, for captures to come."""
    if not begins_at:
        return
    table = connection.execute(
        named_query("expected_liquidations"),
        {
            "from_at": to_instant(min(begins_at.values()) - _CAPTURE_MICROSECONDS),
            "until_at": to_instant(max(begins_at.values())),
            "assets": list(begins_at),
        },
    ).to_arrow_table()
    for (asset, provider), amounts in _amounts(table, "asset", "provider").items():
        start = begins_at[asset]
        before = amounts.over(start - _CAPTURE_MICROSECONDS, start)
        paths[asset].expected[provider] = HourlyAmounts(
            start - _CAPTURE_MICROSECONDS + HOUR_MICROSECONDS, before
        )


def read_path_inputs(
    connection: DuckDBPyConnection, assets: Sequence[str], start: int, end: int
) -> dict[str, PathInputs]:
    """Return fits and published liquidations for a window (start, end], by asset."""
    hours = to_instant(start), to_instant(end)
    fits = fits_in_force(connection, assets, *hours)
    # The model reaches back for the hours of captures.
    set_window(connection, None, *hours)
    table = connection.execute(
        named_query("realised_hours"), {"assets": list(assets)}
    ).to_arrow_table()
    set_window(connection, None, None, None)
    realised = _amounts(table, "asset")
    return {
        asset: PathInputs(
            {name: fits[asset, name].fits for name in LEDGERS if (asset, name) in fits},
            realised.get((asset,), NO_AMOUNTS),
        )
        for asset in assets
    }


def _amounts(table: pa.Table, *names: str) -> dict[tuple[str, ...], HourlyAmounts]:
    """Return amounts by some columns of a table, whose rows are in order of these."""
    if table.num_rows == 0:
        return {}
    table = table.combine_chunks()
    keys = [table.column(name).dictionary_encode().combine_chunks() for name in names]
    hours = table.column("hour").to_numpy()
    sides = (table.column(f"{side}_usd").fill_null(math.nan) for side in SIDES)
    usd = np.stack([side.to_numpy() for side in sides], axis=1)
    return {
        tuple(key[rows.start].as_py() for key in keys): HourlyAmounts.of(hours[rows], usd[rows])
        for rows in run_slices(*(key.indices.to_numpy() for key in keys))
    }
