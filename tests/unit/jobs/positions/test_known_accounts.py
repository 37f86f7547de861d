import asyncio
from datetime import timedelta

import pytest
from workbench.account_states import START, address, minutes, position, state

from jobs.errors import BookUnavailable
from jobs.positions.account_book import AccountBook
from jobs.positions.known_accounts import KnownAccounts
from jobs.positions.sweep_order import SweepPolicy
from sources.accounts.trades import AccountTrade


@pytest.fixture
def path(tmp_path):
    return tmp_path / "positions" / "accounts.sqlite"


@pytest.fixture
async def known(path):
    accounts = KnownAccounts(AccountBook(path), SweepPolicy())
    yield accounts
    accounts.close()


def name(number):
    return "0x" + address(number).hex()


def trade(at, buyer=0, seller=1, coin="BTC", price=100.0):
    return AccountTrade(coin, price, 2.0, START + timedelta(minutes=at), name(buyer), name(seller))


def answer(known, number, at, *positions, clock=None, dex="", **changed):
    """Take in a state of an account, stamped with the venue's clock, as if requested."""
    row = known.table.row_of(number, dex, minutes(at))
    stamped = START + timedelta(minutes=at if clock is None else clock)
    known.note_state(
        row, state(*positions, at=stamped, number=number, dex=dex, **changed), minutes(at)
    )
    return row


async def positions(known, at=60):
    held = await known.snapshot(minutes(at))
    return dict(zip(held.coin.tolist(), held.quantity.tolist(), strict=True))


async def test_both_sides_of_a_trade_are_accounts_from_then_on(known, path):
    known.note_trades([trade(0), trade(1, buyer=1, seller=2)], minutes(1))
    await known.store()
    again = AccountBook(path)
    assert [one.address for one in again.addresses()] == [address(n) for n in range(3)]
    again.close()


async def test_an_account_may_hold_more_coins_than_have_a_price(known):
    known.note_listed([name(0)], minutes(0))
    answer(known, 0, 1, *(position(f"COIN{number}") for number in range(500)))
    await known.store()
    assert len(await positions(known)) == 500


async def test_what_is_known_comes_back_after_a_restart(known, path):
    known.note_listed([name(5)], minutes(0))
    known.note_trades([trade(0), trade(0, coin="xyz:GOLD")], minutes(1))
    await known.store()
    answer(known, 0, 2, position("BTC", 3.0))
    answer(known, 1, 2, position("xyz:GOLD"), dex="xyz")
    known.note_trades([trade(3)], minutes(3))
    await known.store()
    await known.write_trading()
    again = KnownAccounts(AccountBook(path), SweepPolicy())
    await again.call(again.load, minutes(9))
    assert again.table.account_count == 3
    assert again.table.position_count == 2
    assert again.table.held_quantity("BTC") == 3.0
    one, other = (accounts.table.row_of(0, "", 0) for accounts in (known, again))
    assert again.table.take_trading(other, minutes(9)) == known.table.take_trading(one, minutes(9))
    again.close()


async def test_the_arrays_take_over_what_the_book_has_and_not_before(known):
    known.note_trades([trade(0)], minutes(0))
    row = known.table.row_of(0, "", 0)
    answer(known, 0, 1, position("BTC"))
    assert known.table.trading_of(row)[0] == 0
    await known.store()
    assert known.table.trading_of(row)[0] == minutes(1)


async def test_what_the_book_cannot_take_waits_and_is_stored_once(known, monkeypatch):
    book = known._book
    known.note_trades([trade(0)], minutes(0))
    answer(known, 0, 1, position("BTC"))

    def is_full(*_):
        raise BookUnavailable("no room")

    with monkeypatch.context() as patched:
        patched.setattr(book, "store", is_full)
        with pytest.raises(BookUnavailable):
            await known.store()
    assert known.waiting_count == 3
    assert known.table.position_count == 0
    known.note_trades([trade(2, buyer=7)], minutes(2))
    await known.store()
    assert known.waiting_count == 0
    assert [one.address for one in book.addresses()] == [address(n) for n in (0, 1, 7)]
    _, _, _, payloads = book.seal("account_position", START)
    assert len(payloads) == 1


async def test_a_batch_whose_end_nobody_waited_for_is_not_stored_twice(known):
    known.note_trades([trade(0)], minutes(0))
    answer(known, 0, 1, position("BTC"))
    storing = asyncio.ensure_future(known.store())
    await asyncio.sleep(0)
    storing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await storing
    await known.store()
    assert len(list(known._book.addresses())) == 2
    assert len(known._book.seal("account_position", START)[3]) == 1


async def test_a_state_of_before_is_not_believed_and_its_trades_count_on(known):
    known.note_trades([trade(0)], minutes(0))
    row = answer(known, 0, 10, position("BTC", 2.0))
    await known.store()
    known.note_trades([trade(11)], minutes(11))
    answer(known, 0, 12, position("BTC", 1.0), clock=5)
    await known.store()
    assert await positions(known) == {"BTC": 2.0}
    assert known.table.take_trading(row, minutes(20)).first_at == minutes(11)


