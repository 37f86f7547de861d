"""Errors of quality: transient where a file cannot be written, terminal otherwise."""


class QualityError(Exception):
    """Base of all errors that cross the boundary of `quality`."""


class TransientQualityError(QualityError):
    """The same call may succeed later."""


class TerminalQualityError(QualityError):
    """The same call fails again until somebody changes its input."""


class ThresholdsRejected(TerminalQualityError):
    """Levels name an unknown gate, cannot be changed, or contradict each other."""


class FrameRejected(TerminalQualityError):
    """A suite was given a frame without the columns it checks: a defect, not bad data."""


class PagesNotWritten(TransientQualityError):
    """The pages of the checks cannot be written where they belong."""
