"""What README has a newcomer type and look at is there."""

import re
import shlex
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from typer.main import get_command

from cli.main import app
from sources.universe import read_universe
from warehouse.contracts import public_relations

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
COMMAND = get_command(app)


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def commands():
    """Return the words of each `liqheat` command that stands in a shell block or in the text."""
    found = []
    for block in blocks("sh"):
        for line in block.replace("\n    ", " ").splitlines():
            words = line.removeprefix("$ ").removeprefix("LIQHEAT_HOME=data/demo ")
            if words.startswith("liqheat "):
                found.append(tuple(shlex.split(words, comments=True)[1:]))
    return found


def test_readme_shows_commands():
    assert {words[0] for words in commands()} >= {"import", "ingest", "run", "query", "plot"}


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_a_command_takes_the_arguments_it_is_shown_with(words):
    name, *arguments = words
    command = COMMAND.commands[name]
    # Arguments are read and checked; nothing is run.
    command.make_context(name, list(arguments))


@pytest.mark.parametrize("words", re.findall(r"`liqheat ([a-z-]+)", README))
def test_a_command_named_in_the_text_is_one(words):
    result = CliRunner().invoke(COMMAND, [words, "--help"])
    assert result.exit_code == 0, result.output


def test_relations_named_are_public():
    named = set(re.findall(r"\b(?:marts|quality)\.[a-z_]+", README))
    assert len(named) > 10
    assert named <= {relation.name for relation in public_relations()}


@pytest.mark.parametrize("target", re.findall(r"\]\(([^)#]+)\)", README))
def test_links_lead_somewhere(target):
    assert (ROOT / target).exists()


@pytest.mark.parametrize("target", re.findall(r"^make ([a-z]+)", README, re.MULTILINE))
def test_make_knows_the_targets(target):
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE)


def test_the_universe_shown_is_read(tmp_path):
    (block,) = blocks("yaml")
    path = tmp_path / "universe.yaml"
    path.write_text(block)
    universe = read_universe(path)
    assert list(universe.venues) == yaml.safe_load(block)["venues"]


ROOMS = "bench|cli|docs|flows|jobs|plots|quality|sources|sql|tests|transforms|warehouse"
PAGES = [ROOT / "CONTRIBUTING.md", ROOT / "bench/README.md", *ROOT.glob("docs/**/*.md")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_that_a_page_names_are_there(page):
    named = re.findall(rf"`((?:{ROOMS})/[\w./-]+)`", page.read_text())
    assert [name for name in named if not (ROOT / name).exists()] == []
