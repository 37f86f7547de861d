"""Landing: records written whole to Parquet before the warehouse is opened.

Belongs here: files that appear whole or not at all, their names. Does not belong here: loading them
(`warehouse.load`).
"""

import hashlib
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from jobs.processes import is_running
from sources.checks import separate_bad_names
from sources.records import Batch
from warehouse.durable_files import move_into_place
from warehouse.error_messages import translated
from warehouse.load import LANDING_FORMAT


def landing_name(batch: Batch, at: datetime, *, prefix: str = "") -> str:
    """Return a name for a batch of one venue: venue, time and a hash of the contents.

    Parameters
    ----------
    batch : Batch
        At least one row.
    at : datetime
        When it was received, UTC.
    prefix : str
        Comes before the venue.
    """
    venue = "all"
    if "venue" in batch.table.schema.names:
        venue = batch.table["venue"][0].as_py() or "all"
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.table.schema) as writer:
        writer.write_table(batch.table)
    digest = hashlib.sha256(sink.getvalue()).hexdigest()[:12]
    return f"{prefix}{venue}-{at:%Y%m%dT%H%M%SZ}-{digest}"


def land(batch: Batch, folder: Path, name: str) -> Path:
    """Write a batch to ``<folder>/<kind>/<name>.parquet`` and return the path.

    The file appears whole or not at all: it is written under a temporary name, synced and renamed.
    An existing file of that name is left alone, so that a repeated job lands only what is missing.

    Parameters
    ----------
    batch : Batch
        What to write.
    folder : Path
        The landing folder.
    name : str
        Name without suffix; the same input must give the same name.

    Raises
    ------
    StorageFull
        There is no room on the disk.
    """
    target = folder / batch.kind / f"{name}.parquet"
    if target.exists():
        return target
    with written_whole(target) as temporary, temporary.open("wb") as file:
        marked = batch.table.replace_schema_metadata(LANDING_FORMAT)
        pq.write_table(marked, file, compression="zstd", compression_level=1)
    return target


@contextmanager
def written_whole(target: Path) -> Iterator[Path]:
    """Yield a path to write to; the file becomes the landing file `target` when the block ends.

    Where the block raises, nothing is left.

    Parameters
    ----------
    target : Path
        ``<kind>/<name>.parquet`` below the landing folder.

    Raises
    ------
    StorageFull
        There is no room on the disk.
    """
    with translated(f"writing {target}"):
        temporary = _writing_folder(target.parents[1]) / (
            f"{target.parent.name}-{target.stem}-{os.getpid()}"
        )
        try:
            yield temporary
            move_into_place(temporary, target)
        finally:
            temporary.unlink(missing_ok=True)


def land_all(batches: Iterable[Batch], folder: Path, name: str) -> Iterator[Batch]:
    """Land the batches of one input under numbered names and yield each once it has landed.

    Rows whose venue, asset or provider is no valid name land as quarantine records.
    """
    for number, whole in enumerate(batches):
        for batch, suffix in apart_by_names(whole):
            land(batch, folder, f"{name}-{number:04d}{suffix}")
            yield batch


def apart_by_names(whole: Batch) -> Iterator[tuple[Batch, str]]:
    """Yield a batch without its rows of malformed names, then those rows; each with a suffix."""
    yield from zip(separate_bad_names(whole), ("", "-names"), strict=False)


def _writing_folder(folder: Path) -> Path:
    """Return the folder of temporary files, cleared of those of killed processes."""
    writing = folder / ".writing"
    writing.mkdir(parents=True, exist_ok=True)
    for left in writing.iterdir():
        number = left.name.rpartition("-")[2]
        # What other programs leave there, as a file manager or a network's file system, stays.
        if number.isdecimal() and not is_running(int(number)):
            left.unlink(missing_ok=True)
    return writing
