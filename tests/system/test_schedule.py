"""`liqheat schedule` as a process of its own, over a schedule of seconds."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from standin.alert_target import AlertTarget

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/stat").exists(), reason="what is left running is read from /proc"
)

ROOT = Path(__file__).parents[2]
COMMAND = "import typer; from cli.schedule import schedule_command; typer.run(schedule_command)"
PATIENCE_SECONDS = 180

PREFECT_YAML = f"""
deployments:
  - name: ingest
    entrypoint: {ROOT}/flows/ingest.py:ingest
    schedules: [{{interval: 4}}]
    concurrency_limit: {{limit: 1, collision_strategy: ENQUEUE}}
  - name: endless
    entrypoint: endless.py:endless
    schedules: [{{interval: 86400}}]
    concurrency_limit: {{limit: 1, collision_strategy: ENQUEUE}}
  - name: broken
    entrypoint: endless.py:broken
    schedules: [{{interval: 86400}}]
"""

ENDLESS_FLOW = """
import os
import time
from pathlib import Path
from prefect import flow

@flow
def endless():
    Path(__file__).with_name("track").write_text(os.environ.get("DO_NOT_TRACK", ""))
    time.sleep(3600)

@flow
def broken():
    raise ValueError("no network")
"""

SECRET = "0123456789abcdef-hunter2"  # noqa: S105  (shared with the stand-in)

ALERTS = """
targets: {desk: {webhook: "${DESK_URL}", secret: "${DESK_SECRET}"}}
rules: []
"""


def command(file: Path) -> list[str]:
    return [sys.executable, "-c", COMMAND, "--file", str(file)]


@pytest.fixture
def home(offline_home: Path) -> Path:
    return offline_home


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "endless.py").write_text(ENDLESS_FLOW)
    (tmp_path / "prefect.yaml").write_text(PREFECT_YAML)
    return tmp_path / "prefect.yaml"


@pytest.fixture
def desk(home: Path) -> Iterator[AlertTarget]:
    """Yield where alerts of the home go."""
    (home / "alerts.yaml").write_text(ALERTS)
    with AlertTarget(secret=SECRET) as standin:
        yield standin


@pytest.fixture
def environment(home: Path) -> dict[str, str]:
    """Return the environment of somebody who has set nothing of Prefect but its haste."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("PREFECT") and name != "DO_NOT_TRACK"
    }
    return {**inherited, "PREFECT_RUNNER_POLL_FREQUENCY": "1"}


