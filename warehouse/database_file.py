"""A file of DuckDB as storage of the writer's database.

Belongs here: what of a file differs from a lake. Does not belong here: models, rows, migrations.
"""

import fcntl
import itertools
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

import duckdb

from warehouse.errors import WarehouseBusy
from warehouse.sql_text import quoted

# Rows are compressed by group, and a commit rewrites the last group of each table. Groups of
# DuckDB's 122,880 rows would hold 100 MB of maps each; a fifteenth of that makes a build twice as
# fast, and one more hour costs what that hour holds.
ROW_GROUP_SIZE = 8192


class FileStorage:
    """A file as storage of the writer's database (``warehouse.storage.Storage``).

    Parameters
    ----------
    path : Path
        The file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def spill(self) -> Path:
        """Folder for data beyond memory, beside the file."""
        return self.path.with_name(f"{self.path.name}.tmp")

    def held(self) -> AbstractContextManager[None]:
        """Exclude other writers: DuckDB locks its files."""
        return nullcontext()

    def is_empty(self) -> bool:
        """Return whether nothing has been written to it yet."""
        return not self.path.exists() or not self.path.stat().st_size

    def attach(self, connection: duckdb.DuckDBPyConnection, catalog: str) -> None:
        """Attach the file under a name; made where absent.

        It is attached, not opened, because only that sets the size of row groups.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        connection.execute(
            f"attach {quoted(self.path)} as {catalog} (row_group_size {ROW_GROUP_SIZE})"
        )

    def content_of(self, file_name: str) -> str:  # noqa: ARG002  (a lake has many files)
        """Return in words which rows a data file holds: there is none beside the file itself."""
        return ""

    def discard_unfinished(self) -> None:
        """Delete a file that was to replace this one and was not finished."""
        building = building_path(self.path)
        for left in (building, _log_of(building)):
            left.unlink(missing_ok=True)

    @contextmanager
    def replaced(self) -> Iterator[Path]:
        """Yield the path of a database to build, which replaces this one after the block.

        The old file is locked meanwhile. It is renamed, with its log of changes, to the first free
        name ``<file>.old-<n>``.

        Raises
        ------
        WarehouseBusy
            Another process has the file open.
        """
        path = self.path
        path.parent.mkdir(parents=True, exist_ok=True)
        building = building_path(path)
        with path.open("ab") as held:
            try:
                # The lock that DuckDB takes on its files.
                fcntl.lockf(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as exc:
                raise WarehouseBusy(
                    f"replacing {path}: another writer has it open; wait for it to end"
                ) from exc
            self.discard_unfinished()
            yield building
            number = next(n for n in itertools.count(1) if not _old_name(path, n).exists())
            if _log_of(path).exists():
                # First, or DuckDB would replay it over the new file.
                _log_of(path).rename(_log_of(_old_name(path, number)))
            if path.stat().st_size:
                path.rename(_old_name(path, number))
            building.replace(path)


def building_path(path: Path) -> Path:
    """Return the path of the database that is to replace one when it is built."""
    return path.with_name(f"{path.name}.rebuilding")


def _log_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.wal")


def _old_name(path: Path, number: int) -> Path:
    return path.with_name(f"{path.name}.old-{number}")
