"""Checks at the door that need to know a venue's habits: clocks, repeated rows, units.

Belongs here: what is held against the rows of an answer beyond the rules of their kind
(`sources.checks`). Does not belong here: reading the answer.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
import numpy.typing as npt

from sources.checks import Flag, Rejects
from sources.venues.answers import Floats, Milliseconds
from sources.venues.instruments import Instrument

# Clocks of two machines differ; what lies further ahead than this is a wrong instant.
TOLERATED_AHEAD_MS = 120_000

# Amount times price and value are two readings of one thing. Venues value at mark, last or index
# price, so some spread is honest; beyond this the unit is another one.
LARGEST_AUDIT_RATIO = 1.5

# Open interest may move a little between the two observations whose ratio is compared with a
# factor: e^0.14 is 15 %. A factor of two must be met closely, a large one need not.
_FACTOR_TOLERANCE = 0.14
_TWO_TOLERANCE = 0.001
# The figure of one side may be rounded.
_SIDES_TOLERANCE = 0.01
_POWERS_OF_TEN = tuple(10.0**n for n in range(1, 10))


def flag_ahead(labels: Milliseconds, now_ms: int, rejects: Rejects) -> None:
    """Flag rows from the future: labels beyond now and the tolerance for clocks [ms]."""
    rejects.flag(labels > now_ms + TOLERATED_AHEAD_MS, "time", "lies in the future")


def drop_repeated(
    keys: Sequence[object], values: Sequence[Floats], usable: npt.NDArray[np.bool_]
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Return which rows to keep so that no key repeats, and which contradict a kept row.

    Parameters
    ----------
    keys : sequence, length n_rows
        What identifies each record.
    values : sequence of ndarray of float64, each of shape (n_rows,)
        What the record says.
    usable : ndarray of bool, shape (n_rows,)
        Rows without a fault; others are neither kept nor compared.

    Returns
    -------
    kept, contradicting : ndarray of bool, shape (n_rows,)
        A repetition that says the same is in neither.
    """
    kept = np.zeros(len(keys), dtype=np.bool_)
    contradicting = np.zeros(len(keys), dtype=np.bool_)
    first_of: dict[object, int] = {}
    for row in np.flatnonzero(usable):
        first = first_of.setdefault(keys[int(row)], int(row))
        if first == row:
            kept[row] = True
        else:
            contradicting[row] = not all(
                column[first] == column[row] or (np.isnan(column[first]) and np.isnan(column[row]))
                for column in values
            )
    return kept, contradicting


@dataclass(frozen=True, slots=True)
class Observation:
    """The last accepted open interest of an instrument.

    Parameters
    ----------
    observed_at : datetime
        When it stood.
    quantity : float
        Position units.
    """

    observed_at: datetime
    quantity: float


@dataclass(frozen=True, slots=True)
class UnitAudit:
    """Amount times price over value, of the rows of a venue where all three were known.

    Parameters
    ----------
    rows : int
        How many.
    smallest_ratio, median_ratio, largest_ratio : float
        1 where the units are right; NaN without rows.
    """

    rows: int = 0
    smallest_ratio: float = np.nan
    median_ratio: float = np.nan
    largest_ratio: float = np.nan


