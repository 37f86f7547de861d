"""Errors of the database become ours."""

import signal
import threading

import duckdb
import pytest

from warehouse.error_messages import translated


def count_until_interrupted():
    statement = "select sum(hash(a.range)) from range(1e5::int) a, range(1e5::int) b"
    with duckdb.connect(config={"threads": 1}) as connection, translated("counting"):
        threading.Timer(0.3, signal.raise_signal, [signal.SIGINT]).start()
        connection.execute(statement)


def test_a_statement_that_is_interrupted_is_no_error():
    with pytest.raises(KeyboardInterrupt):
        count_until_interrupted()
