"""Whether odds of touch were right, and bands touched more often than levels as likely.

Belongs here: rows of ``derived.touch_reliability``. Does not belong here: the measures
(``transforms.skill.reliability``), the odds (``transforms.touch``).
"""

from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final

import numpy as np
import pyarrow as pa
from duckdb import DuckDBPyConnection

from jobs.build.hourly_maps import nullable
from jobs.calibrate.row_store import Replacement, replace_rows
from jobs.grouping import run_slices
from jobs.instants import DAY
from transforms.skill.reliability import TENTHS, Touches, log_loss, reliability, touch_excess
from warehouse.contracts import stored_rows
from warehouse.queries import named_query

MEASURED_DAYS: Final = 180
"""Days of midnights behind a row."""

LEAST_LEVELS: Final = 100
"""Bands, and levels to compare them with, below which no excess is stored."""

_SEED: Final = 1
"""Of the bootstrap: a row repeats to the last digit."""


def score_touches(connection: DuckDBPyConnection, as_of: datetime, run_id: str) -> int:
    """Measure touches of bands up to the last midnight with a day after it; return how many rows.

    Idempotent: the rows of that midnight are replaced.

    Parameters
    ----------
    connection : DuckDBPyConnection
        The writer's.
    as_of : datetime
        The last hour of prices, UTC.
    run_id : str
        Written beside each row.
    """
    last = as_of.replace(hour=0, minute=0, second=0, microsecond=0) - DAY
    levels = connection.execute(
        named_query("touch_levels"),
        {"from_at": last - timedelta(days=MEASURED_DAYS), "until_at": last},
    ).to_arrow_table()
    if levels.num_rows == 0:
        return 0
    keys = [np.array(levels[name].to_pylist(), dtype=object) for name in ("asset", "provider")]
    tables = [
        _rows(levels.slice(rows.start, rows.stop - rows.start), last, run_id)
        for rows in run_slices(*keys)
    ]
    rows = pa.concat_tables(tables)
    replacement = Replacement("derived.touch_reliability", rows, "as_of = ?", [last])
    return replace_rows(connection, replacement)


def _rows(levels: pa.Table, last: datetime, run_id: str) -> pa.Table:
    """Return the rows of one asset and provider: each tenth of odds, then all."""
    odds, set_at = levels["odds"].to_numpy(), levels["set_at"].to_numpy()
    touched, mirror, is_free = (
        levels[name].to_numpy(zero_copy_only=False).astype(np.bool_)
        for name in ("is_touched", "is_mirror_touched", "is_mirror_free")
    )
    tenths = reliability(odds, touched)
    n_free = int(np.count_nonzero(is_free))
    value = low = high = np.nan
    reason = f"fewer than {LEAST_LEVELS} bands and levels to compare"
    if min(len(odds), n_free) >= LEAST_LEVELS:
        excess = touch_excess(
            Touches(odds, touched, set_at),
            Touches(odds[is_free], mirror[is_free], set_at[is_free]),
            np.random.default_rng(_SEED),
        )
        value, low, high = excess.value, excess.low, excess.high
        reason = "" if np.isfinite(low) else "too few blocks of two weeks for an interval"
    n_groups = len(tenths.count)
    names = [f"{begin:.1f}-{end:.1f}" for begin, end in pairwise(TENTHS)]
    nothing = np.full(n_groups, np.nan)
    return stored_rows(
        "derived.touch_reliability",
        {
            "asset": levels["asset"][0].as_py(),
            "as_of": last,
            "provider": levels["provider"][0].as_py(),
            "odds_group": [*names, "all"],
            "level_count": [*tenths.count.tolist(), len(odds)],
            "odds_ratio": nullable(np.append(tenths.said, odds.mean())),
            "touched_ratio": nullable(np.append(tenths.came, touched.mean())),
            "log_loss_nats": nullable(np.append(nothing, log_loss(odds, touched).mean())),
            "excess_points": nullable(np.append(nothing, value)),
            "excess_low_points": nullable(np.append(nothing, low)),
            "excess_high_points": nullable(np.append(nothing, high)),
            "mirror_count": [*[None] * n_groups, n_free],
            "reason": [*[None] * n_groups, reason or None],
            "run_id": run_id,
        },
    )
