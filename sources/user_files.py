"""Files that users write or save: YAML and JSON, read whole and checked once.

Belongs here: what makes a file unreadable, whatever it is for. Does not belong here: what a file
may hold (`sources.user_models`).
"""

import json
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import Any

import yaml

from sources.errors import InputRejected

LARGEST_YAML_BYTES = 1_000_000
LARGEST_INTEGER = 2**63 - 1
LARGEST_JSON_BYTES = 64_000_000
"""A day of a provider's maps of one asset is some megabytes."""


class _PlainLoader(yaml.SafeLoader):
    """YAML without its traps: dates become text, aliases are refused.

    A date that is none (2026-13-45) fails in PyYAML outside its own errors, and a few lines of
    aliases unfold to gigabytes.
    """

    yaml_implicit_resolvers = {  # noqa: RUF012  (PyYAML's own name)
        first: [(tag, form) for tag, form in resolvers if tag != "tag:yaml.org,2002:timestamp"]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:  # noqa: ANN401
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.composer.ComposerError(
                None, None, "aliases (*name) are not read; write the value out", mark
            )
        return super().compose_node(parent, index)

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:  # noqa: ANN401
        """Build a value; PyYAML does so without a guard for explicit tags and huge numbers."""
        try:
            return super().construct_object(node, deep)
        except (ValueError, TypeError, AttributeError, OverflowError) as exc:
            raise yaml.constructor.ConstructorError(
                None,
                None,
                "a value that does not fit its tag (!!timestamp, !!int), or a number of thousands "
                "of digits; write the plain value",
                node.start_mark,
            ) from exc


def _whole_number(loader: _PlainLoader, node: yaml.ScalarNode) -> int:
    value = int(loader.construct_yaml_int(node))
    if abs(value) > LARGEST_INTEGER:
        raise yaml.constructor.ConstructorError(
            None, None, "a whole number beyond 64 bits", node.start_mark
        )
    return value


_PlainLoader.add_constructor("tag:yaml.org,2002:int", _whole_number)


def parse_number(text: str) -> int | float:
    """Return a JSON whole number; one beyond 64 bits as a float, infinite where it has no other.

    Examples
    --------
    >>> parse_number("12"), parse_number("1" + "0" * 25)
    (12, 1e+25)
    """
    return int(text) if len(text) < 19 else float(text)


@contextmanager
def opened(path: Path) -> Iterator[BufferedReader]:
    """Yield a regular file, open for reading.

    Raises
    ------
    InputRejected
        It is not there, cannot be read, or is not a regular file (a pipe would never end).
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise InputRejected(f"{path}: not a regular file; give the file itself")
        with path.open("rb") as file:
            yield file
    except OSError as exc:
        raise InputRejected(f"{path}: cannot be read ({exc.strerror})") from exc


def read_bytes(path: Path, largest: int) -> bytes:
    """Return what a regular file holds.

    Raises
    ------
    InputRejected
        As in `opened`, or it is larger than `largest`.
    """
    with opened(path) as file:
        found = os.fstat(file.fileno())
        if found.st_size > largest:
            raise InputRejected(
                f"{path}: {found.st_size:,} bytes, at most {largest:,} are read; is it the "
                "right file?"
            )
        return file.read()


def read_yaml(path: Path) -> object:
    """Return the content of a YAML file; None where it is empty.

    Raises
    ------
    InputRejected
        The file cannot be read, or is no YAML; the message names the file and the line.
    """
    raw = read_bytes(path, LARGEST_YAML_BYTES)
    try:
        value = yaml.load(raw.decode("utf-8"), Loader=_PlainLoader)  # noqa: S506  (a safe loader)
    except UnicodeDecodeError as exc:
        raise InputRejected(f"{path}: byte {exc.start} is not UTF-8; save it as UTF-8") from exc
    except yaml.YAMLError as exc:
        # PyYAML quotes the line, which may hold a secret.
        for mark in (getattr(exc, "context_mark", None), getattr(exc, "problem_mark", None)):
            if mark is not None:
                mark.buffer = None
        where = " ".join(str(exc).split())
        raise InputRejected(f"{path}: no valid YAML ({where}); correct the line it names") from exc
    except RecursionError as exc:
        raise InputRejected(f"{path}: nested too deeply for a file written by hand") from exc
    except (ValueError, TypeError, AttributeError, OverflowError) as exc:
        # PyYAML reads escapes and directives without a guard.
        raise InputRejected(
            f"{path}: no valid YAML: an escape (\\U0001F600) or a directive (%YAML 1.2) that "
            "cannot be read; correct it"
        ) from exc
    _require_text(value, str(path))
    return value


def line_of(path: Path, place: Sequence[str | int]) -> int | None:
    """Return the line of a place in a YAML file, from 1; None where the file has no such place.

    Parameters
    ----------
    path : Path
        A file that `read_yaml` reads.
    place : sequence of str or int
        Keys and positions in lists, from the outermost; where the last ones are not there, the
        line of the nearest that is.
    """
    raw = read_bytes(path, LARGEST_YAML_BYTES)
    node = yaml.compose(raw.decode("utf-8"), Loader=_PlainLoader)
    line = None
    for part in place:
        if isinstance(node, yaml.MappingNode):
            pairs = [(key, value) for key, value in node.value if key.value == str(part)]
            if not pairs:
                break
            key, node = pairs[-1]
            line = key.start_mark.line + 1
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int):
            if part >= len(node.value):
                break
            node = node.value[part]
            line = node.start_mark.line + 1
        else:
            break
    return line


def read_json(path: Path) -> Any:  # noqa: ANN401  (JSON)
    """Return the content of a JSON file.

    Raises
    ------
    InputRejected
        The file cannot be read, or is no JSON; the message names the file and the place.
    """
    raw = read_bytes(path, LARGEST_JSON_BYTES)
    try:
        return parse_json(raw.decode("utf-8-sig"))
    except ValueError as exc:
        raise InputRejected(f"{path}: torn or no JSON ({exc}); fetch it again whole") from exc


def parse_json(text: str) -> Any:  # noqa: ANN401  (JSON)
    """Return a JSON value that can be written again.

    Raises
    ------
    ValueError
        It is no JSON, nested too deeply, or holds half a character; the message names the place.
    """
    try:
        value = json.loads(text, parse_int=parse_number)
    except RecursionError as exc:
        raise ValueError("JSON nested too deeply") from exc
    except json.JSONDecodeError as exc:
        raise ValueError(f"line {exc.lineno}, column {exc.colno}: {exc.msg}") from exc
    if "\\u" in text and "\\ud" in text.lower():
        _require_text(value, "JSON")
    return value


def _require_text(value: object, where: str) -> None:
    """Refuse text with half a surrogate pair: nothing can store or print it."""
    try:
        json.dumps(value, ensure_ascii=False, default=str, skipkeys=True).encode("utf-8")
    except UnicodeEncodeError as exc:
        raise InputRejected(
            f"{where}: text with half a character ({exc.object[exc.start]!r}); correct it"
        ) from exc
    except (RecursionError, ValueError) as exc:
        raise InputRejected(f"{where}: {exc}") from exc
