"""Maps of several providers side by side on one price axis, with where they differ.

Belongs here: what the picture shows. It compares shapes: each side of each map as shares of what
the side holds within 20 % of price, so that maps without a scale compare with those in USD. Does
not belong here: how it is drawn (``comparison_svg``).
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt

from plots.source import PublishedMaps
from warehouse.errors import NotPublished
from warehouse.queries import named_query

FloatArray = npt.NDArray[np.float64]

SIDES = ("long", "short")

# Two bins of the published grid: the resolution at which maps are compared.
_BINS_PER_BAR = 2
_BARS = 100
# Maps are compared in bars whose centre is within this of price [ln].
_LOG_REACH = 0.2


@dataclass(frozen=True, slots=True)
class ProviderShape:
    """The map of one provider as shares.

    Parameters
    ----------
    name : str
        The provider.
    share : dict of str to ndarray of float64, shape (n_bars,)
        Share of the side in each bar [ratio]; zeros where it holds nothing.
    covered : tuple of float
        Prices between which the provider's map lies [USD per unit of the asset].
    counts : str
        What it counts: standing USD, relative strength.
    overlap : float, optional
        Mean overlap with the others [ratio].
    observed : float, optional
        Share of open interest in measured positions, mean of the sides [ratio]; None for others.
    """

    name: str
    share: dict[str, FloatArray]
    covered: tuple[float, float]
    counts: str
    overlap: float | None
    observed: float | None = None


@dataclass(frozen=True, slots=True)
class _OutsideMap:
    """Prices that a map covers, and its share of open interest; all and none for ours."""

    covered: tuple[float, float] = (0.0, np.inf)
    observed: float | None = None


@dataclass(frozen=True, slots=True)
class ProviderComparison:
    """The maps of one picture.

    Parameters
    ----------
    as_of : datetime
        Instant of the maps.
    price : float
        Close [USD per unit of the asset].
    edges : ndarray of float64, shape (n_bars + 1,)
        Prices between which bars lie [USD per unit of the asset].
    providers : list of ProviderShape
        Those furthest from the others last.
    """

    as_of: datetime
    price: float
    edges: FloatArray
    providers: list[ProviderShape]


def read_comparison(maps: PublishedMaps) -> ProviderComparison:
    """Return the maps of all providers of one asset, venue and hour.

    Raises
    ------
    NotPublished
        Fewer than two providers have a map of the asset on the venue.
    """
    which = [maps.asset, maps.venue]
    with maps.open() as reader:
        newest = reader.execute(
            "select max(as_of) from marts.provider_disagreement_hourly where asset = ? "
            "and venue = ? and as_of <= coalesce(?, 'infinity'::timestamp)",
            [*which, maps.until],
        ).fetchone()
        if newest is None or newest[0] is None:
            raise NotPublished(
                f"fewer than two providers have a map of {maps.asset} on {maps.venue} in the "
                "published file; `liqheat providers` lists the maps of each"
            )
        hour = [*which, newest[0]]
        rows = reader.execute(
            "select provider, side, bin_index, price_low, price_high, liquidation_usd, price, "
            "unit, semantics from marts.liquidation_heatmap_hourly "
            "where asset = ? and venue = ? and as_of = ?",
            hour,
        ).fetchnumpy()
        outside = {
            provider: _OutsideMap((low, high), observed)
            for provider, low, high, observed in reader.execute(
                "select provider, covered_price_low, covered_price_high, coalesce("
                "(observed_long_ratio + observed_short_ratio) / 2, observed_long_ratio, "
                "observed_short_ratio) "
                "from marts.outside_maps_hourly where asset = ? and venue = ? and as_of = ?",
                hour,
            ).fetchall()
        }
        overlap = dict(
            reader.execute(
                named_query("mean_overlaps"),
                {"asset": maps.asset, "venue": maps.venue, "as_of": newest[0]},
            ).fetchall()
        )
    price = float(np.median(rows["price"]))
    # Bins are equally wide in log price: any one of them gives the edges of all.
    low, high = np.log(rows["price_low"][0]), np.log(rows["price_high"][0])
    bin_width, bar_width = high - low, _BINS_PER_BAR * (high - low)
    bin_zero = low - rows["bin_index"][0] * bin_width
    lowest_bar = np.ceil((np.log(price) - _LOG_REACH - bin_zero) / bar_width - 0.5)
    first = int(_BINS_PER_BAR * lowest_bar)
    return ProviderComparison(
        as_of=newest[0],
        price=price,
        edges=np.exp(bin_zero + bin_width * (first + _BINS_PER_BAR * np.arange(_BARS + 1))),
        providers=_shapes(rows, first, outside, overlap),
    )


def _shapes(
    rows: dict[str, Any],
    first: int,
    outside: dict[str, _OutsideMap],
    overlap: dict[str, float | None],
) -> list[ProviderShape]:
    bar = (rows["bin_index"] - first) // _BINS_PER_BAR
    is_inside = (bar >= 0) & (bar < _BARS)
    found = []
    for name in overlap:
        own = (rows["provider"] == name) & is_inside
        if not own.any():
            continue
        share: dict[str, FloatArray] = {}
        for side in SIDES:
            held = own & (rows["side"] == side)
            total = np.bincount(bar[held], rows["liquidation_usd"][held], _BARS).astype(np.float64)
            share[side] = total / total.sum() if total.sum() > 0 else total
        at = int(np.argmax(own))
        known = outside.get(name, _OutsideMap())
        found.append(
            ProviderShape(
                name=str(name),
                share=share,
                covered=known.covered,
                counts=f"{rows['semantics'][at]}, {rows['unit'][at]}",
                overlap=overlap[name],
                observed=known.observed,
            )
        )
    return sorted(found, key=lambda shape: (-(shape.overlap or 0.0), shape.name))


@dataclass(frozen=True, slots=True)
class ShareBars:
    """Horizontal bars of one kind in a column, one a price bar.

    Parameters
    ----------
    side : str
        long or short.
    kind : str
        Of a provider: ``shared`` up to the mean of all maps, ``more`` above it, ``less`` below it.
        Of all: ``range`` from the least to the most, ``mean``.
    start, end : ndarray of float64, shape (n_bars,)
        Shares of the side between which each bar lies [ratio]; equal where there is none.
    """

    side: str
    kind: str
    start: FloatArray
    end: FloatArray


@dataclass(frozen=True, slots=True)
class ShareColumn:
    """One column of the picture.

    Parameters
    ----------
    heading : tuple of str
        Lines over it, its name first.
    bars : tuple of ShareBars
        Those drawn first, first.
    uncovered : tuple of tuple of float
        Prices between which the provider publishes nothing [USD per unit of the asset].
    """

    heading: tuple[str, ...]
    bars: tuple[ShareBars, ...]
    uncovered: tuple[tuple[float, float], ...] = ()


def comparison_columns(data: ProviderComparison) -> list[ShareColumn]:
    """Return one column a provider, and the mean of all with its spread last."""
    shares = {side: _comparable(data, side) for side in SIDES}
    means = {side: own.mean(axis=0) for side, own in shares.items()}
    columns = [
        ShareColumn(
            _heading(shape),
            tuple(bars for side in SIDES for bars in _against_mean(shape, side, means[side])),
            _uncovered(shape, data.edges),
        )
        for shape in data.providers
    ]
    spread = [
        bars
        for side in SIDES
        for bars in (
            ShareBars(side, "range", shares[side].min(axis=0), shares[side].max(axis=0)),
            ShareBars(side, "mean", np.zeros(_BARS), means[side]),
        )
    ]
    return [*columns, ShareColumn(("all maps", "mean; range from", "least to most"), tuple(spread))]


def longest_share(data: ProviderComparison) -> float:
    """Return the share at which the axes end [ratio].

    Shares that tower over all others are cut, so that the rest can be seen.
    """
    shares = np.concatenate([each for shape in data.providers for each in shape.share.values()])
    held = shares[shares > 0]
    return min(float(held.max()), 1.25 * float(np.quantile(held, 0.985))) if len(held) else 0.0


def _comparable(data: ProviderComparison, side: str) -> FloatArray:
    """Return the shares of comparable providers, shape (n, n_bars); zeros if there are none."""
    shares = [
        shape.share[side]
        for shape in data.providers
        if shape.overlap is not None and shape.share[side].any()
    ]
    return np.stack(shares or [np.zeros(_BARS)])


def _against_mean(shape: ProviderShape, side: str, mean: FloatArray) -> tuple[ShareBars, ...]:
    own = shape.share[side]
    shared = np.minimum(own, mean)
    return (
        ShareBars(side, "shared", np.zeros(_BARS), shared),
        ShareBars(side, "more", shared, own),
        ShareBars(side, "less", shared, mean),
    )


def _heading(shape: ProviderShape) -> tuple[str, ...]:
    overlap = (
        "not comparable"
        if shape.overlap is None
        else f"shares {100 * shape.overlap:.0f} % with others"
    )
    lines = [shape.name.replace("_", " "), shape.counts.replace("_", " "), overlap]
    if shape.observed is not None:
        # On a line of its own: the column is too narrow for both.
        lines.insert(2, f"{100 * shape.observed:.0f} % of open interest")
    return tuple(lines)


def _uncovered(shape: ProviderShape, edges: FloatArray) -> tuple[tuple[float, float], ...]:
    """Return the prices in the picture that a provider does not cover."""
    spans = ((edges[0], shape.covered[0]), (shape.covered[1], edges[-1]))
    return tuple(
        (max(float(low), float(edges[0])), min(float(high), float(edges[-1])))
        for low, high in spans
        if np.isfinite(low) and np.isfinite(high) and high > low
    )
