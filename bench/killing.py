"""What the benches that kill have in common: how many kills, and what is said of them.

Belongs here: their arguments, progress and last lines. Does not belong here: the kills
(``tests/workbench``).
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Never, TypeVar

if TYPE_CHECKING:
    from workbench.killed import Killed

K = TypeVar("K", bound="Killed")


def kill_parser(description: str | None, count: int) -> argparse.ArgumentParser:
    """Return a parser of ``--count`` and ``--seed``; ``count`` is the default."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--count", type=int, default=count, help="kills wanted")
    parser.add_argument("--seed", type=int, default=1)
    return parser


def say(line: str) -> None:
    """Print a line of progress at once."""
    print(line, flush=True)


def run_kills(
    parser: argparse.ArgumentParser,
    kill: Callable[[Path, argparse.Namespace], K],
    words_of: Callable[[K], str],
) -> Never:
    """Kill in a folder, print what came of it and leave.

    The exit status is 1 where something differs or kills are too few; with ``--mutant``, where
    nothing differs.
    """
    arguments = parser.parse_args()
    with TemporaryDirectory(prefix="kills-") as folder:
        killed = kill(Path(folder), arguments)
    print(
        f"{killed.kills.total()} kills, {killed.seconds:.0f} s: {words_of(killed)}, "
        f"{len(killed.differences)} differences"
    )
    print("  " + ", ".join(f"{what} {count}" for what, count in sorted(killed.kills.items())))
    for difference in killed.differences[:20]:
        print(f"  {difference}")
    if getattr(arguments, "mutant", False):
        sys.exit(killed.is_whole)
    sys.exit(not killed.is_whole or killed.kills.total() < arguments.count)
