"""Recording findings: the alerts they fire, clear and correct, with the messages of each.

Belongs here: the writes of one transaction of the ledger. Does not belong here: the transaction
(`jobs.alerts.ledger`), when an alert fires (`jobs.alerts.spells`).
"""

import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby

from jobs.alerts.finding import RuleFinding
from jobs.alerts.ledger_records import Alert, Policy, Recorded, Wording, alert_key, has_moved
from jobs.alerts.ledger_rows import figures_text, from_hour, read_alerts, to_hour
from jobs.alerts.spells import (
    LATE_HOURS,
    MATERIAL_RATIO,
    Spell,
    is_covered,
    next_step,
    without_alert,
)

Thing = tuple[str, str, str]
"""Rule, asset and key."""


@dataclass(frozen=True, slots=True)
class Words:
    """How alerts are worded; each is called only for what is sent.

    Parameters
    ----------
    alert : callable
        Words a finding that fires.
    correction : callable
        Words what later data show of an alert.
    """

    alert: Callable[[RuleFinding], Wording]
    correction: Callable[[Alert, RuleFinding], Wording]


@dataclass(slots=True)
class _Fired:
    """An alert as recording reads it."""

    alert_id: int
    hour: int
    cleared_hour: int | None
    measure: float | None
    is_provisional: bool
    is_withdrawn: bool


