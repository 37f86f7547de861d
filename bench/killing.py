"""What the benches that kill have in common: how many kills, and what is said of them.

Belongs here: their arguments, progress and last lines. Does not belong here: the kills
(``tests/workbench``).
"""

import argparse
import sys
from typing import TYPE_CHECKING, Never

if TYPE_CHECKING:
    from workbench.killed import Killed


def kill_parser(description: str | None, count: int) -> argparse.ArgumentParser:
    """Return a parser of ``--count`` and ``--seed``; ``count`` is the default."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--count", type=int, default=count, help="kills wanted")
    parser.add_argument("--seed", type=int, default=1)
    return parser


def say(line: str) -> None:
    """Print a line of progress at once."""
    print(line, flush=True)


def end(killed: "Killed", words: str, wanted: int, *, is_damage_wanted: bool = False) -> Never:
    """Print what came of it and leave, with 1 where something differs or kills are too few."""
    print(
        f"{killed.kills.total()} kills, {killed.seconds:.0f} s: {words}, "
        f"{len(killed.differences)} differences"
    )
    print("  " + ", ".join(f"{what} {count}" for what, count in sorted(killed.kills.items())))
    for difference in killed.differences[:20]:
        print(f"  {difference}")
    if is_damage_wanted:
        sys.exit(killed.is_whole)
    sys.exit(not killed.is_whole or killed.kills.total() < wanted)
