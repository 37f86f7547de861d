"""Versions of the readers' file and the link that points to the newest.

``published/liqheat.duckdb`` is a link to ``versions/<id>/liqheat.duckdb``. A version is never
written to after the link points to it: what somebody leaves beside it, such as a write-ahead log,
is deleted with it. Does not belong here: what a version contains (``warehouse.publication``).
"""

import itertools
import logging
import shutil
from pathlib import Path

from warehouse.durable_files import move_into_place, sync_folder
from warehouse.errors import TerminalWarehouseError

logger = logging.getLogger(__name__)

PUBLISHED_FILE = "liqheat.duckdb"

WRITING = ".writing"
"""Folder below ``published`` for unfinished files; readers do not look there."""

READ_ONLY = 0o444

_VERSIONS = "versions"

# A reader that has resolved the link opens the version within this time.
_GRACE_NS = 60 * 1_000_000_000


def newest_version(link: Path) -> Path | None:
    """Return the version that readers open; None if it is missing or somebody has written to it."""
    version = link.resolve()
    if not link.is_symlink() or not version.is_file():
        return None
    is_written_to = (
        version.with_name(f"{version.name}.wal").exists()
        # The link is made after the version is finished.
        or version.stat().st_mtime_ns > link.lstat().st_mtime_ns
    )
    if is_written_to:
        logger.warning("%s: another program has written to it; writing a new version", version)
    return None if is_written_to else version


def add_version(finished: Path, link: Path, version_id: str) -> None:
    """Move a finished file among the versions, read-only, and point the link to it."""
    version = link.parent / _VERSIONS / version_id / link.name
    move_into_place(finished, version, mode=READ_ONLY)
    _point_to(version, link)


def _point_to(version: Path, link: Path) -> None:
    """Replace the link atomically and sync it."""
    temporary = link.parent / WRITING / link.name
    temporary.unlink(missing_ok=True)
    try:
        temporary.symlink_to(version.relative_to(link.parent))
    except (OSError, NotImplementedError) as exc:
        raise TerminalWarehouseError(
            f"{link.parent}: no symbolic link can be made there ({exc}); "
            "put LIQHEAT_HOME on a file system that has them"
        ) from exc
    temporary.replace(link)
    sync_folder(link.parent)


def delete_old_versions(link: Path) -> None:
    """Delete the versions that no reader can be about to open.

    Keeps the newest, the one before it, and those replaced within the last minute. A reader that
    has a version open keeps it, deleted or not.
    """
    # A log beside the link belongs to a plain file that was once in its place.
    link.with_name(f"{link.name}.wal").unlink(missing_ok=True)
    finished = []
    for folder in link.parent.glob(f"{_VERSIONS}/*"):
        file = folder / link.name
        if file.exists():
            finished.append((file.stat().st_mtime_ns, folder))
        else:
            shutil.rmtree(folder)
    finished.sort()
    newest = link.resolve()
    horizon = newest.stat().st_mtime_ns - _GRACE_NS
    for (_, folder), (replaced_ns, _) in itertools.pairwise(finished):
        if replaced_ns < horizon and folder != newest.parent:
            shutil.rmtree(folder)
