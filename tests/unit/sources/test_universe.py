import pytest
from hypothesis import given
from hypothesis import strategies as st

from sources.errors import InputRejected
from sources.universe import (
    Listing,
    Universe,
    choose_instruments,
    compare_listings,
    read_universe,
)
from sources.venues.declared import VENUES


def listing(venue, asset, usd=None, is_active=True, quote="USDT"):
    return Listing(venue, f"{asset}/{quote}:{quote}", asset, is_active, usd)


LISTED = [
    listing("binance", "BTC", 9e9),
    listing("binance", "ETH", 5e9),
    listing("binance", "PEPE", 1e8),
    listing("okx", "BTC", 2e9),
    listing("okx", "PEPE", 9e9),
    listing("okx", "DEAD", 1e12, is_active=False),
    listing("gate", "XRP", 1e8),
]


def test_an_empty_file_means_all_venues_and_the_largest_assets(tmp_path):
    path = tmp_path / "universe.yaml"
    path.write_text("")
    assert read_universe(path) == Universe(venues=tuple(VENUES), assets=(), exclude=frozenset())


def test_the_file_is_read_as_written(tmp_path):
    path = tmp_path / "universe.yaml"
    path.write_text(
        "venues: [okx, binance]\nassets: [btc, PEPE]\nexclude: [usdc, 'okx:BTC/USDC:USDC']\n"
    )
    universe = read_universe(path)
    assert universe.venues == ("okx", "binance")
    assert universe.assets == ("BTC", "PEPE")
    assert universe.exclude == {"USDC", "okx:BTC/USDC:USDC"}


@pytest.mark.parametrize(
    ("message", "named"),
    [
        ("venues: [ftx]", "'ftx' is not declared"),
        ("venue: [okx]", "unknown key 'venue'"),
        ("top: 0", "'top' is 0, expected a number above 0"),
        ("top: yes", "'top' is True, expected a whole number"),
        ("assets: BTC", "'assets' is 'BTC', expected a list"),
        ("assets: [1000]", "put it in quotes"),
        ("assets: [BTC]\ntop: 5", "exclude each other"),
        ("- okx", "expected keys"),
        ("venues: [okx", "no valid YAML"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_words(message, named, tmp_path):
    path = tmp_path / "universe.yaml"
    path.write_text(message)
    with pytest.raises(InputRejected, match=named) as caught:
        read_universe(path)
    assert "universe.yaml" in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputRejected, match=r"none\.yaml"):
        read_universe(tmp_path / "none.yaml")


def test_assets_are_taken_wherever_they_trade():
    chosen = choose_instruments(Universe(assets=("PEPE",)), LISTED)
    assert [(one.venue, one.asset) for one in chosen] == [("binance", "PEPE"), ("okx", "PEPE")]


def test_the_largest_are_those_of_all_venues_together():
    chosen = choose_instruments(Universe(top=2), LISTED)
    assert {one.asset for one in chosen} == {"BTC", "PEPE"}
    only_binance = Universe(top=2, venues=("binance",))
    assert {one.asset for one in choose_instruments(only_binance, LISTED)} == {"BTC", "ETH"}


def test_what_is_excluded_makes_room_for_the_next():
    universe = Universe(top=2, exclude=frozenset({"PEPE", "okx:BTC/USDT:USDT"}))
    chosen = choose_instruments(universe, LISTED)
    assert [(one.venue, one.asset) for one in chosen] == [("binance", "BTC"), ("binance", "ETH")]


def test_contracts_that_do_not_trade_are_not_followed():
    assert choose_instruments(Universe(assets=("DEAD",)), LISTED) == []


@given(st.permutations(LISTED), st.integers(1, 6))
def test_the_choice_does_not_depend_on_the_order_of_listings(shuffled, top):
    universe = Universe(top=top)
    assert choose_instruments(universe, shuffled) == choose_instruments(universe, LISTED)


def test_what_came_and_went_is_listed():
    current = [
        listing("binance", "BTC"),
        listing("binance", "NEW"),
        listing("binance", "ETH", is_active=False),
        listing("okx", "BTC"),
        listing("okx", "PEPE"),
        listing("okx", "DEAD"),
    ]
    change = compare_listings(LISTED, current)
    assert [(one.venue, one.asset) for one in change.listed] == [
        ("binance", "NEW"),
        ("okx", "DEAD"),
    ]
    # gate did not answer: its contracts are not gone.
    assert [(one.venue, one.asset) for one in change.delisted] == [
        ("binance", "ETH"),
        ("binance", "PEPE"),
    ]


def test_nothing_changes_between_a_listing_and_itself():
    change = compare_listings(LISTED, LISTED)
    assert change.listed == change.delisted == ()
