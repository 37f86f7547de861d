"""Alerts whose process is killed with -9 at any instant and run again, beside one undisturbed.

Belongs here: what a life of the process does, killing it at chosen writes, comparing two homes.
Does not belong here: how many kills there are (tests and ``bench/alert_kills.py`` say).

A life goes on with the hour after the last one recorded: it records findings, lands, delivers to a
file. Late data take an alert back now and then, so that there are corrections.
"""

import json
import random
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from jobs.alerts.deliver import deliver_messages
from jobs.alerts.finding import RuleFinding
from jobs.alerts.land_alerts import land_alerts
from jobs.alerts.ledger import AlertLedger
from jobs.alerts.ledger_records import Message, Policy
from jobs.settings import Settings
from workbench.alert_findings import HOUR, START, WORDS, at, digest_words
from workbench.dying import call_before, die_at
from workbench.forking import Forks
from workbench.killed import Killed

RULES = {"near": 0, "swept": 3}
KEYS = ("long", "short")
ASSETS = ("BTC", "ETH", "DOGE")
TARGETS = ("desk", "phone")
# What a kill comes just before; "sent" is between a target's answer and the mark.
WRITES = (
    "insert into alert",
    "insert into outbox",
    "insert into message",
    "delete from message",
    "update alert",
    "commit",
    "rename",
    "sent",
)


def found_at(hour: int, known_at: int) -> list[RuleFinding]:
    """Return the findings of an hour by the data of a later one."""
    found = []
    for rule in RULES:
        for asset in ASSETS:
            for key in KEYS:
                chance = random.Random(f"{rule}{asset}{key}{hour}")  # noqa: S311  (no secret)
                is_on, is_late = chance.random() < 0.3, chance.random() < 0.2
                if is_late and known_at > hour:
                    is_on = not is_on
                found.append(RuleFinding(rule, asset, key, at(hour), is_on, 1.0, {"usd": 1.0}))
    return found


class FileSender:
    """Sends by adding a line to a file; `after_sending` comes before the message is marked."""

    service = "file"

    def __init__(self, name: str, path: Path, after_sending: Callable[[], None]) -> None:
        self.name = name
        self._path = path
        self._after_sending = after_sending

    def longest_body(self, title: str) -> int:
        """Return no limit that matters."""
        return 1_000_000

    def send(self, message: Message, at: datetime) -> None:
        """Add the message."""
        words = message.wording
        line = json.dumps([self.name, message.message_key, message.kind, words.title, words.body])
        with self._path.open("a") as file:
            file.write(line + "\n")
        self._after_sending()


def live(home: str, hours: int, write: str, number: int) -> None:
    """Run up to an hour, and die just before the n-th write of a kind; with 0, never."""
    settings = Settings(home=Path(home))
    note = die_at(number)
    if number:
        call_before(write, note, settings.alert_ledger.name)
    policies = {
        rule: Policy(TARGETS, cooldown_hours=cooldown, is_event=rule == "swept")
        for rule, cooldown in RULES.items()
    }
    with AlertLedger(settings.alert_ledger) as ledger:
        senders = {
            name: FileSender(
                name, settings.home / "sent", note if write == "sent" else lambda: None
            )
            for name in TARGETS
        }
        until = ledger.evaluated_until(RULES)
        # A life that was killed after it recorded goes on with what it had not delivered.
        first = 0 if until is None else (until - START) // HOUR
        for hour in range(first, hours):
            found = [
                one for late in range(max(hour - 1, 0), hour + 1) for one in found_at(late, hour)
            ]
            ledger.record(found, policies, WORDS, at(hour))
            land_alerts(ledger, settings, at(hour))
            deliver_messages(
                ledger,
                senders.get,
                clock=lambda hour=hour: at(hour),  # type: ignore[misc]
                digest_of=digest_words,
                # Which messages are joined depends on what had waited; their keys do not.
                digest_above=1_000_000,
            )
        # What the last delivery changed.
        land_alerts(ledger, settings, at(hours))


@dataclass(slots=True)
class AlertKills(Killed):
    """What kills came to, and what was raised and sent under them."""

    alerts: int = 0
    messages: int = 0
    repeated: int = 0


def kill_alerts(
    folder: Path,
    *,
    count: int,
    hours: int,
    seed: int = 1,
    report: Callable[[str], object] = lambda line: None,
) -> AlertKills:
    """Kill alerts so many times, let them finish, compare with a home that nothing disturbed."""
    chance = random.Random(seed)  # noqa: S311  (no secret)
    killed = AlertKills()
    begun = time.monotonic()
    calm, disturbed = Settings(home=folder / "calm"), Settings(home=folder / "disturbed")
    for settings in (calm, disturbed):
        settings.home.mkdir(parents=True)
    writes = [WRITES[n % len(WRITES)] for n in range(count)]
    chance.shuffle(writes)
    with Forks(__name__) as forks:
        forks.start(__name__, "live", str(calm.home), hours, "", 0).end()
        for n, write in enumerate(writes):
            # Each kill comes some hours further.
            until = 2 + (hours - 2) * (n + 1) // count
            life = forks.start(
                __name__, "live", str(disturbed.home), until, write, chance.randint(1, 3)
            )
            if life.end() == -signal.SIGKILL:
                killed.kills[write] += 1
            report(f"life {n + 1} of {count}: up to hour {until}, {write}")
        forks.start(__name__, "live", str(disturbed.home), hours, "", 0).end()
    _compare(calm, disturbed, killed)
    killed.seconds = time.monotonic() - begun
    return killed


def _compare(calm: Settings, disturbed: Settings, killed: AlertKills) -> None:
    messages = [_sent(settings) for settings in (calm, disturbed)]
    alerts = [_alerts(settings) for settings in (calm, disturbed)]
    killed.alerts, killed.messages = len(alerts[1]), len(messages[1])
    differences = killed.differences
    if alerts[0] != alerts[1]:
        differences.append(f"{len(alerts[0] ^ alerts[1])} alerts differ")
    for target in TARGETS:
        # The first time of each message, in order: what is sent again has the same key and words.
        first, again = (list(dict.fromkeys(m for m in sent if m[0] == target)) for sent in messages)
        if first != again:
            differences.append(
                f"{target}: {len(set(first) ^ set(again))} messages differ, or order"
            )
        killed.repeated += len([m for m in messages[1] if m[0] == target]) - len(again)
    with AlertLedger(disturbed.alert_ledger) as ledger:
        differences += [f"messages wait for {name}" for name in ledger.waiting_targets()]
        states = {
            one.alert_key: (one.cleared_at, one.delivered_at, one.is_withdrawn)
            for one in ledger.alerts(START)
        }
    landed: dict[str, tuple[int, Any]] = {}
    for path in (disturbed.landing / "alert").glob("*.parquet"):
        for row in pq.read_table(path).to_pylist():
            state = (row["cleared_at"], row["delivered_at"], row["is_withdrawn"])
            known = landed.get(row["alert_key"], (0, None))
            landed[row["alert_key"]] = max(known, (row["revision"], state), key=lambda one: one[0])
    if {key: state for key, (_, state) in landed.items()} != states:
        differences.append("what landed is not what the ledger holds")


def _sent(settings: Settings) -> list[tuple[str, ...]]:
    lines = (settings.home / "sent").read_text().splitlines()
    return [tuple(json.loads(line)) for line in lines]


def _alerts(settings: Settings) -> set[tuple[object, ...]]:
    with AlertLedger(settings.alert_ledger) as ledger:
        return {
            (one.alert_key, one.cleared_at, one.is_withdrawn, one.correction_count, one.wording)
            for one in ledger.alerts(START)
        }
