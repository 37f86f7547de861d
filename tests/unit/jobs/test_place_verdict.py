"""Where liquidations came, in words, from rows of the skill table."""

import pytest

from jobs.read.place_verdict import place_verdict


def row(null_model, removed=0.1, interval=(0.05, 0.15), gain=0.0, **changed):
    return {
        "provider": "turnover",
        "null_model": null_model,
        "window_days": 30,
        "place_status": "scored",
        "place_reason": None,
        "place_cells": "levels",
        "misplaced_removed_ratio": removed,
        "misplaced_removed_low_ratio": interval[0],
        "misplaced_removed_high_ratio": interval[1],
        "place_test_quantile": 0.4,
        "top_quarter_status": "scored",
        "top_quarter_reason": None,
        "top_quarter_ratio": 0.32,
        "top_quarter_low_ratio": 0.28,
        "top_quarter_high_ratio": 0.36,
        "top_quarter_gain_ratio": gain,
    } | changed


def test_a_map_is_held_against_the_null_that_it_beats_least():
    rows = [
        row("chance", 0.3, (0.2, 0.4), 0.07),
        row("path_only", 0.1, (0.02, 0.2), 0.01),
        row("oldest_level", -0.02, (-0.1, 0.05), -0.04),
    ]
    hours, days = place_verdict(rows)
    assert hours == (
        "places within hours, 30 days: turnover: not shown to be better than the levels where "
        "price has not traded for longest: 2 % more misplaced over levels [less by -10 to 5 %]; "
        "passes the S-test (0.400)."
    )
    assert (
        "the quarter with most on the map held, of liquidated USD: turnover 32 % [28, 36]" in days
    )
    assert "chance 25 %, the path of price 31 %" in days
    assert "has not traded for longest 36 %" in days


@pytest.mark.parametrize(
    ("interval", "quantile", "said"),
    [((0.02, 0.2), 0.5, "better than"), ((-0.3, -0.1), 0.001, "worse than")],
)
def test_an_interval_beyond_nothing_decides(interval, quantile, said):
    rows = [
        row("chance", 0.6, (0.5, 0.7)),
        row("path_only", sum(interval) / 2, interval, place_test_quantile=quantile),
    ]
    hours, _ = place_verdict(rows)
    assert f"turnover: {said} the path of price" in hours
    assert ("passes" if quantile > 0.025 else "fails") in hours


def test_a_short_window_has_no_interval_and_claims_nothing():
    (hours, _) = place_verdict(
        [row("chance", 0.6, interval=(None, None)), row("path_only", 0.1, (None,) * 2)]
    )
    assert "10 % less misplaced over levels than the path of price" in hours
    assert "too short for an interval" in hours
    assert "better" not in hours


def test_the_reason_is_said_once_where_there_is_no_figure():
    without = {
        f"{name}_{column}": value
        for name in ("place", "top_quarter")
        for column, value in (("status", "no_price"), ("reason", "no feed gives prices"))
    }
    rows = [row("chance", **without), row("path_only", **without)]
    rows.append(row("extension_glm", place_status="no_map", place_reason="no map"))
    rows[-1]["top_quarter_status"] = "no_map"
    assert place_verdict(rows) == ["places: no figures: no feed gives prices."]
    rows[0] |= {"top_quarter_reason": "too few days"}
    assert place_verdict(rows[:1]) == [
        "places within hours: no figures: no feed gives prices.",
        "places within days: no figures: too few days.",
    ]


def test_rows_of_an_earlier_release_say_nothing_of_places():
    assert place_verdict([{"provider": "turnover", "null_model": "path_only"}]) == []
