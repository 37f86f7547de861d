"""The one place that hands functions to numba, and decides where compiled code is kept.

Belongs here: compiler options and the cache on disk. Does not belong here: any function that is
compiled.

numba checks a cached function against the source of its own module only. A constant or a helper
that changes in another module would leave stale machine code behind. So the cache is a folder
named after a hash of every module of ``transforms``: changed sources have another folder.
"""

import hashlib
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, cast

import numba

Function = TypeVar("Function", bound=Callable[..., object])

ROOM = Path(__file__).parent
_settings: Any = numba.config


def source_hash(room: Path) -> str:
    """Return a hash of all Python sources below a folder, paths included.

    Parameters
    ----------
    room : Path
        Folder to read.

    Returns
    -------
    str
        16 hexadecimal digits.

    Examples
    --------
    >>> source_hash(ROOM) == source_hash(ROOM), len(source_hash(ROOM))
    (True, 16)
    """
    digest = hashlib.sha256()
    for path in sorted(room.rglob("*.py")):
        for part in (path.relative_to(room).as_posix().encode(), path.read_bytes()):
            digest.update(len(part).to_bytes(8, "little") + part)
    return digest.hexdigest()[:16]


@cache
def cache_folder() -> str | None:
    """Return the folder for what is compiled of these sources.

    The order is numba's: the folder in ``NUMBA_CACHE_DIR``, ``__pycache__`` beside the sources and,
    where neither can be written to (a read-only installation), the user's cache.

    Returns
    -------
    str or None
        Existing folder that can be written to; None without one: nothing is cached then.

    Examples
    --------
    >>> source_hash(ROOM) in (cache_folder() or source_hash(ROOM))
    True
    """
    bases = (_settings.CACHE_DIR, ROOM / "__pycache__", Path.home() / ".cache" / "liqheat")
    for base in filter(None, bases):
        folder = Path(base) / f"numba-{source_hash(ROOM)}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=folder).close()
        except OSError:
            continue
        return str(folder)
    return None


def _compile(function: Function, **options: Any) -> Function:  # noqa: ANN401 - numba's own options
    """Return the function compiled at its first call, by numba, cached in ``cache_folder``."""
    folder, before = cache_folder(), _settings.CACHE_DIR
    # A dispatcher reads the setting once, when it is made; other packages keep theirs.
    _settings.CACHE_DIR = folder or before
    try:
        made = numba.njit(cache=folder is not None, nogil=True, **options)(function)
    finally:
        _settings.CACHE_DIR = before
    return cast(Function, made)


_FAST: dict[str, Any] = {"fastmath": {"reassoc", "contract"}, "error_model": "numpy"}


def compiled(function: Function) -> Function:
    """Return the function compiled, cached on disk and free of the interpreter lock.

    Arrays are best copied element by element in such a function: assigning one to a slice brings
    the compiler's error messages for shapes with it and doubles the time to compile.

    Parameters
    ----------
    function : callable
        A function of numbers, arrays and (named) tuples of arrays.

    Returns
    -------
    callable
        The same function, compiled at its first call.
    """
    return _compile(function)


def fast_compiled(function: Function) -> Function:
    """Return the function ``compiled`` with sums that may be reordered, to use vector registers.

    Their order depends on the span of a row only, so results do not depend on how bars are split
    into calls.

    Parameters
    ----------
    function : callable
        As for ``compiled``.

    Returns
    -------
    callable
        The same function, compiled at its first call.
    """
    return _compile(function, **_FAST)


def inlined(function: Function) -> Function:
    """Return the function ``fast_compiled`` and merged into its callers: for the steps of a bar."""
    return _compile(function, forceinline=True, **_FAST)
