"""Files of SQLite that one home writes: opening them safely, their errors in plain words.

Belongs here: what every such file shares. Does not belong here: what any of them holds
(`jobs.positions.book_file`, `jobs.alerts.ledger_file`).
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from jobs.errors import JobError
from jobs.private_folder import private_folder

_BUSY_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class FileForm:
    """What makes a file one of ours.

    Parameters
    ----------
    application_id : int
        Four ASCII letters that tell it from any other SQLite file.
    version : int
        Version of its schema.
    schema : str
        The statements that create it.
    pragmas : tuple of str
        Settings of each connection.
    damaged_error : type
        The error of a file that cannot be used.
    advice : str
        Its message: what the file is read as and what to do, with ``{path}``, ``{name}`` and
        ``{reason}``.
    unavailable : type
        The error of a file that cannot be used at present.
    """

    application_id: int
    version: int
    schema: str
    pragmas: tuple[str, ...]
    damaged_error: type[JobError]
    advice: str
    unavailable: type[JobError]

    def damaged(self, path: Path, reason: str) -> JobError:
        """Return the error of a file that cannot be used for a reason."""
        return self.damaged_error(self.advice.format(path=path, name=path.name, reason=reason))


@contextmanager
def file_errors(path: Path, form: FileForm) -> Iterator[None]:
    """Translate errors of SQLite and of the file system on a file of a form."""
    try:
        yield
    except sqlite3.Error as exc:
        name = getattr(exc, "sqlite_errorname", "") or ""
        if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
            raise form.damaged(path, str(exc)) from exc
        if name.startswith(("SQLITE_FULL", "SQLITE_IOERR")):
            raise form.unavailable(
                f"{path}: cannot be written ({exc}); free some space on the disk: work goes "
                "on by itself, nothing committed is lost"
            ) from exc
        raise form.unavailable(
            f"{path}: {exc}; see that the folder can be written and that no other program has the "
            "file open"
        ) from exc
    except OSError as exc:
        raise form.unavailable(
            f"{exc.filename or path}: {exc.strerror or exc}; see that the folder can be written"
        ) from exc


def open_file(path: Path, form: FileForm) -> sqlite3.Connection:
    """Return a connection to a file, made where absent and checked where not.

    Transactions are explicit. A commit survives the end of the process at any instant.
    """
    with file_errors(path, form):
        private_folder(path.parent)
        is_new = not path.exists() or path.stat().st_size == 0
        # Readable by its owner only, and so are the files SQLite puts beside it.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        connection = sqlite3.connect(
            path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        try:
            if not is_new:
                _check(connection, path, form)
            for pragma in form.pragmas:
                connection.execute(f"pragma {pragma}")
            _create(connection, form)
        except BaseException:
            connection.close()
            raise
    return connection


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Commit what the block does, all of it or nothing."""
    connection.execute("begin immediate")
    try:
        yield
        connection.execute("commit")
    except BaseException:
        if connection.in_transaction:
            connection.execute("rollback")
        raise


def _create(connection: sqlite3.Connection, form: FileForm) -> None:
    (version,) = connection.execute("pragma user_version").fetchone()
    if version:
        return
    # In one transaction: a process killed meanwhile leaves an empty file, and of two that open a
    # new file at once the second finds it made.
    with transaction(connection):
        (version,) = connection.execute("pragma user_version").fetchone()
        if version == 0:
            for statement in filter(str.strip, form.schema.split(";")):
                connection.execute(statement)
            connection.execute(f"pragma application_id = {form.application_id}")
            connection.execute(f"pragma user_version = {form.version}")


def _check(connection: sqlite3.Connection, path: Path, form: FileForm) -> None:
    (version,) = connection.execute("pragma user_version").fetchone()
    (application,) = connection.execute("pragma application_id").fetchone()
    (tables,) = connection.execute("select count(*) from sqlite_schema").fetchone()
    if tables and application != form.application_id:
        raise form.damaged(path, "it is another program's database")
    if version > form.version:
        raise form.damaged(path, f"a later release wrote it: schema {version}, here {form.version}")
    (state,) = connection.execute("pragma quick_check(1)").fetchone()
    if state != "ok":
        raise form.damaged(path, " ".join(str(state).split())[:200])
