"""What a process computes with, and how processes of a cluster differ in it.

Other sources, or another release of what compiles and stores, would give other rows than the rest
of the cluster, or none. CPUs of one architecture may still differ in a last bit.
"""

import logging
import platform
from collections.abc import Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version

from jobs.errors import WorkersDiffer
from transforms.compiler import ROOM, source_hash

logger = logging.getLogger(__name__)

COMPARED_PACKAGES = ("numpy", "numba", "pyarrow", "duckdb", "distributed")

# What runs on workers, and what shapes its rows.
_ROOMS = ("jobs", "transforms", "warehouse")


@cache
def own_versions() -> dict[str, str]:
    """Return the versions in this process, by name.

    Examples
    --------
    >>> sorted(own_versions())
    ['distributed', 'duckdb', 'liqheat', 'machine', 'numba', 'numpy', 'pyarrow', 'python']
    """
    project = ROOM.parent
    found = {"python": platform.python_version(), "machine": platform.machine()}
    for name in COMPARED_PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    found["liqheat"] = "-".join(source_hash(project / room)[:8] for room in _ROOMS)
    return found


def version_differences(here: Mapping[str, str], there: Mapping[str, str]) -> str:
    """Return in words where versions differ; empty where they do not.

    Examples
    --------
    >>> version_differences({"numpy": "2.1", "numba": "0.60"}, {"numpy": "2.0", "numba": "0.60"})
    'numpy is 2.0, here 2.1'
    """
    return ", ".join(
        f"{name} is {there.get(name, 'unknown')}, here {expected}"
        for name, expected in here.items()
        if there.get(name) != expected
    )


def refuse_differences(
    here: Mapping[str, str], processes: Mapping[str, Mapping[str, str] | BaseException]
) -> None:
    """Raise unless all processes of a cluster have the same versions.

    One that ended meanwhile is passed over: what comes in its place compares versions itself.

    Parameters
    ----------
    here : mapping of str to str
        Versions of the process that hands out the work.
    processes : mapping of str to mapping of str to str, or to an exception
        Versions of each process by its name, or why they are not known.

    Raises
    ------
    WorkersDiffer
        It names the first process that differs, and in what.
    """
    for name, there in sorted(processes.items()):
        # Dask's errors of connections have no number, those of files have one.
        if isinstance(there, OSError) and there.errno is None:
            logger.warning("%s has left (%s)", name, there)
            continue
        if isinstance(there, BaseException):
            raise WorkersDiffer(
                f"{name} cannot run liqheat ({type(there).__name__}: {there}): install these "
                "sources and requirements-dev.lock there, start it again"
            )
        differing = version_differences(here, there)
        if differing:
            raise WorkersDiffer(
                f"{name} computes with other versions: {differing}; nothing was run: install the "
                "same sources and the same lock there, start it again"
            )
