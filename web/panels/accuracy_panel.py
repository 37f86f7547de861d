"""The panel *accuracy*: how right the models of an asset have been, against what, and where not.

Belongs here: published skill as tables and charts. Does not belong here: scores
(``transforms.skill``), the verdict in words (``jobs.read.accuracy``).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from markupsafe import Markup

from jobs.errors import NothingToDo
from jobs.read.accuracy import LAGGED_FORECAST, Accuracy, accuracy_of, against_path, verdict
from jobs.read.figures import percent, plural, usd
from jobs.read.query import named_rows, named_rows_if_published
from jobs.read.skill_words import (
    NULL_HEADERS,
    held_note,
    outlook_note,
    removed_share,
    skill_cells,
)
from plots.svg import (
    ChartAxes,
    ChartLine,
    ChartWords,
    IntervalBar,
    interval_chart,
    line_chart,
    reliability_chart,
)
from web.panels.panel_input import PanelInput, utc

_Rows = Sequence[Mapping[str, Any]]

_OUTLOOK_DAYS = 7
_MOST_WEEKS = 14
"""Spans up to this many weeks are shown by week, longer ones by month."""

_HEADERS = (*NULL_HEADERS.values(), "longs", "shorts", "in interval")
"""Columns of the table of skill."""

_CALIBRATE = "run `liqheat calibrate`, then `liqheat publish`"


@dataclass(frozen=True, slots=True)
class PeriodLine:
    """What a model expected of a week or month beside what was published."""

    period: str
    expected: str
    published: str
    ratio: str
    hours: str


@dataclass(frozen=True, slots=True)
class OutlookLine:
    """What was expected of a day and side, beside what was published of it."""

    day: str
    side: str
    expected: str
    interval: str
    published: str
    held: str


@dataclass(frozen=True, slots=True)
class ModelLine:
    """A model's figures against each null, in the order of the headers."""

    model: str
    cells: tuple[str, ...]
    is_shown: bool


@dataclass(frozen=True, slots=True)
class AccuracyPanel:
    """What the panel shows; each part has its figures or a sentence that says why not.

    Parameters
    ----------
    asset, provider : str
        Whose map.
    as_of : datetime or None
        Midnight of the skill; None where none is published.
    window : str
        Days it is measured over.
    verdict : tuple of str
        How right the models have been, a sentence each.
    skill_missing : str
        Why there is no skill.
    headers : tuple of str
        Columns of the table of skill.
    models : tuple of ModelLine
        Models, best first.
    against_path : Markup
        Each model against the path of price.
    period : str
        week or month.
    periods : tuple of PeriodLine
        Expected and published by week or month.
    ratio : Markup
        The same ratio as a line.
    periods_missing : str
        Why there are none.
    reliability : Markup
        Odds of touch against how often price came.
    reliability_note : str
        The same in words, or why there is none.
    outlook_notes : tuple of str
        What is expected of the next day, and how often such intervals held.
    outlook : tuple of OutlookLine
        The newest days.
    """

    asset: str
    provider: str
    as_of: datetime | None
    window: str = ""
    verdict: tuple[str, ...] = ()
    skill_missing: str = ""
    headers: tuple[str, ...] = ()
    models: tuple[ModelLine, ...] = ()
    against_path: Markup = Markup()  # noqa: RUF009  (an empty, immutable text)
    period: str = "week"
    periods: tuple[PeriodLine, ...] = ()
    ratio: Markup = Markup()  # noqa: RUF009  (an empty, immutable text)
    periods_missing: str = ""
    reliability: Markup = Markup()  # noqa: RUF009  (an empty, immutable text)
    reliability_note: str = ""
    outlook_notes: tuple[str, ...] = ()
    outlook: tuple[OutlookLine, ...] = ()


