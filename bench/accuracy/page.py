"""The page ``docs/accuracy.md``, written from the figures.

Belongs here: words and tables. A sentence that depends on a figure is chosen by it, so that the
page holds for other recordings. Does not belong here: the figures (``figures``, ``study``).
"""

from collections.abc import Sequence
from typing import Final

from bench.accuracy.figures import WEEK, Way, window_ratios_of
from bench.accuracy.prose import CLAIMS, EARLIER, INTRODUCTION, METHOD, PICTURES
from bench.accuracy.protocol import (
    CALIBRATIONS,
    EQUAL_TERMS,
    FITTED,
    FORECAST,
    LAGGED,
    LEDGER_MODELS,
)
from bench.accuracy.study import PAIRS, HourlyStudy, PoolStudy, Study, date_of
from bench.accuracy.verdict import both_ways_of, shown_interval, write_verdict
from transforms.path_only import PATH_ONLY
from transforms.skill.evaluate import LEAST_FIT_DAYS
from transforms.skill.panel import ScoreStatus
from transforms.skill.score_table import Score
from transforms.skill.scores import share_within

ROWS: Final = (
    *LEDGER_MODELS,
    FORECAST,
    "public_convention",
    "public_convention" + FITTED,
    "turnover",
    "turnover" + FITTED,
    *CALIBRATIONS,
    "taker_tilt",
    "open_interest",
    "open_interest" + FITTED,
    "volume_profile",
    PATH_ONLY.provider,
    PATH_ONLY.provider + FITTED,
    "extension_glm",
    "activity_glm",
    "distance_profile",
    LAGGED,
)
"""Models in the order of the table."""

NULLS_SHOWN: Final = (
    "extension_glm",
    "activity_glm",
    "public_convention",
    "turnover",
    "open_interest",
    PATH_ONLY.provider,
    PATH_ONLY.provider + FITTED,
)
"""Nulls of the picture of gains."""


def write_page(study: Study) -> str:
    """Return the page as Markdown."""
    parts = [INTRODUCTION]
    if study.hourly is None:
        parts.append("The folder has no realised liquidations by hour: no figures by hour.\n")
    else:
        parts += [
            write_verdict(study.hourly),
            _hourly_table(study.hourly),
            PICTURES,
            _against_all(study.hourly),
            _rolling(study.hourly),
        ]
    if study.pool is None:
        parts.append("The folder has no realised liquidations by 4 h: no figures of four coins.\n")
    else:
        parts.append(_pool_tables(study.pool))
    if study.hourly is not None:
        parts += [
            _volume(study.hourly),
            _amounts(study.hourly),
            _tests(study.hourly),
            _intervals(study.hourly),
        ]
    if study.transfers:
        parts.append(_shipped(study))
    if study.hourly is not None:
        parts.append(_earlier(study.hourly))
    return "\n".join([*parts, CLAIMS, METHOD])


