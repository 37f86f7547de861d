"""Evaluating rules after a publication or an ingestion: what fires is recorded, landed, delivered.

Belongs here: which hours are evaluated, on what, in which order. Does not belong here: whether a
condition holds (`jobs.alerts.evaluation`), what that changes (`jobs.alerts.ledger`).

Alerts are beside the pipeline: nothing that fails here fails the run that called.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from jobs.alerts.deliver import Delivery, deliver_waiting
from jobs.alerts.evaluation import Queryable, evaluate, evaluate_apart, newest_hour
from jobs.alerts.finding import RuleFinding
from jobs.alerts.land_alerts import land_alerts
from jobs.alerts.ledger import AlertLedger
from jobs.alerts.ledger_records import Policy, Recorded
from jobs.alerts.recording import Words
from jobs.alerts.rule import PIPELINE_RULE, NewestBar, Rule
from jobs.alerts.rule_file import AlertRules, read_rules
from jobs.alerts.spells import LATE_HOURS
from jobs.alerts.words import alert_words, correction_words
from jobs.errors import LIQHEAT_ERRORS
from jobs.instants import BEGINNING, HOUR, to_instant
from jobs.read.query import open_reader
from jobs.settings import Settings
from jobs.writer import open_writer
from warehouse.errors import WarehouseBusy
from warehouse.queries import named_query

logger = logging.getLogger(__name__)

Clock = Callable[[], datetime]

MOST_HOURS = 24
"""Hours evaluated at most after a pause; earlier ones are skipped."""

CORRECTED_HOURS = 48
"""How long after its hour an alert is held against the data of that hour."""

NOTHING = Recorded()


@dataclass(frozen=True, slots=True)
class AlertReport:
    """What one run of the alerts did.

    Parameters
    ----------
    recorded : Recorded
        What fired, was corrected, was cleared.
    landed : int
        Alerts that landed for `marts.alerts`.
    deliveries : tuple of Delivery
        What became of messages, by target.
    """

    recorded: Recorded = NOTHING
    landed: int = 0
    deliveries: tuple[Delivery, ...] = ()


def alert_after_publication(settings: Settings, *, clock: Clock) -> AlertReport:
    """Evaluate the hours published since the last run, and those whose data may have changed.

    Parameters
    ----------
    settings : Settings
        Where things are; without rules nothing is done.
    clock : callable
        Returns the time, UTC.
    """
    return _run(settings, clock, _record_published)


def alert_after_ingestion(settings: Settings, *, clock: Clock) -> AlertReport:
    """Evaluate the rules that depend on the newest bar on the bars after the last published hour.

    Parameters
    ----------
    settings, clock
        As for `alert_after_publication`.
    """
    return _run(settings, clock, _record_newest_bars)


def alert_after_stop(settings: Settings, *, as_of: datetime, clock: Clock) -> AlertReport:
    """Evaluate, for an hour that checks kept from being published, the rules on publication.

    Parameters
    ----------
    settings, clock
        As for `alert_after_publication`.
    as_of : datetime
        The hour, UTC.
    """

    def record(ledger: AlertLedger, settings: Settings, rules: AlertRules) -> Recorded:
        return _record_stop(ledger, settings, rules, as_of)

    return _run(settings, clock, record)


def policy_of(rule: Rule) -> Policy:
    """Return how alerts of a rule are sent; a cooldown of part of an hour counts as an hour."""
    return Policy(
        targets=tuple(rule.to),
        cooldown_hours=-(-rule.cooldown // HOUR),
        quiet_hours=rule.quiet_hours,
        is_event=rule.is_event,
    )


def words_of(rules: Sequence[Rule], link: str | None = None) -> Words:
    """Return the words of some rules' alerts, with a link to the page of their asset."""
    by_name = {rule.name: rule for rule in rules}
    return Words(
        alert=lambda finding: alert_words(by_name[finding.rule], finding, link),
        correction=lambda alert, finding: correction_words(by_name[finding.rule], alert, finding),
    )


_Record = Callable[[AlertLedger, Settings, AlertRules], Recorded]


def _run(settings: Settings, clock: Clock, record: _Record) -> AlertReport:
    """Record, land and deliver; each goes on where the one before failed."""
    report = AlertReport()
    with _beside_the_pipeline("alerts"):
        if not settings.alerts_file.exists():
            return report
        rules = read_rules(settings.alerts_file)
        with AlertLedger(settings.alert_ledger) as ledger:
            with _beside_the_pipeline("evaluating alerts"):
                report = replace(report, recorded=record(ledger, settings, rules))
            with _beside_the_pipeline("landing alerts"):
                report = replace(report, landed=land_alerts(ledger, settings, clock()))
            with _beside_the_pipeline("delivering alerts"):
                deliveries = deliver_waiting(settings, ledger, rules, clock=clock)
                report = replace(report, deliveries=deliveries)
    logger.info("alerts: %s", report)
    return report


