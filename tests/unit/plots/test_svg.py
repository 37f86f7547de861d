"""Small charts: well formed, without inline style, and in proportion to their figures."""

import re
from xml.etree import ElementTree

import numpy as np
import pytest

from plots.svg import (
    ChartAxes,
    ChartLine,
    ChartWords,
    IntervalBar,
    interval_chart,
    length_bar,
    line_chart,
    reliability_chart,
    spark_line,
    state_strip,
)

EVIL = "<script>alert(1)</script>\"'&"
WORDS = ChartWords("one", EVIL, EVIL)
AXES = ChartAxes(((0.0, "start"), (3.0, EVIL)), lambda value: f"{value:g}")
FLAT = np.array([1.0, 1.0, 1.0, 1.0])


def line(values, **known):
    return ChartLine(EVIL, np.asarray(values, np.float64), "first", **known)


def drawn(values, axes=AXES, **known):
    x = np.arange(len(values), dtype=np.float64)
    return line_chart(x, [line(values, **known)], axes, WORDS)


def parsed(svg):
    return ElementTree.fromstring(svg)  # noqa: S314  (our own text)


def elements(svg, tag, look):
    return [one for one in parsed(svg).iter(tag) if look in one.get("class", "").split()]


ALL = {
    "lines": drawn([1.0, np.nan, 3.0, 2.0]),
    "no lines": line_chart(np.empty(0), [], AXES, WORDS),
    "flat": drawn(FLAT),
    "nothing known": drawn([np.nan, np.nan]),
    "intervals": interval_chart(
        [IntervalBar(EVIL, 0.2, 0.1, 0.3, EVIL), IntervalBar("b", -0.2, None, None, "-20 %")],
        WORDS,
        value_text=str,
    ),
    "no intervals": interval_chart([], WORDS, value_text=str),
    "reliability": reliability_chart(
        np.array([0.1, 0.5]), np.array([0.1, np.nan]), np.array([9, 4]), WORDS
    ),
    "no reliability": reliability_chart(np.empty(0), np.empty(0), np.empty(0, np.int64), WORDS),
    "spark": spark_line(np.array([1.0, 2.0, np.nan]), WORDS),
    "strip": state_strip(["A", "A", "", "C"], (EVIL, "end"), WORDS),
    "no strip": state_strip([], ("", ""), WORDS),
    "bar": length_bar(0.5, "long"),
}


@pytest.mark.parametrize("svg", ALL.values(), ids=ALL)
def test_a_chart_is_one_element_without_inline_style_or_markup_of_its_words(svg):
    root = parsed(svg)
    assert root.tag == "svg"
    for one in root.iter():
        assert one.tag != "script"
        assert not any(name == "style" or name.startswith("on") for name in one.attrib)
    assert not re.search(r"\b(nan|inf)\b", re.sub(r"<title.*</desc>", "", svg))


@pytest.mark.parametrize("svg", [one for name, one in ALL.items() if name != "bar"])
def test_a_chart_has_a_name_and_a_description(svg):
    root = parsed(svg)
    title, description = root[0], root[1]
    assert (title.tag, description.tag) == ("title", "desc")
    assert root.get("aria-labelledby") == f"{title.get('id')} {description.get('id')}"
    assert title.text == description.text == EVIL


def test_a_bar_beside_its_figure_is_hidden_from_screen_readers():
    root = parsed(length_bar(0.25, "short"))
    assert root.get("aria-hidden") == "true"
    assert [float(one.get("width")) for one in root] == [15.0]
    assert 'width="0"' in length_bar(float("nan"), "short")


def test_a_gap_parts_a_line_and_a_value_alone_is_a_dot():
    assert len(elements(drawn([1.0, 2.0, np.nan, 3.0, 4.0]), "path", "line")) == 2
    svg = drawn([1.0, np.nan, 3.0, 4.0])
    assert len(elements(svg, "circle", "dot")) == 1


