"""What readers see never promises: a map says where, how much and how sure, not what price does."""

import ast
import re
from pathlib import Path

import pytest

from warehouse.contracts import public_relations

ROOT = Path(__file__).parents[2]

# `network-online.target` is a unit of systemd, `targets:` a key of alerts.yaml.
PROMISING = re.compile(r"\bwill\b|(?<![\w.-])targets?\b(?!:)|\bmagnet", re.IGNORECASE)

PAGES = sorted(
    path
    for path in (ROOT / "README.md", *(ROOT / "docs").rglob("*.md"))
    if "decisions" not in path.parts
)


def shown_strings(path):
    """Yield the strings of a module that a user can see: all but docstrings, of commands those too.

    The docstring of a command is its help.
    """
    tree = ast.parse(path.read_text())
    hidden = set()
    for node in ast.walk(tree):
        is_documented = isinstance(
            node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
        )
        if is_documented and ast.get_docstring(node) is not None:
            is_help = isinstance(node, ast.FunctionDef) and node.name.endswith("_command")
            if not is_help:
                hidden.add(node.body[0].value)
    for node in ast.walk(tree):
        is_string = isinstance(node, ast.Constant) and isinstance(node.value, str)
        if is_string and node not in hidden:
            yield node.value


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_pages_do_not_promise(page):
    assert not [line for line in page.read_text().splitlines() if PROMISING.search(line)]


@pytest.mark.parametrize("room", ["cli", "plots"])
def test_commands_and_pictures_do_not_promise(room):
    shown = [
        (path.name, text)
        for path in sorted((ROOT / room).rglob("*.py"))
        for text in shown_strings(path)
    ]
    assert len(shown) > 100
    assert not [each for each in shown if PROMISING.search(each[1])]


@pytest.mark.parametrize("module", ["words.py", "faults.py"])
def test_alerts_do_not_promise(module):
    shown = list(shown_strings(ROOT / "jobs" / "alerts" / module))
    assert len(shown) > 20
    assert not [text for text in shown if PROMISING.search(text)]


def test_comments_on_columns_do_not_promise():
    sentences = [
        text
        for relation in public_relations()
        for text in (relation.description, *(column.description for column in relation.columns))
    ]
    assert len(sentences) > 200
    assert not [text for text in sentences if PROMISING.search(text)]


@pytest.mark.parametrize("promise", ["Price will go there.", "The next target", "magnets"])
def test_a_promise_is_seen(promise):
    assert PROMISING.search(promise)


def test_help_of_a_command_is_read_and_other_docstrings_are_not(tmp_path):
    module = tmp_path / "one.py"
    module.write_text(
        'def _load():\n    """It will load."""\n\n\n'
        'def show_command():\n    """Show."""\n    print("Where it will go.")\n'
    )
    assert sorted(shown_strings(module)) == ["Show.", "Where it will go."]
