"""Answers in memory: made once, bounded, dropped by clients that do not read."""

import asyncio

import pytest

from web import delivery
from web.answers import Encoded, Envelope
from web.delivery import AnswerStore, BoundedResponse
from web.problem_details import Refusal

ENVELOPE = Envelope("one", None, None, None, None, {})


def answer(size):
    return Encoded(bytes(size), ENVELOPE, has_next=False)


async def test_what_several_ask_for_at_once_is_made_once():
    store, made, go_on = AnswerStore(), [], asyncio.Event()

    async def make():
        made.append(1)
        await go_on.wait()
        return answer(10)

    asking = [asyncio.create_task(store.get("tag", make, is_large=False)) for _ in range(50)]
    await asyncio.sleep(0)
    # Whoever requested it first goes away; the others still get it.
    asking[0].cancel()
    go_on.set()
    found = await asyncio.gather(*asking[1:])
    assert len(made) == 1
    assert len({id(one) for one in found}) == 1
    assert await store.get("tag", make, is_large=False) is found[0]
    assert len(made) == 1


async def test_a_failure_reaches_all_and_is_not_kept():
    store, made = AnswerStore(), []

    async def fail():
        made.append(1)
        await asyncio.sleep(0)
        raise Refusal(503, "Busy", "busy", "later")

    results = await asyncio.gather(
        *(store.get("tag", fail, is_large=False) for _ in range(3)), return_exceptions=True
    )
    assert [str(one) for one in results] == ["busy; later"] * 3
    assert len(made) == 1
    with pytest.raises(Refusal):
        await store.get("tag", fail, is_large=False)
    assert len(made) == 2


async def test_what_is_kept_is_bounded():
    store = AnswerStore(kept_bytes=100)
    for number in range(10):

        async def make():
            return answer(30)

        await store.get(str(number), make, is_large=False)
        assert store.kept <= 100
    await store.get("large", lambda: done(answer(80)), is_large=True)
    assert store.kept == 90


async def done(value):
    return value


async def test_a_large_answer_waits_for_those_being_sent(monkeypatch):
    monkeypatch.setattr(delivery, "_WAIT_SECONDS", 0.05)
    store = AnswerStore(kept_bytes=0, sending_bytes=100)
    with store.counting("slow", 100):
        with pytest.raises(Refusal, match="read slowly"):
            await store.get("next", lambda: done(answer(10)), is_large=True)
        # A small one goes ahead.
        assert await store.get("small", lambda: done(answer(10)), is_large=False)
    assert await store.get("next", lambda: done(answer(10)), is_large=True)
    assert store.sending == 0


async def test_the_same_answer_sent_to_many_counts_once():
    store = AnswerStore(kept_bytes=0)
    with store.counting("one", 100), store.counting("one", 100), store.counting("two", 5):
        assert store.sending == 105


async def test_a_client_that_does_not_read_is_cut_off(monkeypatch, caplog):
    monkeypatch.setattr(delivery, "_LEAST_SECONDS", 0.05)
    store = AnswerStore()
    response = BoundedResponse(store, "tag", (bytes(200_000),), media_type="text/csv", headers={})
    taken = []

    async def send(message):
        taken.append(message)
        if len(taken) == 3:
            assert store.sending == 200_000
            await asyncio.Event().wait()

    monkeypatch.setattr(delivery, "_LEAST_BYTES_PER_SECOND", 1e9)
    await response({"type": "http", "method": "GET"}, None, send)
    assert taken[-1].get("more_body")
    assert store.sending == 0
    assert "too slowly" in caplog.text
