"""Services that apprise reaches: Telegram, Discord, Slack, mail, ntfy and a hundred more.

The address of such a service is a secret: it holds the token. apprise and the libraries below it
write addresses and answers to their logs, so nothing of those logs is passed on but an HTTP status.
"""

import logging
import re
import threading
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any

from jobs.alerts.ledger_records import Message
from jobs.alerts.sending import refusal
from jobs.errors import TargetRejected, TargetUnavailable

_LIBRARIES = ("urllib3", "requests", "requests_oauthlib", "paho", "slixmpp")
"""Libraries below apprise that log addresses."""

_STATUS = re.compile(r"\b(?:error|status)=(\d{3})\b")


class _OnlyStatus(logging.Filter):
    """Drops every record of apprise and keeps the HTTP status it names, by thread."""

    def __init__(self) -> None:
        super().__init__()
        self.seen = threading.local()

    def filter(self, record: logging.LogRecord) -> bool:
        """Take the status out of a record and drop the record."""
        if found := _STATUS.search(record.getMessage()):
            self.seen.status = int(found[1])
        return False


@cache
def _silenced() -> _OnlyStatus:
    """Keep what apprise and the libraries below it log from every handler; return the filter."""
    for name in _LIBRARIES:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    only_status = _OnlyStatus()
    # All of apprise logs to this one, and warns where a service refuses a message.
    logger = logging.getLogger("apprise")
    logger.setLevel(logging.WARNING)
    logger.addFilter(only_status)
    return only_status


@dataclass(frozen=True, slots=True)
class AppriseService:
    """A target that apprise sends to.

    Parameters
    ----------
    name : str
        Name in ``alerts.yaml``.
    plugin : apprise.NotifyBase
        The service; it holds the address, so it is never shown.
    """

    name: str
    plugin: Any = field(repr=False)

    @property
    def service(self) -> str:
        """The service's own name."""
        return str(self.plugin.service_name)

    def longest_body(self, title: str) -> int:
        """Return how long the body below a title may be [characters]."""
        # Services without titles show it as the first line of the body; some count both together.
        is_in_body = self.plugin.title_maxlen <= 0 or self.plugin.overflow_amalgamate_title
        return max(int(self.plugin.body_maxlen) - (len(title) + 40 if is_in_body else 0), 0)

    def send(self, message: Message, at: datetime) -> None:  # noqa: ARG002  (services date it)
        """Send a message.

        Raises
        ------
        TargetUnavailable
            The service did not take it.
        MessageTooLong
            Status 413.
        """
        seen = _silenced().seen

        import apprise

        title, body = message.wording.title, message.wording.body
        if not body:
            # apprise sends nothing without a body.
            title, body = "", title
        sender = apprise.Apprise(self.plugin, asset=self.plugin.asset)
        seen.status = None
        try:
            is_taken = sender.notify(
                body,
                title[: self.plugin.title_maxlen or None],
                body_format=apprise.NotifyFormat.TEXT,
            )
        except Exception as exc:  # noqa: BLE001  (a plugin may raise anything; its text may hold the address)
            raise TargetUnavailable(
                f"{self.name}: {self.service} failed ({type(exc).__name__}); it is tried again"
            ) from None
        if is_taken:
            return
        if seen.status is not None:
            raise refusal(self.name, seen.status)
        raise TargetUnavailable(f"{self.name}: no answer of {self.service}; it is tried again")


def open_apprise_service(name: str, url: str, timeout_seconds: float) -> AppriseService:
    """Return the target that an address of apprise means.

    Parameters
    ----------
    name : str
        Name in ``alerts.yaml``.
    url : str
        Address in apprise's form, such as ``tgram://token/chat``; never shown.
    timeout_seconds : float
        For connecting, and for each read [s].

    Raises
    ------
    TargetRejected
        apprise knows no such service, or the address lacks a part.
    """
    # Before the import, which logs too.
    _silenced()

    import apprise

    asset = apprise.AppriseAsset(
        app_id="liqheat",
        app_desc="liqheat",
        app_url="",
        async_mode=False,
        # Services may cache tokens: never on the disk.
        storage_mode=apprise.PersistentStoreMode.MEMORY,
    )
    plugin = apprise.Apprise.instantiate(url, asset=asset, suppress_exceptions=True)
    if not isinstance(plugin, apprise.NotifyBase):
        raise TargetRejected(
            f"target {name}: apprise takes no such address; its documentation shows the form of "
            "each service, for example tgram://token/chat"
        )
    plugin.socket_connect_timeout = timeout_seconds
    plugin.socket_read_timeout = timeout_seconds
    return AppriseService(name, plugin)
