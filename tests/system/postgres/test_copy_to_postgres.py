"""The job that copies to PostgreSQL is recorded, does no harm, and never shows a password."""

import logging
from urllib.parse import quote

import pytest
from pydantic import SecretStr
from typer.testing import CliRunner
from workbench.outlet import Publications, held
from workbench.postgres_server import PASSWORD

from cli.main import app
from jobs.errors import NothingToDo
from jobs.publish.copy_to_postgres import JOB, copy_to_postgres, copy_where_set, reader_role
from jobs.runs import read_runs, runs_folder
from jobs.settings import Settings

SPELLINGS = (PASSWORD, quote(PASSWORD, safe=""), PASSWORD.split("@")[1])


@pytest.fixture
def settings(tmp_path):
    made = Settings(home=tmp_path)
    Publications(made.published).publish({"2026-01-10 23:00": 1.0})
    return made


def with_url(settings, url):
    return settings.model_copy(update={"postgres_url": SecretStr(url)})


def only_run(settings):
    (run,) = read_runs(runs_folder(settings))
    assert run.job == JOB
    return run


def assert_no_password(settings, *texts):
    files = list(settings.home.rglob("*.json"))
    assert files
    for text in (*texts, *(path.read_text() for path in files)):
        assert not [one for one in SPELLINGS if one in text]


def test_a_copy_is_recorded_without_the_password(postgres, settings, caplog):
    caplog.set_level(logging.DEBUG)
    database = postgres.make_database()
    url = postgres.url(database)
    report = copy_where_set(with_url(settings, url))
    run = only_run(settings)
    assert (run.status, run.row_count) == ("done", report.row_count)
    assert run.detail["publication_id"] == held(postgres, database) == "publication-1"
    assert run.detail["database"].endswith(f":{postgres.port}/{database}")
    assert_no_password(settings, caplog.text, repr(with_url(settings, url)))


@pytest.mark.parametrize(
    "change",
    [
        lambda url: url.replace("/job_fails", "/absent"),
        lambda url: url.replace("publisher:", "nobody:"),
        lambda url: url.replace(quote(PASSWORD, safe=""), PASSWORD),
        lambda url: url.replace("127.0.0.1", "127.0.0.1:9"),
        lambda url: url.replace("127.0.0.1", f"{'a' * 70}.example"),
        lambda url: f"{url}?channel_binding=require",
        lambda url: f"{url}?sslmode=perhaps",
        lambda url: url.replace("postgresql", "mysql"),
    ],
)
def test_a_copy_that_fails_leaves_the_publication_and_says_why(postgres, settings, caplog, change):
    caplog.set_level(logging.DEBUG)
    url = change(postgres.url("job_fails"))
    assert copy_where_set(with_url(settings, url)) is None
    run = only_run(settings)
    assert run.status == "failed"
    assert run.error is not None
    assert run.error.split(": ", 1)[1] in caplog.text
    assert "defect of liqheat" not in run.error
    assert_no_password(settings, caplog.text)


def test_without_a_database_nothing_is_copied(settings):
    assert copy_where_set(settings) is None
    assert not read_runs(runs_folder(settings))
    with pytest.raises(NothingToDo, match="LIQHEAT_POSTGRES_URL"):
        copy_to_postgres(settings)


def test_the_command_copies_to_an_address_and_prints_the_role(postgres, settings, monkeypatch):
    monkeypatch.setenv("LIQHEAT_HOME", str(settings.home))
    url = postgres.url(postgres.make_database())
    shown = CliRunner().invoke(app, ["publish", "--to", url])
    assert shown.exit_code == 0
    assert "copied publication publication-1 to PostgreSQL" in shown.output
    grants = CliRunner().invoke(app, ["publish", "--grants", "--to", url])
    assert grants.output == reader_role(settings, url=url)
    assert 'for role "publisher"' in grants.output
    refused = CliRunner().invoke(app, ["publish", "--to", postgres.url("absent")])
    assert refused.exit_code == 1
    assert "no such database" in refused.output
    assert_no_password(settings, shown.output, grants.output, refused.output)
