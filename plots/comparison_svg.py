"""Maps of several providers side by side as SVG.

Belongs here: how the picture is drawn. Does not belong here: what it shows (``provider_panels``).
Mass beyond the mean of all is bright, mass shared with it dim, mass short of it an outline; prices
that a provider does not cover are hatched. Colours are classes of ``static_page.css``.
"""

import html
from dataclasses import dataclass

import numpy as np

from plots.provider_panels import (
    SIDES,
    FloatArray,
    ProviderComparison,
    ShareBars,
    ShareColumn,
    comparison_columns,
    longest_share,
)
from plots.ticks import length_ticks, price_ticks

# Sizes [pixels of the picture].
_AXIS, _COLUMN, _GAP = 76, 150, 10
_PRICES, _LENGTHS, _LINE = 760, 34, 15
# Thickness of a bar over the height of its prices.
_THICKNESS = {"mean": 0.4}
_SPACING = 0.92


@dataclass(frozen=True, slots=True)
class _Axes:
    """Places of prices and shares in the picture.

    Parameters
    ----------
    low, high : float
        Prices at the ends of the axis [USD per unit of the asset].
    top : int
        Where the highest price lies [px].
    longest : float
        Share as long as a column is wide [ratio].
    """

    low: float
    high: float
    top: int
    longest: float

    def y(self, price: float) -> float:
        """Return the height of a price [px]."""
        return float(self.top + _PRICES * np.log(self.high / price) / np.log(self.high / self.low))

    def x(self, share: float) -> float:
        """Return how far a share reaches into its column [px]; longer ones are cut."""
        return _COLUMN * min(share / self.longest, 1.0) if self.longest > 0.0 else 0.0


def draw_comparison(data: ProviderComparison) -> str:
    """Return the picture as an SVG element: one column a provider, the mean of all at the right.

    Parameters
    ----------
    data : ProviderComparison
        What it shows.
    """
    columns = comparison_columns(data)
    top = _LINE * max(len(column.heading) for column in columns) + 12
    scale = _Axes(float(data.edges[0]), float(data.edges[-1]), top, longest_share(data))
    width = _AXIS + len(columns) * (_COLUMN + _GAP)
    height = top + _PRICES + _LENGTHS
    label = "Maps side by side: " + ", ".join(column.heading[0] for column in columns)
    parts = [
        f'<svg viewBox="0 0 {width} {height}" width="{width}" role="img" '
        f'aria-label="{html.escape(label)}">',
        '<defs><pattern id="uncovered" width="6" height="6" patternUnits="userSpaceOnUse" '
        'patternTransform="rotate(45)"><path class="hatch" d="M0 0V6"/></pattern></defs>',
        *_draw_price_axis(scale, width),
    ]
    for place, column in enumerate(columns):
        parts += _draw_column(column, scale, data.edges, _AXIS + place * (_COLUMN + _GAP))
    y = scale.y(data.price)
    parts.append(f'<path class="price" d="M{_AXIS} {y:.1f}H{width}"/></svg>')
    return "\n".join(parts)


def _draw_price_axis(scale: _Axes, width: int) -> list[str]:
    drawn = []
    for tick in price_ticks(scale.low, scale.high):
        y = scale.y(tick)
        drawn.append(f'<path class="grid" d="M{_AXIS} {y:.1f}H{width}"/>')
        drawn.append(
            f'<text class="tick" x="{_AXIS - 8}" y="{y + 4:.1f}" text-anchor="end">'
            f"{tick:,.6g}</text>"
        )
    return drawn


def _draw_column(column: ShareColumn, scale: _Axes, edges: FloatArray, left: int) -> list[str]:
    drawn = [f'<g transform="translate({left} 0)">']
    for line, text in enumerate(column.heading):
        name = "name" if line == 0 else "tick"
        drawn.append(f'<text class="{name}" y="{12 + line * _LINE}">{html.escape(text)}</text>')
    for low, high in column.uncovered:
        y = scale.y(high)
        drawn.append(
            f'<rect fill="url(#uncovered)" y="{y:.1f}" width="{_COLUMN}" '
            f'height="{scale.y(low) - y:.1f}"><title>not covered</title></rect>'
        )
    drawn += [_draw_bars(bars, scale, edges) for bars in column.bars]
    bottom = scale.top + _PRICES
    drawn.append(f'<path class="axis" d="M0 {scale.top}V{bottom}"/>')
    for tick in length_ticks(100 * scale.longest):
        x = scale.x(tick / 100)
        drawn.append(f'<text class="tick" x="{x:.1f}" y="{bottom + 18}">{tick:.6g} %</text>')
    return [*drawn, *_draw_readings(column, scale, edges), "</g>"]


def _draw_bars(bars: ShareBars, scale: _Axes, edges: FloatArray) -> str:
    path = []
    thickness = _SPACING * _THICKNESS.get(bars.kind, 1.0)
    for bar in np.flatnonzero(bars.end > bars.start):
        low, high = scale.y(float(edges[bar])), scale.y(float(edges[bar + 1]))
        height = thickness * (low - high)
        start, end = scale.x(float(bars.start[bar])), scale.x(float(bars.end[bar]))
        if end > start:
            y = (low + high - height) / 2
            path.append(f"M{start:.1f} {y:.1f}H{end:.1f}v{height:.1f}H{start:.1f}z")
    return f'<path class="{bars.side} {bars.kind}" d="{"".join(path)}"/>'


def _draw_readings(column: ShareColumn, scale: _Axes, edges: FloatArray) -> list[str]:
    """Return invisible bars that show the figures of a price under the cursor."""
    drawn = []
    for bar in range(len(edges) - 1):
        said = [_reading(column, side, bar) for side in SIDES]
        if not any(said):
            continue
        y = scale.y(float(edges[bar + 1]))
        text = "; ".join(part for part in said if part)
        drawn.append(
            f'<rect class="reading" y="{y:.1f}" width="{_COLUMN}" '
            f'height="{scale.y(float(edges[bar])) - y:.1f}"><title>{edges[bar]:,.6g} to '
            f"{edges[bar + 1]:,.6g}: {text}</title></rect>"
        )
    return drawn


def _reading(column: ShareColumn, side: str, bar: int) -> str:
    """Return the shares of a side at a price in words; nothing where there are none."""
    ends = {bars.kind: float(bars.end[bar]) for bars in column.bars if bars.side == side}
    if not any(ends.values()):
        return ""
    percents = {kind: f"{100 * end:.2f} %" for kind, end in ends.items()}
    if "range" in ends:
        least = next(b.start[bar] for b in column.bars if (b.side, b.kind) == (side, "range"))
        return (
            f"{side}s, mean {percents['mean']} of side, least {100 * least:.2f} %, "
            f"most {percents['range']}"
        )
    return f"{side}s {percents['more']} of side, mean of all {percents['less']}"
