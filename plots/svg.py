"""Small charts as SVG text for panels and pages: lines, bars with intervals, reliability, strips.

Every function is pure: arrays in, one ``<svg>`` out, with a title and a description for readers who
do not see it. Looks come from the classes in ``plots/chart/svg.css``, for both themes; nothing is
styled inline, so that a strict content security policy holds. Does not belong here: the heatmap
(``plots/chart``), which figures are drawn.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from numpy.typing import NDArray

from plots.ticks import round_ticks

Floats = NDArray[np.float64]

WIDTH = 420.0
"""Width of a chart in its own units; text is 12 of them high."""

_TOP, _RIGHT, _BOTTOM, _LEFT = 24.0, 28.0, 24.0, 52.0
_ROW = 26.0
_CHARACTER = 6.6
"""Width of a character of text, about."""


@dataclass(frozen=True, slots=True)
class ChartWords:
    """What a reader hears of a chart.

    Parameters
    ----------
    key : str
        Name of the chart, one on a page: letters, digits and hyphens.
    title : str
        What is drawn.
    description : str
        What it shows, with its main figures.
    """

    key: str
    title: str
    description: str


@dataclass(frozen=True, slots=True)
class ChartLine:
    """One line of a chart.

    Parameters
    ----------
    label : str
        Its name in the legend.
    values : ndarray of float64, shape (n,)
        Heights; NaN leaves a gap.
    look : str
        Class of its colour: ``long``, ``short``, ``first``, ``second`` or ``quiet``.
    has_line, has_points : bool
        Whether values are joined, and whether each is marked.
    """

    label: str
    values: Floats
    look: str
    has_line: bool = True
    has_points: bool = False


@dataclass(frozen=True, slots=True)
class ChartAxes:
    """The axes of a chart.

    Parameters
    ----------
    x_ticks : tuple of (float, str)
        Positions with their labels.
    y_text : callable
        A height as text.
    baseline : float, optional
        A height with a line of its own, and always in view.
    is_log : bool
        Whether heights are drawn by their logarithm; those of 0 or less are gaps then.
    height : float
        Height of the chart [units].
    """

    x_ticks: tuple[tuple[float, str], ...]
    y_text: Callable[[float], str]
    baseline: float | None = None
    is_log: bool = False
    height: float = 180.0


@dataclass(frozen=True, slots=True)
class IntervalBar:
    """One row of a chart of intervals.

    Parameters
    ----------
    label : str
        What it is.
    value : float
        The figure.
    low, high : float or None
        Its interval; None where there is none.
    text : str
        The figure as text.
    """

    label: str
    value: float
    low: float | None
    high: float | None
    text: str


def _number(value: float) -> str:
    """Return a coordinate, to a tenth of a unit."""
    text = f"{value:.1f}"
    return text.removesuffix(".0") if text != "-0.0" else "0"


def _element(name: str, content: str = "", **attributes: str | float) -> str:
    """Return an element; attributes are escaped, content is not."""
    parts = "".join(
        f' {key.rstrip("_").replace("_", "-")}="'
        f'{_number(value) if isinstance(value, float) else escape(str(value))}"'
        for key, value in attributes.items()
    )
    return f"<{name}{parts}>{content}</{name}>" if content else f"<{name}{parts}/>"


def _text(x: float, y: float, text: str, look: str) -> str:
    return _element("text", escape(text), x=x, y=y, class_=look)


def _svg(
    words: ChartWords,
    height: float,
    content: Sequence[str],
    *,
    width: float = WIDTH,
    look: str = "svg-chart",
) -> str:
    """Return the chart with the words for those who do not see it."""
    title, description = f"{words.key}-title", f"{words.key}-desc"
    return _element(
        "svg",
        _element("title", escape(words.title) or " ", id=title)
        + _element("desc", escape(words.description) or " ", id=description)
        + "".join(content),
        viewBox=f"0 0 {_number(width)} {_number(height)}",
        role="img",
        aria_labelledby=f"{title} {description}",
        class_=look,
    )


class _LinearMap:
    """A linear map from values to units."""

    def __init__(self, low: float, high: float, start: float, end: float) -> None:
        self._low, self._start = low, start
        self._per_unit = (end - start) / (high - low)

    def __call__(self, value: float) -> float:
        return self._start + (value - self._low) * self._per_unit


def _bounds(values: Floats, baseline: float | None) -> tuple[float, float]:
    """Return what an axis spans: all finite values and the baseline, never nothing."""
    known = values[np.isfinite(values)]
    if baseline is not None:
        known = np.append(known, baseline)
    if not known.size:
        return 0.0, 1.0
    low, high = float(known.min()), float(known.max())
    if low == high:
        return low - (abs(low) or 1.0) * 0.5, high + (abs(high) or 1.0) * 0.5
    margin = 0.06 * (high - low)
    return (low if low == baseline else low - margin), (high if high == baseline else high + margin)


def _paths(x: Floats, y: Floats) -> list[str]:
    """Return path data of each run of finite points."""
    known = np.isfinite(x) & np.isfinite(y)
    edges = np.flatnonzero(np.diff(np.concatenate(([False], known, [False]))))
    return [
        "M" + "L".join(f"{_number(x[at])} {_number(y[at])}" for at in range(first, last))
        for first, last in zip(edges[::2], edges[1::2], strict=True)
    ]


def _legend(lines: Sequence[ChartLine], left: float) -> list[str]:
    """Return the names of lines above the chart, each beside a piece of its line."""
    made, at = [], left
    for line in lines:
        look = f"line {line.look}" if line.has_line else f"dot {line.look}"
        made.append(
            _element("path", d=f"M{_number(at)} 11h16", class_=look)
            if line.has_line
            else _element("circle", cx=at + 10.0, cy=11.0, r=3.0, class_=look)
        )
        made.append(_text(at + 20.0, 15.0, line.label, "legend"))
        at += 34.0 + _CHARACTER * len(line.label)
    return made


def line_chart(x: Floats, lines: Sequence[ChartLine], axes: ChartAxes, words: ChartWords) -> str:
    """Return lines over a common axis.

    Parameters
    ----------
    x : ndarray of float64, shape (n,)
        Positions, rising.
    lines : sequence of ChartLine
        Lines; a value that is not finite is a gap.
    axes, words
        Axes and words of the chart.

    Examples
    --------
    >>> line = ChartLine("price", np.array([1.0, 2.0]), "first")
    >>> axes = ChartAxes(((0.0, "a"), (1.0, "b")), str)
    >>> drawn = line_chart(np.array([0.0, 1.0]), [line], axes, ChartWords("k", "Price", "Rises."))
    >>> '<title id="k-title">Price</title>' in drawn, "style=" in drawn
    (True, False)
    """
    heights = [_log10(line.values) if axes.is_log else line.values for line in lines]
    baseline = axes.baseline
    if baseline is not None and axes.is_log:
        baseline = float(np.log10(baseline))
    low, high = _bounds(np.concatenate(heights) if heights else np.empty(0), baseline)
    spans = (float(x.min()), float(x.max())) if x.size else (0.0, 1.0)
    if spans[0] == spans[1]:
        spans = (spans[0] - 0.5, spans[1] + 0.5)
    bottom = axes.height - _BOTTOM
    y_ticks = _log_ticks(low, high) if axes.is_log else round_ticks(low, high, 4)
    y_labels = [axes.y_text(10.0**tick if axes.is_log else tick) for tick in y_ticks]
    left = max(_LEFT, max(map(len, y_labels), default=0) * _CHARACTER + 8.0)
    across = _LinearMap(*spans, left, WIDTH - _RIGHT)
    up = _LinearMap(low, high, bottom, _TOP)
    made = []
    for tick, label in zip(y_ticks, y_labels, strict=True):
        y = up(tick)
        rule = f"M{_number(left)} {_number(y)}H{WIDTH - _RIGHT:.0f}"
        made.append(_element("path", d=rule, class_="rule"))
        made.append(_text(left - 6.0, y + 4.0, label, "tick end"))
    for position, label in axes.x_ticks:
        made.append(_text(across(position), axes.height - 6.0, label, "tick middle"))
    if baseline is not None:
        base = f"M{_number(left)} {_number(up(baseline))}H{WIDTH - _RIGHT:.0f}"
        made.append(_element("path", d=base, class_="base"))
    drawn_x = np.array([across(value) for value in x])
    for line, values in zip(lines, heights, strict=True):
        drawn_y = np.array([up(value) for value in values])
        made += [
            _element("path", d=path, class_=f"line {line.look}")
            for path in (_paths(drawn_x, drawn_y) if line.has_line else ())
        ]
        known = np.isfinite(drawn_y)
        # A single value between gaps has no line.
        alone = known & ~(np.roll(known, 1) & (np.arange(known.size) > 0))
        alone &= ~(np.roll(known, -1) & (np.arange(known.size) < known.size - 1))
        marked = known if line.has_points else alone
        made += [
            _element("circle", cx=float(at), cy=float(height), r=3.0, class_=f"dot {line.look}")
            for at, height in zip(drawn_x[marked], drawn_y[marked], strict=True)
        ]
    made += _legend(lines, left) if len(lines) > 1 else []
    return _svg(words, axes.height, made)


def _log_ticks(low: float, high: float) -> list[float]:
    """Return logarithms of round figures between two logarithms."""
    powers = range(int(np.floor(low)), int(np.ceil(high)) + 1)
    ticks: list[float] = []
    for steps in ((1, 10), (1, 3), (1, 2, 5), (1, 1.5, 2, 3, 5, 7), (1, 1.2, 1.5, 1.8, 2, 9)):
        every = [float(np.log10(step) + power) for power in powers for step in steps]
        ticks = sorted({tick for tick in every if low <= tick <= high})
        if len(ticks) >= 3:
            break
    return ticks


def _log10(values: Floats) -> Floats:
    """Return logarithms; NaN for what has none."""
    return np.log10(values, out=np.full(values.shape, np.nan), where=values > 0)


def interval_chart(
    bars: Sequence[IntervalBar],
    words: ChartWords,
    *,
    baseline: float = 0.0,
    limits: tuple[float, float] = (-np.inf, np.inf),
    value_text: Callable[[float], str],
) -> str:
    """Return rows with a point and its interval each, on both sides of a baseline.

    Parameters
    ----------
    bars : sequence of IntervalBar
        Rows, from the top.
    words : ChartWords
        Words of the chart.
    baseline : float
        The value that makes no difference.
    limits : tuple of float
        What is drawn at most; a value beyond is an arrow at the edge.
    value_text : callable
        A value as text, for the axis.
    """
    if not bars:
        return _svg(words, _ROW, [_text(0.0, 16.0, "no figures", "tick")])
    ends = np.array(
        [end for bar in bars for end in (bar.low, bar.high, bar.value) if end is not None]
    )
    low, high = _bounds(np.clip(ends, *limits), baseline)
    label_end = min(max(len(bar.label) for bar in bars) * _CHARACTER + 8.0, 170.0)
    text_start = WIDTH - max(len(bar.text) for bar in bars) * _CHARACTER
    across = _LinearMap(low, high, label_end, max(text_start - 10.0, label_end + 60.0))
    height = _ROW * len(bars) + _BOTTOM
    made = []
    for tick in round_ticks(low, high, 3):
        made.append(
            _element("path", d=f"M{_number(across(tick))} 4V{height - _BOTTOM:.0f}", class_="rule")
        )
        made.append(_text(across(tick), height - 6.0, value_text(tick), "tick middle"))
    made.append(
        _element("path", d=f"M{_number(across(baseline))} 4V{height - _BOTTOM:.0f}", class_="base")
    )
    for row, bar in enumerate(bars):
        y = _ROW * row + 16.0
        look = _side_of(bar, baseline)
        made.append(_text(0.0, y + 4.0, bar.label, "label"))
        if bar.low is not None and bar.high is not None:
            start, end = (across(float(np.clip(end, *limits))) for end in (bar.low, bar.high))
            path = f"M{_number(start)} {_number(y)}H{_number(end)}"
            made.append(_element("path", d=path, class_=f"whisker {look}"))
        made.append(_point(bar.value, limits, across, y, look))
        made.append(_text(WIDTH, y + 4.0, bar.text, "label end"))
    return _svg(words, height, made)


def _point(
    value: float, limits: tuple[float, float], across: _LinearMap, y: float, look: str
) -> str:
    """Return the mark of a value: a dot, or an arrow at the edge that it lies beyond."""
    shown = float(np.clip(value, *limits))
    x = across(shown)
    if shown == value:
        return _element("circle", cx=x, cy=y, r=4.0, class_=f"dot {look}")
    length = 9.0 if value > shown else -9.0
    arrow = f"M{_number(x)} {_number(y - 5.0)}l{_number(length)} 5l{_number(-length)} 5z"
    return _element("path", d=arrow, class_=f"dot {look}")


def _side_of(bar: IntervalBar, baseline: float) -> str:
    """Return the class of a row: whether its whole interval is on one side of the baseline."""
    if bar.low is None or bar.high is None:
        return "quiet"
    return "better" if bar.low > baseline else "worse" if bar.high < baseline else "quiet"


def reliability_chart(
    stated: Floats, observed: Floats, counts: NDArray[np.int64], words: ChartWords
) -> str:
    """Return how often what was given odds happened, on a diagonal where both agree.

    Parameters
    ----------
    stated : ndarray of float64, shape (n,)
        Mean odds of each group, 0 to 1.
    observed : ndarray of float64, shape (n,)
        Share of each group that happened, 0 to 1; a value that is not finite is left out.
    counts : ndarray of int64, shape (n,)
        Cases of each group; the area of its point goes by their square root.
    words : ChartWords
        Words of the chart.
    """
    height = 250.0
    right, bottom = 290.0, height - 36.0
    across, up = _LinearMap(0.0, 1.0, _LEFT, right), _LinearMap(0.0, 1.0, bottom, 10.0)
    made = []
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        x, y, label = across(share), up(share), f"{100 * share:.0f} %"
        made.append(_element("path", d=f"M{_number(x)} 10V{bottom:.0f}", class_="rule"))
        made.append(_element("path", d=f"M{_LEFT:.0f} {_number(y)}H{right:.0f}", class_="rule"))
        made.append(_text(x, bottom + 16.0, label, "tick middle"))
        made.append(_text(_LEFT - 6.0, y + 4.0, label, "tick end"))
    diagonal = f"M{_LEFT:.0f} {bottom:.0f}L{right:.0f} 10"
    made.append(_element("path", d=diagonal, class_="base"))
    made.append(_text((_LEFT + right) / 2.0, height - 4.0, "odds before", "tick middle"))
    for line, said in enumerate(("above the line:", "touched more often", "than the odds said")):
        made.append(_text(right + 10.0, 22.0 + 15.0 * line, said, "tick"))
    most = float(counts.max()) if counts.size else 1.0
    for odds, share, count in zip(stated, observed, counts, strict=True):
        if np.isfinite(odds) and np.isfinite(share):
            radius = 2.5 + 4.5 * float(np.sqrt(count / most))
            made.append(
                _element("circle", cx=across(odds), cy=up(share), r=radius, class_="dot first")
            )
    return _svg(words, height, made)


def spark_line(values: Floats, words: ChartWords) -> str:
    """Return a line without axes, its newest value marked.

    Parameters
    ----------
    values : ndarray of float64, shape (n,)
        Values in order of time; NaN leaves a gap. More of them than fit are averaged in groups.
    words : ChartWords
        Words of the chart.
    """
    width, height = 160.0, 32.0
    values = _group_means(values, int(width))
    low, high = _bounds(values, None)
    x = np.linspace(3.0, width - 5.0, values.size)
    up = _LinearMap(low, high, height - 4.0, 4.0)
    y = np.array([up(value) for value in values])
    made = [_element("path", d=path, class_="line first thin") for path in _paths(x, y)]
    known = np.flatnonzero(np.isfinite(y))
    if known.size:
        last = int(known[-1])
        made.append(
            _element("circle", cx=float(x[last]), cy=float(y[last]), r=2.5, class_="dot first")
        )
    return _svg(words, height, made, width=width, look="svg-chart spark")


def _group_means(values: Floats, most: int) -> Floats:
    """Return means of groups in a row, NaN where nothing of a group is known, the last one kept."""
    if values.size <= most:
        return values
    first = np.linspace(0, values.size - 1, most).astype(np.int64)
    is_known = np.isfinite(values)
    sums = np.add.reduceat(np.where(is_known, values, 0.0), first)
    counts = np.add.reduceat(is_known.astype(np.float64), first)
    means: Floats = np.divide(sums, counts, out=np.full(most, np.nan), where=counts > 0)
    return means


def state_strip(states: Sequence[str], ends: tuple[str, str], words: ChartWords) -> str:
    """Return a strip with one stretch of colour for each run of equal states.

    Parameters
    ----------
    states : sequence of str
        The state of each step in order of time; its class is ``state-`` and the state in lower
        case. An empty one leaves a gap.
    ends : tuple of str
        Labels of the first and the last step.
    words : ChartWords
        Words of the chart.
    """
    height = 42.0
    made, first = [], 0
    step = WIDTH / max(len(states), 1)
    for at in range(1, len(states) + 1):
        if at < len(states) and states[at] == states[first]:
            continue
        state, width = states[first], (at - first) * step
        if state:
            look = f"state-{state.lower()}"
            made.append(
                _element("rect", x=first * step, y=0.0, width=width, height=20.0, class_=look)
            )
            if width > 14.0:
                made.append(_text(first * step + width / 2.0, 14.0, state, "state middle"))
        first = at
    made += [_text(0.0, 36.0, ends[0], "tick"), _text(WIDTH, 36.0, ends[1], "tick end")]
    return _svg(words, height, made)


def length_bar(share: float, look: str) -> str:
    """Return a bar for a cell of a table that shows its figure in text, hidden from screen readers.

    Parameters
    ----------
    share : float
        Length, 0 to 1; what is not finite has none.
    look : str
        Class of its colour.
    """
    length = 60.0 * min(max(share, 0.0), 1.0) if np.isfinite(share) else 0.0
    bar = _element(
        "rect", x=0.0, y=1.0, width=max(length, 0.0), height=8.0, class_=f"length {look}"
    )
    return _element("svg", bar, viewBox="0 0 60 10", class_="svg-length", aria_hidden="true")
