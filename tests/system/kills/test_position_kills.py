"""A few kills of the collector of positions; ``make soak`` has 50 of them."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from workbench.position_kills import broken_chains, kill_collector


def test_a_killed_collector_loses_no_account_and_doubles_no_change(tmp_path: Path) -> None:
    killed = kill_collector(tmp_path, count=3, seed=3)
    assert killed.differences == []
    assert killed.accounts > 100
    assert killed.changes > 100
    assert 0 < killed.most_weight <= 1200


def chain(*sizes: tuple[float | None, float]) -> list[dict[str, Any]]:
    start = datetime(2026, 3, 1, tzinfo=UTC)
    return [
        {
            "account_key": "a",
            "asset": "BTC",
            "observed_at": start + timedelta(minutes=number),
            "previous_quantity": before,
            "quantity": after,
            "change": "increased",
        }
        for number, (before, after) in enumerate(sizes)
    ]


def test_a_lost_and_a_doubled_change_break_the_chain() -> None:
    whole = chain((None, 1.0), (1.0, 3.0), (3.0, 0.0), (None, 2.0))
    assert broken_chains(whole) == []
    assert len(broken_chains([whole[0], *whole[2:]])) == 1
    assert len(broken_chains([*whole[:2], *whole[1:]])) == 2
