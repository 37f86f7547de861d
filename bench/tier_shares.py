"""Whether running an estimator again, as its weights change, changes the weights that are fitted.

Run ``python -m bench.tier_shares --recorded FOLDER`` from the project root, with the folder that
``bench.accuracy`` reads. A home takes what price reached under the shipped weights, in proportion
to each weight; here the estimator is run again with the weights of each fit, up to five times.
``--markets N`` does the same on simulated markets whose weights are known, from priors that are
right and wrong by a factor of up to three.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from bench.accuracy.panels import Recording, make_panel, read_recording
from bench.recovery import GROUP_NAMES, TILTS, fit_series, recover_tiers, tilted_prior
from bench.recovery_market import market, simulate_series
from transforms.calibration.poisson import BlockDraws, time_blocks
from transforms.calibration.tiers import (
    TierFit,
    TierObservations,
    fit_tiers,
    group_of_tiers,
)
from transforms.estimators import ESTIMATORS
from transforms.series import BoolArray, FloatArray
from transforms.skill.panel import Panel

PROVIDERS: Final = ("turnover", "taker_tilt", "open_interest", "public_convention")


@dataclass(frozen=True, slots=True)
class ShareComparison:
    """One estimator's shares by group of tiers, fitted in proportion and by running it again.

    Parameters
    ----------
    provider, hours : str
        The estimator, and which hours were fitted.
    names : tuple of str
        Largest leverage of each group.
    proportional, again : TierFit
        The fits.
    seconds : tuple of float
        Processor time of both [s].
    """

    provider: str
    hours: str
    names: tuple[str, ...]
    proportional: TierFit
    again: TierFit
    seconds: tuple[float, float]


def compare(
    recording: Recording, panel: Panel, provider: str, hours: str, is_fitted: BoolArray
) -> ShareComparison:
    """Return the shares of an estimator fitted in both ways to some hours."""
    shipped = ESTIMATORS[provider]
    prior = np.array(shipped.weights)
    reached = panel.exposures[provider]
    is_used = is_fitted & panel.has_figure & np.isfinite(reached).all(axis=(1, 2))
    count = int(is_used.sum())
    observed = TierObservations(
        panel.realised_usd[is_used], np.zeros((count, 2)), np.ones(count), np.ones(count)
    )

    def run_again(weights: FloatArray) -> FloatArray:
        own = replace(shipped, provider="again", weights=tuple(weights.tolist()))
        made: FloatArray = make_panel(recording, (own,)).exposures["again"][is_used]
        return made

    def in_proportion(weights: FloatArray) -> FloatArray:
        made: FloatArray = reached[is_used] * (weights / prior)
        return made

    def fit(estimator: Callable[[FloatArray], FloatArray]) -> tuple[TierFit, float]:
        begun = time.process_time()
        draws = BlockDraws(time_blocks(panel.span_end[is_used]), np.random.default_rng(1))
        found = fit_tiers(
            estimator,
            np.array(shipped.leverages),
            prior,
            observed,
            has_move=False,
            block_draws=draws,
        )
        return found, time.process_time() - begun

    (proportional, first), (again, second) = fit(in_proportion), fit(run_again)
    group = group_of_tiers(np.array(shipped.leverages))
    names = tuple(
        f"{max(lev for lev, one in zip(shipped.leverages, group, strict=True) if one == each):g}x"
        for each in range(int(group[-1]) + 1)
    )
    return ShareComparison(provider, hours, names, proportional, again, (first, second))


def print_comparison(found: ShareComparison) -> None:
    """Print shares with their 90 % intervals, and by how much running again moves them."""
    one, other = found.proportional, found.again
    print(
        f"\n{found.provider}, {found.hours}: {other.runs} runs, {found.seconds[0]:.2f} s in "
        f"proportion, {found.seconds[1]:.2f} s again; kappa {one.kappa:.4f}, {other.kappa:.4f}; "
        f"{one.status.value}, {other.status.value}"
    )
    for number, name in enumerate(found.names):
        own = one.group == number
        share = one.weights[own].sum()
        half_width = np.log(one.high[own][0] / one.weights[own][0]) if share > 0.0 else np.nan
        moved = np.log(other.weights[own].sum() / share)
        print(
            f"  up to {name:5} {share:.4f} [{one.low[own].sum():.4f}, {one.high[own].sum():.4f}] "
            f"again {other.weights[own].sum():.4f} "
            f"[{other.low[own].sum():.4f}, {other.high[own].sum():.4f}], moved {moved:+.4f} ln, "
            f"{abs(moved) / half_width:.2f} of the half-width; identified "
            f"{bool(one.is_identified[own][0])}, {bool(other.is_identified[own][0])}"
        )


def compare_markets(n_markets: int) -> None:
    """Print how far running again moves shares in markets of known leverage, and what it gains."""
    for name, factors in TILTS.items():
        prior = tilted_prior(factors)
        pairs = []
        for seed in range(n_markets):
            series = simulate_series(market(seed))
            fits = [fit_series(series, prior, is_run_again=again) for again in (False, True)]
            pairs.append([recover_tiers(fit)[: len(GROUP_NAMES)] for fit in fits])
        moved = np.array(
            [
                [np.log(b.value / a.value) for a, b in zip(one, other, strict=True)]
                for one, other in pairs
            ]
        )
        width = np.array([[np.log(each.high / each.value) for each in one] for one, _ in pairs])
        inside = [
            sum(each.is_inside for own in pairs for each in own[way] if each.is_identified)
            for way in (0, 1)
        ]
        known = [sum(each.is_identified for own in pairs for each in own[way]) for way in (0, 1)]
        print(
            f"prior {name}, {n_markets} markets: moved at most {np.abs(moved).max():.3f} ln, "
            f"{np.abs(moved / width).max():.2f} of the half-width; truth in the interval of "
            f"{inside[0]} of {known[0]} shares in proportion, {inside[1]} of {known[1]} again"
        )


def main() -> None:
    """Print the comparison for every estimator, over all hours and over each half."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recorded", type=Path, required=True, help="folder of recordings")
    parser.add_argument("--cut", default="2026-03-06", help="day between the halves (UTC)")
    parser.add_argument("--providers", nargs="+", default=PROVIDERS, help="estimators to fit")
    parser.add_argument("--markets", type=int, default=0, help="simulated markets to fit as well")
    options = parser.parse_args()
    recording = read_recording(options.recorded, "BTC", 1)
    panel = make_panel(recording, options.providers)
    is_before = panel.span_end <= int(np.datetime64(options.cut, "us").astype(np.int64))
    chosen = {
        "all hours": np.ones_like(is_before),
        f"before {options.cut}": is_before,
        f"after {options.cut}": ~is_before,
    }
    for provider in options.providers:
        for hours, is_fitted in chosen.items():
            print_comparison(compare(recording, panel, provider, hours, is_fitted))
    if options.markets:
        compare_markets(options.markets)


if __name__ == "__main__":
    main()
