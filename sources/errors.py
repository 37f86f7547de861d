"""Errors of everything that brings data in: only transient ones may be retried."""


class SourceError(Exception):
    """Base of all errors that cross the boundary of `sources`.

    Parameters
    ----------
    message : str
        What was requested, what came back, what to do.
    retry_after_seconds : float, optional
        The wait that the service requires; None if it names none.
    status : int, optional
        HTTP status of a provider's refusal, where there was one.
    """

    def __init__(
        self, message: str, retry_after_seconds: float | None = None, status: int | None = None
    ) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds
        self.status = status


class TransientSourceError(SourceError):
    """It may work later: time-outs, rate limits, a venue under maintenance."""


class TerminalSourceError(SourceError):
    """It fails the same way each time: a wrong file or mapping, an unknown symbol."""


class VenueUnavailable(TransientSourceError):
    """A venue did not answer, or requires a wait."""


class RequestSkipped(VenueUnavailable):
    """A request was not made: the time budget is spent, or the venue is given up for now."""


class VenueRejected(TerminalSourceError):
    """A venue refused the request for good: unknown symbol, forbidden, unsupported."""


class InputRejected(TerminalSourceError):
    """A file, mapping or saved answer is unusable as a whole; single bad rows are quarantined."""


class ProviderUnavailable(TransientSourceError):
    """A map provider did not answer, or requires a wait."""


class ProviderRejected(TerminalSourceError):
    """A map provider refused the request for good: no key, a wrong one, a plan without it."""
