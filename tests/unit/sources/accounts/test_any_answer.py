"""Whatever JSON the venue answers is read or refused by an error of ours, and nothing else."""

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sources.accounts.fills import read_liquidations
from sources.accounts.info_client import read_contexts, read_dexes
from sources.accounts.lists import read_leaderboard, read_vaults
from sources.accounts.states import read_state
from sources.accounts.trades import read_trades
from sources.errors import ProviderRejected

ADDRESS = "0x" + "ab" * 20
KEYS = st.sampled_from(
    [
        "assetPositions", "position", "coin", "szi", "liquidationPx", "leverage", "marginSummary",
        "time", "leaderboardRows", "ethAddress", "accountValue", "summary", "vaultAddress",
        "relationship", "data", "childAddresses", "universe", "name", "markPx", "openInterest",
        "channel", "users", "px", "sz", "tid", "side", "liquidation", "liquidatedUser",
    ]
)  # fmt: skip
CELLS = st.sampled_from(
    [None, True, 0, -1, 10**400, 1.5, "", "1.5", "-2", "nan", "1e999", "BTC", "kPEPE", "xyz:A", "A",
     ADDRESS, "trades", 1_772_539_200_000, 1e300]
)  # fmt: skip
ANSWERS = st.recursive(
    CELLS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=25,
)
READERS = {
    "state": lambda body: read_state(body, ADDRESS, "xyz"),
    "fills": lambda body: read_liquidations(body, ADDRESS),
    "contexts": read_contexts,
    "dexes": read_dexes,
    "trades": read_trades,
    "leaderboard": lambda body: read_leaderboard(json.dumps(body).encode()),
    "vaults": lambda body: read_vaults(json.dumps(body).encode()),
}
WRAPPED = {
    "state": lambda rows: {"assetPositions": rows},
    "fills": lambda rows: rows,
    "contexts": lambda rows: [{"universe": rows}, rows],
    "dexes": lambda rows: rows,
    "trades": lambda rows: {"channel": "trades", "data": rows},
    "leaderboard": lambda rows: {"leaderboardRows": rows},
    "vaults": lambda rows: rows,
}


@pytest.mark.parametrize("kind", READERS)
@settings(max_examples=60, deadline=None)
@given(body=ANSWERS, rows=st.lists(ANSWERS, max_size=3))
def test_an_answer_is_read_or_refused(kind, body, rows):
    for answer in (body, WRAPPED[kind](rows)):
        read, message = None, ""
        try:
            read = READERS[kind](answer)
        except ProviderRejected as refused:
            message = str(refused)
        assert (read is None) == bool(message)
        assert ADDRESS not in message
        if kind == "contexts" and read is not None:
            figures = [one.mark_price for one in read.values()]
            assert all(math.isnan(one) or 0 < one < math.inf for one in figures)


@pytest.mark.parametrize("kind", READERS)
def test_a_good_answer_of_each_kind_is_read(kind):
    trade = {
        "coin": "BTC", "px": "1", "sz": "1", "time": 1_772_539_200_000, "tid": 1, "side": "A",
        "users": [ADDRESS, ADDRESS], "liquidation": {"liquidatedUser": ADDRESS},
    }  # fmt: skip
    rows = {
        "state": [{"position": {"coin": "BTC", "szi": "1"}}],
        "contexts": [{"name": "BTC", "markPx": "1", "openInterest": "2"}],
        "dexes": [{"name": "xyz"}],
        "leaderboard": [{"ethAddress": ADDRESS}],
        "vaults": [{"summary": {"vaultAddress": ADDRESS}}],
    }.get(kind, [trade])
    read = READERS[kind](WRAPPED[kind](rows))
    found = {"state": "positions", "leaderboard": "addresses", "vaults": "addresses"}.get(kind)
    assert len(getattr(read, found) if found else read) == 1
