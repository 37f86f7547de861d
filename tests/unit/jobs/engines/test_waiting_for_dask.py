"""A wait for a cluster is announced with its address."""

import socket

import pytest

pytest.importorskip("distributed")

from jobs.engines import dask_engine
from jobs.errors import EngineUnavailable


def test_a_scheduler_that_does_not_answer_is_named_while_it_is_waited_for(monkeypatch, caplog):
    monkeypatch.setattr(dask_engine, "CONNECT_SECONDS", 1.0)
    monkeypatch.setattr(dask_engine, "ANNOUNCED_SECONDS", 0.1)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    with (
        pytest.raises(EngineUnavailable, match="no Dask scheduler answers"),
        dask_engine.cluster_engine(address, 1.0),
    ):
        pass
    assert f"waiting for the Dask scheduler at {address}, at most 1 s" in caplog.text


def test_what_is_there_at_once_is_not_waited_for(monkeypatch, caplog):
    monkeypatch.setattr(dask_engine, "ANNOUNCED_SECONDS", 0.5)
    with dask_engine._announced_wait("waiting for nothing"):
        pass
    assert "waiting" not in caplog.text
