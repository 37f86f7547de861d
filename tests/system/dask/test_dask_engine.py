"""Shards on Dask: results in order, workers that die, that are slow, that are other ones."""

import gc
import os
import platform
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Timer

import dask
import pytest
from distributed import Client
from workbench.shards import (
    PRELOAD,
    Numbered,
    be_slow,
    fail,
    kill_own_process,
    killable_cluster,
    small_cluster,
    square,
)

from jobs.engines import dask_engine
from jobs.engines.dask_engine import STREAMED_A_THREAD, cluster_engine
from jobs.engines.engine_choice import LOCAL_DASK, EngineChoice, checked_engine, open_engine
from jobs.engines.shard_engine import LostShard
from jobs.engines.worker_versions import own_versions, refuse_differences
from jobs.errors import EngineUnavailable, SettingsRejected, WorkersDiffer

SHARDS = [Numbered(number) for number in range(12)]
SQUARES = [number**2 for number in range(12)]


@pytest.fixture(scope="module")
def address():
    with small_cluster() as cluster:
        yield cluster.scheduler_address


@pytest.fixture
def engine(address):
    with cluster_engine(address, 60.0) as opened:
        yield opened


def test_results_are_in_the_order_of_shards(engine):
    with open_engine(EngineChoice(workers=2)) as threads:
        assert threads.run(square, SHARDS) == SQUARES
    assert engine.run(square, SHARDS) == SQUARES
    assert engine.run(square, []) == []


def test_a_stream_takes_only_a_few_shards_before_their_results_are_wanted(engine):
    taken = []

    def read():
        for shard in SHARDS:
            taken.append(shard.number)
            yield shard

    with open_engine(EngineChoice(workers=2)) as threads:
        for opened in (threads, engine):
            taken.clear()
            for number, outcome in enumerate(opened.stream(square, read())):
                assert outcome == number**2
                assert len(taken) <= number + 1 + 2 * STREAMED_A_THREAD
            assert len(taken) == len(SHARDS)
            assert list(opened.stream(square, [])) == []


def test_a_stream_that_is_left_and_another_beside_it_hold_no_worker_back(engine):
    left = engine.stream(square, iter(SHARDS))
    assert next(left) == 0
    with ThreadPoolExecutor(1) as beside:
        replayed = beside.submit(engine.run, square, SHARDS)
        assert list(engine.stream(square, iter(SHARDS))) == SQUARES
        assert replayed.result() == SQUARES
    left.close()
    assert engine.run(square, SHARDS) == SQUARES


def test_a_cluster_of_this_machine_hands_shards_over_as_files_and_leaves_none(
    tmp_path, monkeypatch, caplog
):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with (
        dask.config.set({"distributed.worker.preload": [PRELOAD]}),
        open_engine(EngineChoice(LOCAL_DASK, 1)) as engine,
    ):
        assert list(engine.stream(square, iter(SHARDS[:3]))) == SQUARES[:3]
        (folder,) = tmp_path.glob("liqheat-shards-*")
        assert list(folder.iterdir()) == []
    assert not folder.exists()
    assert caplog.records == []


def test_what_a_shard_raises_is_raised_here(engine):
    with pytest.raises(ValueError, match="shard 0"):
        engine.run(fail, SHARDS[:1])


def test_the_shard_of_a_dead_worker_is_done_again(engine, tmp_path):
    kill_once = partial(kill_own_process, 1, "shard 5", str(tmp_path), square)
    assert engine.run(kill_once, SHARDS) == SQUARES
    assert (tmp_path / "kill-0").exists()


def test_a_shard_that_kills_every_worker_is_lost_and_the_others_are_not(engine, tmp_path):
    kill_always = partial(kill_own_process, 9, "shard 3", str(tmp_path), square)
    outcomes = engine.run(kill_always, SHARDS[:6])
    assert isinstance(outcomes[3], LostShard)
    assert outcomes[3].reason.startswith("2 workers died on it, the last tcp://127.0.0.1:")
    assert [*outcomes[:3], *outcomes[4:]] == [0, 1, 4, 16, 25]


def test_a_slow_shard_is_lost_with_its_name_and_its_worker_freed(address, monkeypatch):
    monkeypatch.setattr(dask_engine, "RESTART_SECONDS", 1.0)
    with cluster_engine(address, 4.0) as engine:
        begun = time.monotonic()
        outcomes = list(engine.stream(partial(be_slow, "shard 2", 600.0, square), iter(SHARDS)))
        assert str(outcomes[2]).startswith("shard 2: not done after 4 s on tcp://127.0.0.1:")
        assert outcomes[2].shard == SHARDS[2]
        assert [*outcomes[:2], *outcomes[3:]] == [*SQUARES[:2], *SQUARES[3:]]
        assert time.monotonic() - begun < 300
        assert engine.run(square, SHARDS) == SQUARES


