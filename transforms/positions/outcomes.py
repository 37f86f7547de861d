"""What became of the positions of a map: gone, moved, given margin, and when.

Belongs here: following positions from the hour of a map. Does not belong here: shares within a time
(``survival``), rates of leaving (``half_lives``).

A map shows positions as last seen, so nothing is truncated here: what it shows is what is followed.
Each outcome lies in an interval, which can begin before the hour of the map, and outcomes end one
another: of a position that is gone nothing can move any more.
"""

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from transforms.compiler import compiled
from transforms.positions.changes import HOUR, MOVED_RATIO, Changes
from transforms.positions.survival import Timed
from transforms.series import BoolArray, FloatArray, IntArray

MARGIN_RATIO: Final = 0.005
"""Move of a liquidation price away from price, at the same size, from which margin was added [ln];
below it, it is fees, funding and rounding."""

LONGEST_HOURS: Final = 96.0
"""Time for which positions are followed [h]: the longest horizon."""

GONE: Final = 0
MOVED: Final = 1
MARGIN_ADDED: Final = 2
REACHED: Final = 3
"""Gone while price reached it: the parts of ``GONE`` that are marked so."""


class PositionParts(NamedTuple):
    """Parts of positions by what became of each.

    Parameters
    ----------
    item : ndarray of int64, shape (n_parts,)
        Position that a part is of.
    kind : ndarray of int64, shape (n_parts,)
        Outcome it is about: ``GONE``, ``MOVED`` or ``MARGIN_ADDED``.
    share : ndarray of float64, shape (n_parts,)
        Part of the position's size; the parts of one kind sum to 1.
    earliest, latest : ndarray of float64, shape (n_parts,)
        The outcome lies after the first and at or before the second [h since the map; negative:
        before it, but not seen by then]. Both infinite: it did not come.
    is_reached : ndarray of bool, shape (n_parts,)
        Whether it went while price reached its liquidation price.
    """

    item: IntArray
    kind: IntArray
    share: FloatArray
    earliest: FloatArray
    latest: FloatArray
    is_reached: BoolArray


@dataclass(frozen=True, slots=True, eq=False)
class PositionOutcomes:
    """Positions of some maps, and parts of them by what became of each.

    Parameters
    ----------
    row : ndarray of int64, shape (n_items,)
        Row of the log that the map shows.
    map_index : ndarray of int64, shape (n_items,)
        Map.
    parts : PositionParts
        What became of the positions.
    """

    row: IntArray
    map_index: IntArray
    parts: PositionParts


def follow_maps(changes: Changes, map_at: IntArray) -> PositionOutcomes:
    """Return what became of the positions of some maps.

    Parameters
    ----------
    changes : Changes
        The log, all that was found since.
    map_at : ndarray of int64, shape (n_maps,)
        Instants of the maps [microseconds since 1970, UTC], increasing.

    Returns
    -------
    PositionOutcomes

    Examples
    --------
    Half of a position goes after three hours, the rest after five.

    >>> from transforms.positions.changes import example_changes
    >>> log = example_changes([0.0, 3.0, 5.0], [2.0, 1.0, 0.0])
    >>> found = follow_maps(log, np.array([0]))
    >>> is_gone = found.parts.kind == GONE
    >>> found.parts.share[is_gone].tolist(), found.parts.latest[is_gone].tolist()
    ([0.5, 0.5], [3.0, 5.0])
    """
    first = np.flatnonzero(~changes.is_same_series)
    last = np.append(first[1:], len(changes))[: len(first)]
    log = _Log(
        changes.observed_at, changes.changed_from, changes.changed_until,
        changes.is_same_position, changes.is_short, changes.is_cross, changes.is_reached,
        changes.quantity, changes.liquidation_price,
    )  # fmt: skip
    n_items, n_parts = _follow(log, first, last, map_at, *_room(0, 0))
    items, parts = _room(n_items, n_parts)
    _follow(log, first, last, map_at, items, parts)
    return PositionOutcomes(items[0], items[1], parts)


def timed_outcomes(
    changes: Changes,
    outcomes: PositionOutcomes,
    kind: int,
    followed: FloatArray,
    *,
    is_counting: bool = False,
) -> tuple[Timed, IntArray]:
    """Return when one outcome came, of each position or part of it.

    Parameters
    ----------
    changes : Changes
        The log.
    outcomes : PositionOutcomes
        What became of the positions of some maps.
    kind : int
        ``GONE``, ``MOVED``, ``MARGIN_ADDED`` or ``REACHED``.
    followed : ndarray of float64, shape (n_maps,)
        How long each map was followed [h].
    is_counting : bool
        Whether a position counts as 1, and is gone when nothing is left, rather than by its size in
        USD.

    Returns
    -------
    timed : Timed
        The outcomes.
    item : ndarray of int64, shape (n,)
        The position that each is of.

    Examples
    --------
    >>> from transforms.positions.changes import example_changes
    >>> log = example_changes([0.0, 3.0, 5.0], [2.0, 1.0, 0.0])
    >>> found = follow_maps(log, np.array([0]))
    >>> timed_outcomes(log, found, GONE, np.array([96.0]))[0].latest.tolist()
    [3.0, 5.0]
    >>> timed_outcomes(log, found, GONE, np.array([96.0]), is_counting=True)[0].latest.tolist()
    [5.0]
    """
    parts = outcomes.parts
    is_part = parts.kind == (GONE if kind == REACHED else kind)
    if is_counting:
        # Parts follow one another; the last one of a position is its end, or that it has none.
        rows = np.flatnonzero(is_part)
        is_last = np.diff(parts.item[rows], append=-1) != 0
        is_part = np.zeros_like(is_part)
        is_part[rows[is_last]] = True
    item = parts.item[is_part]
    row = outcomes.row[item]
    weight = np.ones(len(item))
    if not is_counting:
        weight = parts.share[is_part] * np.nan_to_num(changes.notional_usd[row])
    is_other = (kind == REACHED) & ~parts.is_reached[is_part]
    timed = Timed(
        account=changes.account[row],
        weight=weight,
        earliest=np.where(is_other, np.inf, parts.earliest[is_part]),
        latest=np.where(is_other, np.inf, parts.latest[is_part]),
        followed=followed[outcomes.map_index[item]],
    )
    return timed, item


