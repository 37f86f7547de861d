"""Files that appear under their name whole, most of them to stay there through a power cut."""

import os
import shutil
from pathlib import Path

from warehouse.error_messages import translated


def sync_folder(folder: Path) -> None:
    """Wait until the names in a folder are on the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def move_into_place(finished: Path, final: Path, *, mode: int | None = None) -> None:
    """Move a finished file to its place: readers see the old one or this one, whole.

    Parameters
    ----------
    finished, final : Path
        Where it was written, on the same file system, and where it belongs.
    mode : int, optional
        Permissions to give it.
    """
    final.parent.mkdir(parents=True, exist_ok=True)
    with finished.open("rb") as file:
        os.fsync(file.fileno())
    if mode is not None:
        finished.chmod(mode)
    finished.replace(final)
    sync_folder(final.parent)


def emptied_folder(folder: Path) -> Path:
    """Return a folder without what a killed process left in it."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def write_whole(path: Path, content: bytes) -> None:
    """Write a small file that readers see whole or not at all; a power cut may still lose it."""
    with translated(f"writing {path}"):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.writing")
        temporary.write_bytes(content)
        temporary.replace(path)
