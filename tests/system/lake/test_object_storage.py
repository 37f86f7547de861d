"""Object storage that fails: short faults are not noticed, long ones end in one clear message.

After each of them the next run stores what a run without faults does, row for row.
"""

import pytest
from workbench import FEW, HOUR, START, differences
from workbench.lakes import HOURS, Lake, land_hours, moved
from workbench.object_faults import (
    ACCESS_DENIED,
    EXPIRED_TOKEN,
    INTERNAL_ERROR,
    SLOW_DOWN,
    ObjectFault,
    faulty_objects,
)

from jobs.move_warehouse import move_to
from jobs.pipeline import build_maps, load
from jobs.writer import open_writer
from warehouse import lake_access
from warehouse.errors import LakeRejected, LakeUnavailable

AS_OF = START + (HOURS[-1] + 1) * HOUR


@pytest.fixture(scope="module")
def proxy(objects):
    with faulty_objects(objects) as listening, pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", listening.url)
        yield listening


@pytest.fixture(scope="module")
def uploaded(built, postgres, objects, proxy):
    lake = Lake(postgres, postgres.make_database(), objects.make_bucket("faulty"))
    move_to(built, lake.address, data=lake.data)
    return lake


@pytest.fixture
def settings(uploaded, market_records, tmp_path, monkeypatch, proxy):
    """Return the settings of a lake on the proxy, with one hour landed that is not loaded."""
    # Copies share the objects, of which none is deleted here.
    server = uploaded.server
    lake = Lake(server, server.make_database(uploaded.database), uploaded.data)
    settings = lake.settings(tmp_path / "home")
    land_hours(settings, market_records, HOURS[-1], HOURS[-1] + 1)
    quick = {"http_retry_wait_ms": "10", "http_timeout": "1"}
    monkeypatch.setattr(lake_access, "_REQUESTS", {**lake_access._REQUESTS, **quick})
    yield settings
    proxy.faults = ()


def assert_an_hour_more(settings, reference, path):
    schemas = ("raw", "derived", "intermediate")
    assert differences(reference, moved(settings, path), schemas=schemas) == {}


def test_faults_that_pass_are_not_noticed(settings, proxy, an_hour_more, tmp_path):
    proxy.faults = (
        # The object is stored, and the answer comes too late.
        ObjectFault(None, method="PUT", after=9, times=1, seconds=1.3, is_late=True),
        ObjectFault(None, method="PUT", after=12, times=1, seconds=1.3),
        ObjectFault(SLOW_DOWN, every=7),
        ObjectFault(INTERNAL_ERROR, every=8),
        ObjectFault(None, every=9),
    )
    load(settings)
    build_maps(settings, as_of=AS_OF, estimators=FEW)
    assert all(fault.hits for fault in proxy.faults)
    proxy.faults = ()
    assert_an_hour_more(settings, an_hour_more, tmp_path / "moved")


def test_faults_that_last_end_in_a_message_and_the_next_run_does_it_all(
    settings, proxy, an_hour_more, tmp_path
):
    load(settings)
    for fault, error, message in (
        (ObjectFault(SLOW_DOWN, after=30), LakeUnavailable, "does not answer .*503"),
        (ObjectFault(INTERNAL_ERROR, "PUT", after=9), LakeUnavailable, "does not answer .*500"),
        (ObjectFault(None, after=30), LakeUnavailable, "does not answer"),
        (ObjectFault(None, "PUT", after=9, seconds=1.3), LakeUnavailable, "does not answer"),
        (ObjectFault(EXPIRED_TOKEN, after=30), LakeRejected, "refuses access .*a token may have"),
        (ObjectFault(ACCESS_DENIED, "PUT", after=9), LakeRejected, "refuses access .*403"),
    ):
        proxy.faults = (fault,)
        with pytest.raises(error, match=rf"storage {message}[\s\S]*run the same command again"):
            build_maps(settings, as_of=AS_OF, estimators=FEW)
        assert fault.hits > 0
        proxy.faults = ()
    with open_writer(settings) as connection:
        assert connection.execute(
            "select count(*) from derived.heatmap where as_of = ?", [AS_OF]
        ).fetchone() == (0,)
    build_maps(settings, as_of=AS_OF, estimators=FEW)
    with open_writer(settings) as connection:
        failed = "select count(*) from meta.pipeline_run where status = 'failed'"
        assert connection.execute(failed).fetchone() == (6,)
    assert_an_hour_more(settings, an_hour_more, tmp_path / "moved")
