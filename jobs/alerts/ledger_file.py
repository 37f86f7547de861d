"""The SQLite file of the alert ledger: its schema and its errors.

Does not belong here: what is written to it and when (`jobs.alerts.ledger`).
"""

from jobs.errors import LedgerDamaged, LedgerUnavailable
from jobs.sqlite_file import FileForm

# Hours are whole hours since 1970, instants microseconds since 1970, both UTC.
_SCHEMA = """
create table evaluated_rule (
    rule text primary key,
    until_hour integer not null
) strict, without rowid;
create table spell (
    rule text not null,
    asset text not null,
    key text not null,
    is_on integer not null,
    is_announced integer not null,
    since_hour integer not null,
    last_hour integer not null,
    announced_hour integer,
    primary key (rule, asset, key)
) strict, without rowid;
create table alert (
    alert_id integer primary key,
    alert_key text not null unique,
    rule text not null,
    asset text not null,
    key text not null,
    fired_hour integer not null,
    cleared_hour integer,
    delivered_at integer,
    measure real,
    figures text not null,
    title text not null,
    body text not null,
    is_provisional integer not null,
    is_withdrawn integer not null default 0,
    is_given_up integer not null default 0,
    correction_count integer not null default 0,
    revision integer not null default 1,
    landed_revision integer not null default 0
) strict;
create index alert_of on alert (rule, asset, key, fired_hour);
create table outbox (
    outbox_id integer primary key autoincrement,
    alert_id integer not null,
    message_key text not null,
    kind text not null,
    target text not null,
    quiet_hours text,
    title text not null,
    body text not null,
    message_id integer
) strict;
create index outbox_of on outbox (target, message_id);
create table message (
    message_id integer primary key autoincrement,
    message_key text not null,
    target text not null unique,
    kind text not null,
    title text not null,
    body text not null,
    sealed_at integer not null,
    attempts integer not null default 0,
    next_at integer not null,
    error text
) strict;
"""

LEDGER_FORM = FileForm(
    # "LQAL" in ASCII.
    application_id=0x4C51414C,
    version=1,
    schema=_SCHEMA,
    # The file is small and losing a commit to a power cut would send an alert twice under two keys.
    pragmas=("journal_mode = wal", "synchronous = full"),
    damaged_error=LedgerDamaged,
    advice="{path} cannot be read as an alert ledger ({reason}); put a copy back, or rename it "
    "with its -wal and go on: alerts of the hours from now on are sent, those on may be sent again",
    unavailable=LedgerUnavailable,
)
