"""The senders of the targets that ``alerts.yaml`` declares, with their addresses and secrets.

Belongs here: which sender a declaration means. Does not belong here: the declaration
(`jobs.alerts.rule_file`), how one kind of sender works (`jobs.alerts.webhook`,
`jobs.alerts.apprise_service`).
"""

from dataclasses import dataclass
from datetime import datetime

from jobs.alerts.apprise_service import open_apprise_service
from jobs.alerts.ledger_records import Message
from jobs.alerts.rule_file import Target
from jobs.alerts.sending import Sender
from jobs.alerts.webhook import Webhook
from jobs.errors import TargetRejected, TargetUnavailable
from jobs.settings import Settings


@dataclass(frozen=True, slots=True)
class UnusableSender:
    """A declared target that cannot be used: its messages wait until the cause is removed.

    Parameters
    ----------
    name : str
        Name in ``alerts.yaml``.
    reason : str
        What to correct.
    """

    name: str
    reason: str

    service = "unusable"

    def longest_body(self, title: str) -> int:
        """Return a length that cuts nothing [characters]."""
        return len(title) + 1_000_000

    def send(self, message: Message, at: datetime) -> None:  # noqa: ARG002  (nothing is sent)
        """Raise the reason as `TargetUnavailable`."""
        raise TargetUnavailable(self.reason)


def open_sender(settings: Settings, name: str, target: Target) -> Sender:
    """Return the sender of a declared target.

    Parameters
    ----------
    settings : Settings
        Where variables are read, and the time a sender may take.
    name : str
        Name of the target.
    target : Target
        As declared.
    """
    try:
        if target.url is not None:
            url = _secret(settings, name, target.url)
            return open_apprise_service(name, url, settings.alert_seconds)
        url = _secret(settings, name, target.webhook)
        secret = _secret(settings, name, target.secret)
        return Webhook(name, url, secret, settings.alert_seconds)
    except TargetRejected as exc:
        return UnusableSender(name, str(exc))


def _secret(settings: Settings, name: str, variable: str | None) -> str:
    found = None if variable is None else settings.read_secret(variable)
    if found is None:
        raise TargetRejected(
            f"target {name}: the environment variable {variable} is not set; set it where the "
            "pipeline runs"
        )
    return found.get_secret_value()
