"""The command line on the small market."""

import pytest
from typer.testing import CliRunner

from cli.main import app

RUNNER = CliRunner()


@pytest.fixture
def run(small_home, monkeypatch):
    monkeypatch.setenv("LIQHEAT_HOME", str(small_home))

    def run(*words, code=0):
        result = RUNNER.invoke(app, [*words])
        assert result.exit_code == code, result.output
        return result

    return run
