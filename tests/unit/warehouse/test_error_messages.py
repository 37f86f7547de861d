"""Errors of the database become ours."""

import signal
import threading

import duckdb
import pytest

from warehouse.error_messages import translated


def test_a_statement_that_is_interrupted_is_no_error():
    thread = threading.Timer(0.3, signal.raise_signal, [signal.SIGINT])
    with (
        pytest.raises(KeyboardInterrupt),
        duckdb.connect(config={"threads": 1}) as connection,
        translated("counting"),
    ):
        thread.start()
        connection.execute("select sum(hash(a.range)) from range(1e6::int) a, range(1e6::int) b")
    thread.join()
