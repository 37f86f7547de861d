"""Settings that cannot be used are named, and their values are never shown."""

import os
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.main import app
from jobs.errors import SettingsRejected
from jobs.settings import Settings, read_settings

SECRET = "hunter2-secret"  # noqa: S105  (what must not be shown)


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LIQHEAT_HOME", str(tmp_path / "home"))
    # Tests run with one thread (tests/conftest.py), which would come before the file's.
    monkeypatch.delenv("LIQHEAT_THREADS", raising=False)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("LIQHEAT_THREADS", "abc", "LIQHEAT_THREADS: Input should be a valid integer"),
        ("LIQHEAT_THREADS", "0", "LIQHEAT_THREADS: Input should be greater than or equal to 1"),
        ("LIQHEAT_KEYS__BINANCE", SECRET, "LIQHEAT_KEYS__BINANCE: "),
        ("LIQHEAT_KEYS", SECRET, "a LIQHEAT_ variable that takes JSON holds something else"),
        ("LIQHEAT_TREADS", "2", "LIQHEAT_TREADS is no setting; did you mean LIQHEAT_THREADS?"),
        ("LIQHEAT_X", SECRET, "LIQHEAT_X is no setting"),
        ("LIQHEAT_MEMORY_LIMIT_MB", "nan", "LIQHEAT_MEMORY_LIMIT_MB: "),
        ("LIQHEAT_QUERY_SECONDS", "1e300", "LIQHEAT_QUERY_SECONDS: "),
        ("LIQHEAT_QUERY_MEMORY_MB", "9" * 15, "LIQHEAT_QUERY_MEMORY_MB: "),
        ("LIQHEAT_KEYS__BINANCE__API_KEYY", SECRET, "LIQHEAT_KEYS__BINANCE__API_KEYY: "),
    ],
)
def test_a_variable_that_cannot_be_used_is_named(monkeypatch, name, value, message):
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsRejected, match=re.escape(message)) as caught:
        read_settings()
    assert SECRET not in str(caught.value)
    shown = CliRunner().invoke(app, ["query", "select 1"])
    assert shown.exit_code == 1
    assert message in shown.output
    assert SECRET not in shown.output


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"SEND_TO": "gs://bucket/landing"}, "LIQHEAT_SEND_TO: neither a folder nor s3://"),
        ({"RECEIVE_FROM": "home/landing"}, "LIQHEAT_RECEIVE_FROM: it lies in LIQHEAT_HOME"),
        ({"RECEIVE_FROM": "s3:///landing"}, "LIQHEAT_RECEIVE_FROM: neither a folder nor s3://"),
        ({"RECEIVE_FROM": "s3://maps//landing"}, "LIQHEAT_RECEIVE_FROM: neither a folder nor s3"),
        ({"SEND_TO": "s3://maps/landing?region=x"}, "LIQHEAT_SEND_TO: neither a folder nor s3://"),
        ({"SEND_TO": f"s3://key:{SECRET}@maps/x"}, "LIQHEAT_SEND_TO: it holds a key, and"),
        ({"HOME": "shared/home", "SEND_TO": "shared"}, "LIQHEAT_SEND_TO: LIQHEAT_HOME lies in it"),
        (
            {"SEND_TO": "s3://bucket", "RECEIVE_FROM": "s3://bucket"},
            "LIQHEAT_RECEIVE_FROM: LIQHEAT_SEND_TO is set too",
        ),
        (
            {"SEND_TO": "s3://bucket", "WAREHOUSE": f"ducklake:postgres://a:{SECRET}@db/heat"},
            "LIQHEAT_SEND_TO: LIQHEAT_WAREHOUSE is a lake",
        ),
    ],
)
def test_a_home_is_a_collector_with_a_file_of_its_own_or_the_writer(
    monkeypatch, variables, message
):
    for name, value in variables.items():
        monkeypatch.setenv(f"LIQHEAT_{name}", value)
    with pytest.raises(SettingsRejected, match=re.escape(message)) as caught:
        read_settings()
    assert SECRET not in str(caught.value)


def test_an_address_of_a_shared_landing_is_kept_without_its_last_slash(monkeypatch):
    monkeypatch.setenv("LIQHEAT_HOME", ".")
    monkeypatch.setenv("LIQHEAT_SEND_TO", "s3://bucket/landing/")
    assert read_settings().send_to == "s3://bucket/landing"
    monkeypatch.setenv("LIQHEAT_SEND_TO", "")
    assert read_settings().send_to is None


def test_keys_are_given_venue_by_venue(monkeypatch):
    monkeypatch.setenv("LIQHEAT_KEYS__BINANCE__API_KEY", SECRET)
    assert read_settings().keys["binance"].api_key.get_secret_value() == SECRET


def test_a_secret_of_a_target_comes_from_the_environment_or_the_file(monkeypatch, tmp_path):
    (tmp_path / ".env").write_text("LIQHEAT_TARGETS__DESK_URL=https://desk.example\n")
    monkeypatch.setenv("PHONE", SECRET)
    settings = read_settings()
    assert settings.read_secret("LIQHEAT_TARGETS__DESK_URL").get_secret_value().endswith("example")
    assert settings.read_secret("PHONE").get_secret_value() == SECRET
    assert settings.read_secret("NOT_SET_AT_ALL") is None
    assert SECRET not in repr(settings)


def test_every_setting_is_in_the_example():
    example = (Path(__file__).parents[3] / ".env.example").read_text()
    for name in Settings.model_fields:
        assert f"LIQHEAT_{name.upper()}" in example


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (f"A=1\nexport LIQHEAT_FOO = {SECRET}\n".encode(), "LIQHEAT_FOO is no setting"),
        (b"\xff LIQHEAT_THREADS=1", "cannot be read: not UTF-8"),
        (b"LIQHEAT_THREADS=abc", "LIQHEAT_THREADS: Input should be a valid integer"),
    ],
)
def test_an_env_file_is_held_to_the_same(tmp_path, content, message):
    (tmp_path / ".env").write_bytes(content)
    with pytest.raises(SettingsRejected, match=re.escape(message)) as caught:
        read_settings()
    assert SECRET not in str(caught.value)


def test_an_env_file_that_is_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / ".env")
    with pytest.raises(SettingsRejected, match="not a regular file"):
        read_settings()
