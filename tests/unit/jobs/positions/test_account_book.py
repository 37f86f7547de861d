import os
import sqlite3
import stat
from datetime import timedelta

import numpy as np
import pytest
from workbench.account_states import START, address, found, minutes, position, state, swept

from jobs.errors import BookDamaged, BookUnavailable, CollectorRunning
from jobs.positions.account_book import AccountBook
from jobs.positions.book_file import sole_collector
from jobs.positions.book_records import Suspect, Trading
from jobs.positions.state_changes import StateVerdict


@pytest.fixture
def path(tmp_path):
    return tmp_path / "positions" / "accounts.sqlite"


@pytest.fixture
def book(path):
    book = AccountBook(path)
    yield book
    book.close()


def record(stored, change):
    return f"{stored.swept.account_id} {change.position.coin} {change.change} {change.quantity:g}"


def test_accounts_come_back_by_number(book, path):
    book.store([found(0), found(1)])
    again = AccountBook(path)
    assert [(one.account_id, one.address) for one in again.addresses()] == [
        (0, address(0)),
        (1, address(1)),
    ]
    again.close()


def test_a_state_and_its_changes_are_stored_together(book, path):
    book.store([found(0)])
    book.store(swept=[swept(0, 1, state(position("BTC")))], record_of=record)
    book.store(swept=[swept(0, 5, state(position("BTC"), position("ETH")))], record_of=record)
    book.store(swept=[swept(0, 9, state(position("ETH")))], record_of=record)
    _, _, _, payloads = book.seal("account_position", START)
    assert payloads == ["0 BTC first 1", "0 ETH opened 1", "0 BTC closed 0"]
    assert book.positions_of(START).coin.tolist() == ["ETH"]


def test_a_batch_that_fails_leaves_nothing(book):
    def refuse(stored, change):
        raise ZeroDivisionError

    book.store([found(0)])
    with pytest.raises(ZeroDivisionError):
        book.store([found(1)], [swept(0, 1, state(position("BTC")))], record_of=refuse)
    assert len(list(book.addresses())) == 1
    assert list(book.sweeps()) == []
    assert len(book.positions_of(START)) == 0


def test_an_older_state_changes_nothing(book):
    book.store([found(0)], [swept(0, 10, state(position("BTC", quantity=2.0)))])
    (one,) = book.store(swept=[swept(0, 5, state(), now=11)], record_of=record)
    assert one.verdict is StateVerdict.older
    assert one.positions == (position("BTC", quantity=2.0),)
    assert book.positions_of(START).quantity.tolist() == [2.0]
    assert book.waiting() == 0


def test_a_position_that_could_not_be_read_keeps_its_instant(book):
    book.store([found(0)], [swept(0, 1, state(position("BTC"), position("ETH")))])
    book.store(swept=[swept(0, 9, state(position("BTC"), faults=("ETH",)))])
    held = book.positions_of(START)
    at = dict(zip(held.coin.tolist(), held.observed_at.astype(np.int64).tolist(), strict=True))
    assert at == {"BTC": minutes(9), "ETH": minutes(1)}


def test_what_is_not_known_is_nan(book):
    unknown = position("BTC", liquidation_price=None, leverage=np.nan, is_cross=None)
    book.store([found(0)], [swept(0, 1, state(unknown))])
    held = book.positions_of(START)
    assert np.isnan(held.liquidation_price).all()
    assert np.isnan(held.leverage).all()
    assert not held.is_cross.any()
    assert held.first_seen_at == START
    assert held.account_count == 1


def test_an_empty_book_has_no_positions(book):
    held = book.positions_of(START)
    assert len(held) == 0
    assert held.first_seen_at is None
    assert held.quantity.dtype == np.float64
    assert held.observed_at.dtype == held.traded_at.dtype == np.dtype("datetime64[us]")


def test_trades_after_the_state_are_reported_up_to_the_map(book):
    states = [swept(number, 10, state(position("BTC"), number=number)) for number in range(4)]
    book.store([found(number) for number in range(4)], states)
    spans = [
        (minutes(1), minutes(9)),
        (minutes(1), minutes(20)),
        (minutes(65), minutes(70)),
        # Of an account that trades all the time the last trade comes after the map's instant.
        (minutes(50), minutes(70)),
    ]
    book.write_trading((number, "", Trading(*span, 5.0, 1)) for number, span in enumerate(spans))
    held = book.positions_of(START + timedelta(minutes=60))
    traded = dict(zip(held.account_id.tolist(), held.traded_at.tolist(), strict=True))
    assert traded[1].replace(tzinfo=START.tzinfo) == START + timedelta(minutes=20)
    assert traded[0] is None
    assert traded[2] is None
    assert traded[3].replace(tzinfo=START.tzinfo) == START + timedelta(minutes=50)


def test_a_state_settles_the_trades_before_it(book):
    book.store([found(0)])
    book.write_trading([(0, "", Trading(minutes(1), minutes(2), 5.0, 1))])
    book.store(swept=[swept(0, 3, state())])
    assert list(book.trading()) == []


