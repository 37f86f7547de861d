"""Pictures of the page, as plain SVG: they need nothing to be drawn and differ line by line.

Belongs here: how figures are drawn. Does not belong here: the figures (``figures``).
"""

import html
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from bench.accuracy.figures import AmountsBySize, Month
from transforms.skill.score_table import Score

INK: Final = "#24292f"
MUTED: Final = "#6e7781"
GRID: Final = "#e4e7eb"
COLOURS: Final = ("#0969da", "#bc4c00", "#1a7f37", "#8250df", "#6e7781", "#bf3989")
"""Blue, orange, green, violet, grey, pink; three shapes in turn tell neighbours apart."""

_WIDTH: Final = 760


@dataclass(slots=True)
class Canvas:
    """A drawing of one chart."""

    title: str
    subtitle: str
    height: int
    parts: list[str] = field(default_factory=list)

    def line(self, x1: float, y1: float, x2: float, y2: float, colour: str, **look: str) -> None:
        """Draw a line."""
        extra = "".join(f' {name.replace("_", "-")}="{value}"' for name, value in look.items())
        self.parts.append(
            f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" '
            f'stroke="{colour}"{extra}/>'
        )

    def text(
        self, x: float, y: float, text: str, *, anchor: str = "start", colour: str = INK,
        size: int = 12,
    ) -> None:  # fmt: skip
        """Write a line of text."""
        self.parts.append(
            f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}" '
            f'font-size="{size}">{html.escape(text)}</text>'
        )

    def mark(self, x: float, y: float, number: int) -> None:
        """Draw a mark; each number has its own colour and shape."""
        colour = COLOURS[number % len(COLOURS)]
        if number % 3 == 0:
            self.parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4.5" fill="{colour}"/>')
        elif number % 3 == 1:
            self.parts.append(
                f'<rect x="{x - 4:.1f}" y="{y - 4:.1f}" width="8" height="8" fill="{colour}"/>'
            )
        else:
            points = f"{x:.1f},{y - 5:.1f} {x + 5:.1f},{y + 4:.1f} {x - 5:.1f},{y + 4:.1f}"
            self.parts.append(f'<polygon points="{points}" fill="{colour}"/>')

    def path(self, points: Sequence[tuple[float, float]], number: int) -> None:
        """Draw a line through points."""
        if len(points) < 2:
            return
        text = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        colour = COLOURS[number % len(COLOURS)]
        self.parts.append(
            f'<polyline points="{text}" fill="none" stroke="{colour}" stroke-width="1.5" '
            'stroke-opacity="0.6"/>'
        )

    def legend(self, names: Sequence[str], x: float, y: float) -> None:
        """Write what the marks are, one below another."""
        for number, name in enumerate(names):
            self.mark(x, y + 20 * number - 4, number)
            self.text(x + 12, y + 20 * number, name)

    def svg(self) -> str:
        """Return the file."""
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {self.height}" '
            f'width="{_WIDTH}" height="{self.height}" role="img" '
            f'aria-label="{html.escape(self.title)}" font-family="system-ui, sans-serif">'
        )
        back = f'<rect width="{_WIDTH}" height="{self.height}" fill="#ffffff"/>'
        titles = [
            f'<text x="16" y="26" font-size="16" font-weight="600" fill="{INK}">'
            f"{html.escape(self.title)}</text>",
            f'<text x="16" y="46" font-size="12" fill="{MUTED}">'
            f"{html.escape(self.subtitle)}</text>",
        ]
        return "\n".join([head, back, *titles, *self.parts, "</svg>", ""])


def draw_reliability(groups: Mapping[str, AmountsBySize]) -> str:
    """Return mean realised against mean predicted USD, logarithmic, by model."""
    canvas = Canvas(
        "Realised against predicted, hour by hour and side",
        "Means of twelve groups by size of the prediction; on the line both agree. Out of sample.",
        480,
    )
    values = [
        float(value)
        for one in groups.values()
        for value in (*one.predicted, *one.realised)
        if value > 0.0
    ]
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    left, right, top, bottom = 80.0, 520.0, 84.0, 430.0

    def place(x: float, y: float) -> tuple[float, float]:
        share = [(math.log10(max(value, 10.0**low)) - low) / (high - low) for value in (x, y)]
        return left + share[0] * (right - left), bottom - share[1] * (bottom - top)

    for power in range(low, high + 1):
        x, y = place(10.0**power, 10.0**power)
        canvas.line(x, top, x, bottom, GRID)
        canvas.line(left, y, right, y, GRID)
        canvas.text(x, bottom + 18, _usd(10.0**power), anchor="middle", colour=MUTED)
        canvas.text(left - 8, y + 4, _usd(10.0**power), anchor="end", colour=MUTED)
    canvas.line(*place(10.0**low, 10.0**low), *place(10.0**high, 10.0**high), MUTED,
                stroke_dasharray="4 3")  # fmt: skip
    for number, one in enumerate(groups.values()):
        points = [
            place(float(x), float(y)) for x, y in zip(one.predicted, one.realised, strict=True)
        ]
        canvas.path(points, number)
        for x, y in points:
            canvas.mark(x, y, number)
    canvas.text((left + right) / 2, bottom + 38, "predicted USD an hour and side", anchor="middle")
    canvas.text(left - 64, top - 14, "realised USD")
    canvas.legend(list(groups), right + 24, top + 14)
    return canvas.svg()


