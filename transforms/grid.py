"""The one price axis: a logarithmic grid shared by all assets, venues and instants.

Belongs here: the relation between prices, nodes, published bins and coarse bins.
Does not belong here: anything on the grid (density, bands, disagreement).

Node ``i`` is at price ``exp(i * LOG_STEP)``. A published bin ``j`` holds the two nodes
``2 j`` and ``2 j + 1`` and therefore spans the prices from ``exp((2 j - 0.5) * LOG_STEP)`` to
``exp((2 j + 1.5) * LOG_STEP)``. The axis has no origin that moves: the same price has the same bin
on every asset and at every time, so maps can be compared and summed without resampling.

Compiled functions elsewhere keep the constants they were compiled with: after changing one here,
delete ``transforms/__pycache__``.
"""

import numpy as np
import numpy.typing as npt

from transforms.errors import InvalidInput

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

LOG_STEP = 0.001
"""Distance of two nodes in log price [ln]; one node is about 0.1 % of price."""

NODES_PER_BIN = 2
"""Nodes in a published bin; two, so that linear sharing between nodes leaves no stripes."""

BIN_LOG_WIDTH = NODES_PER_BIN * LOG_STEP
"""Width of a published bin in log price [ln]; about 0.2 % of price."""

PUBLISHED_RANGE = 0.5
"""Largest |ln(bin centre / price)| of a published bin [ln]; beyond it only totals are kept."""

NEAR_RANGE = 0.05
"""Largest |ln(node price / price)| counted as near the price [ln]."""

N_PUBLISHED_BINS = 501
"""Bins in a published map: 500 or 501 lie in range, the array always has room for 501."""


def _require_positive(price: npt.ArrayLike) -> FloatArray:
    """Return `price` as float64, refusing what has no logarithm."""
    array = np.asarray(price, dtype=np.float64)
    wrong = ~(np.isfinite(array) & (array > 0.0))
    if np.any(wrong):
        first = int(np.argmax(wrong))
        raise InvalidInput(
            f"price[{first}] is {array.reshape(-1)[first]}; the grid is logarithmic and needs "
            "finite prices above 0: drop or repair the row before"
        )
    return array


def node_price(node: npt.ArrayLike) -> FloatArray:
    """Return the price of a node.

    Parameters
    ----------
    node : array_like of int, shape (...)
        Node index; a fractional index gives the price between two nodes.

    Returns
    -------
    ndarray of float64, shape (...)
        Price [USD per unit of the asset].

    Examples
    --------
    >>> node_price([0, 1000]).round(6).tolist()
    [1.0, 2.718282]
    """
    return np.exp(np.asarray(node, dtype=np.float64) * LOG_STEP)


def bin_of_price(price: npt.ArrayLike) -> IntArray:
    """Return the published bin whose span holds a price.

    A price on an edge belongs to the bin above it.

    Parameters
    ----------
    price : array_like of float, shape (...)
        Price [USD per unit of the asset], finite and above 0.

    Returns
    -------
    ndarray of int64, shape (...)
        Bin index.

    Raises
    ------
    InvalidInput
        If a price is not finite or not above 0.

    Examples
    --------
    >>> bin_of_price([1.0, 60000.0]).tolist()
    [0, 5501]
    """
    position = np.log(_require_positive(price)) / LOG_STEP
    return np.floor((position + 0.5) / NODES_PER_BIN).astype(np.int64)


def bin_edges(bin_index: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Return the lowest and highest price of published bins.

    Parameters
    ----------
    bin_index : array_like of int, shape (...)
        Bin index.

    Returns
    -------
    price_low, price_high : ndarray of float64, shape (...)
        Prices [USD per unit of the asset]; the high of a bin is the low of the next.

    Examples
    --------
    >>> low, high = bin_edges([0, 1])
    >>> low.round(7).tolist(), high.round(7).tolist()
    ([0.9995001, 1.0015011], [1.0015011, 1.0035061])
    """
    first_node = np.asarray(bin_index, dtype=np.float64) * NODES_PER_BIN
    return node_price(first_node - 0.5), node_price(first_node + NODES_PER_BIN - 0.5)


def bin_center(bin_index: npt.ArrayLike) -> FloatArray:
    """Return the price in the middle (in log price) of published bins.

    Parameters
    ----------
    bin_index : array_like of int, shape (...)
        As in `bin_edges`.

    Returns
    -------
    ndarray of float64, shape (...)
        Centres [USD per unit of the asset].

    Examples
    --------
    >>> bin_center([0, 500]).round(6).tolist()
    [1.0005, 2.719641]
    """
    first_node = np.asarray(bin_index, dtype=np.float64) * NODES_PER_BIN
    return node_price(first_node + 0.5 * (NODES_PER_BIN - 1))


def published_bins(price: npt.ArrayLike) -> tuple[IntArray, IntArray]:
    """Return the first published bin of a map and how many are published.

    Bins are published whose centre lies within ``PUBLISHED_RANGE`` of the price in log price.

    Parameters
    ----------
    price : array_like of float, shape (...)
        Close at the instant of the map [USD per unit of the asset], finite and above 0.

    Returns
    -------
    first_bin, n_bins : ndarray of int64, shape (...)
        First bin index and number of bins, 500 or 501.

    Raises
    ------
    InvalidInput
        If a price is not finite or not above 0.

    Examples
    --------
    >>> first, count = published_bins(60000.0)
    >>> int(first), int(count)
    (5251, 500)
    """
    center = np.log(_require_positive(price)) / BIN_LOG_WIDTH - 0.25
    reach = PUBLISHED_RANGE / BIN_LOG_WIDTH
    first = np.ceil(center - reach).astype(np.int64)
    last = np.floor(center + reach).astype(np.int64)
    return first, last - first + 1