async def test_an_account_without_positions_is_requested_again_before_it_is_believed(known):
    known.note_trades([trade(0)], minutes(0))
    row = answer(known, 0, 1, position("BTC"))
    await known.store()
    answer(known, 0, 40)
    await known.store()
    assert await positions(known) == {"BTC": 1.0}
    assert row not in known.table.take_next(minutes(40.4), 9)
    answer(known, 0, 41)
    await known.store()
    assert await positions(known) == {}


async def test_an_empty_answer_that_is_taken_back_closes_nothing(known):
    known.note_trades([trade(0)], minutes(0))
    for at, held in ((1, [position("BTC")]), (40, []), (41, [position("BTC")]), (80, [])):
        answer(known, 0, at, *held)
        await known.store()
    assert await positions(known) == {"BTC": 1.0}


@pytest.mark.parametrize("skew", [-90, 45])
async def test_a_venue_whose_clock_is_ahead_or_behind_sends_fresh_states(known, skew):
    for at in range(3):
        known.note_trades([trade(at + skew)], minutes(at))
    row = answer(known, 0, 4, position("BTC"), clock=4 + skew)
    await known.store()
    assert known.table.trading_of(row)[0] == minutes(4)
    assert known.clock_ahead_seconds == -60 * skew


async def test_a_state_from_the_future_is_of_now(known):
    known.note_trades([trade(0)], minutes(0))
    row = answer(known, 0, 1, position("BTC"), clock=500)
    await known.store()
    assert known.table.trading_of(row)[0] == minutes(1)


async def test_states_that_lag_while_trades_do_not_are_stale(known):
    known.note_trades([trade(60)], minutes(60))
    row = answer(known, 0, 60, position("BTC", 1000.0), clock=0)
    await known.store()
    held = await known.snapshot(minutes(60))
    assert held.observed_at.astype("int64").tolist() == [minutes(0)]
    # Late by an hour already, yet left alone for a minute.
    assert row not in known.table.take_next(minutes(60.5), 9)
    assert row in known.table.take_next(minutes(61.1), 9)


async def test_a_map_has_no_state_of_after_its_hour(known):
    known.note_trades([trade(0)], minutes(0))
    answer(known, 0, 59, position("BTC", 1.0))
    answer(known, 1, 61, position("ETH", 1.0))
    assert await positions(known, at=60) == {"BTC": 1.0}
    await known.store()
    assert await positions(known, at=61) == {"BTC": 1.0, "ETH": 1.0}


@pytest.mark.parametrize("is_whole", [True, False])
async def test_trades_bracket_a_change_where_the_stream_saw_all_of_them(known, is_whole):
    known.note_trades([trade(0)], minutes(0))
    answer(known, 0, 1, position("BTC"))
    await known.store()
    known.stream_whole_since = minutes(0 if is_whole else 3)
    known.note_trades([trade(5), trade(7)], minutes(7))
    answer(known, 0, 9, position("BTC", 2.0))
    await known.store()
    first, second = known._book.seal("account_position", START)[3]
    assert ",null,null," in first
    assert (f"{minutes(5)},{minutes(7)}" in second) is is_whole


async def test_looking_for_accounts_on_a_dex_leaves_rows_of_those_found_only(known, path):
    known.note_listed([name(number) for number in range(30)], minutes(0))
    for number in range(30):
        answer(known, number, 0)
    await known.store()
    used = set()
    while rows := known.table.take_next(minutes(1), 8, ["xyz"]):
        for row in rows:
            used.add(row)
            number = known.table.number(row)
            held = [position("BTC")] if number == 7 else []
            answer(known, number, 1, *held, dex="xyz")
        await known.store()
    assert len(used) <= 4
    book = AccountBook(path)
    assert [one.account_id for one in book.sweeps() if one.dex] == [7]
    book.close()


async def test_no_address_leaves_the_book(known):
    known.note_trades([trade(0)], minutes(0))
    answer(known, 0, 1, position("BTC"))
    await known.store()
    (payload,) = known._book.seal("account_position", START)[3]
    assert address(0).hex() not in payload
    assert known._book.account_name(address(0)) in payload


async def test_a_position_that_went_with_its_price_is_looked_up(known):
    known.marks.put("BTC", 100.0, minutes(0))
    known.note_trades([trade(0)], minutes(0))
    answer(known, 0, 1, position("BTC", 100.0), position("ETH", 100.0))
    await known.store()
    known.marks.put("BTC", 79.0, minutes(20))
    answer(known, 0, 30, position("ETH", 50.0))
    await known.store()
    (suspect,) = known._book.next_suspects()
    assert (suspect.coin, suspect.since_at, suspect.value_usd) == ("BTC", minutes(1), 8000.0)
