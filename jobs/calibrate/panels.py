"""What happened to an asset hour by hour, beside what each model was exposed to, as a panel.

Belongs here: reading it from the warehouse, and which venues' liquidations are held against models.
Does not belong here: fits and scores of a panel (``transforms``).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
from duckdb import DuckDBPyConnection

from jobs.grouping import run_slices
from jobs.instants import HOUR_MICROSECONDS, to_microseconds
from transforms.calibration.capture import silent_spans
from transforms.series import SIDES, FloatArray, IntArray
from transforms.skill.panel import Panel
from warehouse.models import set_window
from warehouse.queries import named_query

SCOPE_DAYS = 30
"""Days before the end whose most frequent set of venues is the scope; hours of another are left
out, since amounts of two scopes cannot be compared."""

FITTED_DAYS = 365
"""Days of hours that a panel has: longer spans change little and cost memory."""


@dataclass(frozen=True, slots=True)
class AssetPanel:
    """A panel and where its realised liquidations come from.

    Parameters
    ----------
    panel : Panel
        Hours of the asset; those of another scope are left out.
    venues : tuple of str
        Venues whose liquidations are summed; empty without a feed.
    feeds : tuple of str
        Feeds of the newest hour of that scope.
    is_complete : bool or None
        Whether these feeds have every liquidation; None without a feed.
    other_scope_hours : int
        Hours with realised liquidations of other venues.
    largest_volume_usd : ndarray of float64, shape (n_spans,)
        Volume of the most traded contract in each hour [USD].
    map_usd : dict of str to ndarray of float64, shape (n_spans, 2)
        By ledger, USD expected from the levels of its map with the fit in force in the hour, before
        capture; NaN without a fit.
    """

    panel: Panel
    venues: tuple[str, ...]
    feeds: tuple[str, ...]
    is_complete: bool | None
    other_scope_hours: int
    largest_volume_usd: FloatArray
    map_usd: Mapping[str, FloatArray]


def read_panel(connection: DuckDBPyConnection, asset: str, as_of: datetime) -> AssetPanel | None:
    """Return the panel of an asset up to an hour; None where it has no hours.

    Parameters
    ----------
    connection : DuckDBPyConnection
        The writer's.
    asset : str
        The asset.
    as_of : datetime
        The last hour, UTC.
    """
    set_window(connection, [asset], as_of - timedelta(days=FITTED_DAYS), as_of)
    try:
        hours = connection.execute(named_query("panel_hours")).to_arrow_table()
        if hours.num_rows == 0:
            return None
        since = to_microseconds(as_of - timedelta(days=SCOPE_DAYS))
        scope = _newest_scope(hours, since)
        venues = tuple(scope.split("+")) if scope else ()
        # Without a feed predictions are of all venues, so that hours have figures on one side.
        exposures = connection.execute(
            named_query("panel_exposures"),
            {"venues": list(venues) or _all_venues(connection)},
        ).to_arrow_table()
    finally:
        set_window(connection, None, None, None)
    return _asset_panel(asset, hours, exposures, scope)


def _all_venues(connection: DuckDBPyConnection) -> list[str]:
    return [
        row[0]
        for row in connection.execute(
            "select distinct venue from staging.stg_instrument"
        ).fetchall()
    ]


def _newest_scope(hours: pa.Table, since: int) -> str:
    """Return the most frequent set of venues since an instant; before it, if there is none since.

    Of two as frequent, the first by name.
    """
    counts: dict[tuple[bool, str], int] = {}
    for end, scope in zip(
        hours["span_end"].to_pylist(), hours["venue_scope"].to_pylist(), strict=True
    ):
        if scope is not None:
            counts[end > since, scope] = counts.get((end > since, scope), 0) + 1
    ranked = sorted(counts, key=lambda key: (not key[0], -counts[key], key[1]))
    return ranked[0][1] if ranked else ""


def _asset_panel(asset: str, hours: pa.Table, exposures: pa.Table, scope: str) -> AssetPanel:
    span_end = hours["span_end"].to_numpy()
    scopes = np.array(hours["venue_scope"].to_pylist(), dtype=object)
    is_scope = scopes == scope if scope else np.zeros(len(span_end), dtype=np.bool_)
    has_other = np.array([one is not None for one in scopes]) & ~is_scope
    realised = np.column_stack([_floats(hours, f"realised_{side}_usd") for side in SIDES])
    realised[~is_scope] = np.nan
    is_complete = hours["is_complete"].to_numpy(zero_copy_only=False).astype(np.bool_)
    is_flagged = hours["is_flagged"].to_numpy(zero_copy_only=False).astype(np.bool_)
    close = _floats(hours, "close")
    follows = np.diff(span_end, prepend=span_end[0]) == HOUR_MICROSECONDS
    found = _by_hour(exposures, span_end)
    newest = np.flatnonzero(is_scope)
    panel = Panel(
        span_end=span_end,
        span_seconds=3600,
        realised_usd=realised,
        is_complete=is_complete & is_scope,
        is_left_out=is_flagged | has_other | silent_spans(realised),
        open=_floats(hours, "open"),
        high=_floats(hours, "high"),
        low=_floats(hours, "low"),
        close=close,
        previous_close=np.where(follows, np.roll(close, 1), np.nan),
        volume_usd=_floats(hours, "volume_usd"),
        open_interest_usd=_floats(hours, "open_interest_usd"),
        exposures=found.columns,
        log_age=found.log_age,
        asset=asset,
    )
    return AssetPanel(
        panel=panel,
        venues=tuple(scope.split("+")) if scope else (),
        feeds=tuple(hours["realised_feeds"][int(newest[-1])].as_py()) if newest.size else (),
        is_complete=bool(is_complete[newest[-1]]) if newest.size else None,
        other_scope_hours=int(np.count_nonzero(has_other)),
        largest_volume_usd=_floats(hours, "largest_volume_usd"),
        map_usd=found.map_usd,
    )


def _floats(table: pa.Table, name: str) -> FloatArray:
    """Return a column of doubles with NaN for NULL."""
    values: FloatArray = table[name].to_numpy(zero_copy_only=False).astype(np.float64)
    return values


@dataclass(frozen=True, slots=True)
class _Exposures:
    """What `panel_exposures` gives, by model on the axis of the panel's hours."""

    columns: dict[str, FloatArray]
    map_usd: dict[str, FloatArray]
    log_age: FloatArray


