"""What every stream shares: its outages are logged once, the first task to end ends the others."""

import asyncio
import logging
from datetime import UTC, datetime, timedelta

import pytest

from sources.streaming import ConnectionLog, Outage, first_to_end

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def log():
    instants = (START + timedelta(minutes=n) for n in range(1000))
    return ConnectionLog("a stream", lambda: next(instants), logging.getLogger("a stream"))


def test_failures_in_a_row_are_one_outage(log):
    log.note_lost("refused", 0)
    log.note_lost("timed out", 1)
    assert list(log.outages) == [Outage(START, None, "refused")]
    assert not log.is_connected
    assert not log.has_connected


def test_an_outage_ends_when_the_stream_is_back(log, caplog):
    log.note_connected()
    log.note_lost("closed", 0)
    with caplog.at_level(logging.INFO):
        log.note_connected()
        log.note_connected()
    assert list(log.outages) == [Outage(START, START + timedelta(minutes=1), "closed")]
    assert log.is_connected
    assert log.has_connected
    assert caplog.messages.count("a stream is back") == 1


def test_a_long_outage_is_not_logged_at_every_attempt(log, caplog):
    for failures in range(201):
        log.note_lost("refused", failures)
    assert [record.args[1] for record in caplog.records] == [0, 1, 2, 100, 200]


def test_the_first_to_end_cancels_the_others_and_raises_its_error():
    ended = []

    async def forever():
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("cancelled")

    async def fail():
        await asyncio.sleep(0)
        raise ValueError("lost")

    with pytest.raises(ValueError, match="lost"):
        asyncio.run(first_to_end(forever(), fail()))
    assert ended == ["cancelled"]