def read_accuracy_panel(given: PanelInput) -> AccuracyPanel:
    """Return how right the models of the asset of a view have been."""
    view = given.view
    which = {"asset": view.asset, "provider": view.provider}
    missing, accuracy = "", None
    try:
        accuracy = accuracy_of(given.reader, view.asset, view.as_of)
    except NothingToDo as exc:
        missing = str(exc)
    period, periods = _by_period(given, which)
    reliability = named_rows_if_published(
        given.reader, "touch_reliability", {**which, "as_of": view.as_of}
    )
    days = named_rows_if_published(
        given.reader,
        "outlook_days",
        {"asset": view.asset, "as_of": view.as_of, "days": _OUTLOOK_DAYS},
    )
    drawn, note = _reliability(reliability or [], view.provider)
    return AccuracyPanel(
        asset=view.asset,
        provider=view.provider,
        as_of=None if accuracy is None else accuracy.as_of,
        window=""
        if accuracy is None or accuracy.window_days is None
        else plural(accuracy.window_days, "day"),
        verdict=() if accuracy is None else tuple(verdict(accuracy)),
        skill_missing=missing,
        headers=_HEADERS,
        models=() if accuracy is None else _models(accuracy, view.provider),
        against_path=Markup() if accuracy is None else _forest(accuracy),
        period=period,
        periods=tuple(_period_line(row, period) for row in periods),
        ratio=_ratio_chart(periods, period, view.provider),
        periods_missing="" if periods else _why_no_periods(view.asset, view.provider),
        reliability=drawn,
        reliability_note=note,
        outlook_notes=_outlook_notes(accuracy),
        outlook=tuple(map(_outlook_line, days or [])),
    )


def _models(accuracy: Accuracy, shown: str) -> tuple[ModelLine, ...]:
    lines = []
    for provider in accuracy.providers:
        cells = skill_cells(accuracy, provider)
        lines.append(
            ModelLine(provider, tuple(cells.get(name, "") for name in _HEADERS), provider == shown)
        )
    return tuple(lines)


def _forest(accuracy: Accuracy) -> Markup:
    """Return each model against the null of the path that it beats least."""
    bars = []
    for provider in accuracy.providers:
        found = None if provider == LAGGED_FORECAST else against_path(accuracy, provider)
        if found is not None:
            _, score = found
            bars.append(
                IntervalBar(
                    provider,
                    score["deviance_removed_ratio"],
                    score["deviance_removed_low_ratio"],
                    score["deviance_removed_high_ratio"],
                    removed_share(score),
                )
            )
    if not bars:
        return Markup()
    words = ChartWords(
        "against-path",
        "What each model leaves out less than the path of price alone",
        "; ".join(f"{bar.label} {bar.text}" for bar in bars) + ".",
    )
    drawn = interval_chart(
        bars, words, limits=(-1.0, 1.0), value_text=lambda value: f"{100 * value:+.0f} %"
    )
    return Markup(drawn)  # noqa: S704  (plots.svg escapes every word)


def _by_period(given: PanelInput, which: Mapping[str, str]) -> tuple[str, _Rows]:
    """Return weeks, or months of a long span, with what was expected and published."""
    until = {**which, "until_at": given.view.as_of}
    weeks = named_rows_if_published(given.reader, "expected_by_period", {**until, "period": "week"})
    if weeks is None or len(weeks) <= _MOST_WEEKS:
        return "week", weeks or []
    return "month", named_rows(given.reader, "expected_by_period", {**until, "period": "month"})


def _period_line(row: Mapping[str, Any], period: str) -> PeriodLine:
    at_least = "at least " if row["is_lower_bound"] else ""
    ratio = row["expected_ratio"]
    return PeriodLine(
        _period_name(row["period_at"], period),
        usd(row["expected_usd"]),
        f"{at_least}{usd(row['realised_usd'])}",
        "none published" if ratio is None else f"{ratio:.2f}",
        f"{row['hour_count']:,}",
    )


def _period_name(at: datetime, period: str) -> str:
    return f"{at:%Y-%m}" if period == "month" else f"{at:%Y-%m-%d}"


