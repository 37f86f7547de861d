"""Skill in words, and whose map is shown, from rows of the skill table."""

from contextlib import nullcontext
from datetime import UTC, datetime

import pytest

from jobs.read.accuracy import Accuracy, choose_provider, provider_by_skill, verdict

AS_OF = datetime(2026, 3, 6, tzinfo=UTC)
PUBLISHED = {"turnover", "public_convention", "path_ledger", "volume_ledger"}


def skill(provider, null_model, ratio, interval=(None, None), **changed):
    return {
        "as_of": AS_OF,
        "provider": provider,
        "null_model": null_model,
        "window_days": 30,
        "status": "scored",
        "reason": None,
        "realised_feeds": ["okx by stream"],
        "is_lower_bound": True,
        "is_short_fit": False,
        "deviance_removed_ratio": ratio,
        "deviance_removed_low_ratio": interval[0],
        "deviance_removed_high_ratio": interval[1],
    } | changed


def against_ledger(turnover=(-0.4, -0.2), convention=(-0.3, -0.1), volume=(-0.1, 0.1)):
    return [
        skill(name, "path_ledger", sum(interval) / 2, interval)
        for name, interval in (
            ("turnover", turnover),
            ("public_convention", convention),
            ("volume_ledger", volume),
        )
    ]


def test_the_ledger_is_shown_once_its_whole_interval_is_above_every_estimator():
    chosen = provider_by_skill(against_ledger(), PUBLISHED)
    assert chosen.name == "path_ledger"
    assert "30 days" in chosen.reason


@pytest.mark.parametrize(
    "rows",
    [
        [],
        against_ledger(turnover=(-0.4, 0.01)),
        against_ledger(convention=(0.1, 0.2)),
        [row | {"deviance_removed_high_ratio": None} for row in against_ledger()],
        [row | {"window_days": 7} for row in against_ledger()],
        [row | {"status": "no_feed"} for row in against_ledger()],
    ],
)
def test_it_is_not_where_that_is_not_shown(rows):
    chosen = provider_by_skill(rows, PUBLISHED)
    assert chosen.name == "turnover"
    assert chosen.reason.startswith("turnover: ")


def test_it_is_not_where_it_has_no_map():
    assert provider_by_skill(against_ledger(), {"turnover"}).name == "turnover"


def test_the_ledger_of_volume_is_shown_where_it_is_better_still():
    rows = against_ledger(volume=(0.01, 0.1))
    assert provider_by_skill(rows, PUBLISHED).name == "volume_ledger"
    assert provider_by_skill(rows, PUBLISHED - {"volume_ledger"}).name == "path_ledger"


def test_the_ledger_is_shown_where_estimators_have_no_map(monkeypatch):
    published = ["consensus", "path_ledger", "volume_ledger"]
    answers = {
        "accuracy": [],
        "published_map_providers": [{"provider": provider} for provider in published],
    }
    monkeypatch.setattr("jobs.read.accuracy.open_reader", nullcontext)
    for reading in ("named_rows", "named_rows_if_published"):
        monkeypatch.setattr(f"jobs.read.accuracy.{reading}", lambda reader, name, _: answers[name])
    chosen = choose_provider(None, "BTC")
    assert chosen.name == "path_ledger"
    assert chosen.reason == "path_ledger: no map of turnover is published"


def accuracy(rows, sides=()):
    window = 30 if any(row["status"] == "scored" for row in rows) else None
    return Accuracy("BTC", AS_OF, tuple(rows), window, tuple(sides))


def test_no_better_than_the_path_of_price_is_said():
    said = verdict(
        accuracy(
            [
                skill("turnover", "training_mean", 0.8, (0.7, 0.9)),
                skill("turnover", "path_only", 0.01, (-0.1, 0.1)),
                skill("turnover", "path_ledger", 0.2, (0.1, 0.3)),
            ]
        )
    )
    assert (
        "turnover: not shown to be better than the path of price: leaves 1 % less unexplained"
        in (" ".join(said))
    )
    assert "a lower bound" in said[0]


def test_what_is_on_no_level_and_what_is_known_before_are_said():
    said = " ".join(
        verdict(
            accuracy(
                [
                    skill("path_ledger", "training_mean", 0.8, (0.7, 0.9), is_short_fit=True),
                    skill("path_ledger", "path_only", 0.3, (0.1, 0.5)),
                    skill("lagged_forecast", "training_mean", 0.15, (0.1, 0.2)),
                ],
                [{"provider": "path_ledger", "side": "long", "off_map_ratio": 0.42}],
            )
        )
    )
    assert "path_ledger: better than the path of price" in said
    assert "42 % of what it expects of longs is on no level of its map" in said
    assert "before the hour 15 % is explained" in said
    assert "less than 90 days" in said


def test_models_without_figures_are_named_with_the_reason():
    rows = [skill("lagged_forecast", "training_mean", 0.1, (0.0, 0.2))]
    rows.append(skill("lagged_forecast", "extension_glm", -1.0, (-2.0, -0.5)))
    for name in ("turnover", "path_ledger"):
        rows.append(skill(name, "training_mean", None, status="too_few_spans", reason="too few"))
    said = verdict(accuracy(rows))
    assert "no figures: path_ledger, turnover: too few." in said
    # It is not given the path of price, so it is not held against it.
    assert not any("regression" in each for each in said)


def test_without_figures_the_reason_is_said_and_nothing_else():
    row = skill("turnover", "training_mean", None, status="no_feed", reason="no feed publishes")
    assert verdict(accuracy([row])) == ["no figures: no feed publishes."]