def draw_months(months: Sequence[Month], models: Sequence[str]) -> str:
    """Return predicted / realised by month, logarithmic, by model."""
    canvas = Canvas(
        "Predicted / realised by month",
        "Maps in their own USD; ledger and forecast with the capture of a week. Grey: .8 to 1.25.",
        400,
    )
    values = [month.ratio[model] for month in months for model in models]
    low = min(-1, math.floor(math.log2(min(values))))
    high = max(1, math.ceil(math.log2(max(values))))
    left, right, top, bottom = 60.0, 540.0, 70.0, 350.0
    step = (right - left) / max(len(months), 1)

    def height(ratio: float) -> float:
        return bottom - (math.log2(ratio) - low) / (high - low) * (bottom - top)

    canvas.parts.append(
        f'<rect x="{left}" y="{height(1.25):.1f}" width="{right - left}" '
        f'height="{height(0.8) - height(1.25):.1f}" fill="{GRID}"/>'
    )
    for power in range(low, high + 1):
        y = height(2.0**power)
        canvas.line(left, y, right, y, MUTED if power == 0 else GRID)
        canvas.text(left - 8, y + 4, f"{2.0**power:g}", anchor="end", colour=MUTED)
    for number, model in enumerate(models):
        points = [
            (left + (at + 0.5) * step, height(month.ratio[model]))
            for at, month in enumerate(months)
        ]
        canvas.path(points, number)
        for x, y in points:
            canvas.mark(x, y, number)
    for at, month in enumerate(months):
        x = left + (at + 0.5) * step
        canvas.text(x, bottom + 18, month.month, anchor="middle", colour=MUTED)
        canvas.text(x, bottom + 34, f"{month.hours:,} h", anchor="middle", colour=MUTED, size=11)
    canvas.legend(models, right + 24, top + 14)
    return canvas.svg()


def draw_gains(rows: Mapping[str, Sequence[tuple[str, Score]]]) -> str:
    """Return the deviance a model removes from each null's, with intervals, by model."""
    nulls = [name for name, _ in next(iter(rows.values()))]
    canvas = Canvas(
        "Deviance removed beyond other models",
        "Each with constant, move and a week's capture; 95 % intervals. Right of 0: better.",
        118 + 34 * len(nulls) + 20 * len(rows),
    )
    scores = [score for one in rows.values() for _, score in one]
    ends = [value for score in scores for value in (score.d2_low, score.d2_high, 0.0)]
    known = [value for value in ends if math.isfinite(value)]
    low, high = math.floor(min(known) * 10) / 10, math.ceil(max(known) * 10) / 10
    left, right, top = 210.0, 730.0, 76.0 + 20 * len(rows)
    bottom = top + 34 * len(nulls)

    def place(value: float) -> float:
        return left + (value - low) / (high - low) * (right - left)

    steps = round((high - low) * 10)
    for tick in range(steps + 1):
        value = low + tick / 10
        canvas.line(place(value), top, place(value), bottom, MUTED if abs(value) < 1e-9 else GRID)
        canvas.text(place(value), bottom + 18, f"{value:.1f}", anchor="middle", colour=MUTED)
    for row, null in enumerate(nulls):
        canvas.text(left - 12, top + 34 * row + 21, f"over {null}", anchor="end")
        for number, one in enumerate(rows.values()):
            score = one[row][1]
            y = top + 34 * row + 17 + 9 * (number - (len(rows) - 1) / 2)
            if math.isfinite(score.d2_low):
                colour = COLOURS[number % len(COLOURS)]
                canvas.line(place(score.d2_low), y, place(score.d2_high), y, colour,
                            stroke_width="2")  # fmt: skip
            if math.isfinite(score.d2):
                canvas.mark(place(score.d2), y, number)
    canvas.legend(list(rows), 24, 74)
    return canvas.svg()


def _usd(value: float) -> str:
    """Return a round amount as people write it."""
    for size, letter in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:g}{letter}"
    return f"{value:g}"
