"""Maps of several providers side by side on one price axis, with where they differ.

Belongs here: what the picture shows and how. Shapes are drawn: each side of each map as shares of
what the side holds within 20 % of price, so that maps without a scale stand beside those in USD.
What a map holds beyond the mean of all is bright, what it shares with it dim, what it lacks of it
an outline; prices of which a provider does not speak are marked.
"""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from plots.style import BACKGROUND, INK, MUTED, RAMPS, length_ticks, price_ticks
from warehouse.errors import NotPublished
from warehouse.read import ReadLimits, open_published

FloatArray = npt.NDArray[np.float64]

SIDES = ("long", "short")
# Two bins of the published grid: the resolution at which maps are compared.
_BINS_PER_BAR = 2
_BARS = 100


@dataclass(frozen=True, slots=True)
class ProviderShape:
    """What one provider says, as shares.

    Parameters
    ----------
    name : str
        The provider.
    share : dict of str to ndarray of float64, shape (n_bars,)
        Share of the side in each bar [ratio]; zeros where it holds nothing.
    spoken : tuple of float
        Prices between which the provider speaks [USD per unit of the asset].
    counts : str
        What it counts: standing USD, relative strength.
    overlap : float, optional
        Mean overlap with the others [ratio].
    """

    name: str
    share: dict[str, FloatArray]
    spoken: tuple[float, float]
    counts: str
    overlap: float | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """What one picture is drawn from.

    Parameters
    ----------
    as_of : datetime
        Instant of the maps.
    price : float
        Close [USD per unit of the asset].
    edges : ndarray of float64, shape (n_bars + 1,)
        Prices between which bars lie [USD per unit of the asset].
    providers : list of ProviderShape
        Who is compared, those furthest from the others last.
    """

    as_of: datetime
    price: float
    edges: FloatArray
    providers: list[ProviderShape]


def read_comparison(
    published: Path,
    asset: str,
    *,
    venue: str,
    until: datetime | None = None,
    limits: ReadLimits | None = None,
) -> Comparison:
    """Return the maps of all providers of one asset, venue and hour.

    Parameters
    ----------
    published : Path
        The published file.
    asset, venue : str
        Which maps.
    until : datetime, optional
        The hour, or the newest before it; by default the newest there is.
    limits : ReadLimits, optional
        Memory and time of the reading.

    Raises
    ------
    NotPublished
        No two providers speak of the asset on the venue.
    """
    which = [asset, venue]
    with open_published(published, limits=limits) as connection:
        newest = connection.execute(
            "select max(as_of) from marts.provider_disagreement_hourly where asset = ? "
            "and venue = ? and as_of <= coalesce(?, 'infinity'::timestamptz)",
            [*which, until],
        ).fetchone()
        if newest is None or newest[0] is None:
            raise NotPublished(
                f"no two providers speak of {asset} on {venue} in the published file; "
                "`liqheat providers` says who speaks of what"
            )
        hour = [*which, newest[0]]
        rows = connection.execute(
            "select provider, side, bin_index, liquidation_usd, price, unit, semantics "
            "from marts.liquidation_heatmap_hourly where asset = ? and venue = ? and as_of = ?",
            hour,
        ).fetchnumpy()
        spoken = {
            provider: (low, high)
            for provider, low, high in connection.execute(
                "select provider, covered_price_low, covered_price_high "
                "from marts.outside_maps_hourly where asset = ? and venue = ? and as_of = ?",
                hour,
            ).fetchall()
        }
        overlap = dict(
            connection.execute(
                "select provider, avg(overlap_ratio) from ("
                "select unnest([provider_a, provider_b]) as provider, overlap_ratio "
                "from marts.provider_disagreement_hourly "
                "where asset = ? and venue = ? and as_of = ? and side = 'both') group by provider",
                hour,
            ).fetchall()
        )
    price = float(np.median(rows["price"]))
    # The window in which maps are compared: coarse bins whose centre is within 0.2 (log) of price.
    first = _BINS_PER_BAR * int(np.ceil(np.log(price) / 0.004 - _BARS / 2 - 0.375))
    return Comparison(
        as_of=newest[0],
        price=price,
        edges=np.exp((2 * (first + _BINS_PER_BAR * np.arange(_BARS + 1)) - 0.5) * 0.001),
        providers=_shapes(rows, first, spoken, overlap),
    )


def _shapes(
    rows: dict[str, Any],
    first: int,
    spoken: dict[str, tuple[float, float]],
    overlap: dict[str, float | None],
) -> list[ProviderShape]:
    bar = (rows["bin_index"] - first) // _BINS_PER_BAR
    is_inside = (bar >= 0) & (bar < _BARS)
    found = []
    for name in overlap:
        share: dict[str, FloatArray] = {}
        own = (rows["provider"] == name) & is_inside
        for side in SIDES:
            held = own & (rows["side"] == side)
            total = np.zeros(_BARS)
            np.add.at(total, bar[held], rows["liquidation_usd"][held])
            share[side] = total / total.sum() if total.sum() > 0 else total
        if not own.any():
            continue
        at = int(np.argmax(own))
        found.append(
            ProviderShape(
                name=str(name),
                share=share,
                spoken=spoken.get(name, (0.0, np.inf)),
                counts=f"{rows['semantics'][at]}, {rows['unit'][at]}",
                overlap=overlap[name],
            )
        )
    return sorted(found, key=lambda shape: (-(shape.overlap or 0.0), shape.name))


