"""The whole study: from a folder of recordings to the figures of the page.

Belongs here: what is run, and in which order. Does not belong here: single figures (``figures``).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from bench.accuracy.figures import (
    MODELS,
    WEEK,
    AmountsBySize,
    IntervalCoverage,
    Month,
    Scores,
    VolumeGain,
    Way,
    both_ways,
    calibrate,
    coverages,
    deviance_of_largest_hours,
    largest_ratios,
    monthly_ratios,
    reliability,
    run_way,
    volume_gains,
    which_half,
    without_largest_days,
)
from bench.accuracy.panels import Recording, find_recording, make_panel
from bench.accuracy.protocol import (
    DAY,
    EQUAL_TERMS,
    FORECAST,
    LEDGER_MODELS,
    Split,
    predict_all,
    score_all,
    split_at,
)
from bench.accuracy.recorded import HOUR
from bench.accuracy.shipping import (
    FOUR_HOUR_ASSETS,
    HOURLY_ASSETS,
    PoolRows,
    Transfer,
    read_pool,
    transfers,
)
from transforms.path_only import PATH_ONLY
from transforms.skill.evaluate import Protocol, evaluate_rolling
from transforms.skill.places import PlaceScore
from transforms.skill.score_table import Score, ScoringRules

TEST_DAYS: Final = 31
"""Days at the end that are tested where no instant is given."""

PAIRS: Final = (*LEDGER_MODELS, FORECAST)
"""Models whose gains over all others are listed."""

SHOWN_RATIOS: Final = ("turnover", "public_convention", "open_interest")
"""Maps whose own USD are held against what was realised, month by month."""


@dataclass(frozen=True, slots=True)
class Dates:
    """Instants of the comparison by hours [microseconds since 1970, UTC]; None for the default."""

    fit_until: int | None = None
    test_from: int | None = None
    test_until: int | None = None
    four_hour_fit_days: int = 75


@dataclass(frozen=True, slots=True, eq=False)
class HourlyStudy:
    """Figures of one asset by hours.

    Parameters
    ----------
    recording : Recording
        Hours and realised figures.
    ways : tuple of Way
        Fitted before and tested after, and the other way round.
    together : Scores
        Every span by the fit that never saw it, capture of a week, every pair of models.
    rolling : tuple of Score
        Fitted on 90 days, tested on the next 30, window after window.
    months : list of Month
        Predicted over realised: maps in their own USD, models with the capture of a week.
    volume : list of VolumeGain
    coverage : dict of list of IntervalCoverage
        By model.
    largest : list of dict
        Largest prediction over the largest realised figure, by way and model.
    halves : list of PlaceScore
    reliabilities : dict of AmountsBySize
    hours_carrying : float
        Part of the gain of ``volume_ledger`` over ``path_ledger`` that ten hours carry.
    """

    recording: Recording
    ways: tuple[Way, ...]
    together: Scores
    rolling: tuple[Score, ...]
    months: list[Month]
    volume: list[VolumeGain]
    coverage: dict[str, list[IntervalCoverage]]
    largest: list[dict[str, float]]
    halves: list[PlaceScore]
    reliabilities: dict[str, AmountsBySize]
    hours_carrying: float


@dataclass(frozen=True, slots=True, eq=False)
class PoolStudy:
    """Figures of several assets by spans of 4 h: both ways, with and without the largest days."""

    ways: tuple[Way, ...]
    without_largest: tuple[Scores, ...]
    by_asset: dict[str, Scores]


@dataclass(frozen=True, slots=True, eq=False)
class Study:
    """Everything the page shows; None where the folder lacks the recordings."""

    hourly: HourlyStudy | None
    pool: PoolStudy | None
    pool_rows: list[PoolRows]
    transfers: list[Transfer]


def run_study(data: Path, dates: Dates) -> Study:
    """Return every figure that a folder of recordings gives."""
    hourly = [one for one in (find_recording(data, asset, 1) for asset in HOURLY_ASSETS) if one]
    pool = [one for one in (find_recording(data, asset, 4) for asset in FOUR_HOUR_ASSETS) if one]
    rows = read_pool(data)
    return Study(
        hourly=study_hours(hourly[0], dates) if hourly else None,
        pool=study_pool(pool, dates) if pool else None,
        pool_rows=rows,
        transfers=transfers(rows),
    )


def study_hours(recording: Recording, dates: Dates) -> HourlyStudy:
    """Return the figures of one asset by hours."""
    panel = make_panel(recording)
    last_day = int(panel.span_end[-1]) // DAY * DAY
    cut = dates.fit_until if dates.fit_until is not None else last_day - TEST_DAYS * DAY
    splits = split_at([panel], cut, stop=dates.test_until, resume=dates.test_from)
    ways = tuple(run_way(calibrate(recording, split)) for split in splits)
    split, predictions = both_ways(ways, WEEK)
    together = score_all(split, predictions, MODELS)
    usd = {name: panel.exposures[name].sum(axis=2) for name in SHOWN_RATIOS}
    usd |= {name: predictions[name].usd[0] for name in PAIRS}
    rules = ScoringRules(accepts_lower_bound=True)
    rolling = evaluate_rolling(
        split.panels, [*LEDGER_MODELS, "turnover", "public_convention"],
        ["extension_glm", PATH_ONLY.provider], Protocol(rules=rules),
    )  # fmt: skip
    shown = (*PAIRS, "extension_glm", PATH_ONLY.provider, "turnover", "public_convention")
    return HourlyStudy(
        recording=recording,
        ways=ways,
        together=together,
        rolling=tuple(rolling),
        months=monthly_ratios(panel, split.is_scored[0], usd),
        volume=volume_gains(recording, ways),
        coverage={name: coverages(split, predictions[name]) for name in PAIRS},
        largest=[largest_ratios(way, shown) for way in ways],
        halves=which_half(split, {name: predictions[name] for name in shown}),
        reliabilities={name: reliability(split, predictions[name]) for name in shown},
        hours_carrying=deviance_of_largest_hours(
            split, predictions["volume_ledger"].usd[0], predictions["path_ledger"].usd[0], 10
        ),
    )


def study_pool(recordings: Sequence[Recording], dates: Dates) -> PoolStudy:
    """Return the figures of several assets by spans of 4 h."""
    panels = [make_panel(one) for one in recordings]
    first = min(int(panel.span_end[panel.has_figure][0]) for panel in panels)
    start = first - recordings[0].span_hours * HOUR
    splits = split_at(panels, start + dates.four_hour_fit_days * DAY)
    ways = tuple(run_way(split) for split in splits)
    kept = [without_largest_days(way.split) for way in ways]
    by_asset = {}
    first_way = ways[0].split
    for panel, is_training, is_scored in zip(
        first_way.panels, first_way.is_training, first_way.is_scored, strict=True
    ):
        own = Split(panel.asset, (panel,), (is_training,), (is_scored,))
        chosen = [*PAIRS, "extension_glm", "activity_glm", "turnover", "public_convention"]
        by_asset[panel.asset] = score_all(
            own, predict_all(own, chosen, EQUAL_TERMS[WEEK]), ["extension_glm"]
        )
    return PoolStudy(
        ways,
        tuple(
            score_all(split, way.predictions[WEEK], ("extension_glm",))
            for split, way in zip(kept, ways, strict=True)
        ),
        by_asset,
    )


def date_of(instant: int) -> str:
    """Return the day that ends or begins at an instant, as text."""
    return str(np.datetime64(instant, "us").astype("datetime64[D]"))