class _Log(NamedTuple):
    """Columns of the log, shape (n_rows,)."""

    observed_at: IntArray
    changed_from: IntArray
    changed_until: IntArray
    same: BoolArray
    is_short: BoolArray
    is_cross: BoolArray
    is_reached: BoolArray
    quantity: FloatArray
    price: FloatArray


def _room(n_items: int, n_parts: int) -> tuple[IntArray, PositionParts]:
    """Return arrays to be filled, of items and of parts."""
    item, kind = np.zeros((2, n_parts), dtype=np.int64)
    share, earliest, latest = np.zeros((3, n_parts))
    is_reached = np.zeros(n_parts, dtype=np.bool_)
    parts = PositionParts(item, kind, share, earliest, latest, is_reached)
    return np.zeros((2, n_items), dtype=np.int64), parts


@compiled
def _follow(
    log: _Log,
    first: IntArray,
    last: IntArray,
    maps: IntArray,
    items: IntArray,
    parts: PositionParts,
) -> tuple[int, int]:
    """Fill in items and parts and return how many there are; without room it only counts."""
    n_items = 0
    n_parts = 0
    for series in range(first.size):
        row = first[series] - 1
        for number in range(maps.size):
            while row + 1 < last[series] and log.observed_at[row + 1] <= maps[number]:
                row += 1
            if row < first[series] or log.quantity[row] <= 0.0:
                continue
            if n_items < items.shape[1]:
                items[0, n_items] = row
                items[1, n_items] = number
            own = (row, last[series], maps[number], n_items)
            n_parts = _follow_size(log, own, n_parts, parts)
            if not np.isnan(log.price[row]):
                n_parts = _follow_place(log, own, n_parts, parts)
            n_items += 1
    return n_items, n_parts


@compiled
def _bracket(log: _Log, row: int, start: int) -> tuple[float, float]:
    """Return start and end of the bracket of a change [h since the map]."""
    low = (log.changed_from[row] - start) / HOUR
    return low, max((log.changed_until[row] - start) / HOUR, low)


@compiled
def _follow_size(
    log: _Log, own: tuple[int, int, int, int], n_parts: int, parts: PositionParts
) -> int:
    """Add the parts of one position by when they went; return how many parts there are."""
    row, stop, start, item = own
    left = 1.0
    for at in range(row + 1, stop):
        between = _bracket(log, at, start)
        if between[0] >= LONGEST_HOURS:
            break
        stays = min(log.quantity[at] / log.quantity[row], left) if log.same[at] else 0.0
        n_parts = _add(parts, n_parts, (item, GONE), left - stays, between, log.is_reached[at])
        left = stays
        if not log.same[at]:
            break
    return _add(parts, n_parts, (item, GONE), left, (np.inf, np.inf), False)


@compiled
def _follow_place(
    log: _Log, own: tuple[int, int, int, int], n_parts: int, parts: PositionParts
) -> int:
    """Add when one position moved and was given margin; return how many parts there are."""
    row, stop, start, item = own
    side = 1.0 if log.is_short[row] else -1.0
    # The part that can still move, and the part to which margin can still be added.
    moves = 1.0
    adds = 0.0 if log.is_cross[row] else 1.0
    for at in range(row + 1, stop):
        between = _bracket(log, at, start)
        if between[0] >= LONGEST_HOURS or not log.same[at]:
            break
        # Without a price it is nowhere, which is no move below the bound.
        has_moved = not abs(np.log(log.price[at] / log.price[row])) < MOVED_RATIO
        if has_moved:
            n_parts = _add(parts, n_parts, (item, MOVED), moves, between, False)
            moves = 0.0
        is_same_size = abs(log.quantity[at] / log.quantity[at - 1] - 1.0) < 1e-9
        if is_same_size and side * np.log(log.price[at] / log.price[at - 1]) >= MARGIN_RATIO:
            n_parts = _add(parts, n_parts, (item, MARGIN_ADDED), adds, between, False)
            adds = 0.0
    n_parts = _add(parts, n_parts, (item, MOVED), moves, (np.inf, np.inf), False)
    return _add(parts, n_parts, (item, MARGIN_ADDED), adds, (np.inf, np.inf), False)


@compiled
def _add(
    parts: PositionParts,
    n_parts: int,
    which: tuple[int, int],
    share: float,
    between: tuple[float, float],
    is_reached: bool,
) -> int:
    """Add a part of an item and kind, if it has any size; return how many there are by now."""
    if share <= 1e-12:
        return n_parts
    if n_parts < parts.item.size:
        parts.item[n_parts], parts.kind[n_parts] = which
        parts.share[n_parts] = share
        parts.earliest[n_parts], parts.latest[n_parts] = between
        parts.is_reached[n_parts] = is_reached
    return n_parts + 1
