"""A lake under kill -9 of its writer, its workers and its scheduler, held against a file in peace.

Both take the same hours, one after the other. On the lake each is begun and killed three times, on
a Dask cluster or on threads, then run to its end. After each kill nothing may be half done, at the
end all rows have to be equal, and the lake has to know every file in its folder. With ``--mutant``
files are registered before their transaction ends, which has to be found. Run it from the project
root with

    .venv/bin/python -m bench.lake_kills [--count 100] [--seed 1] [--mutant]
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from workbench.lake_kills import KilledLake, kill_on_lake
from workbench.lakes import Lake
from workbench.postgres_server import postgres_server

from bench.killing import kill_parser, run_kills, say


def kill(folder: Path, arguments: argparse.Namespace) -> KilledLake:
    """Kill what works on a lake."""
    with postgres_server() as server:
        return kill_on_lake(
            folder,
            Lake(server, server.make_database(), f"{folder}/data"),
            kills=arguments.count,
            seed=arguments.seed,
            mutant=arguments.mutant,
            report=say,
        )


def words_of(killed: KilledLake) -> str:
    """Return how long it went on and what was found wrong."""
    return (
        f"{killed.hours} hours, {len(killed.torn)} times half done, "
        f"{len(killed.unknown)} files left behind"
    )


if __name__ == "__main__":
    parser = kill_parser(__doc__, count=100)
    parser.add_argument("--mutant", action="store_true")
    run_kills(parser, kill, words_of)
