"""The watch on the collector fails where it has stopped, and only there."""

import pytest

from flows.watch import watch

pytestmark = pytest.mark.usefixtures("prefect_server", "home")


def test_a_home_without_a_collector_is_well():
    assert watch(return_state=True).is_completed()


def test_a_collector_that_has_stopped_fails_the_run_with_what_to_do(home):
    (home / "positions.json").write_text('{"at": "2026-03-01T12:00:00+00:00"}')
    state = watch(return_state=True)
    assert state.is_failed()
    assert "start `liqheat collect-positions` again" in state.message
