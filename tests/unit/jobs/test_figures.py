"""Numbers as tables print them."""

import pytest

from jobs.read.figures import odds, percent, price, usd


@pytest.mark.parametrize(
    ("value", "shown"),
    [(None, ""), (0.001, "< 0.1 %"), (0.0044, "0.4 %"), (0.0994, "9.9 %"), (0.133, "13 %")],
)
def test_odds_are_never_printed_below_one_in_a_thousand(value, shown):
    assert odds(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [(None, ""), (12.0, "12"), (1_500.0, "1.5 k"), (2.34e6, "2.3 M"), (1e9, "1.0 B")],
)
def test_amounts_are_rounded_for_the_eye(value, shown):
    assert usd(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"), [(92_794.3, "92,794"), (3_456.78, "3,456.8"), (0.123456, "0.12346")]
)
def test_prices_are_rounded_to_a_hundredth_of_a_percent(value, shown):
    assert price(value) == shown


def test_shares_are_in_percent():
    assert percent(0.5) == "50 %"
    assert percent(None) == ""