@pytest.fixture
def set_python(monkeypatch):
    """Give this process another version of Python than its workers have."""

    def set_version(version):
        monkeypatch.setattr(platform, "python_version", lambda: version)
        own_versions.cache_clear()

    yield set_version
    own_versions.cache_clear()


def test_workers_with_other_versions_are_refused_before_any_work(address, set_python):
    set_python("3.9.9")
    with (
        pytest.raises(
            WorkersDiffer, match=r"^the worker tcp://.*: python is 3\..*, here 3.9.9; not"
        ),
        cluster_engine(address, 60.0),
    ):
        pass


def test_a_worker_with_other_versions_that_joins_later_is_refused(engine, set_python):
    set_python("3.9.9")
    with pytest.raises(WorkersDiffer, match=r"^the worker tcp://.*: python is 3\..*, here 3.9.9"):
        engine.run(square, SHARDS)


def worker_of(address):
    """Return the process of a cluster's only worker."""
    with Client(address) as client:
        client.wait_for_workers(1)
        (process_id,) = client.run(os.getpid).values()
    return process_id


def test_a_worker_that_dies_before_it_says_its_versions_is_done_without(monkeypatch, caplog):
    monkeypatch.setattr(dask_engine, "ANNOUNCED_SECONDS", 0.1)
    with killable_cluster() as (_, address):
        process_id = worker_of(address)
        # Stopped, it is asked and cannot answer.
        os.kill(process_id, signal.SIGSTOP)
        killing = Timer(1.0, os.kill, (process_id, signal.SIGKILL))
        killing.start()
        with cluster_engine(address, 60.0) as engine:
            assert engine.run(square, SHARDS) == SQUARES
        killing.join()
    assert f"waiting for the versions of workers of the Dask scheduler at {address}" in caplog.text
    assert "has left (" in caplog.text


def test_a_scheduler_that_dies_before_any_work_is_named_with_what_to_do():
    with killable_cluster() as (scheduler, address):
        process_id = worker_of(address)
        os.kill(process_id, signal.SIGSTOP)
        killing = Timer(1.0, scheduler.kill)
        killing.start()
        with (
            pytest.raises(EngineUnavailable, match="is gone, and nothing was run: start it again"),
            cluster_engine(address, 60.0),
        ):
            pass
        killing.join()
        os.kill(process_id, signal.SIGKILL)


def test_a_process_without_the_sources_is_named():
    with pytest.raises(WorkersDiffer, match=r"the worker a cannot run liqheat \(ModuleNotFound"):
        refuse_differences({}, {"the worker a": ModuleNotFoundError("No module named 'jobs'")})


@pytest.fixture(autouse=True)
def collected():
    """Free clients that could not connect: freed while another one starts, they wait for it."""
    yield
    gc.collect()


def test_a_scheduler_that_is_not_there_is_named_with_what_to_do(monkeypatch):
    monkeypatch.setattr(dask_engine, "CONNECT_SECONDS", 0.5)
    choice = EngineChoice("tcp://127.0.0.1:9", shard_seconds=1.0)
    with pytest.raises(EngineUnavailable, match=r"127.0.0.1:9: start `dask scheduler`"):
        open_engine(choice).__enter__()


@pytest.mark.parametrize("settings", [{}, {"distributed.comm.tls.ca-file": "/nowhere"}])
def test_certificates_that_are_missing_are_named_with_what_to_do(settings):
    with (
        dask.config.set(settings),
        pytest.raises(SettingsRejected, match="set DASK_DISTRIBUTED__COMM__TLS__CA_FILE"),
    ):
        open_engine(EngineChoice("tls://127.0.0.1:9", shard_seconds=1.0)).__enter__()


def test_a_scheduler_without_workers_is_named_with_what_to_do(monkeypatch):
    monkeypatch.setattr(dask_engine, "CONNECT_SECONDS", 0.5)
    with (
        small_cluster(workers=0) as cluster,
        pytest.raises(EngineUnavailable, match="has no worker: start `dask worker tcp://"),
        cluster_engine(cluster.scheduler_address, 1.0),
    ):
        pass


@pytest.mark.parametrize("on", ["", "thread", "tcp://", "tcp://host", "http://host:1", "dask "])
def test_what_is_no_engine_is_refused(on):
    with pytest.raises(ValueError, match="is no engine: threads, dask, or a scheduler's address"):
        checked_engine(on)
