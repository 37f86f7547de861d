"""Landing: records written whole to Parquet before any database hears of them."""

import os
from pathlib import Path

import pyarrow.parquet as pq

from sources.records import Batch


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
    """
    target = folder / batch.kind / f"{name}.parquet"
    if target.exists():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{name}-{os.getpid()}.writing")
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
