"""What every stream shares: the log of its connection, its report, its concurrent tasks.

Does not belong here: connecting and reading (`sources.recorder`, `sources.accounts.trade_stream`).
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

# Bounded, so that weeks of trouble need no more memory than a day.
_OUTAGES_KEPT = 1000


@dataclass(frozen=True, slots=True)
class Outage:
    """A time span without a connection: what was sent within it is missing.

    Parameters
    ----------
    began_at : datetime
        When the loss was noticed.
    ended_at : datetime or None
        When the stream was back; None while it is down.
    reason : str
        The error, without secrets.
    """

    began_at: datetime
    ended_at: datetime | None
    reason: str


@dataclass(frozen=True, slots=True)
class FeedReport:
    """The state of one stream.

    Parameters
    ----------
    venue : str
        Its name.
    is_complete : bool
        Whether the venue sends every event; False: throttled, a lower bound.
    is_connected : bool
        Whether it is connected.
    has_connected : bool
        Whether it ever was connected.
    messages : int
        Messages received with events of any contract.
    rows : int
        Records made from them.
    quarantined : int
        Rows and messages that could not be used.
    dropped : int
        Records lost because they could not be landed for too long.
    reconnects : int
        Number of reconnections.
    last_message_at : datetime or None
        When the last message was received.
    outages : tuple of Outage
        The latest thousand.
    """

    venue: str
    is_complete: bool
    is_connected: bool = False
    has_connected: bool = False
    messages: int = 0
    rows: int = 0
    quarantined: int = 0
    dropped: int = 0
    reconnects: int = 0
    last_message_at: datetime | None = None
    outages: tuple[Outage, ...] = ()


class ConnectionLog:
    """When a stream was connected, and its latest outages.

    Parameters
    ----------
    name : str
        Names the stream in messages.
    clock : Callable
        Returns the time, UTC.
    logger : logging.Logger
        The logger of the stream's module.
    """

    def __init__(self, name: str, clock: Callable[[], datetime], logger: logging.Logger) -> None:
        self.is_connected = self.has_connected = False
        self.outages: deque[Outage] = deque(maxlen=_OUTAGES_KEPT)
        self._name = name
        self._clock = clock
        self._logger = logger

    def note_lost(self, reason: str, failures: int) -> None:
        """Note a lost connection, or a failed attempt; ``failures`` counts them in a row."""
        self.is_connected = False
        if not self.outages or self.outages[-1].ended_at is not None:
            self.outages.append(Outage(self._clock(), None, reason))
        # A stream that is down for days is worth a line now and then, not a line each time.
        if failures < 3 or failures % 100 == 0:
            self._logger.warning("%s (failure %d in a row)", reason, failures)

    def note_connected(self) -> None:
        """Note that the stream is connected."""
        if self.is_connected:
            return
        self.is_connected = self.has_connected = True
        if self.outages and self.outages[-1].ended_at is None:
            last = self.outages.pop()
            self.outages.append(Outage(last.began_at, self._clock(), last.reason))
            self._logger.info("%s is back", self._name)


async def first_to_end(*waiting: Awaitable[object]) -> None:
    """Wait for the first to end, raise its error, and cancel the others."""
    tasks = [asyncio.ensure_future(one) for one in waiting]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
