"""Serve every deployment of ``prefect.yaml`` from one process, until stopped.

With ``PREFECT_API_URL`` in the environment that server keeps the schedule. Otherwise a server runs
in this process, on the loopback address, with its history in ``<home>/prefect``: it needs no
network and stops with the process. Its API can run code here, and any web page can send requests to
a loopback port. So it accepts requests only with the login stored in the home folder, for its own
host names and from pages of its own address.

Prefect reads its settings on import. So the environment is set first, and functions import what
they need from Prefect.
"""

import argparse
import asyncio
import logging
import os
import secrets
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import yaml

from flows.fault_watch import watching
from jobs.errors import LIQHEAT_ERRORS
from jobs.private_folder import private_folder, sole_holder
from jobs.settings import read_settings

if TYPE_CHECKING:
    from prefect.client.orchestration import PrefectClient
    from prefect.client.schemas.objects import State
    from prefect.deployments.runner import RunnerDeployment
    from starlette.types import ASGIApp, Receive, Scope, Send

PROJECT = Path(__file__).resolve().parents[1]

SERVER_START_SECONDS = 180
"""The first start creates Prefect's database: ten seconds on two idle cores."""

SERVER_STOP_SECONDS = 20

HOST_NAMES = ("127.0.0.1", "localhost")
"""Host names our own server accepts; this refuses pages that rebind their name to us."""

LOGIN_FILE = "login"
"""User and password of our own server, in ``<home>/prefect``, readable by the owner only."""

ENVIRONMENT = {
    # Prefect's client sends usage data unless this is set.
    "DO_NOT_TRACK": "1",
}
"""Defaults for variables that the environment does not set."""

SERVER_ENVIRONMENT = {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    # How often a waiting run checks whether it may start.
    "PREFECT_SERVER_DEPLOYMENTS_CONCURRENCY_SLOT_WAIT_SECONDS": "5",
    # Keeps 90 days of runs; without it, all of them.
    "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events,flow_runs",
}
"""Further defaults for a server of our own."""


class CannotServe(Exception):
    """The schedule cannot be served; the message says why and what to do."""


def main() -> int:
    """Serve until stopped and return the exit code."""
    parser = argparse.ArgumentParser(prog="liqheat schedule")
    parser.add_argument("--file", type=Path, default=PROJECT / "prefect.yaml")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--show-login", action="store_true")
    arguments = parser.parse_args()
    # SIGTERM acts like Ctrl-C, even where a shell ignores SIGINT for background processes.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        home = read_settings().home.resolve() / "prefect"
        if arguments.show_login:
            sys.stdout.write(f"{_login(home)}\n")
            return 0
        with _locked(home):
            listening = _prepare_environment(home, arguments.port)
            deployments = _read_deployments(arguments.file)
            with _server(listening):
                _log(_universe_in_words())
                asyncio.run(_serve(deployments, is_own_server=listening is not None))
    except KeyboardInterrupt:
        _log("stopped")
        return 0
    except (CannotServe, OSError, *LIQHEAT_ERRORS) as exc:
        _log(f"error: {exc}")
        return 1
    return 0


def _log(message: str) -> None:
    sys.stderr.write(f"{message}\n")


def _interrupt(*_: Any) -> None:  # noqa: ANN401  (whatever Python hands to a signal handler)
    signal.raise_signal(signal.SIGINT)


@contextmanager
def _locked(home: Path) -> Iterator[None]:
    """Lock the folder around the block: a second schedule would run everything twice."""
    with sole_holder(home, "schedule.lock") as is_ours:
        if not is_ours:
            raise CannotServe(
                f"{home.parent} is served by another `liqheat schedule`; stop that one first, "
                "or give this one a LIQHEAT_HOME of its own"
            )
        yield