class AlertRecording:
    """One recording of findings, on a connection in a transaction.

    Parameters
    ----------
    connection : sqlite3.Connection
        The ledger's, in a transaction.
    policies : mapping of str to Policy
        By rule.
    words : Words
        How alerts are worded.
    settled_until : datetime
        The newest hour whose data are whole, UTC; findings of later hours are provisional.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        policies: Mapping[str, Policy],
        words: Words,
        settled_until: datetime,
    ) -> None:
        self._connection = connection
        self._policies = policies
        self._words = words
        self._settled_hour = to_hour(settled_until)
        self._spells: dict[Thing, Spell] = {}
        self._fired: defaultdict[Thing, list[_Fired]] = defaultdict(list)
        self._watched: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
        self._first_hours: dict[str, int] = {}
        self._counts = {"fired": 0, "corrected": 0, "cleared": 0}

    def record(self, findings: Sequence[RuleFinding]) -> Recorded:
        """Record findings, whatever their order, and return what they changed."""
        hours = {one.hour for one in findings if one.rule in self._policies}
        if not hours:
            return Recorded(**self._counts)
        self._read(to_hour(min(hours)), to_hour(max(hours)))
        # Most findings are off and were: they are left out before they cost anything.
        changing = self._watched.keys() | {(one.rule, one.asset) for one in findings if one.is_on}
        ordered = sorted(
            (
                one
                for one in findings
                if (one.rule, one.asset) in changing and one.rule in self._policies
            ),
            key=lambda one: (one.hour, one.rule, one.asset, one.key),
        )
        for (at, rule, asset), group in groupby(
            ordered, key=lambda one: (one.hour, one.rule, one.asset)
        ):
            hour, policy = to_hour(at), self._policies[rule]
            for finding in self._with_absent_keys(list(group), self._watched[rule, asset]):
                if finding.is_on is not None:
                    self._record_one(finding, hour, policy)
        return Recorded(**self._counts)

    def _read(self, first_hour: int, newest_hour: int) -> None:
        """Read the spells, the alerts that findings may concern, and from when each rule fires."""
        execute = self._connection.execute
        for rule, asset, key, is_on, is_announced, *hours in execute(
            "select rule, asset, key, is_on, is_announced, since_hour, last_hour, announced_hour "
            "from spell"
        ):
            self._spells[rule, asset, key] = Spell(bool(is_on), bool(is_announced), *hours)
            self._watched[rule, asset].append(key)
        reach = max(one.cooldown_hours for one in self._policies.values())
        for rule, asset, key, *values in execute(
            "select rule, asset, key, alert_id, fired_hour, cleared_hour, measure, "
            "is_provisional, is_withdrawn from alert where fired_hour >= ? or cleared_hour is null "
            "order by fired_hour",
            (first_hour - max(reach, LATE_HOURS),),
        ):
            self._fired[rule, asset, key].append(_Fired(*values))
        known = dict(execute("select rule, until_hour from evaluated_rule"))
        for rule in self._policies:
            # A new rule is silent about the past.
            self._first_hours[rule] = known[rule] - LATE_HOURS + 1 if rule in known else newest_hour

    def _with_absent_keys(
        self, group: list[RuleFinding], watched: list[str]
    ) -> Iterator[RuleFinding]:
        """Yield the findings of an asset in an hour; what it was watched for and is gone is off."""
        yield from group
        if not watched or all(one.is_on is None for one in group):
            return
        for key in sorted(set(watched).difference(one.key for one in group)):
            yield RuleFinding(
                group[0].rule,
                group[0].asset,
                key,
                group[0].hour,
                is_on=False,
                reason="it is no longer in the data",
            )

    def _record_one(self, finding: RuleFinding, hour: int, policy: Policy) -> None:
        thing = (finding.rule, finding.asset, finding.key)
        spell = self._spells.get(thing)
        if spell is None and not finding.is_on:
            return
        fired = next((one for one in self._fired[thing] if one.hour == hour), None)
        if fired is not None:
            self._correct(thing, fired, finding, policy)
        elif hour < self._first_hours[finding.rule]:
            return
        elif spell is None or hour > spell.last_hour:
            self._advance(thing, finding, hour, policy)
        elif finding.is_on:
            self._fire_late(thing, finding, hour, policy)

    def _advance(self, thing: Thing, finding: RuleFinding, hour: int, policy: Policy) -> None:
        step = next_step(
            self._spells.get(thing),
            hour,
            is_on=bool(finding.is_on),
            is_event=policy.is_event,
            cooldown_hours=policy.cooldown_hours,
        )
        if step is None:
            return
        if step.has_cleared:
            self._clear(thing, hour)
        self._keep(thing, step.spell)
        if step.has_fired:
            self._fire(thing, finding, hour, policy)

    def _fire_late(self, thing: Thing, finding: RuleFinding, hour: int, policy: Policy) -> None:
        """Fire for an hour of which later data show the condition, unless an alert covers it."""
        spell = self._spells[thing]
        alerts = [
            (one.hour, one.cleared_hour) for one in self._fired[thing] if not one.is_withdrawn
        ]
        if (spell.is_on and spell.since_hour <= hour and not policy.is_event) or is_covered(
            hour, alerts, is_event=policy.is_event, cooldown_hours=policy.cooldown_hours
        ):
            return
        announced_hour = max(hour, spell.announced_hour or hour)
        self._keep(thing, replace(spell, announced_hour=announced_hour))
        self._fire(thing, finding, hour, policy)
        self._clear(thing, hour + 1, only_hour=hour)

    def _correct(self, thing: Thing, fired: _Fired, finding: RuleFinding, policy: Policy) -> None:
        """Correct the alert of an hour where its data show something else than what was sent."""
        if fired.is_provisional:
            if fired.hour <= self._settled_hour:
                fired.is_provisional = False
                measure = finding.measure if finding.is_on else fired.measure
                self._update(fired, "is_provisional = 0, measure = ?", measure)
            return
        is_other = bool(finding.is_on) == fired.is_withdrawn
        has_figures = fired.measure is not None and finding.measure is not None
        if not is_other and not (
            finding.is_on
            and has_figures
            and has_moved(fired.measure or 0.0, finding.measure or 0.0, MATERIAL_RATIO)
        ):
            return
        (alert,) = read_alerts(self._connection, [fired.alert_id])
        wording = self._words.correction(alert, finding)
        if finding.is_on:
            fired.measure = finding.measure
            self._update(fired, "figures = ?", figures_text(finding.figures))
        fired.is_withdrawn = not finding.is_on
        self._update(
            fired,
            "correction_count = correction_count + 1, is_withdrawn = ?, measure = ?",
            fired.is_withdrawn,
            fired.measure,
        )
        key = alert_key(*thing, alert.fired_at, alert.correction_count + 1)
        self._post(fired.alert_id, key, "correction", policy, wording)
        self._counts["corrected"] += 1
        if fired.is_withdrawn:
            earlier = [
                one.hour
                for one in self._fired[thing]
                if one.hour < fired.hour and not one.is_withdrawn
            ]
            spell = without_alert(self._spells[thing], fired.hour, max(earlier, default=None))
            if not spell.is_on:
                self._clear(thing, fired.hour, only_hour=fired.hour)
            self._keep(thing, spell)

    def _keep(self, thing: Thing, spell: Spell) -> None:
        if thing not in self._spells:
            self._watched[thing[:2]].append(thing[2])
        self._spells[thing] = spell
        self._connection.execute(
            "insert or replace into spell values (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *thing,
                spell.is_on,
                spell.is_announced,
                spell.since_hour,
                spell.last_hour,
                spell.announced_hour,
            ),
        )

    def _fire(self, thing: Thing, finding: RuleFinding, hour: int, policy: Policy) -> None:
        wording = self._words.alert(finding)
        key = alert_key(*thing, from_hour(hour))
        is_provisional = hour > self._settled_hour
        alert_id = self._connection.execute(
            "insert into alert (alert_key, rule, asset, key, fired_hour, measure, figures, title, "
            "body, is_provisional) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) returning alert_id",
            (
                key,
                *thing,
                hour,
                finding.measure,
                figures_text(finding.figures),
                wording.title,
                wording.body,
                is_provisional,
            ),
        ).fetchone()[0]
        self._fired[thing].append(
            _Fired(alert_id, hour, None, finding.measure, is_provisional, is_withdrawn=False)
        )
        self._post(alert_id, key, "alert", policy, wording)
        self._counts["fired"] += 1

    def _post(self, alert_id: int, key: str, kind: str, policy: Policy, wording: Wording) -> None:
        quiet = None if policy.quiet_hours is None else str(policy.quiet_hours)
        self._connection.executemany(
            "insert into outbox (alert_id, message_key, kind, target, quiet_hours, title, body) "
            "values (?, ?, ?, ?, ?, ?, ?)",
            (
                (alert_id, key, kind, target, quiet, wording.title, wording.body)
                for target in policy.targets
            ),
        )

    def _clear(self, thing: Thing, hour: int, *, only_hour: int | None = None) -> None:
        for one in self._fired[thing]:
            if one.cleared_hour is None and only_hour in (None, one.hour):
                one.cleared_hour = hour
                self._update(one, "cleared_hour = ?", hour)
                self._counts["cleared"] += 1

    def _update(self, fired: _Fired, changes: str, *values: object) -> None:
        self._connection.execute(
            f"update alert set {changes}, revision = revision + 1 where alert_id = ?",
            (*values, fired.alert_id),
        )
