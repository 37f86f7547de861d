"""Folders that only their owner may enter, and locks in them that one process holds at a time."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def private_folder(folder: Path) -> Path:
    """Return a folder that only its owner may enter, made where absent."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    return folder


@contextmanager
def sole_holder(folder: Path, lock: str) -> Iterator[bool]:
    """Yield whether this process holds a lock of a private folder alone.

    The system releases it however the process ends.
    """
    with (private_folder(folder) / lock).open("a") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True
