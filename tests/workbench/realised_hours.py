"""A warehouse in which hours of an asset are realised in proportion to what a ledger consumed.

Belongs here: rows of what calibration reads, drawn rather than built. Nothing of them is a market.
"""

from datetime import UTC, datetime

import numpy as np
import pyarrow as pa

from jobs.instants import HOUR_MICROSECONDS, to_instant, to_microseconds
from transforms.ledger import LEDGERS
from warehouse.connect import insert_rows, registered
from warehouse.contracts import stored_rows

FIRST = to_microseconds(datetime(2026, 1, 1, tzinfo=UTC))
CAPTURED = 1000.0
"""USD realised for a unit that the nearest row of the path's ledger consumed."""

SHIPPED = {5: 0.4, 10: 0.3, 25: 0.2, 50: 0.1}
"""Weights by leverage of the estimator."""


def add_asset(connection, asset, n_days, seed=1, *, volume_usd=1e8, realise=None, is_complete=True):
    """Add hours of an asset on one venue, whose liquidations follow the path's ledger.

    `realise(usd, hour)` changes the realised amounts [USD] of the hours, shape (n_hours, 2); NaN
    leaves an hour without a row. Returns the realised amounts.
    """
    generator = np.random.default_rng(seed)
    n_hours = n_days * 24
    ends = FIRST + (1 + np.arange(n_hours)) * HOUR_MICROSECONDS
    close = 2e4 * np.exp(np.cumsum(generator.normal(0.0, 0.005, n_hours)))
    opens = np.concatenate(([2e4], close[:-1]))
    high = np.maximum(opens, close) * (1.0 + generator.gamma(1.0, 0.001, n_hours))
    low = np.minimum(opens, close) * (1.0 - generator.gamma(1.0, 0.001, n_hours))
    exposure = generator.gamma(0.05, 4.0, (n_hours, 2, 64))
    usd = exposure[..., 0] * CAPTURED + 10.0
    usd *= generator.gamma(4.0, 0.25, usd.shape)
    if realise is not None:
        usd = realise(usd, np.arange(n_hours))
    _add_instrument(connection, asset)
    _add_bars(connection, asset, ends, (opens, high, low, close), volume_usd)
    _add_exposures(connection, asset, ends, exposure, usd)
    _add_liquidations(connection, asset, ends, usd, is_complete)
    connection.execute("delete from derived.estimator_parameter where params_hash = 't'")
    for leverage, weight in SHIPPED.items():
        connection.execute(
            "insert into derived.estimator_parameter values ('t', 'turnover', ?, ?, 'ratio', '')",
            [f"weights[{leverage}x]", str(weight)],
        )
    connection.execute(
        "insert into meta.built_asset values (?, 'turnover', 't', ?, ?)",
        [asset, to_instant(int(ends[-1])), to_instant(int(ends[-1]))],
    )
    return usd


def _add_instrument(connection, asset):
    connection.execute(
        "insert into raw.instrument by name select 'okx' as venue, ? as instrument, ? as asset, "
        "'USD' as quote, 'linear' as contract_kind, 1.0 as contract_size, 1.0 as base_multiplier, "
        "true as is_active, ?::timestamptz as observed_at, 's' as source, "
        "?::timestamptz as ingested_at",
        [f"{asset}/USD", asset, to_instant(FIRST), to_instant(FIRST)],
    )


def _add_bars(connection, asset, ends, prices, volume_usd):
    instants = pa.array(ends, pa.timestamp("us", tz="UTC"))
    names = ("open", "high", "low", "close")
    table = pa.table({"as_of": instants, **dict(zip(names, prices, strict=True))})
    with registered(connection, "given", table):
        connection.execute(
            "insert into intermediate.int_instrument_hour by name select 'okx' as venue, "
            "? as instrument, ? as asset, 'linear' as contract_kind, 3600 as bar_seconds, "
            "1 as bar_count, as_of, open, high, low, close, ? / close as volume_quantity, "
            "? / close as volume_base, ?::double as volume_usd, 0 as zero_volume_bar_count, "
            "1 as open_interest_observed_count, 1e9 as open_interest_usd, "
            "1 as change_observed_count, 0 as violation_count, 0 as unchanged_traded_bar_count, "
            "0 as repeated_bar_count from given",
            [f"{asset}/USD", asset, volume_usd, volume_usd, volume_usd],
        )