def test_heights_are_in_proportion():
    svg = drawn([0.0, 1.0, 2.0, 4.0], has_points=True)
    heights = [float(one.get("cy")) for one in elements(svg, "circle", "dot")]
    steps = np.diff(heights)
    assert steps == pytest.approx([steps[0], steps[0], 2 * steps[0]], abs=0.2)
    assert steps[0] < 0


def test_a_wide_label_of_the_axis_has_room():
    drawn = line_chart(
        np.array([0.0, 1.0]),
        [line(np.array([0.0, 1.0]))],
        ChartAxes(((0.0, "a"),), lambda _: "-1,000.0 M"),
        WORDS,
    )
    ends = [float(end) for end in re.findall(r'<text x="([\d.]+)"[^>]*tick end', drawn)]
    assert ends
    assert min(ends) >= 6.0 * len("-1,000.0 M")


def test_by_logarithm_equal_factors_are_equal_steps_and_zero_is_a_gap():
    axes = ChartAxes((), lambda value: f"{value:.2g}", baseline=1.0, is_log=True)
    svg = drawn([0.5, 1.0, 2.0, 0.0], axes, has_points=True)
    heights = [float(one.get("cy")) for one in elements(svg, "circle", "dot")]
    assert len(heights) == 3
    assert heights[0] - heights[1] == pytest.approx(heights[1] - heights[2], abs=0.2)


def test_an_interval_is_as_long_as_it_is_and_its_colour_says_which_side():
    svg = interval_chart(
        [
            IntervalBar("better", 0.3, 0.2, 0.4, ""),
            IntervalBar("worse", -0.3, -0.4, -0.2, ""),
            IntervalBar("open", 0.05, -0.1, 0.2, ""),
        ],
        WORDS,
        value_text=str,
    )
    spans = []
    for look in ("better", "worse", "quiet"):
        (whisker,) = (one for one in elements(svg, "path", "whisker") if look in one.get("class"))
        start, end = re.fullmatch(r"M([\d.]+) [\d.]+H([\d.]+)", whisker.get("d")).groups()
        spans.append(float(end) - float(start))
    assert spans[0] == pytest.approx(spans[1], abs=0.2)
    assert spans[2] == pytest.approx(1.5 * spans[0], abs=0.3)


def test_a_value_beyond_the_limits_is_an_arrow_at_the_edge():
    bars = [IntervalBar("far", -17.0, -24.0, -11.0, ""), IntervalBar("near", 0.5, 0.4, 0.6, "")]
    svg = interval_chart(bars, WORDS, limits=(-1.0, 1.0), value_text=str)
    (arrow,) = elements(svg, "path", "dot")
    assert arrow.get("class") == "dot worse"
    assert len(elements(svg, "circle", "dot")) == 1


def test_odds_that_come_true_lie_on_the_diagonal():
    svg = reliability_chart(np.array([0.1, 0.9]), np.array([0.1, 0.9]), np.array([100, 25]), WORDS)
    (base,) = elements(svg, "path", "base")
    x0, y0, x1, y1 = map(float, re.findall(r"[\d.]+", base.get("d")))
    dots = elements(svg, "circle", "dot")
    for dot in dots:
        share = (float(dot.get("cx")) - x0) / (x1 - x0)
        assert float(dot.get("cy")) == pytest.approx(y0 + share * (y1 - y0), abs=0.2)
    assert float(dots[0].get("r")) > float(dots[1].get("r"))


def test_equal_states_are_one_stretch_and_a_gap_none():
    svg = state_strip(["A", "A", "", "C", "A"], ("from", "to"), WORDS)
    stretches = [one.get("class") for one in parsed(svg).iter("rect")]
    assert stretches == ["state-a", "state-c", "state-a"]


def test_a_long_course_keeps_its_newest_value_and_its_gaps():
    values = np.concatenate((np.full(1000, 1.0), np.full(999, np.nan), [3.0]))
    svg = spark_line(values, WORDS)
    assert len(svg) < 4000
    (newest,) = elements(svg, "circle", "dot")
    known, _ = elements(svg, "path", "line")
    first_y = float(known.get("d")[1:].split("L")[0].split()[1])
    assert float(newest.get("cy")) < first_y
