"""Plausibility of a venue's rows: clocks, repeated rows, units, jumps of open interest.

Belongs here: checks beyond the rules of a record kind (`sources.checks`). Does not belong here:
reading the response.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt

from sources.checks import Flag, Rejects
from sources.venues.instruments import Instrument
from sources.venues.payload import Floats, Milliseconds

# Clocks of two machines differ; a label further ahead than this is wrong.
TOLERATED_AHEAD_MS = 120_000

# Amount times price and value measure the same thing. Venues value at mark, last or index price, so
# some spread is normal; beyond this the unit is wrong.
LARGEST_AUDIT_RATIO = 1.5

# Open interest moves between the two observations whose ratio is compared with a factor: e^0.14 is
# 15 %. A factor of two must match closely, a large one need not.
_FACTOR_TOLERANCE = 0.14
_TWO_TOLERANCE = 0.001
# Trading moves open interest by less between two observations; beyond the power of ten below, no
# unit explains a jump either.
LARGEST_JUMP = 100.0
LARGEST_POWER = 6.0
# The most that all contracts of all venues together have held, roughly.
MOST_USD = 2e11
# Begins the reason of a row that later rows may confirm; the quantity follows it.
SET_ASIDE = "set aside until confirmed"
COMPARED_WITHIN = timedelta(days=1)
CONFIRMING_ANSWERS = 12
CONFIRMING_SPAN = timedelta(days=1)
# One-sided figures may be rounded.
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
        The values of the record.
    usable : ndarray of bool, shape (n_rows,)
        Rows without a fault; others are neither kept nor compared.

    Returns
    -------
    kept, contradicting : ndarray of bool, shape (n_rows,)
        A repetition with the same values is in neither.
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
    """The last accepted open interest of an instrument, and the figures set aside since.

    Parameters
    ----------
    observed_at : datetime
        Its instant.
    quantity : float
        Accepted [position units].
    held_quantity : float or None
        Median of the figures set aside since as jumps [position units].
    held_count : int
        Number of them.
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
        """Return whether a day of responses has repeated a quantity, within a factor of two."""
        return bool(
            self.held_quantity is not None
            and self.held_quantity > 0
            and self.held_count >= CONFIRMING_ANSWERS
            and self.held_for >= CONFIRMING_SPAN
            and abs(np.log(quantity / self.held_quantity)) < np.log(2)
        )


