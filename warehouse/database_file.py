"""A file of DuckDB as storage of the writer's database.

Belongs here: what of a file differs from a lake. Does not belong here: models, rows, migrations.
"""

import itertools
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import duckdb

from warehouse import checkpoints
from warehouse.checkpoints import COMPANIONS, beside
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
        return beside(self.path, ".tmp")

    def held(self) -> AbstractContextManager[None]:
        """Exclude other writers, and mend what a checkpoint left that broke off."""
        return checkpoints.held(self.path)

    def is_empty(self) -> bool:
        """Return whether nothing has been written to it yet."""
        return checkpoints.holds_nothing(self.path)

    def attach(self, connection: duckdb.DuckDBPyConnection, catalog: str) -> None:
        """Attach the file under a name.

        It is attached, not opened, because only that sets the size of row groups.
        """
        connection.execute(
            f"attach {quoted(self.path)} as {catalog} (row_group_size {ROW_GROUP_SIZE})"
        )

    def content_of(self, file_name: str) -> str:  # noqa: ARG002  (a lake has many files)
        """Return in words which rows a data file holds: there is none beside the file itself."""
        return ""

    def discard_unfinished(self) -> None:
        """Delete a file that was to replace this one and was not finished."""
        checkpoints.delete_with_companions(building_path(self.path))

    @contextmanager
    def replaced(self) -> Iterator[Path]:
        """Yield the path of a database to build, which replaces this one after the block.

        The old file is locked meanwhile. It is renamed, with what belongs to it, to the first free
        name ``<file>.old-<n>``.

        Raises
        ------
        BlockingIOError
            Another process has the file open.
        """
        path = self.path
        building = building_path(path)
        with checkpoints.held(path):
            was_empty = self.is_empty()
            self.discard_unfinished()
            yield building
            number = next(n for n in itertools.count(1) if not _old_name(path, n).exists())
            # First, or DuckDB would replay the old log over the new file.
            for ending in COMPANIONS:
                if beside(path, ending).exists():
                    beside(path, ending).rename(beside(_old_name(path, number), ending))
            if not was_empty:
                path.rename(_old_name(path, number))
            building.replace(path)


def building_path(path: Path) -> Path:
    """Return the path of the database that is to replace one when it is built."""
    return beside(path, ".rebuilding")


def _old_name(path: Path, number: int) -> Path:
    return beside(path, f".old-{number}")
