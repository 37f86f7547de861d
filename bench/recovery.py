"""Whether fits and scores find what is true of a simulated market, and claim nothing else.

``python -m bench.recovery`` runs a hundred markets of 90 days and prints, parameter by parameter,
how often the truth lay in the 90 % interval that was given for it; then how often the scores see
that open interest places liquidations, in markets where it does and where it does not.
"""

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from bench.recovery_market import (
    DAY,
    KNOWN,
    SimulatedSeries,
    bursty_market,
    consumed,
    hourly_bars,
    market,
    panel_of,
    realistic_series_market,
    simulate_series,
    with_positions_of,
)
from transforms.calibration.features import move_of
from transforms.calibration.few_blocks import spread_rows
from transforms.calibration.poisson import (
    LEAST_EFFECTIVE_BLOCKS,
    BlockDraws,
    fit_poisson,
    time_blocks,
)
from transforms.calibration.tiers import TierFit, TierObservations, fit_tiers, group_of_tiers
from transforms.grid import bin_center
from transforms.ledger import LEDGERS, advance
from transforms.series import FloatArray
from transforms.skill.evaluate import evaluate
from transforms.skill.score_table import Score

WARM_UP_HOURS: Final = 20 * 24
"""Hours that are not fitted: what stood at the start entered at prices nobody saw."""

GROUP_NAMES: Final = ("up to 5x", "10x", "20x-25x", "50x-100x")
TILTS: Final = {
    "the truth": (1.0, 1.0, 1.0),
    "1:2:3 too high": (1.0, 2.0, 3.0),
    "1:2:3 too low": (3.0, 2.0, 1.0),
}
"""Priors from which the fit starts: factors on the groups above 5x."""

MOST_UNSEEN: Final = 0.2
"""Part of a map that may be in rows that hang on a few days [ratio]."""

NEAR: Final = (0.02, 0.05, 0.10)
"""Distances from price within which a ledger's map is held against its truth [ln]."""


@dataclass(frozen=True, slots=True)
class Recovered:
    """One parameter of one market.

    Parameters
    ----------
    parameter : str
        Name.
    truth, value, low, high : float
        Truth, estimate and 90 % interval [as the parameter].
    is_identified : bool
        Whether the fit says that it knows it.
    """

    parameter: str
    truth: float
    value: float
    low: float
    high: float
    is_identified: bool

    @property
    def is_inside(self) -> bool:
        """Whether the truth lies in the interval."""
        return self.low <= self.truth <= self.high


def tilted_prior(factors: Sequence[float]) -> FloatArray:
    """Return wrong weights to start from: the true ones times a factor for each group above 5x."""
    weights = np.array(KNOWN.weights)
    group = group_of_tiers(np.array(KNOWN.leverages))
    tilted = weights * np.array([1.0, *factors])[group]
    tilted[group > 0] *= weights[group > 0].sum() / tilted[group > 0].sum()
    return tilted


def fit_series(
    series: SimulatedSeries,
    prior: FloatArray,
    seed: int = 1,
    *,
    has_move: bool = False,
    is_run_again: bool = True,
) -> TierFit:
    """Return the fit of leverage weights to a series, from a prior.

    The estimator is run again as weights change, or once with the prior's, in proportion to them.
    """

    def reached(weights: FloatArray) -> FloatArray:
        return consumed(replace(KNOWN, weights=tuple(weights.tolist())), series.bars)

    with_prior = reached(prior)
    realised = series.realised_usd.copy()
    realised[:WARM_UP_HOURS] = np.nan
    hours = hourly_bars(series.bars)
    previous = np.concatenate([hours.open[:1], hours.close[:-1]])
    observed = TierObservations(
        realised,
        move_of(previous, hours.high, hours.low),
        hours.open_interest * hours.close,
        np.ones(len(realised)),
    )
    return fit_tiers(
        reached if is_run_again else lambda weights: with_prior * (weights / prior),
        np.array(KNOWN.leverages),
        prior,
        observed,
        has_move=has_move,
        block_draws=BlockDraws(time_blocks(series.hour_ends), np.random.default_rng(seed)),
    )


