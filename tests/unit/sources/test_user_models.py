from typing import Annotated, Literal

import pytest
from pydantic import Field

from sources.errors import InputRejected
from sources.user_models import NameOrNames, PositiveNumber, UserModel, parse_model, read_model


class Column(UserModel):
    unit: Literal["base", "usd"]
    names: NameOrNames = ()
    size: PositiveNumber | None = None
    shift_seconds: int = Field(0, alias="shift")
    hours: Annotated[int, Field(ge=1)] = 8


class File(UserModel):
    main: Column = Field(description="say what it holds")
    others: dict[str, Column] = Field({})
    listed: list[Column] = Field([])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("text", "f.yaml: expected keys with values (main, others, listed), got 'text'"),
        ({}, "f.yaml: 'main' is missing: say what it holds"),
        ({"main": {}}, "f.yaml: main: 'unit' is missing: add 'unit: base | usd'"),
        (
            {"main": {"unit": "base", "nmes": "a"}},
            "f.yaml: main: unknown key 'nmes'; nearest known key is 'names' "
            "(known: unit, names, size, shift, hours)",
        ),
        (
            {"main": {"unit": "Base"}},
            "f.yaml: main: 'unit' is 'Base', expected base | usd; nearest is 'base'",
        ),
        (
            {"main": {"unit": "base", "names": [1000]}},
            "f.yaml: main.names: entry 1 is 1000, expected a text; put it in quotes",
        ),
        (
            {"main": {"unit": "base", "size": True}},
            "f.yaml: main: 'size' is True, expected a number",
        ),
        (
            {"main": {"unit": "base", "size": 0}},
            "f.yaml: main: 'size' is 0, expected a number above 0",
        ),
        (
            {"main": {"unit": "base"}, "others": {1000: {"unit": "base", "shift": "1"}}},
            "f.yaml: others.1000: 'shift' is '1', expected a whole number",
        ),
        (
            {"main": {"unit": "base"}, "listed": [{"unit": "base", "hours": 0}]},
            "f.yaml: listed, entry 1: 'hours' is 0, expected a number of at least 1",
        ),
    ],
)
def test_an_error_names_the_place_the_value_and_what_was_expected(content, message):
    with pytest.raises(InputRejected) as caught:
        parse_model(content, File, "f.yaml")
    assert str(caught.value) == message


def test_null_counts_as_left_out_unless_the_field_admits_it():
    column = parse_model({"unit": "usd", "shift": None, "size": None}, Column, "f.yaml")
    assert column.shift_seconds == 0
    assert column.model_fields_set == {"unit", "size"}


def test_an_empty_file_has_no_keys(tmp_path):
    path = tmp_path / "f.yaml"
    path.write_text("")
    assert read_model(path, dict[str, Column]) == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("main:\n  unit: base\n  size: 0\n", "f.yaml, line 3: main: 'size' is 0"),
        ("main:\n\n  unit: base\n  nmes: a\n", "f.yaml, line 4: main: unknown key 'nmes'"),
        ("# a file\nmain: {}\n", "f.yaml, line 2: main: 'unit' is missing"),
        ("main: {unit: usd}\nlisted:\n- unit: usd\n- unit: eur\n", "f.yaml, line 4: listed, entry"),
        ("main: {unit: usd}\nothers:\n  1000: {hours: 0}\n", "f.yaml, line 3: others.1000"),
        ("others: {}\n", "f.yaml: 'main' is missing"),
        ("- main\n", "f.yaml: expected keys with values"),
    ],
)
def test_an_error_in_a_file_names_the_line(tmp_path, text, message):
    path = tmp_path / "f.yaml"
    path.write_text(text)
    with pytest.raises(InputRejected) as caught:
        read_model(path, File)
    assert message in str(caught.value)
