"""What the figures by hours say, in words that depend on them.

Belongs here: sentences chosen by intervals, and how a figure is written. Does not belong here:
tables (``page``), words that depend on nothing (``prose``).
"""

import math
from collections.abc import Iterable, Sequence
from typing import Final

from bench.accuracy.figures import WEEK, Scores, Way
from bench.accuracy.panels import LEVERAGE_MODELS
from bench.accuracy.protocol import (
    CALIBRATED,
    CALIBRATED_PATH,
    CALIBRATED_VOLUME,
    FITTED,
    FORECAST,
    LAGGED,
    LEDGER_MODELS,
)
from bench.accuracy.study import HourlyStudy
from transforms.path_only import PATH_ONLY
from transforms.skill.score_table import Score

OPEN_INTEREST_ADDS: Final = {
    True: "Open interest adds",
    False: "**That open interest adds anything is not shown**",
}


def write_verdict(hourly: HourlyStudy) -> str:
    """Return the section that a reader in a hurry reads."""
    scores = hourly.together
    best = max(LEDGER_MODELS, key=lambda name: scores[name, ""].d2)

    def over(model: str, null: str) -> str:
        return shown_interval(scores[model, null])

    is_shown = scores[CALIBRATED, CALIBRATED_VOLUME].d2_low > 0.0
    used = []
    for name in ("turnover", "public_convention", "open_interest"):
        found = [way.as_used[name, ""].d2 for way in hourly.ways]
        used.append(f"`{name}` {' / '.join(f'{d2:.2f}' for d2 in found)}")
    return "\n".join(
        [
            "## Verdict",
            "",
            f"- `{best}` beyond maps that assume leverage: "
            f"{'; '.join(_sorted_out(scores, best, LEVERAGE_MODELS))}.",
            f"- {OPEN_INTEREST_ADDS[is_shown]}: "
            f"`{CALIBRATED}`, the recursion of `turnover` with fitted weights, removes "
            f"{over(CALIBRATED, CALIBRATED_VOLUME)} beyond the same with open interest constant.",
            f"- Volume: the recursion with open interest constant removes "
            f"{over(CALIBRATED_VOLUME, CALIBRATED_PATH)} beyond the same with volume constant too, "
            f"`volume_ledger` {over('volume_ledger', 'path_ledger')} beyond `path_ledger`.",
            f"- **Most of any map is the path of price**: `{best}` removes "
            f"{over(best, PATH_ONLY.provider)} beyond `{PATH_ONLY.provider}`, that recursion with "
            "open interest and volume constant.",
            f"- `{FORECAST}`, given the path of the hour, removes "
            f"{over(FORECAST, 'extension_glm')} beyond a GLM of move, volume, range, "
            "open interest and extension. **It is no forecast of the next hour**: from values "
            "known before the hour, D2 is "
            f"{both_ways_of(hourly.ways, LAGGED)}.",
            f"- As people use maps, scaled by one factor, D2 is: {', '.join(used)}.",
            "",
        ]
    )


def _sorted_out(scores: Scores, model: str, nulls: Iterable[str]) -> list[str]:
    """Return lists of what a model is better than, not shown to be better than, worse than."""
    known = [null for null in nulls if (model, null) in scores]
    better = [null for null in known if scores[model, null].d2_low > 0.0]
    worse = [null for null in known if scores[model, null].d2_high < 0.0]
    between = [null for null in known if null not in better and null not in worse]
    groups = {
        "better than": better,
        "not shown to be better than": between,
        "**worse** than": worse,
    }
    return [f"{title} {_listed(scores, model, own)}" for title, own in groups.items() if own]


def _listed(scores: Scores, model: str, nulls: Iterable[str]) -> str:
    """Return what a model removes beyond some others, in a list."""
    return ", ".join(
        f"`{null.removesuffix(FITTED)}`{' fitted' * (FITTED in null)} "
        f"({shown_interval(scores[model, null])})"
        for null in nulls
    )


def shown_interval(score: Score) -> str:
    """Return a share of deviance with its interval, or why there is none."""
    if math.isnan(score.d2):
        return score.status.value
    if math.isnan(score.d2_low):
        return f"{score.d2:+.2f}"
    return f"{score.d2:+.2f} [{score.d2_low:.2f}, {score.d2_high:.2f}]"


def both_ways_of(ways: Sequence[Way], name: str, capture: str = WEEK) -> str:
    """Return D2 of a model both ways."""
    found = [way.scores[capture].get((name, "")) for way in ways]
    return " / ".join(f"{score.d2:.3f}" for score in found if score is not None)