def _add_exposures(connection, asset, ends, exposure, usd):
    n_hours = len(ends)
    hours, sides = np.repeat(ends, 2), np.tile(np.array(["long", "short"], dtype=object), n_hours)
    for provider, columns in (
        ("path_ledger", exposure),
        ("volume_ledger", exposure * 1e4),
        # Knows nothing of the row that counts.
        ("path_only", exposure[..., 1:10]),
    ):
        ledger = LEDGERS.get(provider)
        rows = {
            "asset": asset,
            "as_of": hours,
            "provider": provider,
            "side": sides,
            "exposure": list(columns.reshape(2 * n_hours, -1)),
            "move_log": 0.0,
            "log_age": 1.0,
            "map_usd": None if ledger is None else columns[..., 0].reshape(-1) + 1.0,
            "move_usd": None if ledger is None else 1.0,
            "constant_usd": None if ledger is None else 1.0,
            "capture_ratio": None,
            "capture_hour_count": 0,
            "reference_venue": "okx",
            "reference_instrument": f"{asset}/USD",
            "path_from_at": FIRST,
            "params_hash": "p",
            "run_id": "r",
        }
        insert_rows(connection, "derived.path_exposure", stored_rows("derived.path_exposure", rows))
    generator = np.random.default_rng(3)
    blind = generator.gamma(0.5, 100.0, 2 * n_hours)
    split = np.random.default_rng(4).dirichlet((1.0, 1.0, 1.0), 2 * n_hours)
    by_tier = list(np.column_stack((np.zeros(2 * n_hours), blind[:, None] * split)))
    rows = {
        "asset": asset,
        "as_of": hours,
        "provider": "turnover",
        "venue": "okx",
        "instrument": f"{asset}/USD",
        "side": sides,
        "tier": [["5x", "10x", "25x", "50x"]] * (2 * n_hours),
        **{
            f"{name}_{unit}": by_tier
            for name in ("position", "near", "consumed", "swept")
            for unit in ("base", "usd")
        },
        "params_hash": "t",
        "run_id": "r",
    }
    table = stored_rows("derived.leverage_exposure", rows)
    insert_rows(connection, "derived.leverage_exposure", table)
    for model in ("turnover", "path_ledger", "volume_ledger", "path_only"):
        connection.execute(
            "insert into intermediate.int_prediction_hour by name select ? as asset, "
            "?::timestamptz as as_of, ? as provider, 'okx' as venue, 'long' as side, "
            "'positions' as method, 't' as params_hash",
            [asset, to_instant(int(ends[-1])), model],
        )


def _add_liquidations(connection, asset, ends, usd, is_complete):
    known = np.isfinite(usd)
    table = pa.table(
        {
            "period_start_at": pa.array(
                np.repeat(ends - HOUR_MICROSECONDS, 2)[known.ravel()], pa.timestamp("us", tz="UTC")
            ),
            "side": np.tile(np.array(["long", "short"]), len(ends))[known.ravel()],
            "liquidated_usd": usd[known],
        }
    )
    with registered(connection, "given", table):
        connection.execute(
            "insert into raw.realised_liquidation by name select 'okx' as venue, ? as instrument, "
            "period_start_at, 3600 as period_seconds, side, liquidated_usd, "
            "?::boolean as is_complete_feed, '' as order_key, 's' as source, "
            "period_start_at as ingested_at from given",
            [f"{asset}/USD", is_complete],
        )
