"""One row per instrument and instant: order, duplicates, repeated funding rates.

Belongs here: decisions between rows of one file. Does not belong here: what one row alone shows,
prices.
"""

from collections import Counter

import numpy as np

from sources.recorded.kinds import Part
from sources.recorded.label_change import LabelTurn, shift_late
from sources.recorded.mapping_sections import FundingRule
from sources.recorded.part_rows import PartRows
from sources.recorded.usable_rows import UsableRows

_HOUR_MICROSECONDS = 3_600_000_000


class Deduplication:
    """Orders the rows of each part and decides between rows of one key.

    Parameters
    ----------
    read : UsableRows
        The rows of a file; those that lose are quarantined there.
    turns : dict of int to LabelTurn
        Where labels change their meaning, by instrument.

    Attributes
    ----------
    counts : Counter
        Rows dropped as 'identical' and as 'repeated'.
    """

    def __init__(self, read: UsableRows, turns: dict[int, LabelTurn]) -> None:
        self._read = read
        self._turns = turns
        self.counts: Counter[str] = Counter()

    def order(self, position: int, part: Part) -> PartRows:
        """Return the rows of a part by instrument and time, one for each."""
        pieces = self._read.pieces[position]
        rows = PartRows.join(pieces, tuple(part.cells))
        # Free the arrays of the blocks.
        pieces.clear()
        change = self._read.mapping.time.label_change
        if change is not None and part.kind in ("open_interest", "long_short_ratio"):
            rows = shift_late(rows, self._turns, change)
        step = np.diff(rows.series)
        if not ((step > 0) | ((step == 0) & (np.diff(rows.at) > 0))).all():
            rows = rows.take(np.lexsort((rows.row, rows.member, rows.at, rows.series)))
        rows = self._keep_last(part, rows)
        if isinstance(part.rule, FundingRule) and part.rule.is_repeated:
            rows = self._keep_settlements(part, rows)
        return rows

    def _keep_last(self, part: Part, rows: PartRows) -> PartRows:
        """Return the last row of the file for each key; others that differ are quarantined."""
        is_same_as_next = (np.diff(rows.series) == 0) & (np.diff(rows.at) == 0)
        if not is_same_as_next.any():
            return rows
        is_last = np.append(~is_same_as_next, True)
        group = np.cumsum(np.append(True, ~is_same_as_next)) - 1
        last = np.flatnonzero(is_last)[group]
        is_identical = np.ones(len(rows), dtype=np.bool_)
        for values in rows.values.values():
            is_identical &= (values == values[last]) | (np.isnan(values) & np.isnan(values[last]))
        self.counts["identical"] += int((is_identical & ~is_last).sum())
        self._read.quarantine_rows(
            part,
            rows.take(~is_identical),
            "time",
            "contradicted by a later row of the same instant",
        )
        return rows.take(is_last)

    def _keep_settlements(self, part: Part, rows: PartRows) -> PartRows:
        """Return the rows that carry a settlement, of rows that repeat it until the next.

        Where the interval is known these are the rows on its multiples, and a change between
        them contradicts the interval. Where it is not, they are the rows on which the rate
        changes.
        """
        hours = self._read.book.column("funding_interval_hours")[rows.series]
        is_known = np.isfinite(hours)
        interval = np.where(is_known, hours * _HOUR_MICROSECONDS, 1).astype(np.int64)
        is_first = np.ones(len(rows), dtype=np.bool_)
        is_first[1:] = np.diff(rows.series) != 0
        is_changed = is_first.copy()
        is_changed[1:] |= np.diff(rows.values["rate"]) != 0
        is_on_multiple = rows.at % interval == 0
        is_in_last_rows_interval = np.zeros(len(rows), dtype=np.bool_)
        is_in_last_rows_interval[1:] = np.diff(rows.at // interval) == 0
        contradicts = is_known & ~is_on_multiple & is_changed & ~is_first & is_in_last_rows_interval
        self._read.quarantine_rows(
            part,
            rows.take(contradicts),
            "rate",
            "changes between settlements: is the interval right?",
        )
        kept = np.where(is_known, is_on_multiple, is_changed)
        self.counts["repeated"] += int((~kept & ~contradicts).sum())
        return rows.take(kept)
