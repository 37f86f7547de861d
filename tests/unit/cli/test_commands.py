"""A command that no test calls is found here."""

from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from typer.main import get_command

from cli.main import app

TESTS = Path(__file__).parents[2]
TEXTS = [path.read_text() for path in TESTS.rglob("*.py") if path.name != Path(__file__).name]


def leaves(command: click.Command, words: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Return the words of each command that is no group."""
    if not hasattr(command, "commands"):
        yield words
        return
    for name, each in command.commands.items():
        yield from leaves(each, (*words, name))


@pytest.mark.parametrize("words", list(leaves(get_command(app))), ids=" ".join)
def test_a_command_is_called_by_a_test(words):
    call = ", ".join(f'"{word}"' for word in words)
    assert any(call in text for text in TEXTS)
