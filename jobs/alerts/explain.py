"""Why a rule fired or did not: what it found in an hour, and what the ledger did about it.

Does not belong here: what a condition finds (`jobs.alerts.evaluation`), its words
(`jobs.alerts.words`), when an alert fires (`jobs.alerts.spells`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from jobs.alerts.evaluation import evaluate, newest_hour
from jobs.alerts.finding import RuleFinding
from jobs.alerts.ledger import AlertLedger
from jobs.alerts.ledger_records import Alert
from jobs.alerts.rule import Rule
from jobs.alerts.rule_check import require_rules
from jobs.alerts.words import explain_words
from jobs.errors import NothingToDo
from jobs.read.query import open_reader
from jobs.settings import Settings
from sources.user_models import near_hint

LOOK_BACK = timedelta(days=30)
"""How far back an alert is looked for that still holds."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a rule found of one thing in an hour.

    Parameters
    ----------
    finding : RuleFinding
        What it found.
    why : str
        That in a sentence, with the figures.
    sent : str
        What was sent about it, or why nothing was.
    """

    finding: RuleFinding
    why: str
    sent: str


def explain(
    settings: Settings, name: str, *, hour: datetime | None = None, asset: str | None = None
) -> tuple[Explanation, ...]:
    """Return what a rule finds in a published hour, those that hold first.

    Parameters
    ----------
    settings : Settings
        Where the rules, the published file and the ledger are.
    name : str
        The rule.
    hour : datetime, optional
        By default the newest published one, UTC.
    asset : str, optional
        Only findings of an asset.

    Raises
    ------
    NothingToDo
        There is no such rule, or nothing is published for the hour.
    NotPublished
        Nothing is published at all.
    """
    rule = _named_rule(require_rules(settings).rules, name)
    with open_reader(settings) as reader:
        newest = newest_hour(reader)
        if newest is None:
            raise NothingToDo("no hour is published yet; run `liqheat run` first")
        found = evaluate(reader, [rule], [hour or newest])
    if asset is not None:
        found = [one for one in found if one.asset == asset]
    alerts: Sequence[Alert] = ()
    if settings.alert_ledger.exists():
        with AlertLedger(settings.alert_ledger) as ledger:
            alerts = ledger.alerts((hour or newest) - LOOK_BACK, rule=name, asset=asset)
    explained = [
        Explanation(one, explain_words(rule, one), describe_sent(rule, one, alerts))
        for one in found
    ]
    return tuple(sorted(explained, key=lambda one: {True: 0, None: 1, False: 2}[one.finding.is_on]))


def _named_rule(rules: Sequence[Rule], name: str) -> Rule:
    for rule in rules:
        if rule.name == name:
            return rule
    names = [rule.name for rule in rules]
    near = near_hint(name, names)
    raise NothingToDo(f"no rule is named '{name}'{near}; `liqheat alerts check` lists them")


def describe_sent(rule: Rule, finding: RuleFinding, alerts: Sequence[Alert]) -> str:
    """Return what was sent about a finding, or why nothing was.

    Parameters
    ----------
    rule : Rule
        The rule.
    finding : RuleFinding
        What it finds in the published data of today.
    alerts : sequence of Alert
        Of the rule, oldest first.
    """
    same = [
        one
        for one in alerts
        if (one.asset, one.key) == (finding.asset, finding.key) and one.fired_at <= finding.hour
    ]
    last = same[-1] if same else None
    if last is not None and last.fired_at == finding.hour:
        delivered = (
            f"delivered {last.delivered_at:%Y-%m-%d %H:%M} UTC"
            if last.delivered_at
            else "not delivered to every target yet"
        )
        return f"fired, {delivered}" + (", then withdrawn" if last.is_withdrawn else "")
    if finding.is_on is not True:
        return "nothing"
    if last is None:
        return "nothing: the rule was not evaluated for this hour when it was new"
    since = f"{last.fired_at:%Y-%m-%d %H:%M} UTC"
    if not rule.is_event and (last.cleared_at is None or last.cleared_at > finding.hour):
        return f"nothing new: it has held since the alert of {since}"
    if finding.hour - last.fired_at < rule.cooldown:
        return f"nothing: the cooldown runs since the alert of {since}"
    return f"nothing: the rule was not evaluated for this hour when it was new (last: {since})"