def draw_comparison(data: Comparison, *, title: str, subtitle: str) -> go.Figure:
    """Return the figure: one column a provider, and at the right the mean with its spread."""
    names = [shape.name for shape in data.providers]
    figure = make_subplots(
        rows=1,
        cols=len(names) + 1,
        shared_yaxes=True,
        horizontal_spacing=0.008,
        subplot_titles=[
            *(_heading(shape) for shape in data.providers),
            "<b>all of them</b><br>mean, and from<br>least to most",
        ],
    )
    bars = _Bars(
        centers=np.sqrt(data.edges[1:] * data.edges[:-1]), widths=np.diff(data.edges) * 0.92
    )
    stacked = {side: _comparable(data, side) for side in SIDES}
    mean = {side: shares.mean(axis=0) for side, shares in stacked.items()}
    for column, shape in enumerate(data.providers, start=1):
        for side in SIDES:
            own, common = shape.share[side], mean[side]
            ramp = RAMPS[side]
            shared = np.minimum(own, common)
            figure.add_trace(bars.draw(shared, 0.0, ramp[2], f"{side}s, as all"), 1, column)
            figure.add_trace(
                bars.draw(own - shared, shared, ramp[4], f"{side}s, more than all"), 1, column
            )
            figure.add_trace(
                bars.draw(common - shared, shared, None, f"{side}s, less than all"), 1, column
            )
        _mark_silence(figure, shape, data.edges, column)
    last = len(names) + 1
    for side in SIDES:
        ramp = RAMPS[side]
        low, high = stacked[side].min(axis=0), stacked[side].max(axis=0)
        figure.add_trace(bars.draw(high - low, low, ramp[1], f"{side}s, least to most"), 1, last)
        figure.add_trace(bars.draw(mean[side], 0.0, ramp[4], f"{side}s, mean", 0.4), 1, last)
    _lay_out(figure, data, title, subtitle)
    return figure


def _comparable(data: Comparison, side: str) -> FloatArray:
    """Return the shares of those that can be compared, shape (n, n_bars); zeros if none can."""
    shares = [
        shape.share[side]
        for shape in data.providers
        if shape.overlap is not None and shape.share[side].any()
    ]
    return np.stack(shares or [np.zeros(_BARS)])


@dataclass(frozen=True, slots=True)
class _Bars:
    centers: FloatArray
    widths: FloatArray

    def draw(
        self,
        length: FloatArray,
        base: FloatArray | float,
        color: str | None,
        name: str,
        thickness: float = 1.0,
    ) -> go.Bar:
        """Return horizontal bars; without a colour only their outline."""
        start = np.broadcast_to(np.asarray(base), length.shape)
        drawn = length > 0
        return go.Bar(
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


def _heading(shape: ProviderShape) -> str:
    overlap = (
        "not comparable"
        if shape.overlap is None
        else f"shares {100 * shape.overlap:.0f} % with others"
    )
    return f"<b>{shape.name.replace('_', ' ')}</b><br>{shape.counts}<br>{overlap}"


def _mark_silence(figure: go.Figure, shape: ProviderShape, edges: FloatArray, column: int) -> None:
    """Hatch the prices of which a provider does not speak."""
    for low, high in ((edges[0], shape.spoken[0]), (shape.spoken[1], edges[-1])):
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


def _lay_out(figure: go.Figure, data: Comparison, title: str, subtitle: str) -> None:
    figure.add_hline(y=data.price, line={"color": INK, "width": 1, "dash": "dot"})
    figure.update_annotations(font={"size": 11, "color": INK}, yshift=2)
    figure.update_layout(
        title={
            "text": f"{title}<br><span style='font-size:13px;color:{MUTED}'>{subtitle}</span>",
            "x": 0.01,
            "xanchor": "left",
            "y": 0.965,
            "yanchor": "top",
        },
        template="plotly_dark",
        paper_bgcolor=BACKGROUND,
        plot_bgcolor=BACKGROUND,
        font={"family": "system-ui, sans-serif", "color": INK, "size": 12},
        margin={"l": 70, "r": 20, "t": 122, "b": 40},
        barmode="overlay",
        bargap=0,
        hovermode="closest",
    )
    most = max(shape.share[side].max() for shape in data.providers for side in SIDES)
    # Bars that tower over all others are cut, so that the rest can be seen.
    longest = 100 * min(most, _cut(data))
    lengths = length_ticks(longest)
    figure.update_xaxes(
        showgrid=False,
        zeroline=False,
        range=[0, longest],
        tickvals=lengths,
        ticktext=[f"{tick:.6g} %" for tick in lengths],
    )
    ticks = price_ticks(float(data.edges[0]), float(data.edges[-1]))
    figure.update_yaxes(
        type="log",
        range=list(np.log10(data.edges[[0, -1]])),
        tickvals=ticks,
        ticktext=[f"{tick:,.6g}" for tick in ticks],
        showgrid=True,
        gridcolor="#1d212c",
        zeroline=False,
    )


def _cut(data: Comparison) -> float:
    filled = np.concatenate(
        [shape.share[side][shape.share[side] > 0] for shape in data.providers for side in SIDES]
    )
    return 1.25 * float(np.quantile(filled, 0.985))
