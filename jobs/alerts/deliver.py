"""Send the messages that wait in the alert ledger: at least once, in order within a target.

A message is sent, then marked: a process killed in between sends it again, under the same key.
Targets are served side by side, each within a limit of time, so one that fails or hangs costs
itself only. What a target does not take waits in the ledger, longer after each failure, and so do
the messages behind it. A message that a target refuses for its content is dropped after
`MOST_REFUSALS` attempts, or it would hold up the target for ever.

Belongs here: the order of sending and marking, retries, limits of time. Does not belong here: how a
target is reached (`jobs.alerts.senders`), what waits (`jobs.alerts.ledger`).
"""

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from jobs.alerts.ledger import AlertLedger, Digest
from jobs.alerts.ledger_records import Message
from jobs.alerts.rule_file import AlertRules
from jobs.alerts.senders import open_sender
from jobs.alerts.sending import SHORTEST_CHARACTERS, Sender, cut
from jobs.alerts.words import digest_words
from jobs.errors import JobError, MessageTooLong, TargetUnavailable
from jobs.private_folder import sole_holder
from jobs.settings import Settings
from sources.retry import RetryPolicy, Sleep

logger = logging.getLogger(__name__)

Clock = Callable[[], datetime]

WITHIN_A_RUN = RetryPolicy(attempts=2, first_delay_seconds=1.0, longest_delay_seconds=5.0)
ACROSS_RUNS = RetryPolicy(first_delay_seconds=60.0, longest_delay_seconds=3600.0)

TARGET_SECONDS = 60.0
"""Time a target may take in one run; what is left waits for the next run."""

DELIVERY_LOCK = "delivery.lock"

