"""The instant a snapshot's label means, where the venue changed it without notice.

Belongs here: finding the change in the rows of a file. Does not belong here: reading the rows,
collecting prices.

A row with open interest as amount and as value carries its own clock: value / amount is the price
at the instant meant. It is held against the closes of bars that end at the label and at the label
plus the shift, and the change is placed where the two readings together fit best.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, time

import numpy as np
import numpy.typing as npt

from sources.recorded.cells import FloatArray
from sources.recorded.known_closes import InstrumentCloses, KnownCloses
from sources.recorded.mapping_sections import LabelChange
from sources.recorded.part_rows import BoolArray, PartRows, microseconds_of
from sources.recorded.usable_rows import UsableRows

# Fewer rows with both closes could agree by chance.
_FEWEST_ROWS = 3
# A reading is taken where it leaves at most this share of what the other leaves unexplained. A
# change within a file must do so over either reading alone.
_CLEAR_RATIO = 0.5
# The last digits of amount and value, as a difference of log prices.
_ROUNDING = 1e-7
_BEFORE_ALL, _AFTER_ALL = np.iinfo(np.int64).min, np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True)
class LabelTurn:
    """The label from which on a series means the later instant.

    Parameters
    ----------
    label : int
        Rows with a later label are late [microseconds since 1970].
    at_label : frozenset of (int, int)
        Member and row number of the rows with this very label that are late: the last row of one
        day's file and the first of the next may carry one label and mean two instants.
    """

    label: int
    at_label: frozenset[tuple[int, int]] = frozenset()

    def is_late(self, rows: PartRows) -> BoolArray:
        """Return which rows of the series mean the later instant, shape (n_rows,)."""
        late = rows.at > self.label
        for i in np.flatnonzero(rows.at == self.label) if self.at_label else ():
            late[i] = (int(rows.member[i]), int(rows.row[i])) in self.at_label
        return late


def find_turns(read: UsableRows, closes: KnownCloses) -> dict[int, LabelTurn]:
    """Return where the labels of each series change their meaning.

    Parameters
    ----------
    read : UsableRows
        The rows of a file, not settled yet, under a mapping with a `label_change`.
    closes : KnownCloses
        Prices; a file whose labels they do not explain is noted there, if its day lies after the
        change that is known by date.

    Returns
    -------
    dict of int to LabelTurn
        By series code.
    """
    change = read.mapping.time.label_change
    if change is None:
        return {}
    position = next(i for i, part in enumerate(read.parts) if part.kind == "open_interest")
    part = read.parts[position]
    rows = PartRows.join(read.pieces[position], tuple(part.cells))
    turns: dict[int, LabelTurn] = {}
    for code in np.unique(rows.series):
        one = read.book.instruments[code]
        own = rows.take(rows.series == code)
        known = closes.of(one.venue, one.instrument)
        turn = _turn_by_price(own, implied_prices(own, read, int(code)), known, change)
        if turn is None:
            turn = _turn_by_date(own, change)
            if turn.is_late(own).any():
                closes.by_date_only.append(f"{read.members[0]} ({one.instrument})")
        turns[int(code)] = turn
    return turns


def shift_late(rows: PartRows, turns: dict[int, LabelTurn], change: LabelChange) -> PartRows:
    """Return the rows with late ones moved to the instant they mean."""
    at = rows.at.copy()
    for code, turn in turns.items():
        own = np.flatnonzero(rows.series == code)
        at[own[turn.is_late(rows.take(own))]] += change.shift_seconds * 1_000_000
    return replace(rows, at=at)


def implied_prices(rows: PartRows, read: UsableRows, code: int) -> FloatArray:
    """Return value over amount of rows of one series [USD per asset unit]; NaN without both."""
    rule = read.mapping.open_interest
    one = read.book.instruments[code]
    is_inverse = read.mapping.instrument.is_inverse
    if rule is None or rule.value_unit != ("base" if is_inverse else "usd"):
        return np.full(len(rows), np.nan)
    quantity = rows.values["amount"] * (one.contract_size if rule.amount_unit == "contracts" else 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        if is_inverse:
            return np.asarray(quantity / rows.values["value"])
        return np.asarray(rows.values["value"] / (quantity * one.base_multiplier))


def _turn_by_price(
    rows: PartRows, implied: FloatArray, closes: InstrumentCloses, change: LabelChange
) -> LabelTurn | None:
    """Return the turn that explains the rows' prices best; None where none does clearly."""
    shift = change.shift_seconds * 1_000_000
    with np.errstate(divide="ignore", invalid="ignore"):
        as_labelled = np.log(implied / closes.look_up(rows.at))
        late = np.log(implied / closes.look_up(rows.at + shift))
    is_telling = np.isfinite(as_labelled) & np.isfinite(late)
    if is_telling.sum() < _FEWEST_ROWS:
        return None
    if not closes.is_mark:
        # The mark keeps a distance from the last price that changes slowly.
        as_labelled = as_labelled - np.median(as_labelled[is_telling])
        late = late - np.median(late[is_telling])
    errors = np.where(is_telling, np.abs(as_labelled), 0.0), np.where(is_telling, np.abs(late), 0.0)
    gain = errors[1] - errors[0]
    # Of rows with one label, those that fit it come first.
    order = np.lexsort((-gain, rows.at))
    # Unexplained, by the number of rows read as labelled; the others are read as late.
    left = errors[1].sum() - np.append(0.0, np.cumsum(gain[order]))
    left += _ROUNDING * is_telling.sum()
    n_rows = len(rows)
    best = 0 if left[0] < left[n_rows] else n_rows
    other = left[n_rows - best]
    within = int(np.argmin(left))
    if closes.is_mark and left[within] <= _CLEAR_RATIO * left[best]:
        return _turn_at(rows, order, within)
    return _turn_at(rows, order, best) if left[best] <= _CLEAR_RATIO * other else None


def _turn_by_date(rows: PartRows, change: LabelChange) -> LabelTurn:
    """Return the turn at the day on which the change is known to have come."""
    if change.since is None:
        return LabelTurn(_AFTER_ALL)
    begins = microseconds_of(datetime.combine(change.since, time(), tzinfo=UTC))
    order = np.lexsort((rows.row, rows.member, rows.at))
    labels = rows.at[order]
    first, after = (int(np.searchsorted(labels, begins, side)) for side in ("left", "right"))
    # Midnight ends the day before in a file that has that day, and begins the day in its own.
    is_midnight_doubled = after - first > 1 and _differ(rows, order[first], order[after - 1])
    if first == 0:
        return _turn_at(rows, order, 0)
    return _turn_at(rows, order, first + 1 if is_midnight_doubled else after)


def _differ(rows: PartRows, one: int, other: int) -> bool:
    return any(values[one] != values[other] for values in rows.values.values())


def _turn_at(rows: PartRows, order: npt.NDArray[np.intp], n_labelled: int) -> LabelTurn:
    """Return the turn after the first rows of an order by label."""
    if n_labelled == 0:
        return LabelTurn(_BEFORE_ALL)
    if n_labelled == len(order):
        return LabelTurn(_AFTER_ALL)
    label = int(rows.at[order[n_labelled - 1]])
    late = order[n_labelled:]
    late = late[rows.at[late] == label]
    return LabelTurn(label, frozenset((int(rows.member[i]), int(rows.row[i])) for i in late))
