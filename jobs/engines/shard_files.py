"""Values that processes of one machine hand one another as files, so that only names are sent.

Belongs here: writing a value into a file and mapping it, the folder of files. Does not belong here:
whose files they are, and when they go (``dask_engine``).
"""

import mmap
import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir
from typing import Any, Final

from distributed.protocol.pickle import dumps, loads

from jobs.processes import is_running

_ALIGNED: Final = 64
"""Where arrays begin in a file, as they do in memory [bytes]."""

_PADDING: Final = bytes(_ALIGNED)


@contextmanager
def private_folder() -> Iterator[Path]:
    """Yield a folder of this user alone, which goes with the block; those of killed processes go.

    It is where temporary files are: ``TMPDIR``, or else ``/tmp``.
    """
    own = f"liqheat-shards-{socket.gethostname()}-"
    for left in Path(gettempdir()).glob(f"{own}*"):
        number = left.name.removeprefix(own).partition("-")[0]
        if number.isdecimal() and not is_running(int(number)):
            shutil.rmtree(left, ignore_errors=True)
    with TemporaryDirectory(prefix=f"{own}{os.getpid()}-") as folder:
        yield Path(folder)


@dataclass(frozen=True, slots=True)
class ValueFile:
    """A value in a file.

    Parameters
    ----------
    path : Path
        The file.
    sizes : tuple of int
        Bytes of what is pickled, then of each array.
    """

    path: Path
    sizes: tuple[int, ...]


def store_value(value: Any, path: Path) -> Any:  # noqa: ANN401
    """Return a value as a file, or itself where the file cannot be written.

    Parameters
    ----------
    value : object
        What pickle takes; arrays are written as they are in memory.
    path : Path
        The file, in a folder that nobody else can write to: reading it runs code.
    """
    buffers: list[Any] = []
    parts = [memoryview(dumps(value, buffer_callback=buffers.append))]
    parts += [buffer.raw() for buffer in buffers]
    try:
        with path.open("wb") as file:
            for part in parts:
                file.write(part)
                file.write(_PADDING[: -part.nbytes % _ALIGNED])
    except OSError:
        # A full disk, most often.
        path.unlink(missing_ok=True)
        return value
    return ValueFile(path, tuple(part.nbytes for part in parts))


def load_value(given: Any) -> Any:  # noqa: ANN401
    """Return the value that `store_value` was given; its arrays can be written to.

    They are in memory as they are read, and the file can be removed.
    """
    if not isinstance(given, ValueFile):
        return given
    with given.path.open("rb") as file:
        # Changes stay in this process. The arrays hold the mapping.
        mapped = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY))
    parts, at = [], 0
    for size in given.sizes:
        parts.append(mapped[at : at + size])
        at += size + -size % _ALIGNED
    return loads(parts[0], buffers=parts[1:])
