"""A liquidation is one of the account that the venue names, and lands as a lower bound."""

from datetime import UTC, datetime

import pytest

from sources.accounts.fills import liquidation_batch, read_liquidations
from sources.errors import ProviderRejected

ADDRESS, OTHER = "0x" + "ab" * 20, "0x" + "cd" * 20
FILL = {
    "coin": "kPEPE", "px": "0.01", "sz": "500", "side": "A", "time": 1_772_539_200_000,
    "startPosition": "500", "dir": "Close Long", "closedPnl": "-1.0", "hash": "0x0", "oid": 9,
    "crossed": True, "fee": "0.1", "tid": 77, "feeToken": "USDC",
    "liquidation": {"liquidatedUser": ADDRESS, "markPx": "0.0101", "method": "market"},
}  # fmt: skip


def test_a_sale_closed_a_long_and_a_purchase_a_short():
    long, short = read_liquidations([FILL, FILL | {"side": "B", "tid": 78}], ADDRESS.upper())
    assert (long.coin, long.side, long.method, long.order_key) == ("kPEPE", "long", "market", "77")
    assert (long.price, long.quantity) == (pytest.approx(1e-5), 500_000.0)
    assert long.at == datetime(2026, 3, 3, 12, tzinfo=UTC)
    assert short.side == "short"


@pytest.mark.parametrize(
    "changed",
    [
        # The other party of a liquidation has the same block in its fill.
        {"liquidation": FILL["liquidation"] | {"liquidatedUser": OTHER}},
        {"liquidation": {"markPx": "1", "method": "market"}},
        {"liquidation": None},
        {"coin": "@107"}, {"coin": None}, {"tid": None}, {"side": "?"}, {"time": None},
        {"px": "0"}, {"sz": "NaN"},
    ],
)  # fmt: skip
def test_other_fills_are_left_out(changed):
    assert read_liquidations([FILL | changed, None, "fill"], ADDRESS) == []


def test_a_fill_that_comes_twice_counts_once():
    assert len(read_liquidations([FILL, FILL], ADDRESS)) == 1


@pytest.mark.parametrize("body", [None, {}, "null"])
def test_what_is_no_list_is_refused(body):
    with pytest.raises(ProviderRejected, match="no list of fills"):
        read_liquidations(body, ADDRESS)


def test_it_lands_as_single_orders_of_an_incomplete_feed_without_an_account():
    now = datetime(2026, 3, 3, 13, tzinfo=UTC)
    batch = liquidation_batch(read_liquidations([FILL], ADDRESS), now)
    (row,) = batch.table.to_pylist()
    assert batch.kind == "realised_liquidation"
    assert row == {
        "venue": "hyperliquid",
        "instrument": "KPEPE/USDC:USDC",
        "period_start_at": datetime(2026, 3, 3, 12, tzinfo=UTC),
        "period_seconds": 0,
        "side": "long",
        "price": pytest.approx(1e-5),
        "liquidated_quantity": 500_000.0,
        "liquidated_usd": pytest.approx(5.0),
        "is_complete_feed": False,
        "order_key": "77",
        "source": "hyperliquid:userFillsByTime",
        "ingested_at": now,
    }
    assert liquidation_batch([], now).table.num_rows == 0