def _ratio_chart(rows: _Rows, period: str, provider: str) -> Markup:
    known = [row for row in rows if row["expected_ratio"]]
    if len(known) < 2:
        return Markup()
    ratio = np.array([row["expected_ratio"] for row in known])
    x = np.arange(ratio.size, dtype=np.float64)
    every = max(1, -(-ratio.size // 5))
    ticks = tuple(
        (float(at), f"{known[at]['period_at']:{'%y-%m' if period == 'month' else '%m-%d'}}")
        for at in range(0, ratio.size, every)
    )
    drawn = line_chart(
        x,
        [ChartLine(provider, ratio, "first", has_points=True)],
        ChartAxes(ticks, lambda value: f"{value:.2g}", baseline=1.0, is_log=True, height=150.0),
        ChartWords(
            "expected-over-published",
            f"{provider}: expected over published, by {period}; 1 is right",
            f"From {ratio.min():.2f} to {ratio.max():.2f}.",
        ),
    )
    return Markup(drawn)  # noqa: S704  (plots.svg escapes every word)


def _why_no_periods(asset: str, provider: str) -> str:
    return (
        f"nothing to hold {provider} against: no hours of {asset} have both an expected amount of "
        "it and published liquidations. `liqheat record` records them, `liqheat import` takes "
        "files, `liqheat run` compares"
    )


def _reliability(rows: _Rows, provider: str) -> tuple[Markup, str]:
    """Return the chart of odds against how often price came, and what it says."""
    whole = next((row for row in rows if row["odds_group"] == "all"), None)
    groups = [
        row for row in rows if row["odds_group"] != "all" and row["touched_ratio"] is not None
    ]
    if whole is None:
        return Markup(), (
            f"odds of touch of {provider} have not been held against prices here: {_CALIBRATE}"
        )
    if whole["touched_ratio"] is None or not groups:
        return Markup(), f"odds of touch: no figures: {whole['reason'] or 'no bands'}"
    said = (
        f"{whole['level_count']:,} bands up to {utc(whole['as_of'])}: odds "
        f"{percent(whole['odds_ratio'])} on average, touched {percent(whole['touched_ratio'])}"
    )
    excess, low, high = (whole[f"excess_{end}points"] for end in ("", "low_", "high_"))
    if excess is not None:
        interval = "" if low is None else f" [{low:+.1f}, {high:+.1f}]"
        said += (
            f"; touched {excess:+.1f}{interval} points more often than levels as far on the other "
            "side of price"
        )
    drawn = reliability_chart(
        np.array([row["odds_ratio"] for row in groups]),
        np.array([row["touched_ratio"] for row in groups]),
        np.array([row["level_count"] for row in groups], dtype=np.int64),
        ChartWords(
            "touch-reliability",
            "Odds of touch within 24 hours against how often price came",
            "; ".join(
                f"odds {row['odds_group']}: touched {percent(row['touched_ratio'])} of "
                f"{row['level_count']:,}"
                for row in groups
            )
            + ".",
        ),
    )
    return Markup(drawn), said  # noqa: S704  (plots.svg escapes every word)


def _outlook_notes(accuracy: Accuracy | None) -> tuple[str, ...]:
    said = (
        ()
        if accuracy is None
        else (*outlook_note(accuracy.outlook), *held_note(accuracy.outlook_held))
    )
    return said or (f"no outlook of the next 24 hours is published: {_CALIBRATE}",)


def _outlook_line(row: Mapping[str, Any]) -> OutlookLine:
    low, high, held = row["expected_q10_usd"], row["expected_q90_usd"], row["is_in_interval"]
    at_least = "at least " if row["completeness"] == "lower_bound" else ""
    published = row["realised_usd"]
    return OutlookLine(
        day=f"{row['as_of']:%Y-%m-%d}",
        side=f"{row['side']}s",
        expected=usd(row["expected_usd"]) or str(row["reason"] or "not known"),
        interval="" if low is None or high is None else f"{usd(low)} - {usd(high)}",
        published=str(row["realised_reason"] or "not known")
        if published is None
        else f"{at_least}{usd(published)}",
        held="" if held is None else "inside" if held else "outside",
    )
