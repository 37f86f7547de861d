"""One writer at a time, whatever becomes of its lock, and of the server that keeps it."""

import pytest
from workbench import FEW, HOUR, START, differences
from workbench.lakes import HOURS, land_hours, moved
from workbench.postgres_server import PASSWORD

from jobs.build import window_store
from jobs.pipeline import build_maps, load
from jobs.writer import open_writer
from warehouse.connect import transaction
from warehouse.errors import LakeRejected, LakeUnavailable, StorageFull
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


def test_a_server_that_restarts_stops_a_build_and_the_next_does_it_all(
    copied, market_records, an_hour_more, monkeypatch, tmp_path
):
    lake, settings = copied
    land_hours(settings, market_records, HOURS[-1], HOURS[-1] + 1)
    load(settings)
    insert = window_store.insert_parts
    for mode in ("immediate", "fast"):

        def insert_after_restart(connection, name, parts, mode=mode):
            if name == "derived.heatmap":
                lake.server.control("restart", "-m", mode)
            return insert(connection, name, parts)

        with monkeypatch.context() as patch:
            patch.setattr(window_store, "insert_parts", insert_after_restart)
            with pytest.raises(LakeUnavailable, match="run the same command again") as raised:
                build_maps(settings, as_of=AS_OF, estimators=FEW)
        assert PASSWORD not in str(raised.value)
    build_maps(settings, as_of=AS_OF, estimators=FEW)
    there = moved(settings, tmp_path / "moved.duckdb")
    assert differences(an_hour_more, there, schemas=("raw", "derived", "intermediate")) == {}


NO_ROOM = (
    """create function no_room() returns trigger language plpgsql as $$ begin
    raise 'could not extend file "base/1/2": No space left on device' using errcode = '53100';
end $$""",
    "create trigger no_room before insert on liqheat_lake.ducklake_data_file "
    "for each statement execute function no_room()",
)


@pytest.mark.parametrize(
    ("do", "undo", "error", "message"),
    [
        (
            ["alter role publisher connection limit 1"],
            ["alter role publisher connection limit -1"],
            LakeUnavailable,
            "server has no connection left.*too many connections",
        ),
        (
            ["alter role publisher password 'other'"],
            [f"alter role publisher password '{PASSWORD}'"],
            LakeRejected,
            "the server refuses the login; check user and password",
        ),
        (
            NO_ROOM,
            ["drop function no_room() cascade"],
            StorageFull,
            "no room on the disk of the catalogue's server .*could not extend .*free some there",
        ),
    ],
    ids=["connections", "password", "disk"],
)
def test_a_server_that_is_full_or_refuses_says_what_to_do(
    copied, market_records, do, undo, error, message
):
    lake, settings = copied
    land_hours(settings, market_records, HOURS[-1], HOURS[-1] + 1)
    lake.server.run(lake.database, *do)
    try:
        with pytest.raises(error, match=message) as raised:
            load(settings)
    finally:
        lake.server.run(lake.database, *undo)
    assert PASSWORD not in str(raised.value)
    assert load(settings).file_count > 0
