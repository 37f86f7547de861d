"""Names of coins are read one way, whoever spells them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sources.assets import USD_QUOTES, split_asset
from sources.venues.declared import VENUES


@pytest.mark.parametrize(
    ("coin", "expected"),
    [
        ("BTC", ("BTC", 1)),
        ("1000PEPE", ("PEPE", 1000)),
        ("10000ELON", ("ELON", 10_000)),
        ("1000000MOG", ("MOG", 1_000_000)),
        ("1MBABYDOGE", ("BABYDOGE", 1_000_000)),
        ("SHIB1000", ("SHIB", 1000)),
        ("1INCH", ("1INCH", 1)),
        ("1000X", ("1000X", 1)),
        ("SPX6900", ("SPX6900", 1)),
        ("XBT", ("BTC", 1)),
        ("btc", ("BTC", 1)),
    ],
)
def test_multiplier_belongs_to_the_instrument_not_to_the_asset(coin, expected):
    assert split_asset(coin) == expected


def test_small_k_is_a_multiplier_only_where_the_venue_declares_it():
    assert split_asset("kPEPE", (("k", 1000),)) == ("PEPE", 1000)
    assert split_asset("kPEPE") == ("KPEPE", 1)
    assert split_asset("KAS", (("k", 1000),)) == ("KAS", 1)


@given(st.text(alphabet="ABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=2, max_size=8))
def test_names_without_digits_stay_as_they_are_but_for_bitcoin(name):
    expected = "BTC" if name == "XBT" else name
    assert split_asset(name) == (expected, 1.0)


def test_the_longest_prefix_wins():
    prefixes = {"1000": 1e3, "1000000": 1e6, "k": 1e3}.items()
    assert split_asset("1000000MOG", prefixes) == ("MOG", 1e6)
    assert split_asset("k龙虾", prefixes) == ("龙虾", 1e3)
    assert split_asset("1000", prefixes) == ("1000", 1.0)


def test_live_follows_no_contract_quoted_in_anything_but_dollars():
    quotes = {
        quote for venue in VENUES.values() for product in venue.products for quote in product.quotes
    }
    assert quotes <= set(USD_QUOTES)
