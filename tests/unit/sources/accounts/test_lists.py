"""Addresses come out of the public lists, largest first, whatever else has changed in them."""

import json
import tracemalloc

import pytest

from sources.accounts.lists import read_leaderboard, read_vaults
from sources.errors import ProviderRejected


def address(number):
    return f"0x{number:040x}"


def leader(number, value="1.0", **changed):
    figures = {"pnl": "1.0", "roi": "0.1", "vlm": "3.0"}
    return {
        "ethAddress": address(number),
        "accountValue": value,
        "windowPerformances": [[name, figures] for name in ("day", "week", "month", "allTime")],
        "prize": 0,
        "displayName": "whale 🐋",
    } | changed


def leaderboard(*rows):
    return json.dumps({"leaderboardRows": list(rows)}, ensure_ascii=False).encode()


def vault(number, tvl="1.0", **changed):
    summary = {
        "name": "vault",
        "vaultAddress": address(number),
        "leader": address(900 + number),
        "tvl": tvl,
        "isClosed": False,
        "relationship": {"type": "normal"},
    } | changed
    return {"apr": 0.0, "pnls": [["day", ["0.0", "1.0"]]], "summary": summary}


def test_those_with_most_money_come_first_and_each_once():
    read = read_leaderboard(
        leaderboard(leader(1, "5"), leader(2, "50"), leader(1, "4"), leader(3, "x"))
    )
    assert read.addresses == (address(2), address(1), address(3))
    assert read.malformed == 0


def test_malformed_rows_are_counted():
    rows = [None, [], {}, leader(2, ethAddress="0x12"), leader(3, ethAddress=None), leader(4)]
    read = read_leaderboard(leaderboard(*rows))
    assert (read.addresses, read.malformed) == ((address(4),), 5)


def test_an_empty_list_is_no_error():
    assert read_leaderboard(leaderboard()).addresses == ()
    assert read_vaults(b"[]").addresses == ()


@pytest.mark.parametrize(
    ("read", "raw", "message"),
    [
        (read_leaderboard, b"", "no JSON or was cut short"),
        (read_leaderboard, b"<html>busy</html>", "no JSON or was cut short"),
        (read_leaderboard, leaderboard(leader(1))[:-9], "no JSON or was cut short"),
        (read_leaderboard, b"[" * 200_000, "no JSON or was cut short"),
        (read_leaderboard, b'{"data": {"rows": []}}', "does not hold leaderboardRows"),
        (read_leaderboard, b'{"leaderboardRows": [{"user": 1}]}', "an address in any row"),
        (read_vaults, b"{}", "does not hold a list of vaults"),
        (read_vaults, b'[{"vault": 1}]', "an address in any row"),
    ],
)
def test_a_list_of_another_form_is_refused_with_what_is_missing(read, raw, message):
    with pytest.raises(ProviderRejected, match=message):
        read(raw)


def test_vaults_that_are_open_come_with_their_leaders_and_the_vaults_they_trade_through():
    parent = {"type": "parent", "data": {"childAddresses": [address(7), "?", address(8)]}}
    rows = [vault(1), vault(2, isClosed=True), vault(3, "9", relationship=parent), {"summary": 1}]
    read = read_vaults(json.dumps(rows).encode())
    assert read.addresses == tuple(map(address, (3, 903, 7, 8, 1, 901)))
    assert read.malformed == 1


def test_a_leaderboard_of_many_megabytes_leaves_little_memory():
    raw = leaderboard(*(leader(number, str(number)) for number in range(20_000)))
    tracemalloc.start()
    try:
        read = read_leaderboard(raw)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(read.addresses) == 20_000
    # The text once, and what is kept of it.
    assert peak < 3.5 * len(raw)
