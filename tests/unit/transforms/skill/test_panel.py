"""What a panel accepts, and which of its spans may be scored."""

import numpy as np
import pytest

from tests.workbench.panels import HOUR, panel_of
from transforms.errors import InvalidInput
from transforms.skill.panel import ScoreStatus


def test_a_flagged_span_and_one_with_a_side_unknown_have_no_figure():
    realised = np.ones((4, 2))
    realised[1, 0] = np.nan
    panel = panel_of(realised, is_left_out=np.array([False, False, True, False]))
    assert panel.has_figure.tolist() == [True, False, False, True]


def test_spans_that_overlap_are_refused():
    with pytest.raises(InvalidInput, match="overlap"):
        panel_of(np.ones((2, 2)), span_end=np.array([HOUR, HOUR + 1]))


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("realised_usd", -np.ones((2, 2)), "realised_usd"),
        ("close", np.zeros(2), "above 0"),
        ("volume_usd", np.full(2, np.inf), "volume_usd"),
        ("log_age", np.ones(2), "log_age has shape"),
        ("exposures", {"path": np.ones((2, 2))}, "exposures"),
        ("exposures", {"path": -np.ones((2, 2, 1))}, "exposures"),
    ],
)
def test_what_no_market_shows_is_refused_by_name(name, value, message):
    columns = {"realised_usd": np.ones((2, 2)), name: value}
    with pytest.raises(InvalidInput, match=message):
        panel_of(**columns)


@pytest.mark.parametrize(
    ("realised", "is_complete", "status"),
    [
        (np.nan, True, ScoreStatus.NO_FEED),
        (0.0, True, ScoreStatus.ALL_ZERO),
        (3.0, False, ScoreStatus.THROTTLED),
        (3.0, True, ScoreStatus.SCORED),
    ],
)
def test_a_feed_that_cannot_be_scored_says_why(realised, is_complete, status):
    panel = panel_of(np.full((5, 2), realised), is_complete=np.full(5, is_complete))
    assert panel.feed_status(np.ones(5, dtype=bool)) is status


def test_spans_without_figures_are_too_few_where_other_spans_have_some():
    realised = np.full((5, 2), 3.0)
    realised[:2] = np.nan
    assert panel_of(realised).feed_status(np.arange(5) < 2) is ScoreStatus.TOO_FEW_SPANS


def test_lower_bounds_are_scored_where_the_caller_accepts_them():
    panel = panel_of(np.ones((5, 2)), is_complete=np.zeros(5, dtype=bool))
    rows = np.ones(5, dtype=bool)
    assert panel.feed_status(rows, accepts_lower_bound=True) is ScoreStatus.SCORED
    assert panel.feed_status(rows, 6, accepts_lower_bound=True) is ScoreStatus.TOO_FEW_SPANS


def test_a_part_holds_the_same_spans_of_every_column():
    panel = panel_of(
        np.arange(8.0).reshape(4, 2), exposures={"path": np.arange(8.0).reshape(4, 2, 1)}
    )
    part = panel.part(panel.within(HOUR, 3 * HOUR))
    assert part.span_end.tolist() == [2 * HOUR, 3 * HOUR]
    assert part.realised_usd.tolist() == [[2.0, 3.0], [4.0, 5.0]]
    assert part.exposures["path"][..., 0].tolist() == part.realised_usd.tolist()


def test_days_of_zeros_in_a_busy_feed_are_left_out_and_single_zeros_are_not():
    realised = np.ones((500, 2))
    realised[[10, 30, 31]] = 0.0
    realised[200:248] = 0.0
    realised[300:320] = 0.0
    left_out = np.flatnonzero(panel_of(realised).without_silence().is_left_out)
    assert left_out.tolist() == list(range(200, 248))


def test_a_thin_market_keeps_its_silent_days():
    realised = np.zeros((2000, 2))
    realised[::40] = 1.0
    assert not panel_of(realised).without_silence().is_left_out.any()


def test_leaving_silence_out_twice_is_leaving_it_out_once():
    realised = np.ones((500, 2))
    realised[200:260] = 0.0
    once = panel_of(realised).without_silence()
    assert np.array_equal(once.without_silence().is_left_out, once.is_left_out)


@pytest.mark.parametrize("value", [0.0, np.nan])
def test_a_feed_without_any_amount_is_left_to_its_status(value):
    panel = panel_of(np.full((100, 2), value))
    assert panel.without_silence() is panel
