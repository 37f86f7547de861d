"""The command line on the small market."""

import pytest
from typer.testing import CliRunner

from cli.main import app

RUNNER = CliRunner()


@pytest.fixture
def home_of_commands(small_home):
    """Return the home that `run` works on; a module may have its own."""
    return small_home


@pytest.fixture
def run(home_of_commands, monkeypatch):
    monkeypatch.setenv("LIQHEAT_HOME", str(home_of_commands))

    def run(*words, code=0):
        result = RUNNER.invoke(app, [*words])
        assert result.exit_code == code, result.output
        return result

    return run
