"""How often intervals of half-lives and weights hold the truth of simulated populations.

``python -m bench.measured.recovery --seeds 40`` prints, for each way of counting, the share of
intervals that hold the truth (they are of 95 %), the mean relative error, and the same for two
wrong treatments: positions found in mid-life taken as fresh, and lives too short to be seen
ignored.
"""

import argparse
from dataclasses import replace

import numpy as np

from tests.workbench.position_log import Population, simulate
from transforms.positions.account_draws import AccountDraws, MeasuredFigure
from transforms.positions.changes import HOUR, follow
from transforms.positions.half_lives import fresh_shares, leaving_rates

POPULATION = Population(accounts=600)


def main() -> None:
    """Simulate, measure, and print what was recovered."""
    parser = argparse.ArgumentParser(prog="python -m bench.measured.recovery", description=__doc__)
    parser.add_argument("--seeds", type=int, default=40, help="populations to simulate")
    seeds = parser.parse_args().seeds
    held: dict[str, list[tuple[bool, float]]] = {}
    for seed in range(seeds):
        for name, found, truth in _measure(seed):
            held.setdefault(name, []).append(
                (found.low <= truth <= found.high, abs(found.value / truth - 1.0))
            )
    for name, one in held.items():
        inside, error = np.array(one).T
        print(f"{name:<52} held {inside.mean():6.1%}  mean |error| {error.mean():6.1%}")


def _measure(seed: int) -> list[tuple[str, MeasuredFigure, float]]:
    """Return figures with their truth, by name."""
    log, _ = simulate(POPULATION, seed)
    tier = np.searchsorted(POPULATION.leverages, log.leverage)
    draws = AccountDraws.of(log.n_accounts, np.random.default_rng(0))
    count, end = len(POPULATION.leverages), int((POPULATION.days - 1.0) * 24) * HOUR
    rows: list[tuple[str, MeasuredFigure, float]] = []
    for how, is_counting in (("by size", False), ("by count", True)):
        stood = follow(log, (0, end), is_counting=is_counting)
        rates = leaving_rates(log, stood, tier, count, draws)
        in_mid_life = replace(log, is_opening=log.is_opening | log.is_start)
        unseen = replace(rates, log_hazard=np.full(count, np.nan))
        for name, shares in (
            ("weights", fresh_shares(log, tier, rates, draws, is_counting=is_counting)),
            (
                "weights, found in mid-life taken as fresh",
                fresh_shares(in_mid_life, tier, rates, draws, is_counting=is_counting),
            ),
            (
                "weights, short lives ignored",
                fresh_shares(log, tier, unseen, draws, is_counting=is_counting),
            ),
        ):
            rows += [
                (f"{name} {how}", one, truth)
                for one, truth in zip(shares, POPULATION.weights, strict=True)
            ]
        rows += [
            (f"half-lives {how}", one, truth)
            for one, truth in zip(rates.half_life_days, POPULATION.half_lives_days, strict=True)
        ]
    return rows


if __name__ == "__main__":
    main()
