"""A simulated market whose true positions are known, deterministic from a seed.

Belongs here: agents that open, hold, close and are liquidated on a few invented venues, and the
records those venues would send, the true standing positions by liquidation price among them.
Does not belong here: any model that estimates those positions, or a constant imported from one.

Reading order: `parameters` (what is traded), `price_path` (the index of every asset), `positions`,
`accounts`, `forced` and `trading` (agents of one contract along that index), `book` (its life),
`emission` (records), `market` (all of it, day by day).
"""

from sources.simulated.market import simulate
from sources.simulated.parameters import (
    LeverageTier,
    MarketParameters,
    SimulatedAsset,
    SimulatedVenue,
    TraderConduct,
    Whale,
    realistic_market,
)

__all__ = [
    "LeverageTier",
    "MarketParameters",
    "SimulatedAsset",
    "SimulatedVenue",
    "TraderConduct",
    "Whale",
    "realistic_market",
    "simulate",
]
