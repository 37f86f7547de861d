"""A clock of two processes passes in ticks, and only while its client takes part."""

import asyncio
from pathlib import Path

from standin.shared_clock import TICK_MILLISECONDS, SharedClock

START = 1_772_323_200_000


async def test_time_waits_for_its_client(tmp_path: Path) -> None:
    venue, client = (SharedClock(tmp_path / "clock", 1000.0) for _ in range(2))
    seen: list[int] = []
    driver = asyncio.create_task(venue.drive(START, seen.append))
    await asyncio.sleep(0.05)
    # The client has never waited: a first tick, then nothing.
    assert client.milliseconds == START + TICK_MILLISECONDS
    await client.sleep(20.0)
    assert client.milliseconds >= START + 20_000
    assert seen == list(range(START + TICK_MILLISECONDS, seen[-1] + 1, TICK_MILLISECONDS))
    driver.cancel()
