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
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from workbench.lake_kills import kill_on_lake
from workbench.lakes import Lake
from workbench.postgres_server import postgres_server


def main() -> None:
    """Kill, and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=100, help="kills wanted")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--mutant", action="store_true")
    arguments = parser.parse_args()
    with TemporaryDirectory(prefix="lake-kills-") as folder, postgres_server() as server:
        lake = Lake(server, server.make_database(), f"{folder}/data")
        killed = kill_on_lake(
            Path(folder),
            lake,
            kills=arguments.count,
            seed=arguments.seed,
            mutant=arguments.mutant,
            report=lambda line: print(line, flush=True),
        )
    listed = ", ".join(f"{victim} {count}" for victim, count in sorted(killed.kills.items()))
    print(
        f"{killed.kills.total()} kills ({listed}) over {killed.hours} hours, "
        f"{killed.seconds:.0f} s; {len(killed.torn)} times half done, "
        f"{len(killed.differences)} relations that differ, {len(killed.unknown)} files left behind"
    )
    for text in (*killed.torn, *killed.differences.items(), *sorted(killed.unknown)):
        print(f"  {text}")
    if arguments.mutant:
        sys.exit(killed.is_whole)
    sys.exit(not killed.is_whole or killed.kills.total() < arguments.count)


if __name__ == "__main__":
    main()
