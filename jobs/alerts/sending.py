"""What every sender of alerts does, and what the refusals of targets mean.

Does not belong here: how one kind of target is reached (`jobs.alerts.webhook`,
`jobs.alerts.apprise_service`), which there are (`jobs.alerts.senders`), when messages are sent
(`jobs.alerts.deliver`), and their words (`jobs.alerts.words`).
"""

from dataclasses import replace
from datetime import datetime
from typing import Protocol

from jobs.alerts.ledger_records import Message
from jobs.errors import MessageTooLong, TargetUnavailable
from sources.http_exchange import is_transient_status

SHORTEST_CHARACTERS = 200
"""A message is not cut below this length."""

_TOO_LONG = 413
# The message is at fault: another one may pass.
_REFUSED = frozenset({400, 406, 415, 422})
_ADDRESS = frozenset({401, 403, 404, 405, 410})


class Sender(Protocol):
    """What sends to one target; what it raises names the target and never its address."""

    @property
    def name(self) -> str:
        """Name in ``alerts.yaml``."""

    @property
    def service(self) -> str:
        """Kind of service: webhook, Telegram, ..."""

    def longest_body(self, title: str) -> int:
        """Return how long the body below a title may be [characters]."""

    def send(self, message: Message, at: datetime) -> None:
        """Send a message; return once the target has taken it.

        Parameters
        ----------
        message : Message
            Its words and facts.
        at : datetime
            When this attempt is made, UTC.

        Raises
        ------
        TargetUnavailable
            It did not; the same message may pass later.
        MessageTooLong
            A shorter message may pass.
        """


def cut(message: Message, longest: int) -> Message:
    r"""Return a message whose body fits, with a note where it was cut.

    Parameters
    ----------
    message : Message
        Of any length.
    longest : int
        How long its body may be [characters].

    Examples
    --------
    >>> from jobs.alerts.ledger_records import Wording
    >>> long = Message(1, "key", "desk", "alert", Wording("BTC", "word " * 20), (), 0)
    >>> cut(long, 60).wording.body
    'word word word w\n[cut: 60 of 100 characters fit this target]'
    >>> cut(long, 100) is long
    True
    """
    body = message.wording.body
    if len(body) <= longest:
        return message
    note = f"\n[cut: {longest} of {len(body)} characters fit this target]"
    shorter = body[: max(longest - len(note), 0)].rstrip() + note
    return replace(message, wording=replace(message.wording, body=shorter))


def refusal(name: str, status: int, retry_after_seconds: float | None = None) -> Exception:
    """Return the error for an HTTP status with which a target refused a message.

    Parameters
    ----------
    name : str
        The target.
    status : int
        HTTP status; nothing else of the answer is quoted, since it may repeat a secret.
    retry_after_seconds : float, optional
        The wait the answer requires.

    Examples
    --------
    >>> refusal("desk", 404)
    TargetUnavailable('desk answered with HTTP status 404; check its address and its key')
    """
    what = f"{name} answered with HTTP status {status}"
    if status == _TOO_LONG:
        return MessageTooLong(f"{what}: the message is too long")
    if status in _REFUSED:
        return TargetUnavailable(f"{what}: it refused the message", is_refused=True)
    if status in _ADDRESS:
        return TargetUnavailable(f"{what}; check its address and its key")
    if 300 <= status < 400:
        return TargetUnavailable(f"{what}; redirects are not followed, give the final address")
    if is_transient_status(status):
        return TargetUnavailable(f"{what}; it is tried again", retry_after_seconds)
    return TargetUnavailable(f"{what}; check its log")
