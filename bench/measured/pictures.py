"""Pictures of the page, as plain SVG.

Belongs here: how figures are drawn. Does not belong here: the figures (``comparison``).
"""

import math
from typing import Final

import numpy as np

from bench.accuracy.pictures import COLOURS, GRID, MUTED, Canvas
from bench.accuracy.recorded import HOUR
from bench.measured.comparison import DISTANCES, MapComparison

_LEFT: Final = 60.0
_RIGHT: Final = 540.0


def draw_overlaps(comparisons: tuple[MapComparison, ...], models: tuple[str, ...]) -> str:
    """Return the shared part of the shape by time, a panel a coin."""
    height = 190.0
    canvas = Canvas(
        "Share of its shape that each map has in common with leading wallets' positions",
        "Both sides within 20 % of price, 48 snapshots. 1: the same map. Days are UTC.",
        round(90 + height * len(comparisons)),
    )
    for number, one in enumerate(comparisons):
        top = 76.0 + height * number
        bottom = top + height - 56.0
        first, last = int(one.cells.at[0]), int(one.cells.at[-1])

        def place(
            at: int, share: float, ends: tuple[int, int, float, float]
        ) -> tuple[float, float]:
            start, end, low, high = ends
            x = _LEFT + (at - start) / (end - start) * (_RIGHT - _LEFT)
            return x, low - share / 0.6 * (low - high)

        ends = (first, last, bottom, top)
        for share in (0.0, 0.2, 0.4, 0.6):
            y = place(first, share, ends)[1]
            canvas.line(_LEFT, y, _RIGHT, y, MUTED if share == 0.0 else GRID)
            canvas.text(_LEFT - 8, y + 4, f"{share:.1f}", anchor="end", colour=MUTED)
        for day in range(-(-first // (24 * HOUR)), last // (24 * HOUR) + 1):
            x = place(day * 24 * HOUR, 0.0, ends)[0]
            canvas.line(x, top, x, bottom, GRID)
            label = str(np.datetime64(day, "D"))[5:]
            canvas.text(x, bottom + 16, label, anchor="middle", colour=MUTED, size=11)
        canvas.text(_LEFT, top - 8, f"{one.asset}, models on the hours of {one.venue.title()}")
        for line, name in enumerate(models):
            shares = one.metrics[name].overlap[:, 2]
            points = [
                place(int(at), float(share), ends)
                for at, share in zip(one.cells.at, shares, strict=True)
                if math.isfinite(share)
            ]
            canvas.path(points, line)
            for x, y in points:
                canvas.mark(x, y, line)
    canvas.legend(models, _RIGHT + 24, 84)
    return canvas.svg()


def draw_reach(comparison: MapComparison, models: tuple[str, ...]) -> str:
    """Return the share of open interest within each distance, longs and shorts, by model."""
    canvas = Canvas(
        "How far from price positions would be liquidated",
        "Share of a side's open interest within a distance; measured: all accounts, "
        f"{np.datetime64(int(comparison.cells.at[0]), 'us').astype('datetime64[m]')} UTC.",
        400,
    )
    top, bottom, gap = 84.0, 340.0, 40.0
    width = (_RIGHT - _LEFT - gap) / 2.0
    names = ("measured", *models)
    shares = {name: comparison.shares_near(name) for name in names}
    highest = max(0.6, math.ceil(max(float(one.max()) for one in shares.values()) * 10) / 10)
    for side, label in enumerate(("longs", "shorts")):
        left = _LEFT + side * (width + gap)
        canvas.text(left + width / 2, top - 12, label, anchor="middle")
        for tick in range(round(highest * 10) + 1):
            y = bottom - tick / 10 / highest * (bottom - top)
            canvas.line(left, y, left + width, y, MUTED if tick == 0 else GRID)
            if side == 0 and tick % 2 == 0:
                canvas.text(left - 8, y + 4, f"{tick * 10} %", anchor="end", colour=MUTED)
        step = width / len(DISTANCES)
        bar = step * 0.84 / len(names)
        for number, distance in enumerate(DISTANCES):
            middle = left + (number + 0.5) * step
            canvas.text(middle, bottom + 18, f"{distance:.0%}", anchor="middle", colour=MUTED)
            for place, name in enumerate(names):
                value = float(shares[name][side, number]) / highest * (bottom - top)
                x = middle + (place - len(names) / 2) * bar
                canvas.parts.append(
                    f'<rect x="{x:.1f}" y="{bottom - value:.1f}" width="{bar * 0.9:.1f}" '
                    f'height="{value:.1f}" fill="{_colour(place)}"/>'
                )
    canvas.text((_LEFT + _RIGHT) / 2, bottom + 38, "within this distance of price", anchor="middle")
    for place, name in enumerate(names):
        y = 84.0 + 20.0 * place
        canvas.parts.append(
            f'<rect x="{_RIGHT + 20}" y="{y - 9:.1f}" width="10" height="10" '
            f'fill="{_colour(place)}"/>'
        )
        canvas.text(_RIGHT + 36, y, name)
    return canvas.svg()


def _colour(place: int) -> str:
    """Return black for what was measured, then the colours of models."""
    return "#24292f" if place == 0 else COLOURS[(place - 1) % len(COLOURS)]
