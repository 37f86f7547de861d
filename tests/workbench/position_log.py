"""A population of accounts whose leverage, lives and moves are known, as a collector would log it.

Positions are opened at random times long before the collector begins, so that what stands at its
start is in equilibrium: mostly positions of tiers that last. Each account is swept at intervals of
its own; what happened between two sweeps is found at the second.
"""

from dataclasses import dataclass

import numpy as np

from transforms.positions.changes import HOUR, Changes

DAY_HOURS = 24.0


@dataclass(frozen=True)
class Population:
    """What is true of the simulated accounts."""

    leverages: tuple[float, ...] = (3.0, 10.0, 25.0, 50.0)
    weights: tuple[float, ...] = (0.2, 0.3, 0.3, 0.2)
    half_lives_days: tuple[float, ...] = (20.0, 6.0, 2.0, 0.7)
    moves_a_day: float = 0.15
    """Rate at which margin is added: the liquidation price moves 3 % away from price."""
    accounts: int = 1500
    opened_a_day: float = 0.4
    days: float = 30.0
    longest_sweep_hours: float = 20.0
    size_sd: float = 1.0


@dataclass(frozen=True)
class Lives:
    """The true lives: account, opening and end [h], tier, size."""

    account: np.ndarray
    opened: np.ndarray
    ended: np.ndarray
    tier: np.ndarray
    size: np.ndarray


def simulate(population: Population, seed: int) -> tuple[Changes, Lives]:
    """Return what a collector would log, and what is true."""
    rng = np.random.default_rng(seed)
    before = 6.0 * max(population.half_lives_days) * DAY_HOURS
    end = population.days * DAY_HOURS
    expected = population.opened_a_day * (before + end) / DAY_HOURS
    account = np.repeat(np.arange(population.accounts), rng.poisson(expected, population.accounts))
    opened = rng.uniform(-before, end, account.size)
    tier = rng.choice(len(population.weights), account.size, p=population.weights)
    mean_life = np.array(population.half_lives_days)[tier] * DAY_HOURS / np.log(2.0)
    ended = opened + rng.exponential(mean_life)
    size = rng.lognormal(0.0, population.size_sd, account.size)
    lives = Lives(account, opened, ended, tier, size)
    rows = []
    sweeps = {}
    for one in range(account.size):
        if ended[one] <= 0.0:
            continue
        own = int(account[one])
        if own not in sweeps:
            gaps = rng.uniform(2.0, population.longest_sweep_hours, int(end / 4) + 2)
            sweeps[own] = np.cumsum(gaps)[np.cumsum(gaps) < end]
        rows.extend(_rows_of(lives, one, sweeps[own], population, rng))
    return _changes(rows), lives


def _rows_of(lives, one, swept, population, rng):
    """Return the rows of one position: (account, position, at, from, opening, quantity, ...)."""
    opened, ended = lives.opened[one], lives.ended[one]
    leverage = population.leverages[lives.tier[one]]
    is_short = bool(rng.integers(2))
    base = 1.0 + (1.0 if is_short else -1.0) / leverage
    first = int(np.searchsorted(swept, opened))
    last = int(np.searchsorted(swept, ended))
    if first >= len(swept) or first == last:
        return
    key = (int(lives.account[one]), one)
    size = lives.size[one]
    is_fresh = first > 0
    count = rng.poisson(population.moves_a_day * (ended - opened) / DAY_HOURS)
    moves = np.sort(rng.uniform(opened, ended, count))
    away = 0.03 if is_short else -0.03
    seen = int(np.searchsorted(moves, swept[first], side="right"))
    # What moved before the first state is part of where it is found: here it is found at entry.
    yield (*key, swept[first], swept[first - 1] if is_fresh else swept[first], is_fresh, is_short,
           size, base, leverage)  # fmt: skip
    for at in range(first + 1, min(last, len(swept))):
        moved = int(np.searchsorted(moves, swept[at], side="right"))
        if moved > seen:
            base *= np.exp(away * (moved - seen))
            seen = moved
            yield (*key, swept[at], swept[at - 1], False, is_short, size, base, leverage)
    if last < len(swept):
        yield (*key, swept[last], swept[last - 1], False, is_short, 0.0, base, leverage)


def _changes(rows):
    account, asset, at, since, opening, short, quantity, place, leverage = (
        np.array(column) for column in zip(*sorted(rows, key=lambda row: row[:3]), strict=True)
    )
    observed = np.round(at * HOUR).astype(np.int64)
    no = np.zeros(len(account), dtype=np.bool_)
    price = np.full(len(account), 100.0)
    return Changes(
        account=account.astype(np.int64),
        asset=asset.astype(np.int64),
        observed_at=observed,
        changed_from=np.round(since * HOUR).astype(np.int64),
        changed_until=observed,
        is_opening=opening.astype(np.bool_),
        is_short=short.astype(np.bool_),
        is_cross=no,
        is_reached=no,
        quantity=quantity.astype(np.float64),
        entry_price=price,
        liquidation_price=100.0 * place.astype(np.float64),
        mark_price=price,
        leverage=leverage.astype(np.float64),
    )