@dataclass(frozen=True, slots=True)
class UnitAudit:
    """Amount times price over value, over the rows of a venue where all three are known.

    Parameters
    ----------
    rows : int
        Number of rows.
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
        """Add the ratios that are known."""
        self.ratios.extend(float(ratio) for ratio in ratios[np.isfinite(ratios)])
        if len(self.ratios) > self.most:
            del self.ratios[: self.most // 2]

    def summary(self) -> UnitAudit:
        """Return their spread."""
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
    """Return amount over value, each in USD by its declared unit, and flag contradictions.

    Parameters
    ----------
    amount_usd, value_usd : ndarray of float64, shape (n_rows,)
        NaN where the figure or the price is not known.
    rejects : Rejects
        Receives the rows whose two figures contradict each other.

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
    """Flag open interest that is not the declared multiple of the one-sided figure.

    Parameters
    ----------
    counted, one_side : ndarray of float64, shape (n_rows,)
        As received, in one unit; NaN where not given.
    sides_counted : int
        Sides in ``counted``, as declared.
    flag : Callable
        Receives rows, cell and reason.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        is_off = np.abs(counted / one_side - sides_counted) > _SIDES_TOLERANCE
    flag(
        is_off,
        "one_side",
        f"open interest is not {sides_counted} times the one-sided figure beside it",
    )


@dataclass(frozen=True, slots=True)
class OpenInterestRows:
    """Open interest of one response, a row for each element.

    Parameters
    ----------
    quantities : ndarray of float64, shape (n_rows,)
        Normalised [position units].
    instruments : sequence, length n_rows
        Instrument of each row; None where it was not requested.
    observed : sequence of datetime, length n_rows
        Instant of each row.
    prices : ndarray of float64, shape (n_rows,)
        USD per asset unit; NaN where not known.
    audited : ndarray of float64, shape (n_rows,)
        Amount times price over value; NaN where not known. Contradictions are flagged already.
    """

    quantities: Floats
    instruments: Sequence[Instrument | None]
    observed: Sequence[datetime]
    prices: Floats
    audited: Floats


def flag_jumps(
    rows: OpenInterestRows,
    order: npt.NDArray[np.intp],
    previous: Mapping[str, Observation],
    rejects: Rejects,
) -> None:
    """Flag open interest that jumps as trading does not: by a change of unit, or beyond 100 times.

    Each row is compared with the last accepted one of its instrument. Units differ by the contract
    size, the multiplier of the coin, the price, products of these, powers of ten, and two (both
    sides counted instead of one). A jump is set aside until a day of responses has repeated it
    (`Observation.repeats`); a jump by the price also needs the venue's value in USD to agree.
    Figures that no contract can hold are refused for good. A change above the volume alone is no
    reason: it is counted as a violation.

    Parameters
    ----------
    rows : OpenInterestRows
        The figures.
    order : ndarray of int, shape (n_checked,)
        The rows to check, by time.
    previous : mapping of str to Observation
        Last accepted observation by instrument, and the figures set aside since.
    rejects : Rejects
        Receives the rows.
    """
    last = dict(previous)
    for row in map(int, order):
        instrument, quantity = rows.instruments[row], float(rows.quantities[row])
        if instrument is None or row in rejects.reasons or not quantity > 0:
            continue
        price = float(rows.prices[row])
        usd = instrument.units.position_to_usd(quantity, price)
        if usd > MOST_USD:
            rejects.reasons[row] = (
                "amount",
                f"worth {usd:.3g} USD, more than any contract has held: is it in another unit?",
            )
            continue
        at, before = rows.observed[row], last.get(instrument.instrument)
        jump = None
        if before is not None and _is_far(quantity, before):
            is_audited = bool(rows.audited[row] > 0)
            jump = _name_jump(quantity, at, before, instrument, price, is_audited=is_audited)
        if before is None or jump is None or (before.repeats(quantity) and not jump.is_final):
            last[instrument.instrument] = Observation(at, quantity)
            continue
        rejects.reasons[row] = ("amount", jump.reason)
        last[instrument.instrument] = replace(
            before, held_quantity=quantity, is_held_price=jump.is_price
        )


def _is_far(quantity: float, before: Observation) -> bool:
    """Return whether a figure is worth a closer look: most are near the one before."""
    return before.quantity > 0 and not 0.55 < quantity / before.quantity < 1.8


@dataclass(frozen=True, slots=True)
class _Jump:
    """Why a figure is set aside.

    Parameters
    ----------
    reason : str
        For quarantine.
    is_price : bool
        It looks like a figure in another currency: USD for coins or contracts, or the reverse.
    is_final : bool
        Repetition does not confirm it.
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
    """Return why a figure is implausible after the last accepted one; None where it is not."""
    ratio = quantity / before.quantity
    named, is_price = _name_factor(ratio, instrument, price)
    if before.held_quantity is None and abs(at - before.observed_at) > COMPARED_WITHIN:
        # Within days, trading multiplies open interest too, and old history is not compared at all.
        # A later figure that is off by the price is no coincidence.
        is_later = at > before.observed_at
        if not (is_later and is_price and abs(np.log10(ratio)) > 1):
            return None
    if named is None and before.held_quantity is not None:
        # Figures set aside drift: near them, and far from the accepted one, is the same jump.
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
    # A figure in USD repeats for as long as the unit is wrong: its declaration must be corrected.
    # Below ten times the accepted figure, a price may be near by chance; and where the value beside
    # it agrees, the unit is right.
    return _Jump(
        f"{SET_ASIDE}: {quantity:.6g} is {ratio:.6g} times the observation before: {named}",
        is_price,
        is_final=is_price and power > 1 and not is_audited,
    )


def _name_factor(ratio: float, instrument: Instrument, price: float) -> tuple[str | None, bool]:
    """Return which change of unit explains a ratio, if any, and whether it includes a price."""
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
