"""Errors of whatever brings data in: transient ones may be retried, terminal ones may not."""


class SourceError(Exception):
    """Base of all errors that cross the boundary of `sources`."""


class TransientSourceError(SourceError):
    """It may work later: time-outs, rate limits, a venue under maintenance."""


class TerminalSourceError(SourceError):
    """It fails the same way each time: a wrong file or mapping, an unknown symbol."""


class VenueUnavailable(TransientSourceError):
    """A venue did not answer, or asked to be asked later."""


class VenueRejected(TerminalSourceError):
    """A venue refused the request for good: unknown symbol, forbidden, unsupported."""


class InputRejected(TerminalSourceError):
    """A file, mapping or saved answer is unusable as a whole; single bad rows go to quarantine."""
