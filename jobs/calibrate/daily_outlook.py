"""What a ledger expects to be published in the 24 hours after the last midnight.

Belongs here: reading map, fit and volatility of a midnight, and rows of
``derived.liquidation_outlook``. Does not belong here: paths and what they reach
(``transforms.calibration.outlook``). Instants are int64 microseconds, UTC.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa
from duckdb import DuckDBPyConnection

from jobs.calibrate.fits_in_force import fits_in_force
from jobs.calibrate.forecast_hours import CAUGHT_UP_DAYS
from jobs.calibrate.panels import AssetPanel
from jobs.calibrate.row_store import Replacement
from jobs.instants import DAY_MICROSECONDS, HOUR, HOUR_MICROSECONDS, to_instant
from transforms.calibration.outlook import (
    PATHS,
    Outlook,
    StandingMap,
    outlook,
    simulate_paths,
)
from transforms.series import SIDES
from transforms.skill.panel import Panel
from transforms.touch import MONTH_SECONDS, blend_volatility, trailing_volatility, weekend_change
from warehouse.contracts import stored_rows
from warehouse.queries import named_query

PROVIDER: Final = "path_ledger"
"""Ledger whose map is held; that of volume expects as much, to 3 %, on recorded days."""

_FAST_HOURS: Final = 240
"""Hours behind the fast volatility: ten half-lives, as for the odds of touch."""

_SLOW_HOURS: Final = round(MONTH_SECONDS / 3600.0)

_LEAST_HOURS: Final = 24
"""Hours of returns that paths need, as odds of touch do."""


@dataclass(frozen=True, slots=True, eq=False)
class MidnightMap:
    """What a ledger holds at a midnight.

    Parameters
    ----------
    at : int
        The midnight [microseconds].
    standing : StandingMap or None
        Its map and the fit behind it; None where it has none.
    capture : float or None
        Its capture [ratio].
    params_hash, reason : str or None
        Of the map, and why there is none.
    """

    at: int
    standing: StandingMap | None
    capture: float | None
    params_hash: str | None
    reason: str | None


def read_midnights(connection: DuckDBPyConnection, asset: str, as_of: int) -> list[MidnightMap]:
    """Return the midnights of an asset to look ahead from, the last one always.

    Earlier midnights that no calibration looked ahead from are caught up with where they have a
    map, from what was known then: a home that is filled from archives has some to judge at once.

    Parameters
    ----------
    connection : DuckDBPyConnection
        The writer's.
    asset : str
        The asset.
    as_of : int
        The last hour to use [microseconds]; nothing after its midnight is read.
    """
    return [_read_midnight(connection, asset, at) for at in _midnights(connection, asset, as_of)]


def outlook_rows(own: AssetPanel, midnights: Sequence[MidnightMap], run_id: str) -> Replacement:
    """Return the outlooks of some midnights of an asset in place of earlier ones.

    Parameters
    ----------
    own : AssetPanel
        The asset's hours.
    midnights : sequence of MidnightMap
        The midnights, oldest first.
    run_id : str
        Written beside each row.
    """
    return Replacement(
        "derived.liquidation_outlook",
        pa.concat_tables([_rows(own, midnight, run_id) for midnight in midnights]),
        "asset = ? and as_of >= ? and as_of <= ?",
        [own.panel.asset, to_instant(midnights[0].at), to_instant(midnights[-1].at)],
    )


def _midnights(connection: DuckDBPyConnection, asset: str, as_of: int) -> list[int]:
    """Return the midnights to look ahead from, the last one always."""
    last = as_of // DAY_MICROSECONDS * DAY_MICROSECONDS
    rows = connection.execute(
        "select distinct epoch_us(as_of) from derived.heatmap where asset = $asset "
        "and provider = $provider and venue = 'all' and as_of = date_trunc('day', as_of) "
        "and as_of > greatest($earliest, coalesce((select max(as_of) "
        "from derived.liquidation_outlook where asset = $asset), $earliest)) "
        "and as_of < $last order by all",
        {
            "asset": asset,
            "provider": PROVIDER,
            "earliest": to_instant(last - CAUGHT_UP_DAYS * DAY_MICROSECONDS),
            "last": to_instant(last),
        },
    ).fetchall()
    return [*(midnight for (midnight,) in rows), last]


def _rows(own: AssetPanel, midnight: MidnightMap, run_id: str) -> pa.Table:
    """Return the rows of both sides for the 24 hours after a midnight."""
    standing, volatility = midnight.standing, volatility_ahead(own.panel, midnight.at)
    reason = midnight.reason
    found = None
    if volatility is None:
        reason = f"fewer than {_LEAST_HOURS} hours of returns in the last 30 days"
    elif standing is not None:
        # One day has the same draws for every asset and in every run.
        generator = np.random.default_rng(midnight.at // DAY_MICROSECONDS)
        found = outlook(standing, simulate_paths(volatility, generator))
    known = {
        "volatility_ahead_ratio": volatility,
        "params_hash": midnight.params_hash,
        "reason": reason,
        "price": standing and standing.price,
        "capture_ratio": midnight.capture,
    }
    return stored_rows(
        "derived.liquidation_outlook",
        {
            "asset": own.panel.asset,
            "as_of": midnight.at,
            "side": list(SIDES),
            "provider": PROVIDER,
            "path_count": PATHS,
            **_figures(found),
            **{name: [value] * 2 for name, value in known.items()},
            "run_id": run_id,
        },
    )


def volatility_ahead(panel: Panel, midnight: int) -> float | None:
    """Return the volatility of the day after a midnight [ln per sqrt day]; None where not known.

    Parameters
    ----------
    panel : Panel
        Hours of the asset; those after the midnight are not read.
    midnight : int
        The instant [microseconds].
    """
    age = (midnight - panel.span_end) // HOUR_MICROSECONDS
    own = (age >= 0) & (age < _SLOW_HOURS)
    squared = np.full((1, _SLOW_HOURS), np.nan)
    squared[0, _SLOW_HOURS - 1 - age[own]] = np.log(panel.close / panel.previous_close)[own] ** 2
    if np.count_nonzero(np.isfinite(squared)) < _LEAST_HOURS:
        return None
    fast = trailing_volatility(squared[:, -_FAST_HOURS:], 3600.0, _FAST_HOURS)
    slow = trailing_volatility(squared, 3600.0, _SLOW_HOURS, math.inf)
    ahead = float(blend_volatility(fast[0, 0], slow[0, 0], weekend_change(midnight)))
    return ahead if math.isfinite(ahead) else None


def _read_midnight(connection: DuckDBPyConnection, asset: str, midnight: int) -> MidnightMap:
    """Return the ledger's map of a midnight with the fit behind it."""
    at = to_instant(midnight)
    rows = connection.execute(
        named_query("outlook_map"), {"asset": asset, "as_of": at, "provider": PROVIDER}
    ).fetchall()
    if len(rows) < 2:
        return MidnightMap(midnight, None, None, None, "no map of the ledger at midnight")
    (price, first_bin, longs, params_hash, capture), (_, other_bin, shorts, _, _) = rows
    force = fits_in_force(connection, [asset], at - HOUR, at)[asset, PROVIDER]
    fit = force.at(midnight)
    if fit is None or fit.params_hash != params_hash:
        reason = "the fit behind the map of midnight is no longer stored"
        return MidnightMap(midnight, None, None, params_hash, reason)
    first = min(first_bin, other_bin)
    usd = np.zeros((2, max(first_bin + len(longs), other_bin + len(shorts)) - first))
    usd[0, first_bin - first :][: len(longs)] = longs
    usd[1, other_bin - first :][: len(shorts)] = shorts
    factor = 1.0 if capture is None else capture
    standing = StandingMap(price, first, usd, factor * fit.move_weight, factor * fit.constant)
    return MidnightMap(midnight, standing, capture, params_hash, None)


def _figures(found: Outlook | None) -> dict[str, Any]:
    """Return the columns of both sides; NULL without an outlook."""
    names = (
        "expected_usd",
        "expected_map_usd",
        "expected_move_usd",
        "expected_constant_usd",
        "expected_q10_usd",
        "expected_q50_usd",
        "expected_q90_usd",
    )
    if found is None:
        return {name: [None, None] for name in names}
    columns = (
        found.usd,
        found.map_usd,
        found.move_usd,
        found.constant_usd,
        *found.quantiles_usd.T,
    )
    return {name: column.tolist() for name, column in zip(names, columns, strict=True)}