def _by_hour(exposures: pa.Table, span_end: IntArray) -> _Exposures:
    """Return the columns of each model, what its map expects, and ages of what was consumed."""
    found = _Exposures({}, {}, np.full((len(span_end), 2), np.nan))
    if exposures.num_rows == 0:
        return found
    exposures = exposures.combine_chunks()
    providers = np.array(exposures["provider"].to_pylist(), dtype=object)
    hour = np.searchsorted(span_end, exposures["span_end"].to_numpy())
    is_known = hour < len(span_end)
    is_known[is_known] = span_end[hour[is_known]] == exposures["span_end"].to_numpy()[is_known]
    side = exposures["side"].to_numpy()
    age, usd = _floats(exposures, "log_age"), _floats(exposures, "map_usd")
    for rows in run_slices(providers):
        part = exposures["exposure"].chunk(0).slice(rows.start, rows.stop - rows.start)
        lengths = np.diff(part.offsets.to_numpy())
        # The newest structure; rows of another belong to an earlier release.
        is_current = lengths == lengths[-1]
        values = part.flatten().to_numpy(zero_copy_only=False)
        values = values[np.repeat(is_current, lengths)].reshape(-1, lengths[-1])
        kept = is_known[rows] & is_current
        at = hour[rows][kept], side[rows][kept]
        provider = str(providers[rows.start])
        array = np.full((len(span_end), 2, int(lengths[-1])), np.nan)
        array[at] = values[kept[is_current]]
        found.columns[provider] = array
        found.map_usd[provider] = np.full((len(span_end), 2), np.nan)
        found.map_usd[provider][at] = usd[rows][kept]
        if provider == "path_ledger":
            found.log_age[at] = age[rows][kept]
    return found