@contextmanager
def _beside_the_pipeline(what: str) -> Iterator[None]:
    """Log an error of the block and go on: the run that called has done its work."""
    try:
        yield
    except WarehouseBusy as exc:
        logger.info("%s: left to the next run: %s", what, exc)
    except LIQHEAT_ERRORS as exc:
        logger.warning("%s: %s", what, exc)
    except Exception:
        logger.exception("%s failed", what)


def _record_published(ledger: AlertLedger, settings: Settings, rules: AlertRules) -> Recorded:
    with open_reader(settings) as reader:
        return record_published(ledger, reader, rules.rules, words_of(rules.rules, rules.link))


def record_published(
    ledger: AlertLedger, reader: Queryable, rules: Sequence[Rule], words: Words
) -> Recorded:
    """Record what rules find of the hours that were published and not evaluated yet.

    Hours just before are evaluated again, and so are those of earlier alerts, for their rules. A
    rule whose condition fails keeps its hours for the next run.

    Parameters
    ----------
    ledger : AlertLedger
        Where it is recorded.
    reader : Queryable
        What is published.
    rules : sequence of Rule
        All rules: alerts of others are cleared.
    words : Words
        How alerts are worded.
    """
    names = {rule.name for rule in rules}
    hours = _hours_to_evaluate(reader, ledger.evaluated_until(names))
    if not hours:
        return NOTHING
    newest = hours[-1]
    findings, failed = _evaluate_apart(reader, rules, hours)
    evaluated = [rule for rule in rules if rule.name not in failed]
    findings += _earlier_findings(reader, ledger, evaluated, hours)
    recorded = ledger.record(findings, _policies(evaluated), words, newest)
    retired = ledger.retire({*names, PIPELINE_RULE}, newest, not_evaluated=failed)
    return replace(recorded, cleared=recorded.cleared + retired)


def _evaluate_apart(
    reader: Queryable,
    rules: Sequence[Rule],
    hours: Sequence[datetime],
    newest_bars: Sequence[NewestBar] = (),
) -> tuple[list[RuleFinding], set[str]]:
    """Return findings and the names of the rules whose condition fails, which is logged."""
    findings, failures = evaluate_apart(reader, rules, hours, newest_bars)
    for failure in failures:
        logger.warning("alerts: %s", failure)
    return findings, {name for failure in failures for name in failure.rules}


def _hours_to_evaluate(reader: Queryable, until: datetime | None) -> list[datetime]:
    """Return the published hours to evaluate: new ones, and those whose data may still settle.

    Where no rule was evaluated before, the newest one.
    """
    after = to_instant(BEGINNING) if until is None else until - LATE_HOURS * HOUR
    table = reader.execute(named_query("alert_hours"), {"after_at": after}).to_arrow_table()
    hours: list[datetime] = table["as_of"].to_pylist()
    if until is None:
        return hours[-1:]
    late = [hour for hour in hours if hour <= until]
    since = [hour for hour in hours if hour > until]
    if len(since) > MOST_HOURS:
        logger.warning("alerts: %d hours are skipped after a pause", len(since) - MOST_HOURS)
    return late + since[-MOST_HOURS:]


def _earlier_findings(
    reader: Queryable, ledger: AlertLedger, rules: Sequence[Rule], hours: Sequence[datetime]
) -> list[RuleFinding]:
    """Return findings of earlier hours with an alert that data may have changed since."""
    alerts = ledger.alerts(hours[-1] - timedelta(hours=CORRECTED_HOURS))
    fired = {(one.rule, one.fired_at) for one in alerts if one.fired_at < hours[0]}
    earlier = sorted({hour for _, hour in fired})
    names = {name for name, _ in fired}
    found, _ = _evaluate_apart(reader, [rule for rule in rules if rule.name in names], earlier)
    return [one for one in found if (one.rule, one.hour) in fired]


def _record_newest_bars(ledger: AlertLedger, settings: Settings, rules: AlertRules) -> Recorded:
    live = [rule for rule in rules.rules if rule.depends_on_newest_bar]
    if not live:
        return NOTHING
    with open_reader(settings) as reader:
        newest = newest_hour(reader)
        if newest is None:
            return NOTHING
        with open_writer(settings) as connection:
            rows = connection.execute(named_query("alert_newest_bars"), {"since": newest})
            bars = [NewestBar(*row) for row in rows.fetchall()]
        findings = _evaluate_apart(reader, live, [], bars)[0] if bars else []
    words = words_of(live, rules.link)
    return ledger.record(findings, _policies(live), words, newest, is_whole=False)


def _record_stop(
    ledger: AlertLedger, settings: Settings, rules: AlertRules, as_of: datetime
) -> Recorded:
    chosen = [rule for rule in rules.rules if rule.when == "publishing_stopped"]
    if not chosen:
        return NOTHING
    with open_writer(settings) as connection:
        findings = evaluate(connection, chosen, [as_of])
    words = words_of(chosen, rules.link)
    return ledger.record(findings, _policies(chosen), words, as_of)


def _policies(rules: Sequence[Rule]) -> dict[str, Policy]:
    return {rule.name: policy_of(rule) for rule in rules}