def recover_tiers(fit: TierFit) -> list[Recovered]:
    """Return the weights of each group that a fit found, and kappa."""
    group = group_of_tiers(np.array(KNOWN.leverages))
    first = [int(np.argmax(group == one)) for one in range(len(GROUP_NAMES))]
    found = [
        Recovered(
            name, KNOWN.weights[tier], float(fit.weights[tier]), float(fit.low[tier]),
            float(fit.high[tier]), bool(fit.is_identified[tier]),
        )
        for name, tier in zip(GROUP_NAMES, first, strict=True)
    ]  # fmt: skip
    kappa = Recovered("kappa", 1.0, fit.kappa, np.nan, np.nan, fit.is_kappa_identified)
    return [*found, kappa]


def recover_ledger(series: SimulatedSeries, seed: int) -> list[Recovered]:
    """Return what a fit finds of liquidations that a known ledger made on the path of a market.

    Amounts vary about what is expected: by 30 % from day to day, and by gamma variates of shape .7
    from hour to hour. Of a map is identified what rows hold that price crossed on several days.
    """
    ledger = LEDGERS["path_ledger"]
    hours = hourly_bars(series.bars)
    last = len(hours) - 1
    state, outputs = advance(ledger, hours.part(0, last), np.arange(last))
    _, ending = advance(ledger, hours.part(last, last + 1), [0], state=state, wants_standing=True)
    exposure = np.concatenate([outputs.exposure, ending.exposure])
    move = np.concatenate([outputs.move, ending.move])
    distance = np.array(ledger.distances)
    weights = np.outer(distance**-0.5 * np.exp(-distance / 0.1), (0.4, 0.3, 0.2, 0.1)).ravel()
    on_map = exposure @ weights
    move_weight = 0.3 * on_map.mean() / (move**2).mean()
    constant = 0.05 * on_map.mean()
    rng = np.random.default_rng(seed)
    by_day = np.exp(0.3 * rng.standard_normal(len(move) // 24 + 1) - 0.045)
    daily = np.repeat(by_day, 24)[: len(move), None]
    expected = on_map + move_weight * move**2 + constant
    realised = expected * daily * rng.gamma(0.7, 1.0 / 0.7, move.shape)
    kept = slice(WARM_UP_HOURS, None)
    fit = fit_poisson(
        exposure[kept], realised[kept], move[kept],
        block_draws=BlockDraws(time_blocks(series.hour_ends[kept]), rng),
    )  # fmt: skip
    draws = spread_rows(fit, rng)[:, : weights.size]
    away = np.abs(np.log(bin_center(ending.first_bin[0] + np.arange(501)) / ending.close[0]))
    found = []
    for reach in NEAR:
        standing = ending.standing[0][:, away < reach].sum(axis=(0, 1), dtype=np.float64)
        drawn = draws @ standing
        low, high = np.quantile(drawn, (0.05, 0.95))
        value = float(fit.weights @ standing)
        is_seen = fit.block_count[: weights.size] >= LEAST_EFFECTIVE_BLOCKS
        unseen = float((fit.weights * standing)[~is_seen].sum() / value)
        found.append(
            Recovered(
                f"map within {reach:.0%}", float(weights @ standing), value, float(low),
                float(high), is_identified=unseen < MOST_UNSEEN,
            )
        )  # fmt: skip
    for index, (name, truth) in enumerate((("move", move_weight), ("constant", constant))):
        at = weights.size + index
        value = fit.move_weight if name == "move" else fit.constant
        found.append(
            Recovered(
                name, float(truth), float(value), float(fit.low[at]), float(fit.high[at]),
                bool(fit.is_identified[at]),
            )
        )  # fmt: skip
    return found


def place_of_open_interest(series: SimulatedSeries, fit_days: int) -> Score:
    """Return the score of the estimator that knows the market over the path of price alone."""
    panel = panel_of(series)
    origin = fit_days * DAY
    scores = evaluate(
        panel, origin, origin, int(panel.span_end[-1]), [KNOWN.provider], ["path_only"]
    )
    return next(
        score for score in scores if (score.model, score.null) == (KNOWN.provider, "path_only")
    )


def print_coverage(title: str, markets: Sequence[Sequence[Recovered]]) -> None:
    """Print how often each parameter was identified, and of those how often it lay inside."""
    print(f"\n{title}, {len(markets)} markets")
    print(f"{'':16}identified   inside   estimate / truth: median, 5 %, 95 %")
    for rows in zip(*markets, strict=True):
        known = [row for row in rows if row.is_identified]
        inside = f"{sum(row.is_inside for row in known)} of {len(known)}" if known else "-"
        low, median, high = np.quantile([row.value / row.truth for row in rows], (0.05, 0.5, 0.95))
        print(
            f"{rows[0].parameter:16}{len(known):10d}   {inside:>9}   "
            f"{median:.2f} {low:.2f} {high:.2f}"
        )


def print_placement(title: str, scores: Sequence[Score]) -> None:
    """Print how often the estimator beats the path of price, as its lower bound says."""
    positive = sum(score.d2_low > 0.0 for score in scores)
    gains = np.array([score.d2 for score in scores])
    print(
        f"{title}: gain over path_only {np.median(gains):+.2f} "
        f"[{gains.min():+.2f}, {gains.max():+.2f}], above 0 with its lower bound in {positive} of "
        f"{len(scores)}"
    )


def study_leverage(n_markets: int) -> None:
    """Print what fits of leverage weights find in markets whose mix is known."""
    found: dict[str, list[list[Recovered]]] = {}
    for seed in range(n_markets):
        series = simulate_series(market(seed))
        for name, factors in TILTS.items():
            fit = fit_series(series, tilted_prior(factors))
            found.setdefault(f"leverage, prior {name}", []).append(recover_tiers(fit))
        fit = fit_series(series, tilted_prior(TILTS["the truth"]), has_move=True)
        found.setdefault("leverage, with a move term", []).append(recover_tiers(fit))
    for title, markets in found.items():
        print_coverage(title, markets)


def study_realistic(n_markets: int) -> None:
    """Print what the same fit finds where accounts do what it does not assume."""
    title = "leverage, realistic market (the mix drifts about the truth)"
    prior = np.array(KNOWN.weights)
    print_coverage(
        title,
        [
            recover_tiers(fit_series(simulate_series(realistic_series_market(seed)), prior))
            for seed in range(n_markets)
        ],
    )


def study_placement(n_markets: int) -> None:
    """Print whether scores see open interest that places liquidations, and only that."""
    own = [simulate_series(bursty_market(seed, 120.0)) for seed in range(n_markets)]
    print()
    print_placement("its own open interest", [place_of_open_interest(one, 70) for one in own])
    wrong = [
        with_positions_of(one, other) for one, other in zip(own, own[1:] + own[:1], strict=True)
    ]
    print_placement("that of another market", [place_of_open_interest(one, 70) for one in wrong])


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=100, help="markets of known leverage")
    parser.add_argument("--ledgers", type=int, default=100, help="markets a ledger made")
    parser.add_argument("--realistic", type=int, default=20, help="markets with all conduct")
    parser.add_argument("--placements", type=int, default=20, help="markets of either kind")
    options = parser.parse_args()
    begun = time.perf_counter()
    if options.seeds:
        study_leverage(options.seeds)
    if options.ledgers:
        ledgers = [
            recover_ledger(simulate_series(market(seed)), seed) for seed in range(options.ledgers)
        ]
        print_coverage("ledger", ledgers)
    if options.realistic:
        study_realistic(options.realistic)
    if options.placements:
        study_placement(options.placements)
    print(f"\n{time.perf_counter() - begun:.0f} s")


if __name__ == "__main__":
    main()
