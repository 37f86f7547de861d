"""A process that kills itself just before a chosen write to an SQLite file or to landing.

Belongs here: counting the writes of this process, and killing it. Does not belong here: the work
it does, and what its home must hold afterwards (`workbench.alert_kills`,
`workbench.position_kills`).
"""

import os
import signal
import sqlite3
import sys
from collections.abc import Callable
from typing import Any


def die_at(number: int) -> Callable[[], None]:
    """Return a function that kills this process at its n-th call; with 0, never."""
    left = number

    def note() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    return note


def call_before(write: str, note: Callable[[], None], database: str) -> None:
    """Call a function before each write of one kind that this process makes from now on.

    Parameters
    ----------
    write : str
        ``rename``: a landing file gets its final name; anything else: part of an SQL statement, in
        lower case.
    note : Callable
        Called just before.
    database : str
        Name of the SQLite file whose statements are watched.
    """

    def audit(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "os.rename" and str(arguments[1]).endswith(".parquet"):
            note()

    def trace(statement: str) -> None:
        if write in statement.lower():
            note()

    if write == "rename":
        sys.addaudithook(audit)
        return
    connect = sqlite3.connect

    def traced(path: Any, *arguments: Any, **options: Any) -> sqlite3.Connection:
        connection = connect(path, *arguments, **options)
        if str(path).endswith(database):
            connection.set_trace_callback(trace)
        return connection

    sqlite3.connect = traced  # type: ignore[assignment]
