"""Processes that read what is published over and over while it is replaced.

Belongs here: reading in a process of its own and counting what goes wrong. Does not belong here:
who publishes, and how often (tests and ``bench/publishing.py``).

Run by its path this is the process that reads: ``python tests/workbench/readers.py FILE|PARQUET
PATH``; it ends with its input and prints what it saw.
"""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

if __package__ in (None, ""):
    # Run by path: neither the tests' folder nor the project's is on sys.path.
    sys.path[0] = str(Path(__file__).resolve().parents[2])

import duckdb

from warehouse.errors import WarehouseError
from warehouse.read import open_published

# Sums that change when a row is missing, double or of another publication.
_IN_FILE = (
    "select count(*), sum(hash(books)::hugeint)::varchar, "
    "(select count(*) from marts.liquidation_by_leverage_hourly) "
    "from marts.series_books_hourly as books"
)
_IN_PARQUET = (
    "select count(*), sum(hash(books)::hugeint)::varchar, count(distinct day) "
    "from read_parquet('{}/series_books_hourly/*/*.parquet', hive_partitioning = true) as books"
)


@dataclass(slots=True)
class Seen:
    """What one reader saw.

    Parameters
    ----------
    reads : int
        Answers.
    answers : list of list
        Different answers; one where what is published says the same all the time.
    errors : list of str
        Messages of reads that failed.
    """

    reads: int = 0
    answers: list[list[object]] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


def _ask(kind: str, path: Path, number: int) -> list[object]:
    if kind == "parquet":
        with duckdb.connect() as connection:
            row = connection.execute(_IN_PARQUET.format(path)).fetchone()
    elif number % 2:
        with open_published(path) as reader:
            row = reader.execute(_IN_FILE).fetchone()
    else:
        with duckdb.connect(str(path), read_only=True) as connection:
            row = connection.execute(_IN_FILE).fetchone()
    return list(row or ())


def read_until_stopped(kind: str, path: Path) -> Seen:
    """Read until the input ends; say so on the output after the first answer."""
    seen = Seen()
    ended = threading.Event()

    def wait() -> None:
        sys.stdin.read()
        ended.set()

    threading.Thread(target=wait, daemon=True).start()
    while not ended.is_set():
        try:
            answer = _ask(kind, path, seen.reads)
        except (duckdb.Error, WarehouseError) as exc:
            seen.errors.append(str(exc))
            continue
        if answer not in seen.answers:
            seen.answers.append(answer)
        seen.reads += 1
        if seen.reads == 1:
            sys.stdout.write("reading\n")
            sys.stdout.flush()
    return seen


@contextmanager
def reading(published: Path, *, files: int, parquets: int) -> Iterator[list[Seen]]:
    """Run readers around the block; what they saw is in the list after it.

    Parameters
    ----------
    published : Path
        The published folder.
    files, parquets : int
        Readers of the published file, and of the Parquet.
    """
    ways: Sequence[tuple[str, Path]] = [
        *[("file", published / "liqheat.duckdb")] * files,
        *[("parquet", published / "parquet")] * parquets,
    ]
    processes = [
        subprocess.Popen(
            [sys.executable, __file__, kind, str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for kind, path in ways
    ]
    seen: list[Seen] = []
    try:
        for process in processes:
            assert process.stdout is not None
            if process.stdout.readline() != "reading\n":
                raise RuntimeError("a reader could not read; see its error above")
        yield seen
        for process in processes:
            printed, _ = process.communicate()
            seen.append(Seen(**json.loads(printed)))
    finally:
        for process in processes:
            process.kill()
            process.communicate()


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asdict(read_until_stopped(sys.argv[1], Path(sys.argv[2])))))