def _prepare_environment(home: Path, port: int) -> socket.socket | None:
    """Complete the environment; return the socket of our own server, None where there is none.

    The socket is opened here, so that the port passed to Prefect is certainly ours.
    """
    _set_defaults(ENVIRONMENT)
    if "PREFECT_API_URL" in os.environ:
        return None
    listening = socket.create_server(("127.0.0.1", port))
    port = listening.getsockname()[1]
    _set_defaults(SERVER_ENVIRONMENT)
    os.environ["PREFECT_HOME"] = str(home)
    os.environ["PREFECT_API_URL"] = f"http://127.0.0.1:{port}/api"
    # For the server and its clients in this process tree; values from outside are overridden.
    os.environ["PREFECT_SERVER_API_AUTH_STRING"] = os.environ["PREFECT_API_AUTH_STRING"] = _login(
        home
    )
    os.environ["PREFECT_SERVER_CORS_ALLOWED_ORIGINS"] = ",".join(_own_origins(port))
    # It names a profile of another PREFECT_HOME.
    os.environ.pop("PREFECT_PROFILE", None)
    return listening


def _own_origins(port: int) -> list[str]:
    """Return the addresses of our own server's pages."""
    return [f"http://{name}:{port}" for name in HOST_NAMES]


def _login(home: Path) -> str:
    """Return ``user:password`` of our own server, generated once and kept in the home folder.

    Delete the file to get a new password at the next start.
    """
    file = home / LOGIN_FILE
    private_folder(home)
    if file.is_symlink() or (file.exists() and file.stat().st_mode & 0o077):
        # Others may have read it.
        file.unlink()
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        login = file.read_text().strip()
        if login.partition(":")[2]:
            return login
        # A process was killed between creating the file and writing it.
        descriptor = os.open(file, os.O_WRONLY | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as opened:
        login = f"liqheat:{secrets.token_urlsafe(24)}"
        opened.write(f"{login}\n")
    return login


def _set_defaults(defaults: dict[str, str]) -> None:
    for name, value in defaults.items():
        os.environ.setdefault(name, value)


class OwnPagesOnly:
    """Refuses requests from pages of other addresses, even with the login; programs name no page.

    Parameters
    ----------
    app : ASGI application
        What is guarded.
    origins : list of str
        Addresses whose pages may send requests.
    """

    def __init__(self, app: "ASGIApp", origins: list[str]) -> None:
        self._app = app
        self._origins = [each.encode() for each in origins]

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Pass a request on, or refuse it."""
        sent = [value for name, value in scope.get("headers", ()) if name == b"origin"]
        if any(each not in self._origins for each in sent):
            from starlette.responses import PlainTextResponse

            refusal = PlainTextResponse("Requests from pages of other addresses are refused", 403)
            await refusal(scope, receive, send)
        else:
            await self._app(scope, receive, send)


@contextmanager
def _server(listening: socket.socket | None) -> Iterator[None]:
    """Run our own server around the block, unless another one is configured."""
    url = os.environ["PREFECT_API_URL"].removesuffix("/api")
    if listening is None:
        _log(f"the schedule is kept by {url}")
        yield
        return

    import uvicorn
    from prefect.server.api.server import create_app
    from starlette.middleware.trustedhost import TrustedHostMiddleware

    app = TrustedHostMiddleware(
        OwnPagesOnly(create_app(final=True), _own_origins(listening.getsockname()[1])),
        allowed_hosts=HOST_NAMES,
    )
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=5))
    thread = threading.Thread(target=server.run, args=([listening],), name="server", daemon=True)
    thread.start()
    try:
        deadline = time.monotonic() + SERVER_START_SECONDS
        while not server.started:
            if not thread.is_alive() or time.monotonic() > deadline:
                raise CannotServe(
                    "Prefect's server did not start, see above; if its database is damaged, move "
                    f"{os.environ['PREFECT_HOME']} away: only the history of runs is in it"
                )
            time.sleep(0.1)
        _log(f"runs are shown at {url}, their history is kept in {os.environ['PREFECT_HOME']}")
        _log("`liqheat schedule --show-login` prints the login of that page")
        yield
    finally:
        server.should_exit = True
        thread.join(SERVER_STOP_SECONDS)


async def _serve(deployments: "list[RunnerDeployment]", *, is_own_server: bool) -> None:
    """Register the deployments and run what falls due."""
    from prefect.client.orchestration import get_client
    from prefect.runner import Runner
    from prefect.states import Scheduled

    # It logs every waiting run at every check.
    logging.getLogger("prefect.runner.state_proposer").setLevel(logging.WARNING)
    # Schedules stay active when this process ends: runs due meanwhile are late, not lost.
    runner = Runner(name="liqheat", pause_on_shutdown=False)
    # Prefect's own handler raises SystemExit inside the event loop.
    runner.handle_sigterm = _interrupt  # type: ignore[method-assign]
    async with get_client() as client:
        for deployment in deployments:
            deployment_id = await runner.aadd_deployment(deployment)
            if is_own_server:
                await _end_abandoned_runs(client, deployment_id)
            if deployment.schedules:
                # Catch up at once with what was missed since the last stop.
                await client.create_flow_run_from_deployment(
                    deployment_id, state=Scheduled(scheduled_time=datetime.now(UTC))
                )
            _log(f"  {deployment.name:<10} {_schedule_in_words(deployment)}")
    _log("Ctrl-C stops it")
    with watching([one.name for one in deployments if one.schedules]):
        await runner.start()


async def _end_abandoned_runs(client: "PrefectClient", deployment_id: UUID) -> None:
    """Mark the runs of an earlier process as crashed: they would block the concurrency limit."""
    from prefect.client.schemas.filters import (
        FlowRunFilter,
        FlowRunFilterDeploymentId,
        FlowRunFilterState,
        FlowRunFilterStateType,
    )
    from prefect.client.schemas.objects import StateType
    from prefect.states import Crashed

    under_way = [StateType.PENDING, StateType.RUNNING, StateType.CANCELLING]
    runs = await client.read_flow_runs(
        flow_run_filter=FlowRunFilter(
            deployment_id=FlowRunFilterDeploymentId(any_=[deployment_id]),
            state=FlowRunFilterState(type=FlowRunFilterStateType(any_=under_way)),
        )
    )
    for run in runs:
        state: State[None] = Crashed(message="`liqheat schedule` ended before this run did")
        await client.set_flow_run_state(run.id, state, force=True)


def _read_deployments(file: Path) -> "list[RunnerDeployment]":
    """Return the deployments of a ``prefect.yaml``; entrypoints start at its folder."""
    from prefect.client.schemas.objects import ConcurrencyLimitConfig
    from prefect.deployments.runner import RunnerDeployment
    from prefect.exceptions import MissingFlowError, ScriptError
    from prefect.flows import load_flow_from_entrypoint
    from prefect.schedules import Schedule

    deployments = []
    for entry in yaml.safe_load(file.read_text())["deployments"]:
        entrypoint = str(file.resolve().parent / entry["entrypoint"])
        try:
            # Prefect would otherwise serve a placeholder for a flow that does not load.
            load_flow_from_entrypoint(entrypoint, use_placeholder_flow=False)
        except (MissingFlowError, ScriptError, ValueError) as exc:
            raise CannotServe(f"{file}: deployment {entry['name']} does not load: {exc}") from exc
        schedules = [dict(schedule) for schedule in entry.get("schedules", [])]
        for schedule in schedules:
            if "interval" in schedule:
                schedule["interval"] = timedelta(seconds=schedule["interval"])
        limit = entry.get("concurrency_limit")
        deployments.append(
            RunnerDeployment.from_entrypoint(
                entrypoint,
                name=entry["name"],
                description=entry.get("description"),
                parameters=entry.get("parameters"),
                schedules=[Schedule(**schedule) for schedule in schedules],
                concurrency_limit=ConcurrencyLimitConfig(**limit) if limit else None,
            )
        )
    return deployments


def _universe_in_words() -> str:
    """Return a sentence on which venues and assets the schedule follows."""
    from jobs.collect.scope import configured_universe

    settings = read_settings()
    universe = configured_universe(settings)
    if not universe.venues:
        return f"no venue is followed ({settings.universe_file}): runs use what was imported"
    assets = (
        f"{len(universe.assets)} assets"
        if universe.assets
        else f"the {universe.top} assets with the most open interest"
    )
    where = (
        f"as {settings.universe_file} says"
        if settings.universe_file.exists()
        else (f"the default; {settings.universe_file} changes it, `venues: []` follows none")
    )
    return f"following {assets} on {', '.join(universe.venues)}: {where}"


def _schedule_in_words(deployment: "RunnerDeployment") -> str:
    words = [
        getattr(one.schedule, "cron", None) or f"every {getattr(one.schedule, 'interval', '?')}"
        for one in deployment.schedules or []
    ]
    return ", ".join(words) or "on demand"


if __name__ == "__main__":
    sys.exit(main())
