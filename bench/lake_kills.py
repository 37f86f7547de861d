"""A lake under kill -9 of its writer, its workers and its scheduler, held against a file in peace.

Both take the same hours, one after the other. On the lake each is begun and killed three times, on
a Dask cluster or on threads, then run to its end. After each kill nothing may be half done, at the
end all rows have to be equal, and the lake has to know every file in its folder. With ``--mutant``
files are registered before their transaction ends, which has to be found. Run it from the project
root with

    .venv/bin/python -m bench.lake_kills [--count 100] [--seed 1] [--mutant]
"""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from workbench.lake_kills import kill_on_lake
from workbench.lakes import Lake
from workbench.postgres_server import postgres_server

from bench.killing import end, kill_parser, say


def main() -> None:
    """Kill, and print what came of it."""
    parser = kill_parser(__doc__, count=100)
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
            report=say,
        )
    words = (
        f"{killed.hours} hours, {len(killed.torn)} times half done, "
        f"{len(killed.unknown)} files left behind"
    )
    for text in (*killed.torn, *sorted(killed.unknown)):
        print(f"  {text}")
    end(killed, words, arguments.count, is_damage_wanted=arguments.mutant)


if __name__ == "__main__":
    main()
