"""Liquidations made likely by two states of an account, to be confirmed by its fills.

Belongs here: which changes look like one. Does not belong here: requesting fills.
"""

from collections.abc import Iterator

from jobs.positions.book_records import StoredState, Suspect
from jobs.positions.mark_board import MarkBoard
from jobs.positions.state_changes import PositionChange

LEAST_USD = 1_000.0
"""Value gone from which a change is looked up [USD]: a look-up weighs ten states."""
# A mark is seen once a minute: the price may have gone a little further.
_REACH_RATIO = 0.002
# An account that keeps less of its margin was most likely liquidated as a whole, at marks that
# passed the liquidation price of another of its positions.
_LEFT_OF_MARGIN = 0.05


def suspects_of(stored: StoredState, marks: MarkBoard) -> Iterator[Suspect]:
    """Yield the positions that may have been liquidated before a state.

    Parameters
    ----------
    stored : StoredState
        The state and what it changed.
    marks : MarkBoard
        How far prices went since the state before it.
    """
    since = stored.previous_at
    if since is None:
        return
    for change in stored.changes:
        was = change.previous
        if was is None or change.change not in ("closed", "reduced", "flipped"):
            continue
        left = change.quantity if change.change == "reduced" else 0.0
        value = (was.quantity - left) * (was.liquidation_price or was.mark_price)
        if value < LEAST_USD:
            continue
        if _was_reached(stored, change, marks, since) or _lost_its_margin(stored, change):
            yield Suspect(stored.swept.account_id, was.coin, since, stored.swept.received_at, value)


def _was_reached(stored: StoredState, change: PositionChange, marks: MarkBoard, since: int) -> bool:
    """Return whether the mark price passed the liquidation price that was held."""
    was = change.previous
    if was is None or was.liquidation_price is None:
        return False
    low, high = marks.extent(was.coin, since, stored.swept.received_at)
    if was.side == "long":
        return low <= was.liquidation_price * (1 + _REACH_RATIO)
    return high >= was.liquidation_price * (1 - _REACH_RATIO)


def _lost_its_margin(stored: StoredState, change: PositionChange) -> bool:
    was, value = change.previous, stored.swept.state.account_value_usd
    return (
        was is not None
        and was.is_cross is True
        and change.change == "closed"
        and value < _LEFT_OF_MARGIN * was.margin_usd
    )
