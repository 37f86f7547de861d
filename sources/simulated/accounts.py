"""The accounts behind positions: isolated, margined crosswise, or hedged.

Belongs here: what an account gives a position for margin, and how long until its owner acts. Does
not belong here: when traders open and close (`sources.simulated.trading`), what the mark forces
(`sources.simulated.forced`).
"""

from math import floor, inf

import numpy as np

from sources.simulated import book_layout as at
from sources.simulated.forced import Forced, force_position, is_reached
from sources.simulated.parameters import UNLEVERED
from sources.simulated.positions import (
    LONG,
    N_MOMENTS,
    NOBODY,
    SHORT,
    Ledger,
    Positions,
    SimulatedContract,
    add_position,
    change_position,
    compiled_uncounted,
    enter_moment,
    leave_moment,
    liquidation_price,
    margin_of,
    price_of_margin,
)


@compiled_uncounted
def draw_moment(
    rng: np.random.Generator, contract: SimulatedContract, ledger: Ledger, tier: int, is_cross: bool
) -> int:
    """Return the moment, on the ring, at which an owner closes or his other holdings move."""
    clock = ledger.levels[at.CLOCK]
    mean = contract.tier_holding_minutes[tier]
    if is_cross:
        mean = 1.0 / (1.0 / mean + 1.0 / contract.cross_change_minutes)
    holding = min(rng.standard_exponential() * mean, N_MOMENTS - 2.0)
    return int(max(floor(clock) + 1.0, floor(clock + holding))) % N_MOMENTS


@compiled_uncounted
def happens(rng: np.random.Generator, ratio: float) -> bool:
    """Return whether something of a given share happens; a share of 0 draws nothing."""
    return ratio > 0.0 and rng.random() < ratio


@compiled_uncounted
def draw_account(
    rng: np.random.Generator, contract: SimulatedContract, side: int, entry: float, tier: int
) -> tuple[float, float, bool]:
    """Return margin of one unit, liquidation price, and whether the account margins crosswise."""
    leverage = contract.tier_leverage[tier]
    margin = margin_of(contract.is_inverse, entry, leverage)
    if leverage > UNLEVERED and happens(rng, contract.cross_ratio):
        margin *= 1.0 + contract.cross_free_ratio * rng.standard_exponential()
        price = price_of_margin(
            contract.is_inverse, side, entry, margin, contract.maintenance_margin_ratio
        )
        return margin, price, True
    price = liquidation_price(
        contract.is_inverse, side, entry, leverage, contract.maintenance_margin_ratio
    )
    return margin, price, False


@compiled_uncounted
def add_hedged(
    rng: np.random.Generator, contract: SimulatedContract, positions: Positions, ledger: Ledger,
    entry: float, tier: int, lots: int,
) -> int:  # fmt: skip
    """Open a long and a short of one account, which gain what the other loses; return its lots."""
    each = max(1, lots // 2)
    moment = draw_moment(rng, contract, ledger, tier, False)
    margin = margin_of(contract.is_inverse, entry, contract.tier_leverage[tier])
    for side, price in ((LONG, 0.0), (SHORT, inf)):
        add_position(
            contract, positions, ledger, side, each, entry, margin, price, moment, NOBODY
        )  # fmt: skip
    return each


@compiled_uncounted
def is_other_holding(rng: np.random.Generator, contract: SimulatedContract, tier: int) -> bool:
    """Return whether a moment is one of a cross account's other holdings, not of its closing."""
    if tier == NOBODY:
        return False
    holding, change = contract.tier_holding_minutes[tier], contract.cross_change_minutes
    return bool(rng.random() < holding / (holding + change))


@compiled_uncounted
def move_collateral(
    rng: np.random.Generator, contract: SimulatedContract, positions: Positions, ledger: Ledger,
    slot: int, mark: float, forced: Forced,
) -> None:  # fmt: skip
    """Add what a cross account's other holdings gained or lost; too great a loss liquidates it."""
    side, entry = positions.side[slot], positions.entry_price[slot]
    notional = margin_of(contract.is_inverse, entry, UNLEVERED)
    margin = positions.margin[slot]
    margin += notional * contract.cross_change_ratio * rng.standard_normal()
    price = price_of_margin(
        contract.is_inverse, side, entry, margin, contract.maintenance_margin_ratio
    )
    change_position(contract, positions, ledger, slot, positions.lots[slot], entry, margin, price)
    if is_reached(side, price, mark):
        force_position(contract, positions, ledger, slot, mark, forced)
    if positions.lots[slot] > 0:
        leave_moment(positions, ledger, slot)
        moment = draw_moment(rng, contract, ledger, positions.cross_tier[slot], True)
        enter_moment(positions, ledger, slot, moment)