def test_the_states_of_a_builders_dex_are_apart(book):
    book.store([found(0)], [swept(0, 1, state(position("BTC")))])
    gold = state(position("xyz:GOLD"), dex="xyz")
    book.store(swept=[swept(0, 2, gold)])
    assert sorted(book.positions_of(START).dex.tolist()) == ["", "xyz"]
    book.store(swept=[swept(0, 3, state(), was_empty=True)])
    assert book.positions_of(START).dex.tolist() == ["xyz"]


def test_the_same_records_are_sealed_until_they_are_discarded(book, path):
    book.store([found(0)], [swept(0, 1, state(position("BTC")))], record_of=record)
    first = book.seal("account_position", START)
    book.store(swept=[swept(0, 2, state(), was_empty=True)], record_of=record)
    again = AccountBook(path)
    assert again.seal("account_position", START + timedelta(hours=1)) == first
    again.close()
    book.discard("account_position", first[1])
    assert book.seal("account_position", START)[3] == ["0 BTC closed 0"]
    assert book.seal("realised_liquidation", START) is None


def test_a_number_is_never_used_twice(book):
    book.store([found(0)], [swept(0, 1, state(position("BTC")))], record_of=record)
    _, last, _, _ = book.seal("account_position", START)
    book.discard("account_position", last)
    book.store(swept=[swept(0, 2, state(), was_empty=True)], record_of=record)
    assert book.seal("account_position", START)[0] > last


def test_a_suspicion_is_kept_until_it_is_settled(book):
    suspect = Suspect(0, "BTC", minutes(1), minutes(9), 5e4)
    book.store([found(0)], [swept(0, 1, state())], suspects_of=lambda stored: [suspect])
    assert book.next_suspects() == [suspect]
    book.postpone([suspect], most_attempts=2)
    assert book.next_suspects()[0].attempts == 1
    book.settle([suspect], ["liquidated"])
    assert book.next_suspects() == []
    assert book.seal("realised_liquidation", START)[3] == ["liquidated"]


def test_a_look_up_that_keeps_failing_is_dropped(book):
    suspect = Suspect(0, "BTC", minutes(1), minutes(9), 5e4)
    book.store([found(0)], [swept(0, 1, state())], suspects_of=lambda stored: [suspect])
    book.postpone([suspect], most_attempts=1)
    assert book.next_suspects() == []


def test_a_name_of_an_account_is_the_same_in_this_home_and_another_elsewhere(book, path, tmp_path):
    again = AccountBook(path)
    other = AccountBook(tmp_path / "elsewhere" / "accounts.sqlite")
    assert book.account_name(address(1)) == again.account_name(address(1))
    assert book.account_name(address(1)) != other.account_name(address(1))
    assert book.account_name(address(1)) != book.account_name(address(2))
    again.close()
    other.close()


def test_only_the_owner_may_read_the_folder(book, path):
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    for file in path.parent.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file.name


@pytest.mark.parametrize("where", [0, 0.5])
def test_a_torn_file_is_refused_by_its_name_and_left_as_it_is(path, where):
    book = AccountBook(path)
    many = [found(number) for number in range(2_000)]
    book.store(many)
    book.checkpoint()
    book.close()
    content = bytearray(path.read_bytes())
    start = int(len(content) * where) // 4096 * 4096
    content[start : start + 8192] = os.urandom(8192)
    path.write_bytes(content)
    with pytest.raises(BookDamaged, match=r"accounts\.sqlite.*put a copy back"):
        AccountBook(path)
    assert path.read_bytes() == content


def test_a_database_of_another_program_is_refused(path):
    path.parent.mkdir(parents=True)
    with sqlite3.connect(path) as other:
        other.execute("create table theirs (x)")
    other.close()
    with pytest.raises(BookDamaged, match="another program"):
        AccountBook(path)


def test_a_file_that_is_no_database_is_refused(path):
    path.parent.mkdir(parents=True)
    path.write_text("not a database, and long enough to be taken for one" * 100)
    with pytest.raises(BookDamaged, match="not a database"):
        AccountBook(path)


def test_a_file_of_a_later_release_is_refused(book, path):
    with sqlite3.connect(path) as connection:
        connection.execute("pragma user_version = 99")
    connection.close()
    with pytest.raises(BookDamaged, match="a later release wrote it"):
        AccountBook(path)


def test_another_key_is_refused(book, path):
    (path.parent / "salt").write_bytes(bytes(32))
    with pytest.raises(BookDamaged, match="is not the key it was made with"):
        AccountBook(path)


def test_a_full_disk_is_said_and_loses_nothing(book):
    book.store([found(0)], [swept(0, 1, state(position("BTC")))])
    book._connection.execute("pragma max_page_count = 1")
    many = [found(number) for number in range(1, 5_000)]
    with pytest.raises(BookUnavailable, match="free some space"):
        book.store(many)
    book._connection.execute("pragma max_page_count = 1000000")
    book.store(many)
    assert len(list(book.addresses())) == 5_000
    assert book.positions_of(START).coin.tolist() == ["BTC"]


def test_a_home_has_one_collector(tmp_path):
    with (
        sole_collector(tmp_path),
        pytest.raises(CollectorRunning, match="another collector is running"),
        sole_collector(tmp_path),
    ):
        pass
    with sole_collector(tmp_path):
        pass
