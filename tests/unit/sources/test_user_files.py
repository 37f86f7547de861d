"""Files people write are read whole, or refused by a message that names the file."""

import os

import pytest

from sources.errors import InputRejected
from sources.user_files import LARGEST_YAML_BYTES, read_json, read_yaml


@pytest.fixture
def file(tmp_path):
    def write(content):
        path = tmp_path / "mine.yaml"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def test_yaml_is_read_and_dates_stay_text(file):
    assert read_yaml(file("a: 2026-01-02\n2026-13-45: {b: 1.5}\n")) == {
        "a": "2026-01-02",
        "2026-13-45": {"b": 1.5},
    }
    assert read_yaml(file("")) is None


BOMB = "a0: &a0 [x, x]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]\n" for i in range(1, 40))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a: {b", "no valid YAML"),
        ("[" * 3000, "nested too deeply"),
        ("x: !!timestamp foo", "a value that does not fit its tag"),
        ("x: !!int foo", "a value that does not fit its tag"),
        ("x: !!python/object/apply:os.system ['true']", "no valid YAML"),
        (f"x: {'9' * 5000}", "a value that does not fit its tag"),
        ('x: "\\UFFFFFFFF"', "an escape"),
        (f"%YAML 1.{'9' * 5000}\n---\nx: 1", "a directive"),
        (f"x: {'9' * 30}", "a whole number beyond 64 bits"),
        ('x: "\\ud800"', "half a character"),
        (b"x: \xff", "byte 3 is not UTF-8"),
        (BOMB, "aliases"),
        ("x: " + "y" * LARGEST_YAML_BYTES, "at most 1,000,000 are read"),
    ],
)
def test_yaml_that_cannot_be_used_is_refused(file, content, message):
    path = file(content)
    with pytest.raises(InputRejected, match=message) as caught:
        read_yaml(path)
    assert "mine.yaml" in str(caught.value)
    str(caught.value).encode()


@pytest.mark.parametrize("value", ["!!timestamp foo", "!!float foo", "9" * 5000, "9" * 30])
def test_a_value_that_cannot_be_built_is_placed_in_its_file(file, value):
    with pytest.raises(InputRejected, match="line 3, column 6"):
        read_yaml(file(f"a: 1\nb:\n  c: {value}\n"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"a": ', "torn or no JSON .line 1"),
        ("[" * 100_000, "nested too deeply"),
        ('["\\ud800"]', "half a character"),
        (b'["\xff"]', "decode"),
    ],
)
def test_json_that_cannot_be_used_is_refused(file, content, message):
    with pytest.raises(InputRejected, match=message):
        read_json(file(content))


def test_json_may_hold_pairs_of_surrogates_and_start_with_a_mark(file):
    assert read_json(file(b'\xef\xbb\xbf["\\ud83d\\ude00"]')) == ["\U0001f600"]


@pytest.mark.parametrize("read", [read_yaml, read_json])
def test_what_is_no_regular_file_is_refused_at_once(tmp_path, read):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path in (pipe, tmp_path):
        with pytest.raises(InputRejected, match="not a regular file"):
            read(path)
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    for path in (tmp_path / "dangling", tmp_path / "absent"):
        with pytest.raises(InputRejected, match="No such file"):
            read(path)


def test_huge_whole_numbers_are_numbers_that_checks_refuse(file):
    assert read_json(file(f"[{'9' * 5000}, 7, -{'9' * 25}]")) == [float("inf"), 7, -1e25]
