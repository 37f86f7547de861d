"""Predictions that use no map: the nulls that every model is compared with.

Belongs here: the columns and features of the nulls that a panel's prices, volume and open interest
give. Does not belong here: ``path_only`` and ``path_ledger``, nulls too, whose exposures the panel
holds like those of any model; fits and captures (``predictions``).

Every null is conditioned on the prices traded in the span, as every model is: near levels are hit
more often than far ones, and a model that knows nothing but that looks skilled against a random
zone.

- ``activity_glm``: move, drawdown within the span, range, volume, open interest.
- ``extension_glm``: the same, and how far price went beyond the extremes of the last 1, 3, 7 and
  30 days. It knows which levels are stale without a level.
- ``distance_profile``: a fixed profile of liquidations over the distance from the last close,
  fitted, crossed as far as price moved.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

import numpy as np

from transforms.calibration import features
from transforms.series import FloatArray
from transforms.skill.panel import Panel

EXTENSION_DAYS: Final = (1, 3, 7, 30)
"""Windows whose extremes count [days]."""

LEAST_LOG_MOVE: Final = 1e-4
"""Moves, ranges and extensions below it are raised to it before the logarithm [ln]."""

PROFILE_EDGES: Final = (
    0.0, 0.001, 0.002, 0.003, 0.0045, 0.007, 0.01, 0.015, 0.022, 0.033, 0.05, 0.075, 0.11, 0.5,
)  # fmt: skip
"""Edges of the pieces of the profile, in distance from the last close [ln]."""


EXAMPLE_HOUR: Final = Panel(
    span_end=np.array([3_600_000_000]),
    span_seconds=3600,
    realised_usd=np.ones((1, 2)),
    is_complete=np.array([True]),
    is_left_out=np.array([False]),
    open=np.array([100.0]),
    high=np.array([102.0]),
    low=np.array([99.0]),
    close=np.array([101.0]),
    previous_close=np.array([100.0]),
    volume_usd=np.array([1e6]),
    open_interest_usd=np.array([1e8]),
    exposures={},
    log_age=np.ones((1, 2)),
)
"""The hour of the examples below."""


def own_move(panel: Panel) -> FloatArray:
    """Return how far price went against each side in each span, from the close before it.

    Parameters
    ----------
    panel : Panel
        Prices.

    Returns
    -------
    ndarray of float64, shape (n_spans, 2)
        See ``features.move_of`` [ln]. NaN where a price is not known.

    Examples
    --------
    >>> own_move(EXAMPLE_HOUR).round(4).tolist()
    [[0.0101, 0.0198]]
    """
    return features.move_of(panel.previous_close, panel.high, panel.low)


def move_term(panel: Panel) -> FloatArray:
    """Return the move whose square every model and null is given beside its own columns.

    Shaped like `own_move`; see ``features.adverse_move`` [ln].

    Examples
    --------
    From the close before price rose to 102, and within the hour from 99 to 102:
    ``hypot(ln(102 / 100), ln(102 / 99))`` for shorts.

    >>> move_term(EXAMPLE_HOUR).round(4).tolist()
    [[0.0142, 0.0358]]
    """
    return features.adverse_move(
        panel.previous_close, panel.open, panel.high, panel.low, panel.close
    )


def activity_features(panel: Panel) -> FloatArray:
    """Return the features of ``activity_glm``.

    Parameters
    ----------
    panel : Panel
        Prices, volume and open interest.

    Returns
    -------
    ndarray of float64, shape (n_spans, 2, 7)
        Logs of own and opposite move, of own and opposite drawdown within the span, of the range
        [ln ln], of volume and open interest [ln USD]. NaN where not known; a whole row where the
        move is not.

    Examples
    --------
    >>> activity_features(EXAMPLE_HOUR)[0, 0].round(2).tolist()
    [-4.6, -3.92, -4.6, -3.51, -3.51, 13.82, 18.42]
    """
    move = own_move(panel)
    with np.errstate(divide="ignore"):
        amounts = np.log(np.stack((panel.volume_usd, panel.open_interest_usd), axis=-1))
    amounts[~np.isfinite(amounts)] = np.nan
    span_range = np.repeat(np.log(panel.high / panel.low)[:, None], 2, axis=1)
    within = features.drawdown_of(panel.open, panel.high, panel.low, panel.close)
    paths = np.stack((move, move[:, ::-1], within, within[:, ::-1], span_range), axis=-1)
    moves = np.log(np.maximum(paths, LEAST_LOG_MOVE))
    known = np.concatenate((moves, np.repeat(amounts[:, None, :], 2, axis=1)), axis=-1)
    known[~np.isfinite(move)] = np.nan
    return known


def extension_features(panel: Panel) -> FloatArray:
    """Return the features of ``extension_glm``.

    Parameters
    ----------
    panel : Panel
        As for `activity_features`.

    Returns
    -------
    ndarray of float64, shape (n_spans, 2, 11)
        Those of `activity_features`, then the log of how far price went beyond the extremes of
        each of ``EXTENSION_DAYS`` [ln ln].

    Examples
    --------
    A first span has no extremes before it:

    >>> extension_features(EXAMPLE_HOUR)[0, 0, 6:].round(2).tolist()
    [18.42, nan, nan, nan, nan]
    """
    beyond = [extension(panel, days) for days in EXTENSION_DAYS]
    logs = np.log(np.maximum(np.stack(beyond, axis=-1), LEAST_LOG_MOVE))
    both: FloatArray = np.concatenate((activity_features(panel), logs), axis=-1)
    return both


def extension(panel: Panel, days: float) -> FloatArray:
    """Return how far price went in each span beyond the extremes of a window before it.

    Parameters
    ----------
    panel : Panel
        Prices; spans may be missing.
    days : float
        Length of the window [days].

    Returns
    -------
    ndarray of float64, shape (n_spans, 2)
        ``max(0, ln(lowest low before / low))`` for longs, mirrored for shorts [ln]. NaN where a
        price is not known or less than a quarter of the window is.

    Examples
    --------
    A low of 90 after one of 95, and a high no higher than before:

    >>> one, day = np.ones(2), 86_400_000_000
    >>> panel = Panel(
    ...     np.array([day, 2 * day]), 86_400, np.ones((2, 2)), one > 0, one < 0, 100 * one,
    ...     105 * one, np.array([95.0, 90.0]), 100 * one, 100 * one, one, one, {}, np.ones((2, 2)),
    ... )
    >>> extension(panel, 1.0)[1].round(4).tolist()
    [0.0541, 0.0]
    """
    if len(panel) == 0:
        return np.zeros((0, 2))
    row = panel.grid_row
    # Missing spans become rows of NaN: a window is a time, not a number of spans.
    high, low = np.full((2, int(row[-1]) + 1), np.nan)
    high[row], low[row] = panel.high, panel.low
    beyond: FloatArray = features.extension(high, low, 24.0 * days, span_hours=panel.span_hours)[
        row
    ]
    return beyond


def profile_columns(panel: Panel) -> FloatArray:
    """Return the columns of ``distance_profile``: how much of each piece price crossed.

    Parameters
    ----------
    panel : Panel
        As for `own_move`.

    Returns
    -------
    ndarray of float64, shape (n_spans, 2, 13)
        Length of each piece of ``PROFILE_EDGES`` within the own move [ln]. NaN where the move is
        not known.

    Examples
    --------
    >>> profile_columns(EXAMPLE_HOUR)[0, 0, 4:7].round(5).tolist()
    [0.0025, 0.003, 5e-05]
    """
    low, high = np.array(PROFILE_EDGES[:-1]), np.array(PROFILE_EDGES[1:])
    crossed: FloatArray = np.clip(own_move(panel)[..., None] - low, 0.0, high - low)
    return crossed


COLUMN_NULLS: Final[Mapping[str, Callable[[Panel], FloatArray]]] = MappingProxyType(
    {"distance_profile": profile_columns}
)
"""Nulls that are linear in non-negative columns, fitted like the models' exposures."""

FEATURE_NULLS: Final[Mapping[str, Callable[[Panel], FloatArray]]] = MappingProxyType(
    {"activity_glm": activity_features, "extension_glm": extension_features}
)
"""Nulls that are fitted by a log link."""

NULLS: Final = (*FEATURE_NULLS, *COLUMN_NULLS, "path_only", "path_ledger")
"""Every null, in the order in which tables list them."""
