"""Maps of several providers side by side on one price axis, with where they differ.

Belongs here: what the picture shows and how. It draws shapes: each side of each map as shares of
what the side holds within 20 % of price, so that maps without a scale compare with those in USD.
Mass beyond the mean of all is bright, mass shared with it dim, mass short of it an outline; prices
that a provider does not cover are hatched.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from plots.source import PublishedMaps
from plots.style import INK, MUTED, RAMPS, length_ticks, mark_price, set_layout, set_price_axis
from warehouse.errors import NotPublished
from warehouse.queries import named_query

FloatArray = npt.NDArray[np.float64]

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
            "and venue = ? and as_of <= coalesce(?, 'infinity'::timestamptz)",
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
        for side in RAMPS:
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


def draw_comparison(data: ProviderComparison, *, title: str, subtitle: str) -> go.Figure:
    """Return the figure: one column a provider, and at the right the mean with its spread."""
    last = len(data.providers) + 1
    figure = make_subplots(
        rows=1,
        cols=last,
        shared_yaxes=True,
        horizontal_spacing=0.008,
        subplot_titles=[
            *(_heading(shape) for shape in data.providers),
            "<b>all maps</b><br>mean; range from<br>least to most",
        ],
    )
    bars = _Bars(figure, np.sqrt(data.edges[1:] * data.edges[:-1]), np.diff(data.edges) * 0.92)
    for side, ramp in RAMPS.items():
        shares = _comparable(data, side)
        mean = shares.mean(axis=0)
        for column, shape in enumerate(data.providers, start=1):
            own = shape.share[side]
            shared = np.minimum(own, mean)
            bars.draw(column, shared, 0.0, ramp[2], f"{side}s, as all")
            bars.draw(column, own - shared, shared, ramp[4], f"{side}s, more than all")
            bars.draw(column, mean - shared, shared, None, f"{side}s, less than all")
        low, high = shares.min(axis=0), shares.max(axis=0)
        bars.draw(last, high - low, low, ramp[1], f"{side}s, least to most")
        bars.draw(last, mean, 0.0, ramp[4], f"{side}s, mean", 0.4)
    for column, shape in enumerate(data.providers, start=1):
        _mark_uncovered(figure, shape, data.edges, column)
    _lay_out(figure, data, title, subtitle)
    return figure


def _comparable(data: ProviderComparison, side: str) -> FloatArray:
    """Return the shares of comparable providers, shape (n, n_bars); zeros if there are none."""
    shares = [
        shape.share[side]
        for shape in data.providers
        if shape.overlap is not None and shape.share[side].any()
    ]
    return np.stack(shares or [np.zeros(_BARS)])


@dataclass(frozen=True, slots=True)
class _Bars:
    figure: go.Figure
    centers: FloatArray
    widths: FloatArray

    def draw(
        self,
        column: int,
        length: FloatArray,
        base: FloatArray | float,
        color: str | None,
        name: str,
        thickness: float = 1.0,
    ) -> None:
        """Add horizontal bars to a column; without a colour only their outline."""
        start = np.broadcast_to(np.asarray(base), length.shape)
        drawn = length > 0
        bars = go.Bar(
            x=100 * length[drawn],
            base=100 * start[drawn],
            y=self.centers[drawn],
            width=self.widths[drawn] * thickness,
            orientation="h",
            name=name,
            marker={
                "color": color or "rgba(0,0,0,0)",
                "line": {"width": 0 if color else 0.8, "color": MUTED},
            },
            hovertemplate=f"{name}<br>%{{y:,.6~g}}<br>%{{x:.2f}} % of side<extra></extra>",
            showlegend=False,
        )
        self.figure.add_trace(bars, 1, column)


def _heading(shape: ProviderShape) -> str:
    overlap = (
        "not comparable"
        if shape.overlap is None
        else f"shares {100 * shape.overlap:.0f} % with others"
    )
    counts = shape.counts
    if shape.observed is not None:
        # On a line of its own: the column is too narrow for both.
        counts += f"<br>{100 * shape.observed:.0f} % of open interest"
    return f"<b>{shape.name.replace('_', ' ')}</b><br>{counts}<br>{overlap}"


def _mark_uncovered(
    figure: go.Figure, shape: ProviderShape, edges: FloatArray, column: int
) -> None:
    """Hatch the prices that a provider does not cover."""
    for low, high in ((edges[0], shape.covered[0]), (shape.covered[1], edges[-1])):
        if np.isfinite(low) and np.isfinite(high) and high > low:
            figure.add_hrect(
                y0=max(low, edges[0]),
                y1=min(high, edges[-1]),
                fillcolor=MUTED,
                opacity=0.12,
                line_width=0,
                row=1,
                col=column,
            )


def _lay_out(figure: go.Figure, data: ProviderComparison, title: str, subtitle: str) -> None:
    mark_price(figure, data.price)
    figure.update_annotations(font={"size": 11, "color": INK}, yshift=2)
    is_taller = any(shape.observed is not None for shape in data.providers)
    top = 138 if is_taller else 122
    set_layout(figure, title, subtitle, margin={"l": 70, "r": 20, "t": top, "b": 40})
    figure.update_layout(title={"y": 0.965, "yanchor": "top"})
    # Bars that tower over all others are cut, so that the rest can be seen.
    shares = np.concatenate([each for shape in data.providers for each in shape.share.values()])
    longest = 100 * min(shares.max(), 1.25 * float(np.quantile(shares[shares > 0], 0.985)))
    lengths = length_ticks(longest)
    figure.update_xaxes(
        showgrid=False,
        zeroline=False,
        range=[0, longest],
        tickvals=lengths,
        ticktext=[f"{tick:.6g} %" for tick in lengths],
    )
    set_price_axis(figure, data.edges[0], data.edges[-1], showgrid=True, gridcolor="#1d212c")
