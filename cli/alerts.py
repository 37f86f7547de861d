"""`liqheat alerts`: check the rules, list alerts, send a test, explain an hour."""

from collections.abc import Callable
from datetime import timedelta
from operator import attrgetter
from typing import TYPE_CHECKING, Annotated

import typer

from cli.arguments import AsOfPublished, Rows, Start, now, published_hour, utc
from cli.output import Format, note, write_rows
from jobs.settings import read_settings

if TYPE_CHECKING:
    from jobs.alerts.ledger_records import Waiting

DEFAULT_DAYS = 7

_LISTED = (
    "fired_at",
    "rule",
    "asset",
    "key",
    "cleared_at",
    "delivered_at",
    "wording.title",
)
_LISTED_IN_FULL = (
    "wording.body",
    "measure",
    "figures",
    "is_withdrawn",
    "correction_count",
    "alert_key",
)


def alerts_check_command(form: Rows = Format.table) -> None:
    """Check alerts.yaml: its rules, and where they go. Nothing is sent.

    Exits with 1 where an entry cannot work.
    """
    from jobs.alerts.rule_check import check_rules

    entries = check_rules(read_settings())
    write_rows(
        ("kind", "name", "what", "problem"),
        [(one.kind, one.name, one.what, one.problem) for one in entries],
        form,
    )
    if any(one.problem for one in entries):
        raise typer.Exit(1)


def alerts_list_command(
    start: Start = None,
    rule: Annotated[str | None, typer.Option(help="Only alerts of a rule.")] = None,
    asset: Annotated[str | None, typer.Option(help="Only alerts of an asset.")] = None,
    form: Rows = Format.table,
) -> None:
    """List the alerts that fired in the last 7 days, newest first, and what waits to be sent."""
    from jobs.alerts.alert_list import list_alerts

    since = utc(start) or now() - timedelta(days=DEFAULT_DAYS)
    listed = list_alerts(read_settings(), since=since, rule=rule, asset=asset)
    names = _LISTED if form is Format.table else (*_LISTED, *_LISTED_IN_FULL)
    values = attrgetter(*names)
    write_rows(
        [name.rpartition(".")[2] for name in names],
        [values(one) for one in listed.alerts],
        form,
    )
    for waiting in listed.waiting:
        note(_waiting_words(waiting))


def _waiting_words(waiting: "Waiting") -> str:
    count = waiting.message_count
    words = f"{count} {'message waits' if count == 1 else 'messages wait'} for {waiting.target}"
    if waiting.next_at is None:
        return words
    return f"{words}, next attempt {waiting.next_at:%Y-%m-%d %H:%M} UTC: {waiting.error}"


def alerts_test_command(
    names: Annotated[
        list[str] | None,
        typer.Argument(help="Where to send it, as named in alerts.yaml; by default everywhere."),
    ] = None,
    form: Rows = Format.table,
) -> None:
    """Send a message marked as a test everywhere alerts go.

    Exits with 1 where it cannot be delivered.
    """
    from jobs.alerts.rule_check import send_tests

    sent = send_tests(read_settings(), names or (), clock=now)
    write_rows(
        ("to", "service", "result"),
        [(one.target, one.service, one.error or "taken") for one in sent],
        form,
    )
    if any(one.error for one in sent):
        raise typer.Exit(1)


def alerts_explain_command(
    rule: Annotated[str, typer.Argument(help="Name of the rule.")],
    asset: Annotated[str | None, typer.Argument(help="Only findings of an asset.")] = None,
    as_of: AsOfPublished = None,
    form: Rows = Format.table,
) -> None:
    """Explain why a rule fired or did not in an hour: what it found, what was sent about it."""
    from jobs.alerts.explain import explain

    explained = explain(read_settings(), rule, hour=published_hour(as_of), asset=asset)
    write_rows(
        ("asset", "key", "hour", "holds", "measure", "why", "sent"),
        [
            (
                one.finding.asset,
                one.finding.key,
                one.finding.hour,
                one.finding.is_on,
                one.finding.measure,
                one.why,
                one.sent,
            )
            for one in explained
        ],
        form,
    )


ALERT_COMMANDS: dict[str, Callable[..., None]] = {
    "check": alerts_check_command,
    "list": alerts_list_command,
    "test": alerts_test_command,
    "explain": alerts_explain_command,
}
