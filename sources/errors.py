"""Errors of everything that brings data in: transient ones may be retried, terminal ones may not."""


class SourceError(Exception):
    """Base of all errors that cross the boundary of `sources`."""


class TransientSourceError(SourceError):
    """It may work later: time-outs, rate limits, a venue under maintenance."""


class TerminalSourceError(SourceError):
    """It fails the same way each time: wrong file, wrong mapping, unknown symbol, refused request."""


class VenueUnavailable(TransientSourceError):
    """A venue did not answer, or asked to be asked later."""


class VenueRejected(TerminalSourceError):
    """A venue refused the request for good: unknown symbol, forbidden, unsupported."""


class InputRejected(TerminalSourceError):
    """A file, mapping or saved answer cannot be used as a whole; single bad rows are quarantined."""
