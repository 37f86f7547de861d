"""Errors of quality: what cannot be written may be writable later, the rest stays as it is."""


class QualityError(Exception):
    """Base of all errors that cross the boundary of `quality`."""


class TransientQualityError(QualityError):
    """It may work later, unchanged."""


class TerminalQualityError(QualityError):
    """It fails the same way each time until somebody changes something."""


class ThresholdsRejected(TerminalQualityError):
    """A file of thresholds cannot be read, or names or values in it are not understood."""


class FrameRejected(TerminalQualityError):
    """A suite was handed a frame without the columns it checks: a defect, not bad data."""


class PagesNotWritten(TransientQualityError):
    """The pages of the checks cannot be written where they belong."""
