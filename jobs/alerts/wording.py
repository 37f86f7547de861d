"""Plain words of alerts and of corrections.

Does not belong here: the words of conditions.
"""

from jobs.alerts.finding import RuleFinding
from jobs.alerts.ledger_records import Alert, Wording


def alert_words(finding: RuleFinding) -> Wording:
    """Return the words of a finding that fires."""
    named = " ".join(part for part in (finding.rule, finding.asset, finding.key) if part)
    figures = "\n".join(f"{name}: {value}" for name, value in finding.figures.items())
    return Wording(f"{named}, {finding.hour:%Y-%m-%d %H:%M} UTC", figures)


def correction_words(alert: Alert, finding: RuleFinding) -> Wording:
    """Return the words of what later data show of an alert."""
    if not finding.is_on:
        what = "later data of that hour no longer show it"
    elif alert.is_withdrawn:
        what = "later data of that hour show it after all"
    else:
        what = "its figures changed with later data of that hour"
    return Wording(f"Correction: {alert.wording.title}", f"{what}\n{alert_words(finding).body}")
