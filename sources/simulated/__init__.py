"""A simulated market whose true positions are known, deterministic from a seed.

Belongs here: agents that open, hold, close and are liquidated on a few invented venues, and the
records those venues would send, the true standing positions by liquidation price among them.
Does not belong here: any model that estimates those positions, or a constant imported from one.

The way through it: `parameters` says what is traded, `prices` moves the index of every asset,
`book` lets agents trade one contract along that index, `emission` turns what happened into records
and `market` joins them.
"""

from sources.simulated.market import simulate
from sources.simulated.parameters import (
    LeverageTier,
    MarketParameters,
    SimulatedAsset,
    SimulatedVenue,
    Whale,
)

__all__ = [
    "LeverageTier",
    "MarketParameters",
    "SimulatedAsset",
    "SimulatedVenue",
    "Whale",
    "simulate",
]
