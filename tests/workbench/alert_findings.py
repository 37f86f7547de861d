"""Findings written by hand, for tests of the alert ledger.

Belongs here: short forms of findings, of policies and of words. Does not belong here: what a
condition finds in data.
"""

import datetime as dt
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from jobs.alerts.finding import RuleFinding
from jobs.alerts.ledger import AlertLedger
from jobs.alerts.ledger_records import Alert, Message, Policy, Recorded, Wording
from jobs.alerts.recording import Words

START = dt.datetime(2026, 3, 2, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)


def at(hour: float) -> dt.datetime:
    """Return the instant some hours after the start."""
    return START + hour * HOUR


def finding(
    hour: int, is_on: bool | None, measure: float | None = 1.0, thing: str = "near BTC long"
) -> RuleFinding:
    """Return a finding about a thing, written as rule, asset and key."""
    rule, asset, key = thing.split(" ")
    return RuleFinding(rule, asset, key, at(hour), is_on, measure, {"price": measure})


def findings(pattern: str, first: int = 0, thing: str = "near BTC long") -> list[RuleFinding]:
    """Return a finding an hour: ``#`` on, ``.`` off, ``?`` unknown, a space none."""
    states = {"#": True, ".": False, "?": None}
    return [
        finding(hour, states[mark], thing=thing)
        for hour, mark in enumerate(pattern, first)
        if mark != " "
    ]


def digest_words(alerts: Iterable[Alert]) -> Wording:
    """Return words that name every alert."""
    return Wording("digest", "\n".join(alert.wording.title for alert in alerts))


WORDS = Words(
    alert=lambda one: Wording(f"{one.rule} {one.asset} {one.key} {one.hour:%dT%H}"),
    correction=lambda alert, one: Wording(f"correction of {alert.wording.title}: {one.is_on}"),
)


class HandLedger:
    """A ledger with a policy for every rule.

    Parameters
    ----------
    ledger : AlertLedger
        The ledger.
    policy : Policy
        The policy of every rule.
    """

    def __init__(self, ledger: AlertLedger, policy: Policy) -> None:
        self.ledger = ledger
        self.policy = policy

    def record(
        self, found: Iterable[RuleFinding], until: int, *, settled: int | None = None
    ) -> Recorded:
        """Record findings up to an hour; hours after the settled one are provisional."""
        found = list(found)
        rules = {one.rule for one in found} | {"near"}
        settled_until = at(until if settled is None else settled)
        return self.ledger.record(found, dict.fromkeys(rules, self.policy), WORDS, settled_until)

    def hourly(self, pattern: str, thing: str = "near BTC long") -> None:
        """Record a pattern an hour at a time, each with the hour before it."""
        found = findings(pattern, thing=thing)
        for hour in range(len(pattern)):
            recent = [one for one in found if at(hour - 1) <= one.hour <= at(hour)]
            self.record(recent, hour)

    def fired(self) -> list[int]:
        """Return the hours that alerts fired for."""
        return [(one.fired_at - START) // HOUR for one in self.ledger.alerts(START)]

    def deliver(self, target: str = "desk", now: float = 0, digest_above: int = 5) -> list[Message]:
        """Deliver what is due to a target."""
        sent = []
        while message := self.ledger.next_message(
            target, at(now), digest_words, digest_above=digest_above
        ):
            sent.append(message)
            self.ledger.mark_delivered(message, at(now))
        return sent


@contextmanager
def hand_ledger(folder: Path, **policy: object) -> Iterator[HandLedger]:
    """Yield a ledger in a folder, whose rules have one policy."""
    given = replace(Policy(targets=("desk",)), **policy)  # type: ignore[arg-type]
    with AlertLedger(folder / "alerts.sqlite") as ledger:
        yield HandLedger(ledger, given)
