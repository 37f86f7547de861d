"""What a file that users write may hold: a pydantic model per file, errors in plain words.

Belongs here: the base class, the field types and the wording of errors that all such files share.
Does not belong here: opening files (`sources.user_files`); the keys of one file, which its model
declares next to the code that uses them.

To read a file, declare its model and call `read_model`::

    class Levels(UserModel):
        soft: float | None = None

    levels = read_model(path, dict[str, Levels])  # InputRejected: file, place, value, next step

`quality` and `transforms` may not import this module. Where a file sets their parameters, `jobs`
declares the model, reads the file and passes plain values on, such as
``model.model_dump(exclude_unset=True)``.
"""

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    Strict,
    TypeAdapter,
    ValidationError,
    model_validator,
)
from pydantic.fields import FieldInfo

from sources.errors import InputRejected
from sources.user_files import line_of, read_yaml

T = TypeVar("T")

Name = Annotated[str, Field(min_length=1)]
"""A text that is not empty."""

Names = Annotated[tuple[Name, ...], Strict(False)]
"""A list of names."""

NameOrNames = Annotated[Names, BeforeValidator(lambda v: [v] if isinstance(v, str) else v)]
"""A list of names; a single one is a list of one."""

PositiveNumber = Annotated[float, Field(gt=0)]

_EXPECTED = {
    "string_type": "a text",
    "string_too_short": "a text",
    "bool_type": "true or false",
    "int_type": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "greater_than": "a number above {gt:g}",
    "greater_than_equal": "a number of at least {ge:g}",
    "tuple_type": "a list",
    "frozen_set_type": "a list",
    "list_type": "a list",
    "dict_type": "keys with values",
    "literal_error": "{choices}",
}
"""What was expected, by pydantic's type of error."""


class PlacedError(ValueError):
    """A value that is refused, with its place below the model that refuses it.

    Parameters
    ----------
    message : str
        What is wrong; names the place where it is not the model's own.
    place : sequence of str or int
        Keys and positions in lists, from the model inwards: for the line in the message.
    """

    def __init__(self, message: str, place: Sequence[str | int]) -> None:
        super().__init__(message)
        self.place = tuple(place)


_LEAST_LIKENESS = 0.6


def near_hint(word: str, known: Iterable[str], lead: str = "nearest is", form: str = "'{}'") -> str:
    """Return a part of a message that names the known word most like `word`, ignoring case.

    It is empty where none is like it: a suggestion that nobody can have meant helps nobody.

    Parameters
    ----------
    word : str
        What was found.
    known : iterable of str
        The words to choose from.
    lead : str
        What comes before the word.
    form : str
        How the word is written.

    Examples
    --------
    >>> near_hint("ammount", ["amount", "value"])
    "; nearest is 'amount'"
    >>> near_hint("level", ["hard", "soft"])
    ''
    """

    def likeness(other: str) -> float:
        short, long = sorted((word.lower(), other.lower()), key=len)
        ratio = difflib.SequenceMatcher(None, word.lower(), other.lower()).ratio()
        is_part = len(short) >= 3 and short in long
        return max(ratio, _LEAST_LIKENESS) if is_part else ratio

    near = max(sorted(known), key=likeness, default=None)
    if near is None or likeness(near) < _LEAST_LIKENESS:
        return ""
    return f"; {lead} {form.format(near)}"


