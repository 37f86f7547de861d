"""Why a fit has figures, or has none.

Belongs here: the words that a fit, or one of its parameters, is described with. Does not belong
here: the rules that choose between them, which are those of each fit.
"""

from enum import StrEnum


class FitStatus(StrEnum):
    """What came of a fit; only the first two come with figures."""

    FITTED = "fitted"
    NOT_CONVERGED = "not_converged"
    """The iterations ended before the criterion held; the figures are those of the last one."""
    TOO_FEW_SPANS = "too_few_spans"
    """Fewer spans have a realised figure and a prediction than the fit needs."""
    NOTHING_REALISED = "nothing_realised"
    """Every realised figure is 0: a feed that is down looks the same, so nothing is fitted."""
    NOTHING_PREDICTED = "nothing_predicted"
    """Every exposure is 0, so nothing scales to what was realised."""

    @property
    def has_figures(self) -> bool:
        """Return whether the parameters are numbers.

        Examples
        --------
        >>> FitStatus.FITTED.has_figures, FitStatus.NOTHING_REALISED.has_figures
        (True, False)
        """
        return self in (FitStatus.FITTED, FitStatus.NOT_CONVERGED)


class ParameterStatus(StrEnum):
    """What the data say about one parameter."""

    IDENTIFIED = "identified"
    WIDE = "wide"
    """The logarithm varies more between draws than the bound allows."""
    AT_BOUND = "at_bound"
    """The data would have it at 0; most of the value is the prior's."""
    NOT_EXPOSED = "not_exposed"
    """Its column holds less than the prior does: the value is the prior's."""
    FEW_BLOCKS = "few_blocks"
    """A few days hold what it is known from, so that nothing is known of its spread."""
    NOT_DRAWN = "not_drawn"
    """Fitted without draws, so that nothing is known of its spread."""
    LEFT_OUT = "left_out"
    """Not in the model, or no fit was made."""
