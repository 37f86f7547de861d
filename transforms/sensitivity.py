"""What a map hangs on: the same estimator with one assumption swapped at a time.

Belongs here: which swaps are made, and that each changes one assumption only.
Does not belong here: running them, and measuring how far the maps differ
(``transforms.disagreement``).
"""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from transforms.errors import InvalidParameters
from transforms.estimators import EstimatorParameters

TILT = 0.5
"""Power of leverage by which weights are tilted [exponent]: ten times the leverage, three times
the weight. Measured and publicly drawn tiers lie further apart than that."""

TURNOVER_RATIOS = (0.0, 0.25, 0.5, 1.0)
"""From no churn that turns positions over to all of it [ratio]."""

UNLEVERED_SHARES = (0.0, 0.3)
"""None at all; about the share of notional below 3x on venues that show it [ratio]."""

ENTRY_WEIGHTS = {
    "close only": (0.0, 0.0, 0.0, 1.0),
    "high and low only": (0.0, 0.5, 0.5, 0.0),
}
"""The two ends of what a bar leaves open about its entries [ratio]."""

LARGE_POSITION_USD = 1_000_000.0
"""A position in the middle brackets of large coins [USD]."""

TAKER_EXPONENT = 0.2
"""As in the estimator that treats takers apart [exponent]."""


@dataclass(frozen=True, slots=True)
class Swap:
    """One estimator with one assumption swapped.

    Parameters
    ----------
    assumption : str
        Field of ``EstimatorParameters`` that was swapped.
    baseline, variant : str
        What it was, and what it is instead.
    parameters : EstimatorParameters
        The estimator that results, under a name of its own.
    """

    assumption: str
    baseline: str
    variant: str
    parameters: EstimatorParameters


def swap_assumptions(base: EstimatorParameters) -> tuple[Swap, ...]:
    """Return the estimator's variants, each with one assumption swapped.

    Parameters
    ----------
    base : EstimatorParameters
        Estimator to vary.

    Returns
    -------
    tuple of Swap
        Only assumptions that the estimator's model uses, and only what changes them; a swap that
        makes no valid estimator (say, makers with a negative share) is left out.

    Examples
    --------
    >>> from transforms.estimators import ESTIMATORS
    >>> swaps = swap_assumptions(ESTIMATORS["turnover"])
    >>> [(swap.baseline, swap.variant) for swap in swaps if swap.assumption == "turnover_ratio"]
    [('0.25', '0'), ('0.25', '0.5'), ('0.25', '1')]
    >>> swaps[0].parameters.provider
    'turnover__swap_1'
    """
    candidates = [*_shared(base), *(_of_density if base.model == "density" else _of_profile)(base)]
    swaps: list[Swap] = []
    for assumption, variant, changes in candidates:
        if all(getattr(base, name) == value for name, value in changes.items()):
            continue
        name = f"{base.provider}__swap_{len(swaps) + 1}"
        try:
            swapped = dataclasses.replace(base, provider=name, **changes)
        except InvalidParameters:
            continue
        swaps.append(Swap(assumption, _baseline(base, assumption), variant, swapped))
    return tuple(swaps)


_Candidate = tuple[str, str, dict[str, Any]]


def _baseline(base: EstimatorParameters, assumption: str) -> str:
    """Return what the estimator assumes, in words."""
    value = getattr(base, assumption)
    if assumption in ("weights", "half_lives_days"):
        return "as given"
    if isinstance(value, tuple):
        return " ".join(f"{part:g}" for part in value)
    if isinstance(value, str):
        return value
    return f"{value:.0f}" if assumption == "reference_position_usd" else f"{value:g}"


def _shared(base: EstimatorParameters) -> Iterator[_Candidate]:
    """Yield what every model assumes."""
    for exponent, name in ((TILT, "higher"), (-TILT, "lower")):
        tilt = f"tilted to {name} leverage (times leverage to the power {exponent:g})"
        yield "weights", tilt, _tilted(base, exponent)
    for share in UNLEVERED_SHARES:
        if share != base.unlevered_share:
            yield "unlevered_share", f"{share:g}", _with_unlevered(base, share)
    large = {"reference_position_usd": LARGE_POSITION_USD}
    yield "reference_position_usd", f"{LARGE_POSITION_USD:.0f}", large


def _of_density(base: EstimatorParameters) -> Iterator[_Candidate]:
    """Yield what following positions from bar to bar assumes in addition."""
    for name, weights in ENTRY_WEIGHTS.items():
        yield "entry_weights", name, {"entry_weights": weights}
    for ratio in TURNOVER_RATIOS:
        yield "turnover_ratio", f"{ratio:g}", {"turnover_ratio": ratio}
    half_lives = np.array([*base.half_lives_days, base.unlevered_half_life_days])
    middle = float(np.exp(np.log(half_lives).mean()))
    # Only ratios between half-lives matter: how much closes in all follows from volume.
    for name, changed in (
        ("the same for all", np.full_like(half_lives, middle)),
        ("ratios squared", half_lives**2 / middle),
    ):
        if base.unlevered_share > 0.0 or len(set(base.half_lives_days)) > 1:
            *by_tier, unlevered = changed.tolist()
            changes = {"half_lives_days": tuple(by_tier), "unlevered_half_life_days": unlevered}
            yield "half_lives_days", name, changes
    other = "last" if base.clearing_price == "mark" else "mark"
    yield "clearing_price", other, {"clearing_price": other}
    exponent = 0.0 if base.taker_leverage_exponent else TAKER_EXPONENT
    yield "taker_leverage_exponent", f"{exponent:g}", {"taker_leverage_exponent": exponent}


def _of_profile(base: EstimatorParameters) -> Iterator[_Candidate]:
    """Yield what a trailing volume profile assumes in addition."""
    for factor in (0.5, 2.0):
        days = base.volume_half_life_days * factor
        yield "volume_half_life_days", f"{days:g}", {"volume_half_life_days": days}


def _with_unlevered(base: EstimatorParameters, share: float) -> dict[str, Any]:
    """Return weights that leave a share unlevered and keep the proportions of the tiers."""
    weights = np.array(base.weights)
    scaled = weights / weights.sum() * (1.0 - share)
    return {"weights": tuple(scaled.tolist()), "unlevered_share": share}


def _tilted(base: EstimatorParameters, exponent: float) -> dict[str, Any]:
    """Return weights times a power of leverage, the unlevered share as it is."""
    weights = np.array(base.weights) * np.array(base.leverages) ** exponent
    scaled = weights / weights.sum() * (1.0 - base.unlevered_share)
    return {"weights": tuple(scaled.tolist())}