class Schedule:
    """A schedule under way, in a session of its own."""

    def __init__(self, process: subprocess.Popen[bytes], home: Path, log: Path) -> None:
        self.process = process
        self.log = log
        self.login = home / "prefect" / "login"
        match = self.wait_for(lambda: re.search(r"runs are shown at (\S+),", log.read_text()))
        self.url = match[1]

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Send a request with the login of the home."""
        user, _, password = self.login.read_text().strip().partition(":")
        return httpx.request(
            method, f"{self.url}/api{path}", auth=(user, password), timeout=60, **options
        )

    def wait_for(self, condition: Callable[[], Any]) -> Any:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            if result := condition():
                return result
            time.sleep(0.2)
        pytest.fail(f"waited in vain; the schedule wrote:\n{self.log.read_text()}")

    def runs(self, deployment: str, state: str) -> list[dict[str, Any]]:
        wanted = {
            "deployments": {"name": {"any_": [deployment]}},
            "flow_runs": {"state": {"name": {"any_": [state]}}},
        }
        answer = self.request("POST", "/flow_runs/filter", json=wanted)
        return answer.raise_for_status().json()

    def processes(self) -> list[int]:
        """Return the processes of the session, whoever their parents are."""
        found = []
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                _, _, fields = stat.read_text().rpartition(") ")
            except (FileNotFoundError, ProcessLookupError):
                continue
            state, _, _, session = fields.split()[:4]
            if int(session) == self.process.pid and state != "Z":
                found.append(int(stat.parent.name))
        return found


@contextmanager
def schedule(file: Path, environment: dict[str, str], log: Path) -> Iterator[Schedule]:
    with log.open("wb") as output:
        process = subprocess.Popen(
            command(file), env=environment, stderr=output, stdout=output, start_new_session=True
        )
    try:
        yield Schedule(process, Path(environment["LIQHEAT_HOME"]), log)
    finally:
        # Also where the schedule itself was killed: its runs are processes of their own.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def assert_only_the_owner_gets_in(one: Schedule, proof: Path) -> None:
    """Do what a page elsewhere or another user of the machine would, and fail to run code."""
    assert one.login.stat().st_mode & 0o777 == 0o600
    deployment = one.request("POST", "/deployments/filter", json={}).json()[0]["id"]
    script = f"touch {proof}"
    pull = {"pull_steps": [{"prefect.deployments.steps.run_shell_script": {"script": script}}]}
    target = f"{one.url}/api/deployments/{deployment}"
    evil = {"Origin": "http://evil.example"}
    wrong = {"Authorization": "Basic bGlxaGVhdDo="}
    for headers, refusal in (({}, 401), (wrong, 401), (evil, 403), ({**evil, **wrong}, 403)):
        patched = httpx.patch(target, json=pull, headers=headers, timeout=60)
        assert patched.status_code == refusal
        created = httpx.post(f"{target}/create_flow_run", json={}, headers=headers, timeout=60)
        assert created.status_code == refusal
        assert "access-control-allow-origin" not in created.headers
    preflight = {
        **evil,
        "Access-Control-Request-Method": "PATCH",
        "Access-Control-Request-Headers": "authorization",
    }
    allowed = httpx.options(target, headers=preflight, timeout=60).headers
    assert "access-control-allow-origin" not in allowed
    own = {**preflight, "Origin": one.url}
    allowed = httpx.options(target, headers=own, timeout=60).headers
    assert allowed["access-control-allow-origin"] == one.url
    # The login does not help a page elsewhere.
    stolen = one.request("PATCH", f"/deployments/{deployment}", json=pull, headers=evil)
    assert stolen.status_code == 403
    # A name that was made to point here after the page was loaded.
    rebound = one.request("GET", "/health", headers={"Host": "evil.example"})
    assert rebound.status_code == 400
    assert not proof.exists()


def test_the_schedule_fires_ends_with_its_process_and_goes_on_after_a_stop_or_a_kill(
    file, environment, desk, tmp_path
):
    environment |= {"DESK_URL": desk.url, "DESK_SECRET": SECRET}
    with schedule(file, environment, tmp_path / "first.log") as first:
        first.wait_for(lambda: first.runs("endless", "Running"))
        first.wait_for((file.parent / "track").exists)
        first.wait_for(
            lambda: sum(run["auto_scheduled"] for run in first.runs("ingest", "Completed")) >= 2
        )
        first.wait_for(lambda: desk.taken)
        (fault,) = desk.taken
        assert fault.json["title"] == "liqheat: broken failed"
        assert "ValueError: no network" in fault.json["body"]
        assert len(first.processes()) >= 2
        assert_only_the_owner_gets_in(first, tmp_path / "pwned")
        shown = subprocess.run(
            [*command(file), "--show-login"],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        assert shown.stdout == first.login.read_text()
        settings = first.request("GET", "/admin/settings").json()
        assert settings["server"]["analytics_enabled"] is False
        assert (file.parent / "track").read_text() == "1"

        second = subprocess.run(
            command(file), env=environment, capture_output=True, text=True, check=False
        )
        assert second.returncode == 1
        assert "served by another `liqheat schedule`" in second.stderr

        os.kill(first.process.pid, signal.SIGTERM)
        assert first.process.wait(PATIENCE_SECONDS) == 0
        assert first.processes() == []

    # From here on only the endless flow matters; each run of the other starts a process.
    file.write_text(PREFECT_YAML.replace("interval: 4", "interval: 86400"))
    with schedule(file, environment, tmp_path / "second.log") as again:
        # What was under way counts as crashed: otherwise it would be its turn for ever.
        # It is done at once: its next turn would be tomorrow.
        again.wait_for(lambda: again.runs("endless", "Crashed"))
        again.wait_for(lambda: again.runs("endless", "Running"))
        again.process.kill()

    with schedule(file, environment, tmp_path / "third.log") as last:
        # The same where it was killed and could not say so.
        last.wait_for(lambda: len(last.runs("endless", "Crashed")) == 2)
        last.wait_for(lambda: last.runs("endless", "Running"))
        os.killpg(last.process.pid, signal.SIGINT)
        assert last.process.wait(PATIENCE_SECONDS) == 0
        assert last.processes() == []


def test_a_deployment_that_does_not_load_is_named(file, environment):
    (file.parent / "endless.py").write_text("import liqheat_has_no_such_module\n" + ENDLESS_FLOW)
    refused = subprocess.run(
        command(file), env=environment, capture_output=True, text=True, check=False
    )
    assert refused.returncode == 1
    assert "deployment endless does not load" in refused.stderr
    assert "liqheat_has_no_such_module" in refused.stderr


def show_login(file: Path, environment: dict[str, str]) -> str:
    return subprocess.run(
        [*command(file), "--show-login"],
        env=environment,
        umask=0,
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def test_a_login_that_others_can_read_is_replaced(file, environment, tmp_path):
    login = Path(environment["LIQHEAT_HOME"]) / "prefect" / "login"
    kept = show_login(file, environment)
    assert login.parent.stat().st_mode & 0o777 == 0o700
    assert show_login(file, environment) == kept

    login.chmod(0o644)
    replaced = show_login(file, environment)
    assert replaced != kept
    assert login.stat().st_mode & 0o777 == 0o600

    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("liqheat:known\n")
    login.unlink()
    login.symlink_to(elsewhere)
    assert show_login(file, environment) not in ("liqheat:known\n", replaced)
    assert not login.is_symlink()
    assert elsewhere.read_text() == "liqheat:known\n"
