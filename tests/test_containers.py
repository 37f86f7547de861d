"""Dockerfile and compose file fit the project; neither is run here."""

import re
import tomllib
from pathlib import Path

import yaml
from typer.main import get_command

from cli.main import app

ROOT = Path(__file__).parents[1]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
SERVICES = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
OWN = [name for name, service in SERVICES.items() if service["image"] == "liqheat"]


def test_the_image_has_every_package_and_the_lock():
    allowed = {
        line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line[0] == "!"
    }
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packages = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    assert {*packages, "requirements.lock", "pyproject.toml", "prefect.yaml"} <= allowed
    assert all((ROOT / name).exists() for name in allowed)
    assert "pip install --no-cache-dir --no-deps -r requirements.lock" in DOCKERFILE


def test_the_image_does_not_run_as_root():
    assert re.findall(r"^USER (\w+)$", DOCKERFILE, re.MULTILINE) == ["liqheat"]
    assert DOCKERFILE.index("\nUSER ") < DOCKERFILE.index("\nENTRYPOINT ")


def test_services_run_commands_with_arguments_they_take():
    program = get_command(app)
    for name in OWN:
        command, *arguments = SERVICES[name]["command"]
        program.commands[command].make_context(command, arguments)
    assert set(OWN) == {"schedule", "serve"}


def test_only_the_schedule_writes_to_the_home():
    mounts = {name: SERVICES[name]["volumes"] for name in OWN}
    assert mounts == {"schedule": ["home:/data"], "serve": ["home:/data:ro"]}


def test_nothing_is_open_to_other_machines_and_no_secret_is_written_down():
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert all(port.startswith("127.0.0.1:") for port in ports)
    secrets = [
        value
        for service in SERVICES.values()
        for name, value in service.get("environment", {}).items()
        if "PASSWORD" in name or "TOKEN" in name
    ]
    assert len(secrets) == 3
    assert all(value.startswith("${") for value in secrets)
