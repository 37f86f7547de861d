"""Checks at the door that need to know a venue's habits: clocks, repeated rows, units.

Belongs here: what is held against the rows of an answer beyond the rules of their kind
(`sources.checks`). Does not belong here: reading the answer.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt

from sources.checks import Flag, Rejects
from sources.venues.instruments import Instrument
from sources.venues.payload import Floats, Milliseconds

# Clocks of two machines differ; what lies further ahead than this is a wrong instant.
TOLERATED_AHEAD_MS = 120_000

# Amount times price and value are two readings of one thing. Venues value at mark, last or index
# price, so some spread is honest; beyond this the unit is another one.
LARGEST_AUDIT_RATIO = 1.5

# Open interest may move a little between the two observations whose ratio is compared with a
# factor: e^0.14 is 15 %. A factor of two must be met closely, a large one need not.
_FACTOR_TOLERANCE = 0.14
_TWO_TOLERANCE = 0.001
# Trading moves open interest by less between two observations; beyond the power of ten below no
# unit explains it either.
LARGEST_JUMP = 100.0
LARGEST_POWER = 6.0
# All contracts of all venues together have held about as much at most.
MOST_USD = 2e11
# What opens the reason of a row that a later one may confirm; the quantity follows it.
SET_ASIDE = "set aside until confirmed"
COMPARED_WITHIN = timedelta(days=1)
CONFIRMING_ANSWERS = 12
CONFIRMING_SPAN = timedelta(days=1)
# The figure of one side may be rounded.
_SIDES_TOLERANCE = 0.01
_BOTH_SIDES = "both sides counted instead of one, or the reverse"
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
    """The last accepted open interest of an instrument, and what was set aside since.

    Parameters
    ----------
    observed_at : datetime
        When it stood.
    quantity : float
        Accepted [position units].
    held_quantity : float or None
        Median of the figures set aside since as jumps [position units].
    held_count : int
        Answers that held one.
    held_for : timedelta
        From the first of them to the last.
    is_held_price : bool
        They look like figures in USD.
    """

    observed_at: datetime
    quantity: float
    held_quantity: float | None = None
    held_count: int = 0
    held_for: timedelta = timedelta(0)
    is_held_price: bool = False

    def repeats(self, quantity: float) -> bool:
        """Return whether a day of answers has told a quantity, within a factor of two."""
        return bool(
            self.held_quantity is not None
            and self.held_quantity > 0
            and self.held_count >= CONFIRMING_ANSWERS
            and self.held_for >= CONFIRMING_SPAN
            and abs(np.log(quantity / self.held_quantity)) < np.log(2)
        )


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
    observed: Sequence[datetime],
    prices: Floats,
    audited: Floats,
    previous: Mapping[str, Observation],
    rejects: Rejects,
) -> None:
    """Flag open interest that jumps as trading does not: by a change of unit, or beyond 100 times.

    Each row is held against the last one accepted of its instrument. Units differ by the size of a
    contract, the multiplier of the coin, the price, products of these, powers of ten, and two
    (both sides counted instead of one). A jump is set aside until a day of answers has repeated it
    (`Observation.repeats`); one by the price needs the venue's value in USD to agree with it too.
    What no contract can hold is refused for good. A change above the volume alone is no reason: it
    is counted as a violation.

    Parameters
    ----------
    quantities : ndarray of float64, shape (n_rows,)
        Normalised [position units].
    order : ndarray of int, shape (n_rows,)
        Rows by time.
    rows_of : sequence, length n_rows
        Instrument of each row.
    observed : sequence of datetime, length n_rows
        Instant of each row.
    prices : ndarray of float64, shape (n_rows,)
        USD per asset unit; NaN where not known.
    audited : ndarray of float64, shape (n_rows,)
        Amount x price over value, NaN where not known; what contradicts is flagged already.
    previous : mapping of str to Observation
        Last accepted observation by instrument, and what was set aside since.
    rejects : Rejects
        Takes the rows.
    """
    last = dict(previous)
    for row in order:
        instrument = rows_of[row]
        quantity = float(quantities[row])
        if instrument is None or int(row) in rejects.reasons or not quantity > 0:
            continue
        before = last.get(instrument.instrument)
        price = float(prices[row])
        unit_usd = price if instrument.contract_kind == "linear" else 1.0
        if quantity * unit_usd > MOST_USD:
            rejects.reasons[int(row)] = (
                "amount",
                f"worth {quantity * unit_usd:.3g} USD, more than any contract has held: is it in "
                "another unit?",
            )
            continue
        at = observed[row]
        jump = None
        # Most rows are near the one before.
        if (
            before is not None
            and before.quantity > 0
            and not 0.55 < quantity / before.quantity < 1.8
        ):
            is_audited = bool(audited[row] > 0)
            jump = _name_jump(quantity, at, before, instrument, price, is_audited=is_audited)
        if before is None or jump is None or (before.repeats(quantity) and not jump.is_final):
            last[instrument.instrument] = Observation(at, quantity)
            continue
        rejects.reasons[int(row)] = ("amount", jump.reason)
        last[instrument.instrument] = replace(
            before, held_quantity=quantity, is_held_price=jump.is_price
        )


@dataclass(frozen=True, slots=True)
class _Jump:
    """Why a figure is set aside.

    Parameters
    ----------
    reason : str
        In words.
    is_price : bool
        It looks like a figure in another currency: USD for coins or contracts, or the reverse.
    is_final : bool
        No repetition confirms it.
    """

    reason: str
    is_price: bool
    is_final: bool


def _name_jump(
    quantity: float,
    at: datetime,
    before: Observation,
    instrument: Instrument,
    price: float,
    *,
    is_audited: bool,
) -> _Jump | None:
    """Return what is wrong with a figure given the last accepted one; None where nothing is."""
    ratio = quantity / before.quantity
    named, is_price = _name_factor(ratio, instrument, price)
    if before.held_quantity is None and abs(at - before.observed_at) > COMPARED_WITHIN:
        # In days, trading multiplies open interest too; history from long before is not compared
        # at all. That a later figure is off by the price is no chance.
        is_later = at > before.observed_at
        if not (is_later and is_price and abs(np.log10(ratio)) > 1):
            return None
    if named is None and before.held_quantity is not None:
        # A figure set aside drifts on: near it, and far from the accepted one, is the same jump.
        is_near = abs(np.log(quantity / before.held_quantity)) < np.log(2)
        if is_near and abs(np.log(ratio)) > np.log(3):
            named, is_price = "as the figures set aside before it", before.is_held_price
    if named is None and abs(np.log(ratio)) > np.log(LARGEST_JUMP):
        named = f"beyond {LARGEST_JUMP:g} times"
    if named is None:
        return None
    power = abs(float(np.log10(ratio)))
    if power > LARGEST_POWER:
        reason = f"{ratio:.6g} times the observation before: no open interest"
        return _Jump(reason, is_price, is_final=True)
    # A figure in USD is repeated for as long as the unit is wrong, so that its declaration must be
    # corrected. Below ten times the accepted figure, a price may be near by chance; and where the
    # value beside it agrees, the unit is right.
    return _Jump(
        f"{SET_ASIDE}: {quantity:.6g} is {ratio:.6g} times the observation before: {named}",
        is_price,
        is_final=is_price and power > 1 and not is_audited,
    )


def _name_factor(ratio: float, instrument: Instrument, price: float) -> tuple[str | None, bool]:
    """Return which change of unit explains a ratio, if any, and whether a price is in it."""
    size = instrument.contract_size
    if instrument.contract_kind == "linear":
        size /= instrument.base_multiplier
    distance = abs(float(np.log(ratio)))
    if abs(distance - np.log(2.0)) < _TWO_TOLERANCE:
        return _BOTH_SIDES, False
    known = (
        (size, "the size of a contract", False),
        (instrument.base_multiplier, "the multiplier of the coin", False),
        (price, "the price", True),
        (size * price, "the price of a contract", True),
        (size / price if price > 0 else np.nan, "the coins of a contract at this price", True),
        *((power, "a power of ten", False) for power in _POWERS_OF_TEN),
    )
    for factor, name, is_price in known:
        size_of_factor = abs(float(np.log(factor))) if factor > 0 else np.nan
        # Below three, ordinary trading explains as much.
        if size_of_factor > np.log(3) and abs(distance - size_of_factor) < _FACTOR_TOLERANCE:
            return f"{name}, so another unit", is_price
    return None, False
