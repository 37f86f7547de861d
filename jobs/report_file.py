"""Reports of jobs: small JSON files in the home folder, which `liqheat status` reads.

Belongs here: writing and reading such a file. Does not belong here: what a report holds (the job
that writes it), judging it (`jobs.read`), records of runs (`jobs.runs`).
"""

import json
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeVar

from pydantic import TypeAdapter

from sources.errors import InputRejected, SourceError
from sources.user_files import read_json
from warehouse.durable_files import write_whole

Report = TypeVar("Report")


class _Dataclass(Protocol):
    """An instance of any dataclass, for `asdict`."""

    __dataclass_fields__: ClassVar[dict[str, Any]]


def encode_report(report: _Dataclass) -> bytes:
    """Return a report as JSON; instants as in ISO 8601."""
    return json.dumps(asdict(report), default=datetime.isoformat, indent=1).encode()


def write_report(path: Path, report: _Dataclass) -> None:
    """Write a report, whole or not at all, in place of the last one.

    Raises
    ------
    WarehouseError
        It cannot be written; `StorageFull` where there is no room.
    """
    write_whole(path, encode_report(report))


def read_report(path: Path, form: TypeAdapter[Report], otherwise: str) -> Report | None:
    """Return a report; None where there is none.

    Parameters
    ----------
    path : Path
        Its file.
    form : TypeAdapter
        What it has to hold.
    otherwise : str
        What the file is if it cannot be read or holds something else, and what to do; the error
        says it after the path.

    Raises
    ------
    InputRejected
        The file cannot be read, or holds something else.
    """
    if not path.exists():
        return None
    try:
        return form.validate_python(read_json(path))
    except (SourceError, ValueError) as exc:
        raise InputRejected(f"{path} {otherwise}") from exc
