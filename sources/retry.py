"""How calls are retried: which errors, how often, and how long to wait in between.

Belongs here: the one retry policy of venues, archives, providers and streams. Does not belong here:
rate limits and time budgets (`sources.venues.pacer`), which error a failure is (`sources.errors`).
"""

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception

from sources.errors import RequestSkipped, TransientSourceError

Sleep = Callable[[float], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often a call is made, and how long to wait before it is repeated.

    Parameters
    ----------
    attempts : int
        Calls made at most.
    first_delay_seconds, longest_delay_seconds : float
        Exponential back-off: the first delay, doubled with each failure up to the longest.
    """

    attempts: int = 4
    first_delay_seconds: float = 0.5
    longest_delay_seconds: float = 20.0

    def delay(self, failures: int, rng: random.Random | None) -> float:
        """Return how long to wait after a number of failures in a row [seconds].

        With a generator the delay has full jitter: it is drawn between 0 and the back-off.

        Examples
        --------
        >>> [RetryPolicy().delay(failures, None) for failures in (1, 2, 9)]
        [0.5, 1.0, 20.0]
        """
        doublings = min(max(failures - 1, 0), 32)
        backoff = min(self.first_delay_seconds * 2**doublings, self.longest_delay_seconds)
        return backoff if rng is None else rng.uniform(0.0, backoff)

    def retrying(
        self,
        *,
        sleep: Sleep,
        may_wait: Callable[[float], bool],
        rng: random.Random | None = None,
        before_wait: Callable[[BaseException | None], None] | None = None,
    ) -> AsyncRetrying:
        """Return what makes a call until it succeeds, fails for good, or the attempts are spent.

        Only transient errors are retried; the last error is raised as it is. A wait that the other
        side requests (``Retry-After``) is never cut short: jitter adds to it.

        Parameters
        ----------
        sleep : Callable
            Waits [seconds].
        may_wait : Callable
            Whether a wait of so many seconds is worth it; where not, the error is raised at once.
        rng : random.Random, optional
            For the jitter.
        before_wait : Callable, optional
            Receives the error of each attempt that will be repeated.
        """

        def wait(state: RetryCallState) -> float:
            requested = getattr(_error_of(state), "retry_after_seconds", None) or 0.0
            delay = self.delay(state.attempt_number, rng)
            return max(requested, delay) if rng is None else requested + delay

        return AsyncRetrying(
            sleep=sleep,
            wait=wait,
            stop=lambda state: (
                state.attempt_number >= self.attempts or not may_wait(state.upcoming_sleep)
            ),
            retry=retry_if_exception(_is_worth_repeating),
            before_sleep=None
            if before_wait is None
            else lambda state: before_wait(_error_of(state)),
            reraise=True,
        )


def _is_worth_repeating(error: BaseException) -> bool:
    return isinstance(error, TransientSourceError) and not isinstance(error, RequestSkipped)


def _error_of(state: RetryCallState) -> BaseException | None:
    return None if state.outcome is None else state.outcome.exception()
