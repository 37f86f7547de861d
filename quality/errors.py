"""Errors of quality: all of them last until somebody changes a file, or the data."""


class QualityError(Exception):
    """Base of all errors that cross the boundary of `quality`."""


class TerminalQualityError(QualityError):
    """It fails the same way each time until somebody changes something."""


class ThresholdsRejected(TerminalQualityError):
    """A file of thresholds cannot be read, or names or values in it are not understood."""


class FrameRejected(TerminalQualityError):
    """A suite was handed a frame without the columns it checks: a defect, not bad data."""
