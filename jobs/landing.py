"""Landing: records written whole to Parquet before any database hears of them."""

import os
from pathlib import Path

import pyarrow.parquet as pq

from sources.records import Batch
from warehouse.connect import translated


def land(batch: Batch, folder: Path, name: str) -> Path:
    """Write a batch to ``<folder>/<kind>/<name>.parquet`` and return the path.

    The file appears whole or not at all: it is written under a temporary name, synced and renamed.
    A file of that name that is already there is left as it is, so that a job that is run again
    lands only what it had not.

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
    with translated(f"writing {target}"):
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = _writing_folder(folder) / f"{batch.kind}-{name}-{os.getpid()}"
        try:
            with temporary.open("wb") as file:
                pq.write_table(batch.table, file, compression="zstd", compression_level=1)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)
        descriptor = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    return target


def _writing_folder(folder: Path) -> Path:
    """Return where files are written, cleared of what processes left that were killed."""
    writing = folder / ".writing"
    writing.mkdir(exist_ok=True)
    for left in writing.iterdir():
        if not _is_running(int(left.name.rpartition("-")[2])):
            left.unlink(missing_ok=True)
    return writing


def _is_running(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
