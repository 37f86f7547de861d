"""Errors of the model of the field.

Every error here is terminal: the same arrays and parameters fail again, so none is ever retried.
"""


class TransformsError(Exception):
    """Base class of the errors raised by ``transforms``."""


class InvalidInput(TransformsError, ValueError):
    """An array or value that the model cannot accept; the message names it and what to do."""


class InvalidParameters(TransformsError, ValueError):
    """A parameter set that does not describe an estimator; the message names the field."""


class UnreadableState(TransformsError, ValueError):
    """Bytes that are not a whole model state of a version this code reads."""