MOST_REFUSALS = 3
"""Attempts after which a message that its target refuses for its content is dropped."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a run of delivery may take.

    Parameters
    ----------
    attempt_seconds : float
        For one attempt to send one message [s].
    target_seconds : float
        For all messages of one target [s].
    sleep : Callable
        Waits between attempts [s].
    """

    attempt_seconds: float = 10.0
    target_seconds: float = TARGET_SECONDS
    sleep: Sleep = asyncio.sleep


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of the messages of one target.

    Parameters
    ----------
    target : str
        Its name.
    sent, dropped : int
        Messages it took, and messages given up.
    error : str, optional
        Why it did not take the rest, without secrets.
    waits_until : datetime, optional
        When the rest is tried again, UTC.
    """

    target: str
    sent: int = 0
    dropped: int = 0
    error: str | None = None
    waits_until: datetime | None = None


def deliver_messages(
    ledger: AlertLedger,
    sender_of: Callable[[str], Sender | None],
    *,
    clock: Clock,
    digest_of: Digest,
    digest_above: int = 5,
    limits: Limits | None = None,
) -> tuple[Delivery, ...]:
    """Send what is due and return what became of it, by target; nothing if another process does.

    Parameters
    ----------
    ledger : AlertLedger
        Holds the messages.
    sender_of : Callable
        Returns the sender of a target by its name; None where it is no longer declared: what waits
        for it is dropped.
    clock : Callable
        The present, UTC.
    digest_of, digest_above
        As in `AlertLedger.next_message`.
    limits : Limits, optional
        Of time.
    """
    with sole_holder(ledger.path.parent, DELIVERY_LOCK) as is_ours:
        if not is_ours:
            logger.info("another process is delivering alerts; this one does not")
            return ()
        run = _Run(ledger, sender_of, clock, digest_of, digest_above, limits or Limits())
        deliveries = asyncio.run(run.deliver())
    for one in deliveries:
        if one.error is not None:
            logger.warning("alerts to %s: %d sent, then %s", one.target, one.sent, one.error)
        else:
            logger.info("alerts to %s: %d sent", one.target, one.sent)
    return deliveries


def deliver_waiting(
    settings: Settings, ledger: AlertLedger, rules: AlertRules, *, clock: Clock
) -> tuple[Delivery, ...]:
    """Send all that waits to the targets of a file of rules; return what became of it.

    Parameters
    ----------
    settings : Settings
        Where secrets are, and the time an attempt may take.
    ledger : AlertLedger
        Holds the messages.
    rules : AlertRules
        Declares the targets.
    clock : Callable
        The present, UTC.
    """

    def sender_of(name: str) -> Sender | None:
        # Only where something waits: loading the services of apprise takes a while.
        declared = rules.targets.get(name)
        return None if declared is None else open_sender(settings, name, declared)

    return deliver_messages(
        ledger,
        sender_of,
        clock=clock,
        digest_of=digest_words,
        digest_above=rules.digest_above,
        limits=Limits(settings.alert_seconds),
    )


def send_now(
    sender: Sender, message: Message, *, clock: Clock, limits: Limits | None = None
) -> None:
    """Send one message that is in no ledger, such as a test.

    Raises
    ------
    TargetUnavailable
        The target did not take it; the message says why, without secrets.
    """
    asyncio.run(_send(sender, message, clock, limits or Limits()))


@dataclass(frozen=True, slots=True)
class _Run:
    """One run of delivery."""

    ledger: AlertLedger
    sender_of: Callable[[str], Sender | None]
    clock: Clock
    digest_of: Digest
    digest_above: int
    limits: Limits

    async def deliver(self) -> tuple[Delivery, ...]:
        names = self.ledger.waiting_targets()
        return tuple(await asyncio.gather(*map(self._deliver_to, names)))

    def _next(self, name: str) -> Message | None:
        return self.ledger.next_message(
            name, self.clock(), self.digest_of, digest_above=self.digest_above
        )

    async def _deliver_to(self, name: str) -> Delivery:
        sender = self.sender_of(name)
        if sender is None:
            count = self.ledger.drop_target(name)
            return Delivery(name, dropped=count, error="it is no longer declared; messages dropped")
        sent = dropped = 0
        until = time.monotonic() + self.limits.target_seconds
        while (message := self._next(name)) is not None:
            if time.monotonic() >= until:
                return Delivery(name, sent, dropped, "out of time; the next run goes on")
            try:
                await _send(sender, message, self.clock, self.limits)
            except TargetUnavailable as exc:
                if exc.is_refused and message.attempts + 1 >= MOST_REFUSALS:
                    self.ledger.drop_message(message)
                    logger.warning("%s; a message is dropped after %d attempts", exc, MOST_REFUSALS)
                    dropped += 1
                    continue
                retry_at = self.clock() + timedelta(seconds=_wait(message, exc))
                self.ledger.postpone(message, retry_at, str(exc))
                return Delivery(name, sent, dropped, str(exc), retry_at)
            self.ledger.mark_delivered(message, self.clock())
            sent += 1
        return Delivery(name, sent, dropped)


def _wait(message: Message, error: TargetUnavailable) -> float:
    """Return how long a message waits after a failure [seconds]."""
    # One day at most: a target that requires more is out of order.
    required = min(error.retry_after_seconds or 0.0, 86_400.0)
    return max(ACROSS_RUNS.delay(message.attempts + 1, None), required)


async def _send(sender: Sender, message: Message, clock: Clock, limits: Limits) -> None:
    """Send a message, shorter where it is too long, once more where the target fails at once."""
    longest = sender.longest_body(message.wording.title)
    while True:
        fitting = cut(message, longest)
        try:
            await _send_with_retries(sender, fitting, clock, limits)
        except MessageTooLong as exc:
            longest = len(fitting.wording.body) // 2
            if longest < SHORTEST_CHARACTERS:
                raise TargetUnavailable(str(exc), is_refused=True) from None
            # A webhook gets the alerts beside the body: they are most of a digest's size.
            message = replace(message, alerts=message.alerts[: -(-len(message.alerts) // 2)])
        else:
            return


async def _send_with_retries(
    sender: Sender, message: Message, clock: Clock, limits: Limits
) -> None:
    async def attempt() -> None:
        await _within(limits.attempt_seconds, lambda: sender.send(message, clock()))

    retrying = WITHIN_A_RUN.retrying(
        sleep=limits.sleep, may_wait=lambda wait: wait <= WITHIN_A_RUN.longest_delay_seconds
    )
    try:
        await retrying(attempt)
    except TimeoutError:
        # Not repeated at once: it would take as long again.
        raise TargetUnavailable(
            f"{sender.name} took longer than {limits.attempt_seconds:g} s; it is tried again"
        ) from None
    except (JobError, TargetUnavailable):
        raise
    except Exception as exc:  # noqa: BLE001  (a defect of one target costs this target only)
        raise TargetUnavailable(f"{sender.name} failed ({type(exc).__name__})") from None


async def _within(seconds: float, call: Callable[[], None]) -> None:
    """Run a blocking call in a thread and wait for it; a call that hangs is left behind.

    Raises
    ------
    TimeoutError
        It did not end in time. The process can end all the same.
    """
    outcome: Future[None] = Future()

    def run() -> None:
        # Where nobody waits for it any more, the outcome has been cancelled.
        with suppress(InvalidStateError):
            try:
                call()
            except BaseException as exc:  # noqa: BLE001  (raised where it is waited for)
                outcome.set_exception(exc)
            else:
                outcome.set_result(None)

    threading.Thread(target=run, name="alert", daemon=True).start()
    await asyncio.wait_for(asyncio.wrap_future(outcome), seconds)
