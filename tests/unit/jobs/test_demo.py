"""The demonstration stays in its own folder, wherever real data is."""

import pytest
from pydantic import SecretStr

from jobs import demo
from jobs.settings import Settings


@pytest.mark.parametrize(
    "elsewhere",
    [
        {},
        {"warehouse": "ducklake:catalogue.duckdb", "data": "s3://bucket/real"},
        {"postgres_url": SecretStr("postgresql://localhost/real")},
    ],
)
def test_simulated_rows_never_reach_where_real_data_is(tmp_path, monkeypatch, elsewhere):
    written = []
    monkeypatch.setattr(demo, "simulate", lambda *_, **__: [])
    monkeypatch.setattr(demo, "run_hour", lambda settings, **_: written.append(settings))

    own = demo.run_demo(Settings(home=tmp_path, **elsewhere))

    assert written == [own]
    assert own.home == tmp_path / "demo"
    assert own.warehouse_address == tmp_path / "demo" / "warehouse.duckdb"
    assert own.data is None
    assert own.postgres_url is None
