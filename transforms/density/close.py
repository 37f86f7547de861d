"""Voluntary closes: which positions leave when some close and no price made them.

Belongs here: the shares in which closes fall on the tiers. Does not belong here: liquidations
(``clear``), and how much closes in all (``accounting``).
"""

import math
from typing import Final

from transforms.compiler import fast_compiled, inlined
from transforms.density import layout as at
from transforms.density.balance import scale_side
from transforms.series import FloatArray

_SMALLEST_REMAINDER: Final = 1e-9
"""Voluntary closes leave at least this share of a side [ratio]."""

_SMALL_STEP: Final = 1e-5
"""Largest hazard times step that is taken as the last: its error is 1e-15 of the masses."""

_NEWTON_ONLY_AFTER: Final = 8
_MOST_ITERATIONS: Final = 100


@inlined
def close_side(
    amounts: FloatArray,
    sides: FloatArray,
    hazards: FloatArray,
    masses: FloatArray,
    factors: FloatArray,
    side: int,
    closed: float,
) -> None:
    """Let a quantity of one side close voluntarily, each tier at its own rate; neither is 0.

    `masses` and `factors` are working space.
    """
    n_tiers = len(masses) - 1
    for tier in range(n_tiers):
        masses[tier] = amounts[at.TOTAL, side * n_tiers + tier]
    masses[n_tiers] = sides[at.UNLEVERED, side]
    closing_factors(masses, hazards, closed, factors)
    scale_side(amounts, sides, side, factors)


@fast_compiled
def closing_factors(
    masses: FloatArray, hazards: FloatArray, closed: float, factors: FloatArray
) -> None:
    """Write the share of each mass that stays when `closed` leaves by hazard.

    Solves ``sum m exp(-hazard theta) = sum m - closed`` for ``theta``. The logarithm of the left
    side is convex and falls, so Newton's method on it approaches from the left and converges from
    anywhere; a second-order step saves iterations.
    """
    n_masses = len(masses)
    before = 0.0
    slope = 0.0
    curve = 0.0
    fastest = 0.0
    for index in range(n_masses):
        weighted = masses[index] * hazards[index]
        before += masses[index]
        slope += weighted
        curve += weighted * hazards[index]
        fastest = max(fastest, hazards[index])
    target = max(before - closed, _SMALLEST_REMAINDER * before)
    remaining = before
    theta = 0.0
    for index in range(n_masses):
        factors[index] = 1.0
    iteration = 0
    is_solved = False
    while not is_solved and iteration < _MOST_ITERATIONS:
        distance = math.log(remaining / target)
        mean = slope / remaining
        step = distance / mean
        discriminant = mean * mean - 2.0 * (curve / remaining - mean * mean) * distance
        if iteration < _NEWTON_ONLY_AFTER and discriminant > 0.0:
            step = 2.0 * distance / (mean + math.sqrt(discriminant))
        iteration += 1
        is_solved = abs(step) * fastest < _SMALL_STEP
        if is_solved:
            for index in range(n_masses):
                power = hazards[index] * step
                factors[index] *= 1.0 - power * (1.0 - power * (0.5 - power / 6.0))
        else:
            theta = max(theta + step, 0.0)
            _stay(hazards, theta, fastest, factors)
            remaining = 0.0
            slope = 0.0
            curve = 0.0
            for index in range(n_masses):
                stays = masses[index] * factors[index]
                weighted = stays * hazards[index]
                remaining += stays
                slope += weighted
                curve += weighted * hazards[index]


@inlined
def _stay(hazards: FloatArray, theta: float, fastest: float, factors: FloatArray) -> None:
    """Write the share that stays of each mass after a time, ``exp(-hazard theta)``."""
    if theta * fastest < 1.0:
        for index in range(len(hazards)):
            factors[index] = _exponential(-hazards[index] * theta)
    else:
        for index in range(len(hazards)):
            factors[index] = math.exp(-hazards[index] * theta)


@fast_compiled
def _exponential(power: float) -> float:
    """Return exp(power) for powers from -1 to 0, to 1e-15, by operations that vectorise.

    The eleventh-order Taylor polynomial at a quarter of the power, squared twice.
    """
    quarter = 0.25 * power
    value = 1.0 + quarter * (1 / 11)
    value = 1.0 + quarter * (1 / 10) * value
    value = 1.0 + quarter * (1 / 9) * value
    value = 1.0 + quarter * 0.125 * value
    value = 1.0 + quarter * (1 / 7) * value
    value = 1.0 + quarter * (1 / 6) * value
    value = 1.0 + quarter * (1 / 5) * value
    value = 1.0 + quarter * 0.25 * value
    value = 1.0 + quarter * (1 / 3) * value
    value = 1.0 + quarter * 0.5 * value
    value = 1.0 + quarter * value
    value *= value
    return value * value
