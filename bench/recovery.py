"""Whether fits and scores find what is true of a simulated market, and claim nothing else.

``python -m bench.recovery`` runs a hundred markets and prints, parameter by parameter, how often
the truth lay in the interval that was given for it.
"""

from bench.recovery_market import (
    DAY,
    KNOWN,
    SimulatedSeries,
    panel_of,
)
from transforms.skill.evaluate import evaluate
from transforms.skill.score_table import Score


def place_of_open_interest(series: SimulatedSeries, fit_days: int) -> Score:
    """Return the score of the estimator that knows the market over the path of price alone."""
    panel = panel_of(series)
    origin = fit_days * DAY
    scores = evaluate(
        panel, origin, origin, int(panel.span_end[-1]), [KNOWN.provider], ["path_only"]
    )
    return next(
        score for score in scores if (score.model, score.null) == (KNOWN.provider, "path_only")
    )