@dataclass(slots=True)
class AuditLog:
    """Collects the ratios of a venue's open interest; the oldest half goes when it is full."""

    ratios: list[float] = field(default_factory=list)
    most: int = 100_000

    def add(self, ratios: Floats) -> None:
        """Remember the ratios that are known."""
        self.ratios.extend(float(ratio) for ratio in ratios[np.isfinite(ratios)])
        if len(self.ratios) > self.most:
            del self.ratios[: self.most // 2]

    def summary(self) -> UnitAudit:
        """Return what there is to say about them."""
        if not self.ratios:
            return UnitAudit()
        ratios = np.asarray(self.ratios)
        return UnitAudit(
            rows=len(ratios),
            smallest_ratio=float(ratios.min()),
            median_ratio=float(np.median(ratios)),
            largest_ratio=float(ratios.max()),
        )


def audit_units(amount_usd: Floats, value_usd: Floats, rejects: Rejects) -> Floats:
    """Return amount over value, each in USD by its declared unit, and flag what cannot be both.

    Parameters
    ----------
    amount_usd, value_usd : ndarray of float64, shape (n_rows,)
        NaN where one of them, or the price, is not known.
    rejects : Rejects
        Takes the rows whose two readings contradict each other.

    Returns
    -------
    ndarray of float64, shape (n_rows,)
        The ratios; NaN where not known.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = amount_usd / value_usd
        distance = np.abs(np.log(ratios))
    is_wrong = distance > np.log(LARGEST_AUDIT_RATIO)
    for row in np.flatnonzero(is_wrong):
        rejects.reasons.setdefault(
            int(row),
            ("amount", f"amount x price / value is {ratios[row]:.4g}: one is in another unit"),
        )
    return ratios


def flag_sides(counted: Floats, one_side: Floats, sides_counted: int, flag: Flag) -> None:
    """Flag open interest that is not the declared multiple of the figure of one side beside it.

    Parameters
    ----------
    counted, one_side : ndarray of float64, shape (n_rows,)
        As received, in one unit; NaN where not given.
    sides_counted : int
        What the first counts, as declared.
    flag : Callable
        Takes rows, cell and reason.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        is_off = np.abs(counted / one_side - sides_counted) > _SIDES_TOLERANCE
    flag(
        is_off,
        "one_side",
        f"open interest is not {sides_counted} times the figure of one side beside it",
    )


def flag_jumps(
    quantities: Floats,
    order: npt.NDArray[np.intp],
    rows_of: Sequence[Instrument | None],
    prices: Floats,
    previous: Mapping[str, Observation],
    rejects: Rejects,
) -> None:
    """Flag open interest that jumps by a factor which only a change of unit explains.

    Factors are the size of a contract, the multiplier of the coin, the price, powers of ten, and
    two (both sides counted instead of one). Each row is held against the last one accepted of its
    instrument, so a unit that changes and stays is refused until it changes back or `previous`
    no longer speaks against it.

    Parameters
    ----------
    quantities : ndarray of float64, shape (n_rows,)
        Normalised [position units].
    order : ndarray of int, shape (n_rows,)
        Rows by time.
    rows_of : sequence, length n_rows
        Instrument of each row.
    prices : ndarray of float64, shape (n_rows,)
        USD per asset unit; NaN where not known.
    previous : mapping of str to Observation
        Last accepted observation by instrument.
    rejects : Rejects
        Takes the rows.
    """
    last = {name: one.quantity for name, one in previous.items()}
    for row in order:
        instrument = rows_of[row]
        quantity = quantities[row]
        if instrument is None or int(row) in rejects.reasons or not quantity > 0:
            continue
        before = last.get(instrument.instrument)
        if before is not None and before > 0:
            ratio = quantity / before
            # Most rows end here.
            named = None if 0.55 < ratio < 1.8 else _name_factor(ratio, instrument, prices[row])
            if named is not None:
                rejects.reasons[int(row)] = (
                    "amount",
                    f"{ratio:.6g} times the observation before: {named}",
                )
                continue
        last[instrument.instrument] = quantity


def _name_factor(ratio: float, instrument: Instrument, price: float) -> str | None:
    size = instrument.contract_size
    if instrument.contract_kind == "linear":
        size /= instrument.base_multiplier
    distance = abs(float(np.log(ratio)))
    if abs(distance - np.log(2.0)) < _TWO_TOLERANCE:
        return "both sides counted instead of one, or the reverse"
    known = (
        (size, "the size of a contract"),
        (instrument.base_multiplier, "the multiplier of the coin"),
        (price, "the price"),
        *((power, "a power of ten") for power in _POWERS_OF_TEN),
    )
    for factor, name in known:
        size_of_factor = abs(float(np.log(factor))) if factor > 0 else np.nan
        # Below two, ordinary trading explains as much.
        if size_of_factor > np.log(3) and abs(distance - size_of_factor) < _FACTOR_TOLERANCE:
            return f"{name}, so another unit"
    return None
