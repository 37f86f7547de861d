"""No input ends in a traceback, and good rows land once whatever stands beside them."""

import pytest
from workbench.fuzz import FIRST, Fuzz


@pytest.mark.parametrize("seed", [1])
def test_damaged_inputs_of_every_kind_are_refused_in_words(tmp_path, monkeypatch, seed):
    monkeypatch.chdir(tmp_path)
    fuzz = Fuzz(tmp_path, seed)
    outcome = fuzz.give(100)
    assert not outcome.unforeseen, "\n\n".join(outcome.unforeseen[:5])
    assert outcome.tried >= 100
    assert outcome.refused > 20
    assert fuzz.good_bars() == [(FIRST + 3600 * hour, 105.0, 1) for hour in range(100, 104)]
