"""Levels of a home come from a file, and what is not understood is refused by name."""

import pytest

from jobs.check.gates_in_force import LEVELS_FILE, read_gates
from jobs.settings import Settings
from quality.errors import ThresholdsRejected
from quality.gates import declared_gates
from sources.errors import InputRejected


def read(home, text):
    (home / LEVELS_FILE).write_text(text)
    return read_gates(Settings(home=home))


def test_without_a_file_or_with_an_empty_one_the_declared_gates_are_in_force(tmp_path):
    assert read_gates(Settings(home=tmp_path)) == declared_gates()
    assert read(tmp_path, "") == declared_gates()


def test_levels_are_read_whole_numbers_and_never_among_them(tmp_path):
    gates = read(tmp_path, "stale: {soft: 60}\nprice_gap: {soft: null}\n")
    assert (gates["stale"].soft, gates["stale"].hard) == (60, 21_600)
    assert gates["price_gap"].soft is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("price_gap: 1", "price_gap: expected keys with values .soft, hard., got 1"),
        ("price_gap: {sofd: 1}", "unknown key 'sofd'; nearest known key is 'soft'"),
        # Nothing is near enough to be meant.
        ("price_gap: {level: 1}", "unknown key 'level' .known: soft, hard.$"),
        ("price_gap: {soft: high}", "'soft' is 'high', expected a number"),
        ("price_gap: {soft: .nan}", "expected a finite number"),
        ("price_gap: {soft: true}", "'soft' is True, expected a number"),
        ("[price_gap]", "expected keys with values, as `price_gap"),
    ],
)
def test_what_is_no_level_is_refused_with_its_place(tmp_path, text, message):
    with pytest.raises(InputRejected, match=message) as caught:
        read(tmp_path, text)
    assert LEVELS_FILE in str(caught.value)


@pytest.mark.parametrize("text", ["7: {soft: 1}", "prize_gap: {soft: 1}"])
def test_an_unknown_gate_is_refused(tmp_path, text):
    with pytest.raises(ThresholdsRejected, match="no gate is named"):
        read(tmp_path, text)
