"""What a sudden move of price would force, and how much further that would carry it.

Belongs here: scenarios of a shock to price met by the liquidations of one map.
Does not belong here: how likely the shock is (``transforms.touch``).

A shock takes price from P to P (1 + shock). Positions of the side it hits that are liquidated
between the two are forced; what is forced moves price by the square-root law of market impact,

    slip = Y sigma_day sqrt(forced / volume_day)

(B. Toth et al., Anomalous price impact and the critical nature of liquidity in financial markets,
Phys. Rev. X 1, 021006, 2011), which forces more, and so on. With x the distance from P in log
price, s that of the shocked price and F(x) the sum between P and x, the scenario ends at the
smallest x with x = s + Y sigma_day sqrt(F(x) / volume_day).

What a bin holds is spread evenly over its log width (the bin that holds P counts from P on), so F
is a chain of straight pieces and (x - s)^2 = Y^2 sigma_day^2 F(x) / volume_day is a quadratic on
each. At x = s its left side does not exceed its right side. Within a bin, left less right is
convex; so as long as it is still negative at the far edge of a bin it has no zero in that bin, and
in the first bin where it is not, the larger root of the quadratic is the one zero. One pass over
the bins finds the end exactly, without iterating.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from transforms.compiler import compiled
from transforms.errors import InvalidInput, InvalidParameters
from transforms.grid import BIN_LOG_WIDTH, PUBLISHED_RANGE, FloatArray, IntArray
from transforms.maps import MapBatch

_SHOCKS = (-0.1, -0.05, -0.03, -0.02, -0.01, 0.01, 0.02, 0.03, 0.05, 0.1)


@dataclass(frozen=True, slots=True)
class CascadeParameters:
    """What the scenarios assume.

    Parameters
    ----------
    shocks_ratio : tuple of float
        Changes of price that start a scenario [ratio], above -1 and not 0. Moves that happen within
        an hour or a day, on both sides, so that nobody sees only the one hoped for.
    impact_coefficient : float
        Y of the square-root law [1]. Estimates for many markets lie near 1.

    Raises
    ------
    InvalidParameters
        If a shock is 0 or at or below -1, or the coefficient is negative.

    Examples
    --------
    >>> CascadeParameters().shocks_ratio
    (-0.1, -0.05, -0.03, -0.02, -0.01, 0.01, 0.02, 0.03, 0.05, 0.1)
    """

    shocks_ratio: tuple[float, ...] = _SHOCKS
    impact_coefficient: float = 1.0

    def __post_init__(self) -> None:
        """Refuse shocks that are none and an impact that pays."""
        for shock in self.shocks_ratio:
            if not (math.isfinite(shock) and shock > -1.0 and shock != 0.0):
                raise InvalidParameters(
                    f"shocks_ratio holds {shock}; a shock is a change of price above -1 and not 0, "
                    "e.g. -0.05 for 5 % down"
                )
        if not (math.isfinite(self.impact_coefficient) and self.impact_coefficient >= 0.0):
            raise InvalidParameters(
                f"impact_coefficient is {self.impact_coefficient}; it must be finite and not "
                "negative"
            )


@dataclass(frozen=True, slots=True)
class Cascades:
    """Scenarios of every map (rows) and every shock (columns, in the order of the parameters).

    Parameters
    ----------
    forced_first_usd : ndarray of float64, shape (n_maps, n_shocks)
        What the shock alone forces [USD].
    forced_usd : ndarray of float64, shape (n_maps, n_shocks)
        What is forced in all [USD].
    end_price : ndarray of float64, shape (n_maps, n_shocks)
        Price at which the scenario ends [USD per unit of the asset].
    slip_bps : ndarray of float64, shape (n_maps, n_shocks)
        How far beyond the shocked price that is, in the shock's direction [bps of log price].
    amplification : ndarray of float64, shape (n_maps, n_shocks)
        ln(end price / P) / ln(shocked price / P) [1], at least 1.
    is_range_exhausted : ndarray of bool, shape (n_maps, n_shocks)
        The scenario runs beyond what the map covers. It is then ended at the edge of that (or at
        the shocked price, if farther): the other figures are lower bounds.
    """

    forced_first_usd: FloatArray
    forced_usd: FloatArray
    end_price: FloatArray
    slip_bps: FloatArray
    amplification: FloatArray
    is_range_exhausted: npt.NDArray[np.bool_]


_DEFAULT_PARAMETERS = CascadeParameters()


def simulate_cascades(
    long: MapBatch,
    short: MapBatch,
    volatility: npt.ArrayLike,
    volume_day_usd: npt.ArrayLike,
    covered_range: npt.ArrayLike = PUBLISHED_RANGE,
    parameters: CascadeParameters = _DEFAULT_PARAMETERS,
) -> Cascades:
    """Return where shocks to price would end.

    Parameters
    ----------
    long, short : MapBatch
        Maps of each side [USD], entry by entry of the same asset, instant and price.
    volatility : array_like of float, shape (n_maps,) or ()
        Standard deviation of the log return over a day [ln per sqrt day].
    volume_day_usd : array_like of float, shape (n_maps,) or ()
        Traded in the last day [USD], of the same venues as the map.
    covered_range : array_like of float, shape (n_maps,) or ()
        Distance from price up to which the map is known [ln]; bins it does not hold are empty.
    parameters : CascadeParameters
        Shocks and strength of impact.

    Returns
    -------
    Cascades
        NaN on a side without shape (empty, NaN, infinite, negative) and where the price is not
        known; all but `forced_first_usd` also where volume or volatility is not known.

    Raises
    ------
    InvalidInput
        If the two batches are not of the same maps.

    Examples
    --------
    10 M USD 2 % below price, volatility 4 %, 1,000 M USD traded a day: a slip of 40 bps.

    >>> one = dict(offsets=np.array([0, 1]), price=np.array([1.0]))
    >>> cascades = simulate_cascades(
    ...     MapBatch(np.array([10e6]), first_bin=np.array([-11]), **one),
    ...     MapBatch(np.array([0.0]), first_bin=np.array([9]), **one),
    ...     volatility=0.04,
    ...     volume_day_usd=1000e6,
    ...     parameters=CascadeParameters(shocks_ratio=(-0.01, -0.03, 0.03)),
    ... )
    >>> cascades.forced_usd.tolist()
    [[0.0, 10000000.0, nan]]
    >>> cascades.slip_bps.round(6).tolist(), cascades.amplification.round(4).tolist()
    ([[0.0, 40.0, nan]], [[1.0, 1.1313, nan]])
    """
    if not np.array_equal(long.price, short.price, equal_nan=True):
        raise InvalidInput(
            f"{long.n_maps} long and {short.n_maps} short maps, or their prices, do not match; "
            "pass both sides of the same maps in the same order"
        )
    shape = (long.n_maps, len(parameters.shocks_ratio))
    slip = parameters.impact_coefficient * _slip_of_one(volatility, volume_day_usd, long.n_maps)
    covered = np.broadcast_to(np.asarray(covered_range, dtype=np.float64), shape[:1])
    log_shocks = np.log1p(np.array(parameters.shocks_ratio))
    figures = np.full((3, *shape), np.nan)
    is_range_exhausted = np.zeros(shape, dtype=np.bool_)
    for batch, sign in ((long, -1), (short, 1)):
        columns = np.flatnonzero(np.sign(log_shocks) == sign)
        shocks = np.abs(log_shocks[columns])
        offsets, first_bin = batch.offsets.astype(np.int64), batch.first_bin.astype(np.int64)
        *found, is_exhausted = _end_scenarios(
            batch.values, offsets, first_bin, batch.price, slip, covered, shocks, sign
        )
        figures[:, :, columns] = found
        is_range_exhausted[:, columns] = is_exhausted
    forced_first, forced, end = figures
    return Cascades(
        forced_first_usd=forced_first,
        forced_usd=forced,
        end_price=long.price[:, None] * np.exp(np.sign(log_shocks) * end),
        slip_bps=1e4 * (end - np.abs(log_shocks)),
        amplification=end / np.abs(log_shocks),
        is_range_exhausted=is_range_exhausted,
    )


def _slip_of_one(
    volatility: npt.ArrayLike, volume_day_usd: npt.ArrayLike, n_maps: int
) -> FloatArray:
    """Return the slip that one USD causes at Y = 1 [ln]; NaN where nothing is known of trading."""
    sigma = np.broadcast_to(np.asarray(volatility, dtype=np.float64), (n_maps,))
    volume = np.broadcast_to(np.asarray(volume_day_usd, dtype=np.float64), (n_maps,))
    is_traded = np.isfinite(volume) & (volume > 0.0) & np.isfinite(sigma) & (sigma >= 0.0)
    slip = np.full(n_maps, np.nan)
    slip[is_traded] = sigma[is_traded] / np.sqrt(volume[is_traded])
    return slip


@compiled
def _end_scenarios(
    values: npt.NDArray[np.floating[Any]],
    offsets: IntArray,
    first_bin: IntArray,
    price: FloatArray,
    slip_of_one: FloatArray,
    covered: FloatArray,
    shocks: FloatArray,
    sign: int,
) -> tuple[FloatArray, FloatArray, FloatArray, npt.NDArray[np.bool_]]:
    """Return forced first, forced in all, distance of the end, and whether the range ran out.

    Distances are along the shock, from price outwards [ln]. ``slip_of_one`` is the slip that one
    USD causes; that of n USD is sqrt(n) times as much.
    """
    n_maps = offsets.size - 1
    forced_first = np.full((n_maps, shocks.size), np.nan)
    forced = np.full((n_maps, shocks.size), np.nan)
    end = np.full((n_maps, shocks.size), np.nan)
    is_exhausted = np.zeros((n_maps, shocks.size), dtype=np.bool_)
    for m in range(n_maps):
        row = values[offsets[m] : offsets[m + 1]]
        is_valid = math.isfinite(price[m]) and price[m] > 0.0
        for i in range(row.size):
            is_valid = is_valid and row[i] >= 0.0
        if not is_valid:
            continue
        # Edges of the bins by distance, and the sum nearer than each; behind the price: nothing.
        position = math.log(price[m]) / BIN_LOG_WIDTH + 0.25
        nearest = first_bin[m] - position if sign > 0 else position - (first_bin[m] + row.size)
        edge = np.empty(row.size + 1)
        standing = np.empty(row.size + 1)
        edge[0] = max(nearest * BIN_LOG_WIDTH, 0.0)
        standing[0] = 0.0
        total = 0.0
        for i in range(row.size):
            edge[i + 1] = max((nearest + i + 1.0) * BIN_LOG_WIDTH, 0.0)
            value = float(row[i]) if sign > 0 else float(row[row.size - 1 - i])
            total += value
            standing[i + 1] = standing[i] + value * min(max(nearest + i + 1.0, 0.0), 1.0)
        if not (math.isfinite(total) and total > 0.0):
            continue
        for k in range(shocks.size):
            shock = shocks[k]
            forced_first[m, k] = _sum_before(shock, edge, standing)
            stop = _smallest_fixed_point(
                edge, standing, shock, forced_first[m, k], slip_of_one[m] ** 2
            )
            if math.isnan(stop):
                is_exhausted[m, k] = shock > covered[m]
                continue
            is_exhausted[m, k] = stop > covered[m]
            end[m, k] = max(shock, covered[m]) if is_exhausted[m, k] else stop
            forced[m, k] = _sum_before(end[m, k], edge, standing)
    return forced_first, forced, end, is_exhausted


@compiled
def _sum_before(distance: float, edge: FloatArray, standing: FloatArray) -> float:
    """Return the sum of what is nearer than a distance; between edges it rises linearly."""
    low, high = 0, edge.size - 1
    if distance <= edge[low]:
        return float(standing[low])
    if distance >= edge[high]:
        return float(standing[high])
    while high - low > 1:
        middle = (low + high) // 2
        if edge[middle] <= distance:
            low = middle
        else:
            high = middle
    share = (distance - edge[low]) / (edge[high] - edge[low])
    return float(standing[low] + share * (standing[high] - standing[low]))


@compiled
def _smallest_fixed_point(
    edge: FloatArray, standing: FloatArray, shock: float, forced_first: float, strength: float
) -> float:
    """Return the smallest x >= shock with (x - shock)^2 = strength x (the sum before x)."""
    if math.isnan(strength):
        return np.nan
    if forced_first == 0.0:
        return shock
    for i in range(edge.size - 1):
        far = edge[i + 1]
        if far < shock or (far - shock) ** 2 < strength * standing[i + 1]:
            continue
        # With y = x - shock the piece reads y^2 = 2 half y + constant.
        density = (standing[i + 1] - standing[i]) / (far - edge[i])
        half = 0.5 * strength * density
        constant = strength * (standing[i] + density * (shock - edge[i]))
        y = half + math.sqrt(max(half * half + constant, 0.0))
        return float(min(max(shock + y, shock, edge[i]), far))
    return shock + math.sqrt(strength * float(standing[-1]))
