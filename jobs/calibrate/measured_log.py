"""The log of followed accounts before a midnight, as arrays.

Belongs here: which rows are read, and until when changes have been found. Does not belong here:
what is measured on them (``measure_positions``). Instants are int64 microseconds, UTC.
"""

import logging
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Final

import numpy as np
import pyarrow as pa
from duckdb import DuckDBPyConnection

from jobs.instants import DAY, DAY_MICROSECONDS, to_instant, to_microseconds
from transforms.positions.account_draws import AccountDraws
from transforms.positions.changes import Changes
from transforms.positions.leverage import effective_leverage, maintenance_margin_ratios, tier_of
from transforms.series import IntArray
from warehouse.queries import named_query

logger = logging.getLogger(__name__)

VENUE: Final = "hyperliquid"
"""The venue whose accounts are followed."""

MEASURED_DAYS: Final = 30
"""Days of the log behind a measurement."""

MOST_ROWS: Final = 1_000_000
"""Rows that are read at most; of a longer log a sample of accounts is read."""

SETTLED: Final = DAY
"""After so long a change has been found: no account with positions waits longer for a state."""

LONGEST_SILENCE: Final = 2 * DAY
"""Without a change for so long before a midnight the collector was down: nothing is measured."""

_SEED: Final = 1
"""Of the resampling: a measurement repeats to the last digit."""


@dataclass(frozen=True, slots=True, eq=False)
class MeasuredLog:
    """The log and what every figure made of it needs.

    Parameters
    ----------
    changes : Changes
        The log; of accounts that were sampled.
    assets : tuple of str
        Name of each code of an asset.
    from_at, until_at : int
        Changes between the two have been found [microseconds].
    midnight : datetime
        Of the measurement, UTC.
    sampled_account_ratio : float
        Share of accounts that was read [ratio].
    set_tier, effective_tier : ndarray of int64, shape (n_rows,)
        Tiers of each row by set and by effective leverage; -1 where not known.
    draws : AccountDraws
        Draws of accounts.
    """

    changes: Changes
    assets: tuple[str, ...]
    from_at: int
    until_at: int
    midnight: datetime
    sampled_account_ratio: float
    set_tier: IntArray
    effective_tier: IntArray
    draws: AccountDraws


def read_measured_log(connection: DuckDBPyConnection, as_of: datetime) -> MeasuredLog | None:
    """Return the log up to an hour, for its last midnight; None where nobody is followed by then.

    Parameters
    ----------
    connection : DuckDBPyConnection
        The writer's.
    as_of : datetime
        The hour, UTC; what was observed later is not read.
    """
    midnight = as_of.replace(hour=0, minute=0, second=0, microsecond=0)
    from_at = midnight - timedelta(days=MEASURED_DAYS)
    count, newest = connection.execute(
        "select count(*), max(observed_at) from raw.account_position "
        "where venue_scope = ? and observed_at > ? and observed_at <= ?",
        [VENUE, from_at, as_of],
    ).fetchall()[0]
    if not count:
        return None
    if newest < midnight - LONGEST_SILENCE:
        logger.warning(
            "nothing is measured for %s: the last change of a position was seen at %s; "
            "run `liqheat collect-positions`",
            midnight.date(),
            newest.isoformat(timespec="minutes"),
        )
        return None
    sample = -(-count // MOST_ROWS)
    table = connection.execute(
        named_query("position_changes"),
        {"venue": VENUE, "from_at": from_at, "until_at": as_of, "sample": sample},
    ).to_arrow_table()
    if table.num_rows == 0:
        return None
    names = table["asset"].combine_chunks().dictionary_encode()
    code = table["asset_code"].to_numpy()
    assets = np.empty(int(code.max()) + 1, dtype=object)
    assets[code] = np.array(names.dictionary.to_pylist(), dtype=object)[names.indices.to_numpy()]
    changes = _changes(
        {name: table[name] for name in table.column_names} | {"asset": table["asset_code"]}
    )
    effective = effective_leverage(changes, maintenance_margin_ratios(changes))
    # The newest change says until when the collector ran.
    until_at = min(to_microseconds(newest - SETTLED), to_microseconds(midnight))
    return MeasuredLog(
        changes=changes,
        assets=tuple(assets.tolist()),
        from_at=to_microseconds(from_at),
        until_at=until_at,
        midnight=midnight,
        sampled_account_ratio=1.0 / sample,
        set_tier=tier_of(changes.leverage),
        effective_tier=tier_of(effective),
        draws=AccountDraws.of(changes.n_accounts, np.random.default_rng(_SEED)),
    )


def _changes(columns: dict[str, pa.ChunkedArray]) -> Changes:
    """Return the columns of the query as arrays; NULL as NaN."""
    kinds = {"int64": np.int64, "bool": np.bool_, "double": np.float64}
    return Changes(
        **{
            field.name: np.asarray(
                columns[field.name].to_numpy(), dtype=kinds[str(columns[field.name].type)]
            )
            for field in fields(Changes)
        }
    )


def tier_if_fresh(log: MeasuredLog, tier: IntArray) -> IntArray:
    """Return the tiers of rows in the measured time, -1 of those before and after.

    A position whose opening lies before it is only here because it lasted.
    """
    at = log.changes.observed_at
    return np.where((at > log.from_at) & (at <= log.until_at), tier, -1)


def span_days(log: MeasuredLog) -> float:
    """Return for how long accounts were followed within the measured time [days]."""
    first = max(int(log.changes.observed_at.min()), log.from_at)
    return max(log.until_at - first, 0) / DAY_MICROSECONDS


def settled_until(log: MeasuredLog) -> datetime:
    """Return until when changes have been found, UTC."""
    return to_instant(log.until_at)