def _hourly_table(hourly: HourlyStudy) -> str:
    """Return the table of all models by hours."""
    hours = [round(way.scores[WEEK][LEDGER_MODELS[0], ""].hours) for way in hourly.ways]
    days = [_fit_days(way) for way in hourly.ways]
    short = [day for day in days if day < LEAST_FIT_DAYS]
    table = [
        f"## {hourly.recording.asset} by hours",
        "",
        f"Realised: {hourly.recording.scope}. {_capital(hourly.ways[0].split.title)} "
        f"({hours[0]:,} hours tested) / the other way round ({hours[1]:,}). Hours in which "
        "every model has a prediction. "
        + (
            f"Fits on {' and '.join(f'{day:.0f}' for day in short)} days are short "
            "(`is_short_fit`)."
            if short
            else ""
        ),
        "",
        "| model | one factor | no capture | 720 h | 168 h | 95 % interval, 168 h | predicted / "
        "realised |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name in ROWS:
        scores = _scores_of(hourly.ways, name)
        if not scores:
            continue
        used = [way.as_used.get((name, "")) for way in hourly.ways]
        table.append(
            _row(
                _title(name),
                " / ".join(f"{score.d2:.3f}" for score in used if score) or "",
                *(both_ways_of(hourly.ways, name, label) for label in EQUAL_TERMS),
                " / ".join(f"[{score.d2_low:.2f}, {score.d2_high:.2f}]" for score in scores),
                " / ".join(f"{score.ratio:.2f}" for score in scores),
            )
        )
    table += [
        "",
        "*Fitted*: weights by leverage are fitted too, rather than one factor on the map as it "
        "ships; `calibrated` is `turnover` run again with fitted weights, up to five times, "
        "`calibrated_volume` with open interest constant, `calibrated_path` with volume constant "
        "too. "
        "`path_only`: `turnover` with open interest and volume constant. `extension_glm`: "
        "GLM of move, range, volume, open interest, and how far price went beyond the extremes of "
        "1, 3, 7, 30 days; `activity_glm` the same without those; `distance_profile` a fitted "
        f"profile by distance. `{LAGGED}` knows nothing of the hour.",
        "",
    ]
    return "\n".join(table)


def _against_all(hourly: HourlyStudy) -> str:
    """Return what the ledgers and the forecast remove beyond each model."""
    together = hourly.together
    table = [
        "Deviance removed beyond each other model, capture of a week; every hour predicted by the "
        "fit that never saw it, both ways together:",
        "",
        "| beyond | " + " | ".join(f"`{name}`" for name in PAIRS) + " |",
        "| --- |" + " --- |" * len(PAIRS),
    ]
    for null in ROWS:
        cells = [
            shown_interval(together[name, null]) if (name, null) in together else ""
            for name in PAIRS
        ]
        table.append(_row(_title(null), *cells))
    without = "A folder without realised figures of a crash cannot show how models do in one."
    table += ["", without, ""]
    return "\n".join(table)


def _rolling(hourly: HourlyStudy) -> str:
    """Return the table of the rolling origin."""
    scored = [score for score in hourly.rolling if score.null == "" and score.d2 == score.d2]
    if not scored:
        return ""
    windows = list(dict.fromkeys((score.test_from, score.test_until) for score in scored))
    names = list(dict.fromkeys(score.model for score in scored))
    table = [
        "Rolling origin, fitted on 90 days or more, tested on the next 30, every window kept; the "
        "last line is all of them:",
        "",
        "| tested | " + " | ".join(f"`{name}`" for name in names) + " |",
        "| --- |" + " --- |" * len(names),
    ]
    for start, stop in windows:
        own = {s.model: s for s in scored if (s.test_from, s.test_until) == (start, stop)}
        cells = [f"{own[name].d2:.3f}" if name in own else "" for name in names]
        table.append(_row(f"{date_of(start)} to {date_of(stop)}", *cells))
    return "\n".join([*table, ""])


def _pool_tables(pool: PoolStudy) -> str:
    """Return the tables of several assets by spans of 4 h."""
    assets = ", ".join(panel.asset for panel in pool.ways[0].split.panels)
    table = [
        f"## {assets} by spans of 4 h",
        "",
        "Realised: all venues. One fit for all coins, each divided by its own training mean, so "
        f"that each counts alike. {_capital(pool.ways[0].split.title)} / the other way round; "
        "capture of a week. *Without*: the two scored days with most realised left out.",
        "",
        "| model | no capture | 168 h | beyond `extension_glm` | the same, without |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name in ROWS:
        if not _scores_of(pool.ways, name):
            continue
        over = [
            " / ".join(
                shown_interval(scores[name, "extension_glm"])
                for scores in group
                if (name, "extension_glm") in scores
            )
            for group in ([way.scores[WEEK] for way in pool.ways], pool.without_largest)
        ]
        found = (both_ways_of(pool.ways, name, "none"), both_ways_of(pool.ways, name))
        table.append(_row(_title(name), *found, *over))
    table += [
        "",
        "At 4 h a ledger holds its deposits back to the end of the span, so what opens and dies "
        "within it is the move term's alone; the leverage recursions run hour by hour and see it. "
        "`extension_glm` and the forecast read the span's own range and volume. Coin by coin, "
        "each fitted alone, D2 first way: "
        + "; ".join(
            f"{asset} "
            + ", ".join(
                f"`{name}` {scores[name, ''].d2:.2f}"
                for name in ("volume_ledger", FORECAST, "extension_glm")
            )
            for asset, scores in pool.by_asset.items()
        )
        + ".",
        "",
    ]
    return "\n".join(table)


def _volume(hourly: HourlyStudy) -> str:
    """Return what volume adds as a place."""
    table = [
        "## Volume: how much, or where?",
        "",
        "`volume_ledger` deposits what traded per unit of log price where it traded. Deviance it "
        f"removes beyond the same ledger with other deposits ({hourly.recording.asset} by hours, "
        "both ways together; shuffles: mean of five):",
        "",
        "| beyond | " + " | ".join(EQUAL_TERMS) + " |",
        "| --- |" + " --- |" * len(EQUAL_TERMS),
    ]
    for gain in hourly.volume:
        cells = [
            f"{gain.removed[label]:+.3f} [{gain.low[label]:.3f}, {gain.high[label]:.3f}]"
            for label in EQUAL_TERMS
        ]
        table.append(_row(gain.title, *cells))
    shuffled = next(gain for gain in hourly.volume if "shuffled" in gain.title)
    sure = all(shuffled.low[label] > 0.0 for label in EQUAL_TERMS)
    table += [
        "",
        ("Here the hour of a deposit within its day adds a little; " if sure else
         "That the hour of a deposit within its day adds anything is not shown; ")
        + f"ten hours carry {hourly.hours_carrying:.0%} of the gain over `path_ledger`.",
        "",
    ]  # fmt: skip
    return "\n".join(table)


def _amounts(hourly: HourlyStudy) -> str:
    """Return totals: months, windows, and the largest prediction."""
    names = list(hourly.months[0].ratio) if hourly.months else []
    table = [
        "## Amounts",
        "",
        "Predicted / realised by month. Maps in their own USD, unscaled; the others with constant, "
        "move and the capture of a week. Priors of the maps are anchored to positions that stand, "
        "not to what is liquidated and published of them, so a map predicts several times too "
        "much:",
        "",
        "| month | hours | " + " | ".join(f"`{name}`" for name in names) + " |",
        "| --- | --- |" + " --- |" * len(names),
    ]
    for month in hourly.months:
        cells = [f"{month.ratio[name]:.2f}" for name in names]
        table.append(_row(month.month, f"{month.hours:,}", *cells))
    table += [
        "",
        "Windows that move on by a day and have predicted / realised within .8-1.25, first way / "
        "the other:",
        "",
        "| model | " + " | ".join(f"{d} days, {c}" for d in (7, 30) for c in EQUAL_TERMS) + " |",
        "| --- |" + " --- |" * (2 * len(EQUAL_TERMS)),
    ]
    for name in (*PAIRS, "turnover", "public_convention", "extension_glm"):
        cells = [
            " / ".join(_share_of_windows(way, name, label, days) for way in hourly.ways)
            for days in (7, 30)
            for label in EQUAL_TERMS
        ]
        table.append(_row(f"`{name}`", *cells))
    largest = {name: max(one[name] for one in hourly.largest) for name in hourly.largest[0]}
    table += [
        "",
        "Largest side of an hour that a fit on one half predicts over any recorded hour whose path "
        "is known, in units of the largest ever realised (hours without realised figures, such as "
        "those of early February 2026, count too): "
        + ", ".join(f"`{name}` {value:.2g}" for name, value in largest.items())
        + ".",
        "",
    ]
    return "\n".join(table)


def _share_of_windows(way: Way, name: str, label: str, days: int) -> str:
    """Return the share of windows within bounds and their number."""
    usd = way.predictions[label][name].usd[0]
    ratios = window_ratios_of(way.split.panels[0], way.split.is_scored[0], usd, days)
    return f"{share_within(ratios):.0%} of {len(ratios)}" if len(ratios) else "none"


def _tests(hourly: HourlyStudy) -> str:
    """Return the tests of consistency."""
    table = [
        "## Tests of consistency",
        "",
        "As earthquake forecasts are tested (CSEP), by blocks of days, both ways together, capture "
        "of a week. N: probability of a total no larger than the realised one (wrong below .025 "
        "and above .975). Slope: 1 is calibrated, below 1 too extreme. Gain: nat per hour over "
        "`extension_glm`, with T- and W-test. S: halves of two hours and side, share of misplaced "
        "deviance removed over an even split and over `path_only`. Neither half hours of price nor "
        "prices of liquidations are recorded: the split of an hour over the levels that price "
        "reached in it, and the share of the top quarter of the levels of a day, cannot be tested "
        "here. A home that records liquidations with prices publishes both, beside chance, the "
        "farthest levels and those untraded for longest (`marts.estimator_skill_daily`).",
        "",
        "| model | N | slope | gain an hour | T, W: p | S over even | S over `path_only` |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    halves = {(one.model, one.null): one for one in hourly.halves}
    for name in dict.fromkeys(one.model for one in hourly.halves):
        own = hourly.together[name, ""]
        over = hourly.together.get((name, "extension_glm"))
        even, path = halves.get((name, "")), halves.get((name, PATH_ONLY.provider))
        table.append(
            _row(
                f"`{name}`",
                f"{own.number_quantile:.2f}",
                f"{own.calibration_slope:.2f}",
                f"{over.gain_per_hour:+.3f} [{over.gain_low:.3f}, {over.gain_high:.3f}]"
                if over
                else "",
                f"{over.t_p_value:.2g}, {over.w_p_value:.2g}" if over else "",
                *(
                    f"{one.misplaced_removed:.2f} [{one.misplaced_low:.2f}, "
                    f"{one.misplaced_high:.2f}]"
                    if one
                    else ""
                    for one in (even, path)
                ),
            )
        )
    return "\n".join([*table, ""])


def _intervals(hourly: HourlyStudy) -> str:
    """Return the coverage of intervals."""
    table = [
        "## Intervals",
        "",
        "How often realised USD of an hour and side lies in the 80 % interval, out of sample; "
        "thirds by size of the prediction. An interval is the prediction times the middle 80 % "
        "of realised / predicted in the time before.",
        "",
        "| model | interval from | all | smallest third | middle | largest |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for name, found in hourly.coverage.items():
        for one in found:
            cells = [f"{value:.0%}" for value in (one.share, *one.by_size)]
            table.append(_row(f"`{name}`", one.title, *cells))
    return "\n".join([*table, ""])


def _shipped(study: Study) -> str:
    """Return how fits carry over to an asset left out."""
    table = [
        "## Fits that ship",
        "",
        "`transforms/ledger/shipped_fits.json` holds fits of both ledgers on everything recorded: "
        + ", ".join(f"{one.asset} by {one.span_hours} h" for one in study.pool_rows)
        + ". Weights are per USD traded in a mean hour on the asset's most traded contract, so an "
        "asset of any size can use them. How the pool predicts an asset that is left out of it "
        "altogether (predicted / realised before capture; D2 of the asset's own mean):",
        "",
        "| asset left out | ledger | predicted / realised | D2, no capture | D2, 168 h | fitted on "
        "itself, in sample |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for one in study.transfers:
        table.append(
            _row(
                f"{one.asset}, {one.span_hours} h",
                f"`{one.ledger}`",
                f"{one.ratio:.2f}",
                f"{one.d2:.2f}",
                f"{one.captured_d2:.2f}",
                f"{one.own_d2:.2f}",
            )
        )
    worst = max(max(one.ratio, 1.0 / one.ratio) for one in study.transfers)
    table += [
        "",
        f"The shape carries over; the total is off by a factor of up to {worst:.1f} until "
        "the asset has realised liquidations of its own to take a capture from. So a shipped "
        "fit shows where, not how much.",
        "",
    ]
    return "\n".join(table)


def _earlier(hourly: HourlyStudy) -> str:
    """Return the figures beside those of an earlier study."""
    table = [
        "## Beside an earlier study",
        "",
        "An earlier study had half a year of the same feed, fitted before 2026-03-06 and tested on "
        "2,115 hours after it / the other way round, with the crash of 5-6 February 2026, for "
        "which these recordings have prices and no realised figures. D2:",
        "",
        "| model | earlier, no capture | here | earlier, 168 h | here |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name, bare, captured in EARLIER:
        here = (both_ways_of(hourly.ways, name, "none"), both_ways_of(hourly.ways, name))
        table.append(_row(f"`{name}`", bare, here[0], captured, here[1]))
    table += [
        "",
        "Where the order is the same and the distances are smaller, we take the crash to be the "
        "reason: it is one day that carries much of the deviance, and price then passes levels "
        "that are weeks old. That cannot be shown without its realised figures. The leverage "
        "estimators ship with other priors since, and the move term counts what price did within "
        "the hour too.",
        "",
    ]
    return "\n".join(table)


def _scores_of(ways: Sequence[Way], name: str) -> list[Score]:
    """Return a model's scores with the capture of a week, none unless it is scored every way."""
    found = [way.scores[WEEK].get((name, "")) for way in ways]
    scored = [one for one in found if one is not None and one.status is ScoreStatus.SCORED]
    return scored if len(scored) == len(found) else []


def _title(name: str) -> str:
    """Return what a table calls a model."""
    return f"`{name.removesuffix(FITTED)}`" + ", fitted" * (FITTED in name)


def _fit_days(way: Way) -> float:
    """Return the time fitted [days], that of the asset with most."""
    return max(
        float((rows & panel.has_figure).sum()) * panel.span_hours / 24.0
        for rows, panel in zip(way.split.is_training, way.split.panels, strict=True)
    )


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _row(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |"
