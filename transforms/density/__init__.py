"""The density model: from bars to positions by liquidation price, by a recursion over bars.

Belongs here: the compiled steps of a bar, a module each, and the order in which they run.
Does not belong here: what an estimator assumes (``estimators``), liquidation prices (``margin``),
the flows of a bar (``accounting``), containers (``series``).

Read ``recursion`` first. Each bar goes through ``clear`` (liquidations), ``close`` (voluntary
closes), ``open`` (fresh positions) and ``balance`` (each side sums to open interest); ``emit``
writes a map where one is due. All of them change the arrays of ``tier_rows`` in place.
"""

from transforms.density.inputs import DensityParameters, Flows
from transforms.density.recursion import advance, lay_trail

__all__ = ["DensityParameters", "Flows", "advance", "lay_trail"]
