"""Checking a file of alert rules without waiting for an alert: rules, targets, test messages.

Does not belong here: what makes the file invalid (`jobs.alerts.rule_file`), why a rule fired
(`jobs.alerts.explain`).
"""

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from jobs.alerts.deliver import Clock, Limits, send_now
from jobs.alerts.ledger_records import Message, Wording
from jobs.alerts.rule import EVERY_ASSET, NO_ASSET, Rule
from jobs.alerts.rule_file import AlertRules, read_rules
from jobs.alerts.senders import UnusableSender, open_sender
from jobs.alerts.sending import Sender
from jobs.errors import NothingToDo, TargetRejected, TargetUnavailable
from jobs.read.query import open_reader
from jobs.settings import Settings
from sources.user_models import near_hint
from warehouse.errors import NotPublished

EXAMPLE = """targets:
  desk: {webhook: "${LIQHEAT_TARGETS__DESK_URL}", secret: "${LIQHEAT_TARGETS__DESK_SECRET}"}
rules:
  - {name: close, asset: BTC, when: band_near, within: 2 %, to: desk}"""


@dataclass(frozen=True, slots=True)
class CheckedEntry:
    """An entry of the file of rules.

    Parameters
    ----------
    kind : str
        rule or target.
    name : str
        Its name.
    what : str
        What it does.
    problem : str, optional
        What keeps it from working.
    """

    kind: str
    name: str
    what: str
    problem: str | None = None


def require_rules(settings: Settings) -> AlertRules:
    """Return the rules of the home.

    Raises
    ------
    NothingToDo
        There is no file of rules.
    InputRejected
        It cannot be used; the message names line, value and nearest right word.
    """
    if not settings.alerts_file.exists():
        raise NothingToDo(f"there is no {settings.alerts_file}; write one, for example:\n{EXAMPLE}")
    return read_rules(settings.alerts_file)


def check_rules(settings: Settings) -> tuple[CheckedEntry, ...]:
    """Return the entries of the file of rules with what keeps them from working.

    Raises
    ------
    NothingToDo, InputRejected
        As in `require_rules`.
    """
    rules = require_rules(settings)
    published = _published_assets(settings)
    senders = [open_sender(settings, name, one) for name, one in rules.targets.items()]
    return (
        *(_checked_rule(rule, published) for rule in rules.rules),
        *(_checked_target(sender) for sender in senders),
    )


def _checked_rule(rule: Rule, published: Collection[str]) -> CheckedEntry:
    what = f"{rule.when} of {', '.join(rule.assets)} to {', '.join(rule.to)}"
    unknown = [one for one in rule.assets if one not in (EVERY_ASSET, NO_ASSET, *published)]
    problem = None
    if published and unknown:
        problem = (
            f"{unknown[0]} is not published at the newest hour"
            f"{near_hint(unknown[0], published, form='{}')}"
        )
    return CheckedEntry("rule", rule.name, what, problem)


def _checked_target(sender: Sender) -> CheckedEntry:
    problem = sender.reason if isinstance(sender, UnusableSender) else None
    return CheckedEntry("target", sender.name, sender.service, problem)


def _published_assets(settings: Settings) -> frozenset[str]:
    """Return the assets of the newest published hour; none where nothing is published."""
    try:
        with open_reader(settings) as reader:
            reader.execute(
                "select distinct asset from marts.asset_quality_hourly "
                "where as_of = (select max(as_of) from marts.asset_quality_hourly)"
            )
            return frozenset(asset for (asset,) in reader.rows())
    except NotPublished:
        return frozenset()


@dataclass(frozen=True, slots=True)
class SentTest:
    """What became of a test message.

    Parameters
    ----------
    target, service : str
        Where it went.
    error : str, optional
        Why it was not taken, without secrets.
    """

    target: str
    service: str
    error: str | None = None


def send_tests(
    settings: Settings, names: Sequence[str] = (), *, clock: Clock, limits: Limits | None = None
) -> tuple[SentTest, ...]:
    """Send a message marked as a test to targets, one after the other; return what became of it.

    Parameters
    ----------
    settings : Settings
        Where the rules and secrets are.
    names : sequence of str
        The targets; by default all.
    clock : Callable
        The present, UTC.
    limits : Limits, optional
        Of time; by default those of the settings.

    Raises
    ------
    TargetRejected
        A name is not declared.
    NothingToDo, InputRejected
        As in `require_rules`.
    """
    targets = require_rules(settings).targets
    for name in names:
        if name not in targets:
            raise TargetRejected(
                f"{settings.alerts_file} declares no target {name!r}; it declares "
                f"{', '.join(targets) or 'none'}"
            )
    limits = limits or Limits(settings.alert_seconds)
    return tuple(
        _send_test(open_sender(settings, name, targets[name]), clock, limits)
        for name in names or targets
    )


def _send_test(sender: Sender, clock: Clock, limits: Limits) -> SentTest:
    now = clock()
    key = hashlib.sha256(f"test {sender.name} {now.isoformat()}".encode()).hexdigest()
    words = Wording(
        "liqheat: a test",
        f"A test message sent {now:%Y-%m-%d %H:%M} UTC by `liqheat alerts test`. "
        "Nothing happened in the market.",
    )
    message = Message(0, key, sender.name, "test", words, (), 0)
    try:
        send_now(sender, message, clock=clock, limits=limits)
    except TargetUnavailable as exc:
        return SentTest(sender.name, sender.service, str(exc))
    return SentTest(sender.name, sender.service)
