"""One writer at a time, whatever becomes of its lock, and of the server that keeps it."""

import pytest
from workbench import HOUR, START
from workbench.lakes import HOURS

from jobs.writer import open_writer
from warehouse.connect import transaction
from warehouse.errors import LakeUnavailable
from warehouse.postgres import lake_catalogue

AS_OF = START + (HOURS[-1] + 1) * HOUR

_LOCK_SESSIONS = (
    "select pg_terminate_backend(l.pid) from pg_locks l inner join pg_stat_activity using (pid) "
    "where l.locktype = 'advisory' and datname = current_database()"
)

ADD = "insert into meta.pending_publish values (date '2020-02-02')"
COUNT = "select count(*) from meta.pending_publish where published_day = date '2020-02-02'"


def end_lock_session(lake):
    """End the connection that holds the lock of a writer, and none of those it writes by."""
    assert (True,) in lake.server.run(lake.database, _LOCK_SESSIONS)


def test_a_writer_that_lost_its_lock_commits_nothing_more(copied):
    lake, settings = copied
    refused = pytest.raises(LakeUnavailable, match=r"may not commit .* run the same command again")
    with refused, open_writer(settings) as first, transaction(first):
        first.execute(ADD)
        end_lock_session(lake)
        with open_writer(settings, wait_seconds=20) as second:
            second.execute(ADD)
    with open_writer(settings) as connection:
        assert connection.execute(COUNT).fetchone() == (1,)


def test_a_writer_waits_for_what_one_before_it_still_commits(copied, monkeypatch):
    lake, settings = copied
    with lake.server.session(lake.database, user="publisher") as earlier:
        earlier("begin")
        earlier("lock table liqheat_lake.ducklake_snapshot in row exclusive mode")
        monkeypatch.setattr(lake_catalogue, "_LONGEST_COMMIT", "100ms")
        waits = pytest.raises(LakeUnavailable, match="a commit of an earlier writer is still under")
        with waits, open_writer(settings):
            pass
    with open_writer(settings):
        pass
