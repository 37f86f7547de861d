"""From what the kernel wrote to what callers get: the units of outputs.

Belongs here: conversion to units of the asset and USD. Does not belong here: writing (``emit``).
"""

from dataclasses import fields
from typing import Final

import numpy as np

from transforms.density import layout as at
from transforms.density.emit import Events, Maps
from transforms.series import Float32Array, Outputs

_SAME: Final = {each.name for each in fields(Outputs)}.intersection(Maps._fields)
"""What is returned as it was written."""

_BY_TIER: Final = ("consumed_quantity", "consumed_usd", "swept_quantity", "swept_usd")


def outputs_of(maps: Maps, events: Events, by_tier: Float32Array, is_inverse: bool) -> Outputs:
    """Return the outputs of an estimator from its maps and events.

    Parameters
    ----------
    maps : Maps
        Positions at each instant.
    events : Events
        What happened since the instant before.
    by_tier : ndarray of float32, shape (n_by_tier, 2, n_tiers, 501)
        Maps by tier of the last instants [USD].
    is_inverse : bool
        Whether quantity is USD.

    Returns
    -------
    Outputs
        In base and USD.

    Examples
    --------
    >>> from transforms.density.emit import empty_events, empty_maps
    >>> none = np.zeros((0, 2, 9, 501), dtype=np.float32)
    >>> len(outputs_of(empty_maps(1, 9), empty_events(1, 9), none, False))
    1
    """
    close = maps.close[:, np.newaxis]
    in_range, in_range_priced, near, near_priced, beyond, beyond_priced = maps.sums
    if is_inverse:
        # At the close, as open interest is: at each node's own price the sides of one open
        # interest would have different sums.
        usd = (in_range, near, beyond, maps.unlevered)
        base = (*(each / close[..., np.newaxis] for each in usd[:3]), maps.unlevered / close)
    else:
        base = (in_range, near, beyond, maps.unlevered)
        usd = (in_range_priced, near_priced, beyond_priced, maps.unlevered * close)
    parts = ("in_range", "near", "beyond", "unlevered")
    return Outputs(
        **{name: getattr(maps, name) for name in _SAME},
        **dict(zip(_BY_TIER, events.by_tier, strict=True)),
        **{f"{name}_base": each for name, each in zip(parts, base, strict=True)},
        **{f"{name}_usd": each for name, each in zip(parts, usd, strict=True)},
        excess_quantity=events.excess_quantity,
        balance_min=events.balance[:, 0],
        balance_max=events.balance[:, 1],
        bar_count=events.counts[:, at.BARS],
        violation_count=events.counts[:, at.VIOLATIONS],
        imputed_count=events.counts[:, at.IMPUTED],
        last_price_count=events.counts[:, at.ON_LAST_PRICE],
        liquidation_by_tier_usd=by_tier,
    )
