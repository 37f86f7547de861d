"""Faults of the pipeline itself: a deployment whose runs fail, one whose run did not come.

The watch of the schedule reads how runs ended and reports here. Faults go through the same ledger
to the same places as other alerts, so they need no run of any job. They go to every place that
``alerts.yaml`` declares.

Belongs here: which histories are a fault, and its words. Does not belong here: reading histories
(`flows.fault_watch`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from jobs.alerts.deliver import Clock, Delivery, deliver_waiting
from jobs.alerts.finding import RuleFinding
from jobs.alerts.ledger import AlertLedger
from jobs.alerts.ledger_records import Alert, Policy, Wording
from jobs.alerts.recording import Words
from jobs.alerts.rule import NO_ASSET, PIPELINE_RULE
from jobs.alerts.rule_file import AlertRules, read_rules
from jobs.instants import HOUR
from jobs.settings import Settings
from sources.redaction import redact

COOLDOWN_HOURS = 6
QUOTED_CHARACTERS = 300


@dataclass(frozen=True, slots=True)
class EndedRun:
    """A run of a deployment that ended.

    Parameters
    ----------
    at : datetime
        When, UTC.
    is_done : bool
        Whether it did its work.
    message : str
        Why it did not.
    """

    at: datetime
    is_done: bool
    message: str = ""


@dataclass(frozen=True, slots=True)
class DeploymentHistory:
    """How a deployment has run lately.

    Parameters
    ----------
    name : str
        The deployment.
    runs : sequence of EndedRun
        Newest first; empty where none has ended.
    failures_allowed : int
        Failures in a row that are no fault yet: of what runs every few minutes, the next run makes
        up for one.
    longest_gap : timedelta, optional
        Time without an ended run after which one is missing; None where it is not watched.
    watched_since : datetime, optional
        Since when runs could end, UTC: the start of the schedule.
    """

    name: str
    runs: Sequence[EndedRun]
    failures_allowed: int = 0
    longest_gap: timedelta | None = None
    watched_since: datetime | None = None


def find_faults(histories: Sequence[DeploymentHistory], now: datetime) -> list[RuleFinding]:
    """Return a finding for each fault there may be, on or off, for the present hour.

    Parameters
    ----------
    histories : sequence of DeploymentHistory
        What is watched.
    now : datetime
        The present, UTC.
    """
    hour = now.replace(minute=0, second=0, microsecond=0)
    findings = []
    for history in histories:
        findings.append(_failed(history, hour))
        if history.longest_gap is not None:
            findings.append(_late(history, history.longest_gap, now, hour))
    return findings


def _failed(history: DeploymentHistory, hour: datetime) -> RuleFinding:
    last = history.runs[: history.failures_allowed + 1]
    is_on = len(last) > history.failures_allowed and not any(run.is_done for run in last)
    figures: dict[str, str | int | None] = {"last_done_at": _last_done(history)}
    if is_on:
        message = " ".join(redact(last[0].message).split())[:QUOTED_CHARACTERS].rstrip(".")
        figures |= {"failed_at": _minute(last[0].at), "error": message, "failures_count": len(last)}
    return RuleFinding(
        PIPELINE_RULE, NO_ASSET, f"{history.name} failed", hour, is_on, figures=figures
    )


def _late(
    history: DeploymentHistory, longest_gap: timedelta, now: datetime, hour: datetime
) -> RuleFinding:
    instants = [run.at for run in history.runs[:1]]
    if history.watched_since is not None:
        instants.append(history.watched_since)
    # Without a known start there is nothing to be late for.
    waited = now - max(instants, default=now)
    figures = {
        "last_ended_at": _minute(history.runs[0].at) if history.runs else None,
        "waited_minutes": int(waited / timedelta(minutes=1)),
    }
    return RuleFinding(
        PIPELINE_RULE,
        NO_ASSET,
        f"{history.name} did not run",
        hour,
        waited > longest_gap,
        figures=figures,
    )


def _last_done(history: DeploymentHistory) -> str | None:
    return next((_minute(run.at) for run in history.runs if run.is_done), None)


def _minute(instant: datetime) -> str:
    return f"{instant:%Y-%m-%d %H:%M} UTC"


def word_fault(finding: RuleFinding) -> Wording:
    """Return the words of a fault: what happened, since when, where to look."""
    figures = finding.figures
    if "waited_minutes" in figures:
        last = figures["last_ended_at"]
        before = f"its last run ended {last}" if last else "none of its runs has ended"
        what = f"No run ended for {figures['waited_minutes']} minutes; {before}."
    else:
        count = figures["failures_count"]
        runs = "The last run" if count == 1 else f"The last {count} runs"
        last = figures["last_done_at"]
        before = f"The last run without an error ended {last}." if last else ""
        what = f"{runs} failed, at {figures['failed_at']}: {figures['error'] or 'no reason given'}."
        what = f"{what} {before}".strip()
    return Wording(
        f"liqheat: {finding.key}",
        f"{what}\n`liqheat status` and `liqheat maintain` show and repair what is missing.",
    )


def _word_correction(alert: Alert, finding: RuleFinding) -> Wording:
    """Return the words of a fault that later proves none; findings of past hours are never sent."""
    return Wording(f"{alert.wording.title}: over", f"As of {finding.hour:%Y-%m-%d %H:%M} UTC.")


def report_faults(
    settings: Settings, histories: Sequence[DeploymentHistory], *, clock: Clock
) -> tuple[Delivery, ...]:
    """Record the faults there are and send all that waits; return what became of it.

    A fault is sent once until it is over. Nothing happens where there is no file of rules.

    Raises
    ------
    InputRejected
        The file of rules cannot be read.
    LedgerDamaged, LedgerUnavailable
        The ledger cannot be used.
    """
    if not settings.alerts_file.exists():
        return ()
    rules = read_rules(settings.alerts_file)
    with AlertLedger(settings.alert_ledger) as ledger:
        record_faults(ledger, rules, find_faults(histories, clock()))
        return deliver_waiting(settings, ledger, rules, clock=clock)


def record_faults(ledger: AlertLedger, rules: AlertRules, findings: Sequence[RuleFinding]) -> None:
    """Record findings about the pipeline, with a message to every declared target."""
    if not findings:
        return
    policy = Policy(targets=tuple(rules.targets), cooldown_hours=COOLDOWN_HOURS)
    # The present hour is not over: what fired in it is not corrected by the rest of it.
    settled_until = findings[0].hour - HOUR
    words = Words(alert=word_fault, correction=_word_correction)
    ledger.record(findings, {PIPELINE_RULE: policy}, words, settled_until)