class UserModel(BaseModel):
    """Keys that a user may set: unknown keys are refused, values are never converted in silence.

    A key that is set to null counts as left out unless its field admits None. A field's description
    completes the message where a required key is missing.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    @classmethod
    def fields_by_key(cls) -> dict[str, FieldInfo]:
        """Return the fields by the key that sets them."""
        return {field.alias or name: field for name, field in cls.model_fields.items()}

    @model_validator(mode="before")
    @classmethod
    def _check_keys(cls, content: object) -> object:
        fields = cls.fields_by_key()
        known = ", ".join(fields)
        content = {} if content is None else content
        if not isinstance(content, Mapping):
            # Pydantic takes a ValueError for a refusal, and lets a TypeError through.
            raise ValueError(  # noqa: TRY004
                f"expected keys with values ({known}), got {content!r:.200}"
            )
        for key in content:
            if key not in fields:
                raise PlacedError(
                    f"unknown key '{key}'{near_hint(str(key), fields, 'nearest known key is')} "
                    f"(known: {known})",
                    (key,),
                )
        given = {
            key: value
            for key, value in content.items()
            if value is not None or type(None) in get_args(fields[key].annotation)
        }
        for key, field in fields.items():
            if field.is_required() and key not in given:
                raise ValueError(f"'{key}' is missing{_describe_missing(key, field)}")
        return given


def read_model(path: Path, model: type[T], example: str = "") -> T:
    """Return what a YAML file holds, checked against a model.

    Parameters
    ----------
    path : Path
        The file; an empty one counts as one without keys.
    model : type
        A `UserModel`, or a collection of them such as ``dict[str, Levels]``.
    example : str
        One line of such a file, for the message where it holds no keys at all.

    Raises
    ------
    InputRejected
        If the file cannot be read or does not fit the model; the message names the file, the
        line, the place, the value and what was expected.
    """
    content = read_yaml(path)
    try:
        return _validated(content, model)
    except ValidationError as exc:
        line = line_of(path, _place_of(exc))
        where = f"{path}" if line is None else f"{path}, line {line}"
        raise InputRejected(f"{where}: {_describe(exc, example)}") from exc


def parse_model(content: object, model: type[T], where: str, example: str = "") -> T:
    """Return the contents of a YAML file, checked against a model.

    Parameters
    ----------
    content : object
        Parsed YAML; None counts as no keys.
    model : type
        As in `read_model`.
    where : str
        Names the file in messages.
    example : str
        As in `read_model`.

    Examples
    --------
    >>> class Limits(UserModel):
    ...     top: Annotated[int, Field(gt=0)]
    >>> parse_model({"top": 3}, Limits, "limits.yaml").top
    3
    >>> parse_model({"top": 0}, Limits, "limits.yaml")
    Traceback (most recent call last):
    sources.errors.InputRejected: limits.yaml: 'top' is 0, expected a number above 0

    Raises
    ------
    InputRejected
        As in `read_model`.
    """
    try:
        return _validated(content, model)
    except ValidationError as exc:
        raise InputRejected(f"{where}: {_describe(exc, example)}") from exc


def _validated(content: object, model: type[T]) -> T:
    return TypeAdapter(model).validate_python({} if content is None else _text_keys(content))


def _text_keys(content: object) -> object:
    """Return the contents with every key a text: YAML reads an unquoted 1000 as a number."""
    if isinstance(content, Mapping):
        return {str(key): _text_keys(value) for key, value in content.items()}
    return [_text_keys(value) for value in content] if isinstance(content, list) else content


def _describe_missing(key: str, field: FieldInfo) -> str:
    """Return what completes "'key' is missing"."""
    if field.description:
        return f": {field.description}"
    if get_origin(field.annotation) is Literal:
        return f": add '{key}: {' | '.join(map(str, get_args(field.annotation)))}'"
    return ""


def _named_place(location: Sequence[str | int]) -> list[str | int]:
    """Return the part of a location that is of the file: pydantic and unions add their own."""
    # Branches of unions carry our tags, <value>, and keys pydantic's, [key].
    return [part for part in location if not str(part).startswith(("<", "["))]


def _place_of(invalid: ValidationError) -> list[str | int]:
    """Return where the first error is, as precisely as it is known."""
    error = invalid.errors()[0]
    refusal = error.get("ctx", {}).get("error")
    below = refusal.place if isinstance(refusal, PlacedError) else ()
    return [*_named_place(error["loc"]), *below]


def _describe(invalid: ValidationError, example: str) -> str:
    """Return the first error as ``place: what is wrong``."""
    error = invalid.errors()[0]
    place = _named_place(error["loc"])
    context: dict[str, Any] = dict(error.get("ctx", {}))
    value = error["input"]
    if error["type"] == "value_error":
        message = str(context["error"])
    elif not place:
        as_in = f", as `{example}`" if example else ""
        message = f"expected keys with values{as_in}; got {value!r:.200}"
    else:
        if error["type"] == "literal_error":
            choices = re.findall(r"'([^']*)'", context["expected"])
            choices = choices or re.findall(r"\w+", context["expected"].replace(" or ", " "))
            context["choices"] = " | ".join(choices)
            if isinstance(value, str):
                context["choices"] += near_hint(value, choices)
        wanted = _EXPECTED.get(error["type"], error["msg"]).format(**context)
        if error["type"] == "string_type" and isinstance(value, bool | int | float):
            wanted += "; put it in quotes"
        last = place.pop()
        subject = f"entry {last + 1}" if isinstance(last, int) else f"'{last}'"
        message = f"{subject} is {value!r:.200}, expected {wanted}"
    named = ""
    for before, part in zip([None, *place], place, strict=False):
        number = f", entry {part + 1}" if isinstance(part, int) else ""
        named += number or f"{', ' if isinstance(before, int) else '.'}{part}"
    return f"{named.removeprefix('.')}: {message}" if named else message
