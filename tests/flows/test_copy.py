"""Copying to PostgreSQL after a publication fails by itself."""

import pytest
from prefect import flow

from flows.tasks import copy_after_publication

pytestmark = pytest.mark.usefixtures("prefect_server")


@flow
def after_publication() -> None:
    copy_after_publication()


def test_a_copy_that_fails_does_not_fail_the_run(monkeypatch, tmp_path, caplog):
    monkeypatch.setenv("LIQHEAT_HOME", str(tmp_path))
    monkeypatch.setenv("LIQHEAT_POSTGRES_URL", "postgresql://me:hunter2/x@db/heat")
    assert after_publication(return_state=True).is_completed()
    (record,) = (tmp_path / "runs").glob("*publish_postgres*.json")
    assert "its form is postgresql://" in record.read_text()
    assert "hunter2" not in record.read_text() + caplog.text
