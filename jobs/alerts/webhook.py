"""A webhook of one's own: JSON over HTTP, signed.

The signature is HMAC-SHA256 (RFC 2104) over the timestamp, a full stop and the body as sent, in
hexadecimal, with the secret the two sides share. A receiver compares it in constant time, refuses a
timestamp that is too old, and drops an ``Idempotency-Key`` it has seen: a message may come twice,
always with the same key.
"""

import hmac
import http.client
import json
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from jobs.alerts.ledger_records import Alert, Message, finite
from jobs.alerts.sending import refusal
from jobs.errors import TargetRejected, TargetUnavailable
from sources.http_exchange import retry_after_seconds

TIMESTAMP_HEADER = "X-Liqheat-Timestamp"
SIGNATURE_HEADER = "X-Liqheat-Signature"
KEY_HEADER = "Idempotency-Key"

LONGEST_BODY = 20_000
"""Characters of a message's body; a target that takes less answers 413 and gets a shorter one."""

SHORTEST_SECRET = 16
"""Characters of a signing secret; a shorter one can be guessed."""


def sign(secret: str, timestamp: str, body: bytes) -> str:
    """Return the signature of a body sent at a time.

    Parameters
    ----------
    secret : str
        What the two sides share.
    timestamp : str
        Seconds since 1970, UTC, as in the header.
    body : bytes
        As sent.

    Examples
    --------
    >>> sign("0123456789abcdef", "1772366400", b"{}")[:16]
    '045b94e22889c4d3'
    """
    return hmac.digest(secret.encode(), timestamp.encode() + b"." + body, "sha256").hex()


def payload(message: Message) -> bytes:
    """Return a message as the JSON that a webhook receives, UTF-8."""
    content = {
        "key": message.message_key,
        "kind": message.kind,
        "title": message.wording.title,
        "body": message.wording.body,
        "alerts": [_facts(alert) for alert in message.alerts],
    }
    return json.dumps(content, ensure_ascii=False, allow_nan=False).encode()


def _facts(alert: Alert) -> dict[str, Any]:
    return {
        "key": alert.alert_key,
        "rule": alert.rule,
        "asset": alert.asset,
        "what": alert.key,
        "fired_at": alert.fired_at.isoformat(),
        "cleared_at": alert.cleared_at and alert.cleared_at.isoformat(),
        "measure": finite(alert.measure),
        "figures": {name: finite(value) for name, value in alert.figures.items()},
        "is_withdrawn": alert.is_withdrawn,
    }


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Refuses redirects, which could carry a message elsewhere."""

    def redirect_request(self, *_: Any, **__: Any) -> None:  # noqa: ANN401  (urllib's signature)
        """Follow nothing: the status is an error."""


@dataclass(frozen=True, slots=True)
class Webhook:
    """A target that takes signed JSON.

    Parameters
    ----------
    name : str
        Name in ``alerts.yaml``.
    url, secret : str
        Where it listens and the signing secret; neither is ever shown.
    timeout_seconds : float
        For connecting, and for each read [s].
    """

    name: str
    url: str = field(repr=False)
    secret: str = field(repr=False)
    timeout_seconds: float = 10.0

    service = "webhook"

    def __post_init__(self) -> None:
        """Refuse an address or a secret that cannot work.

        Raises
        ------
        TargetRejected
            The address is not one of HTTP, or the secret is too short.
        """
        try:
            parts = urlsplit(self.url)
            is_address = parts.scheme in ("http", "https") and bool(parts.hostname)
            # Read for its error.
            _ = parts.port
        except ValueError:
            is_address = False
        if not is_address or not self.url.isascii() or not self.url.isprintable():
            raise TargetRejected(f"target {self.name}: its webhook is no http:// or https:// URL")
        if len(self.secret) < SHORTEST_SECRET:
            raise TargetRejected(
                f"target {self.name}: its secret has fewer than {SHORTEST_SECRET} characters; "
                "`openssl rand -hex 32` makes a good one"
            )

    def longest_body(self, title: str) -> int:  # noqa: ARG002  (the same for every title)
        """Return how long a body may be [characters]."""
        return LONGEST_BODY

    def send(self, message: Message, at: datetime) -> None:
        """Send a message; any status from 200 to 299 counts as taken.

        Raises
        ------
        TargetUnavailable
            No answer, or another status.
        MessageTooLong
            Status 413.
        """
        timestamp = str(int(at.timestamp()))
        body = payload(message)
        request = urllib.request.Request(  # noqa: S310  (http and https only, see above)
            self.url,
            data=body,
            method="POST",
            headers={
                "Content-Type": "application/json; charset=utf-8",
                "User-Agent": "liqheat",
                KEY_HEADER: message.message_key,
                TIMESTAMP_HEADER: timestamp,
                SIGNATURE_HEADER: f"sha256={sign(self.secret, timestamp, body)}",
            },
        )
        opener = urllib.request.build_opener(_NoRedirects)
        try:
            # The answer's body is not read: the status is the answer.
            with opener.open(request, timeout=self.timeout_seconds):
                return
        except urllib.error.HTTPError as exc:
            headers = {name.title(): value for name, value in exc.headers.items()}
            error = refusal(self.name, exc.code, retry_after_seconds(headers))
            exc.close()
        except (OSError, http.client.HTTPException, ValueError) as exc:
            # Only the kind of error is quoted: its text may hold the address.
            kind = getattr(exc, "reason", exc)
            error = TargetUnavailable(
                f"{self.name} gave no answer ({type(kind).__name__}); it is tried again"
            )
        raise error
