"""A live server over a published home, and Debian's browser to look at it with.

The browser lives as long as a module: an open Playwright is a running event loop, in which
asynchronous tests of other modules could not start.
"""

import os
import re
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import pytest

from warehouse.published_versions import add_version

ROOT = Path(__file__).parents[3]
NODE_MODULES = Path(__file__).parent / "node_modules"

# A machine that is busy with other tests takes its time.
_STARTING_SECONDS = 120.0
_WAITING_SECONDS = 30.0

_LIQHEAT = (sys.executable, "-c", "from cli.main import app; app()")


@dataclass
class Server:
    """`liqheat serve` in a process of its own."""

    home: Path
    log: Path
    port: int = 0
    process: subprocess.Popen[bytes] | None = None
    variables: dict[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*_LIQHEAT, "serve", "--port", str(self.port)],
                cwd=ROOT,
                env={**os.environ, "LIQHEAT_HOME": str(self.home), **self.variables},
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + _STARTING_SECONDS
        while not self._is_listening() or not self._is_answering():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                pytest.fail(f"the server did not start:\n{self.log.read_text()[-3000:]}")
            time.sleep(0.05)

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.process = None

    def _is_listening(self) -> bool:
        """Return whether the port is known: the server chooses it, and keeps it when restarted."""
        printed = re.search(r"http://127\.0\.0\.1:(\d+)/", self.log.read_text(errors="replace"))
        self.port = int(printed[1]) if printed else 0
        return self.port > 0

    def _is_answering(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/healthz", timeout=5) as answer:  # noqa: S310
                return answer.status < 500
        except urllib.error.HTTPError:
            return True  # It answers, if only that nothing is published.
        except OSError:
            return False


@contextmanager
def serving(home: Path, log: Path, **variables: str) -> Iterator[Server]:
    """Serve a home until the block ends, with more variables of the environment."""
    server = Server(home, log, variables=variables)
    server.start()
    try:
        yield server
    finally:
        server.stop()


MARKUP = "<img src=x onerror=alert(1)>"
"""The name of an asset that a page must show as text."""

# The thin coin is graded C, and once more under a name with markup in it.
_GRADES = """
update marts.asset_quality_hourly set
    grade = if(asset = 'BTC', 'A', 'C'),
    reasons = if(asset = 'BTC', [], [('low_open_interest', 1.0, 2.0, 'hard')])
"""


def publish_changed(home: Path, *statements: str) -> None:
    """Publish the file of a home once more, changed by statements."""
    link = home / "published" / "liqheat.duckdb"
    version = str(uuid.uuid4())
    finished = home / "published" / ".writing" / "changed.duckdb"
    finished.parent.mkdir(exist_ok=True)
    shutil.copyfile(link.resolve(), finished)
    with duckdb.connect(str(finished)) as writer:
        writer.execute("set timezone = 'UTC'")
        for statement in statements:
            writer.execute(statement)
        writer.execute(f"create or replace macro publication_id() as '{version}'")
    add_version(finished, link, version)


def copies_of(home: Path, asset: str, name: str) -> list[str]:
    """Return statements that give all that is published of an asset to another name too."""
    with duckdb.connect(str(home / "published" / "liqheat.duckdb"), read_only=True) as reader:
        tables = reader.execute(
            "select schema_name || '.' || table_name from duckdb_tables() "
            "join duckdb_columns() using (schema_name, table_name) where column_name = 'asset'"
        ).fetchall()
    return [
        f"insert into {table} select * replace ('{name}' as asset) from {table} "
        f"where asset = '{asset}'"
        for (table,) in tables
    ]


@pytest.fixture(scope="package")
def served_home(small_home, tmp_path_factory):
    """Return a copy of the small market's folder that is served: BTC, THIN graded C, MARKUP."""
    home = Path(
        shutil.copytree(small_home, tmp_path_factory.mktemp("served") / "home", symlinks=True)
    )
    publish_changed(home, _GRADES, *copies_of(home, "THIN", MARKUP))
    return home


@pytest.fixture(scope="package")
def server(served_home, tmp_path_factory):
    """Yield the server that most tests share."""
    with serving(served_home, tmp_path_factory.mktemp("log") / "serve.log") as running:
        yield running


@pytest.fixture
def serve(tmp_path):
    """Return a function that serves a home until the test ends."""
    with ExitStack() as stack:
        yield lambda home, **variables: stack.enter_context(
            serving(home, tmp_path / "serve.log", **variables)
        )


@pytest.fixture(scope="package")
def axe():
    """Return the source of axe-core; skip where it is not installed."""
    source = NODE_MODULES / "axe-core" / "axe.min.js"
    if not source.exists():
        pytest.skip("axe-core is not installed: `make types` installs it where npm is")
    return source.read_text(encoding="utf-8")


@pytest.fixture
def colours():
    """Return the function that counts the pixels of a chart by what they show."""
    return count_colours


@pytest.fixture
def serious_faults():
    """Return the function that lists what axe-core finds serious or critical."""
    return find_serious_faults


@pytest.fixture
def wait_drawn():
    """Return the function that waits until a page shows what was chosen last."""
    return wait_until_drawn


@pytest.fixture
def wait_until():
    """Return the function that waits for what the page does not announce."""
    return wait_until_true


@pytest.fixture
def markup():
    """Return the name with markup in it."""
    return MARKUP


@pytest.fixture
def change_publication():
    """Return the function that publishes a home once more, changed by statements."""
    return publish_changed


@pytest.fixture(scope="module")
def browser():
    """Yield the browser; skip where there is none."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("chromium is not installed: `apt-get install chromium`")
    playwright.expect.set_options(timeout=1000 * _WAITING_SECONDS)
    with playwright.sync_playwright() as running:
        # Chromium's sandbox does not start for root.
        browser = running.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        browser.close()


@dataclass
class Observed:
    """What went wrong in a page, and where its requests went."""

    faults: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


@pytest.fixture
def open_page(browser, server):
    """Return a function that opens an address in a page of its own.

    A test fails where its pages throw, log an error, break their content security policy or send a
    request to another origin; ``page.observed.faults.clear()`` forgives what the test provokes.
    """
    opened = []

    def open_page(address="/", *, base=None, width=1280, height=800, wait=True, **context_options):
        origin = server.url if base is None else base
        context = browser.new_context(
            viewport={"width": width, "height": height}, **context_options
        )
        page = context.new_page()
        page.set_default_timeout(1000 * _WAITING_SECONDS)
        observed = Observed()
        page.observed = observed
        page.on("pageerror", lambda error: observed.faults.append(f"threw: {error}"))
        page.on("console", lambda line: _note_console(observed, line))
        page.on("request", lambda request: observed.requests.append(request.url))
        opened.append((context, page, origin))
        page.goto(address if "://" in address else f"{origin}{address}")
        if wait:
            wait_until_drawn(page)
        return page

    yield open_page
    for context, _, _ in opened:
        context.close()
    for _, page, origin in opened:
        elsewhere = [
            url
            for url in page.observed.requests
            if not url.startswith((f"{origin}/", "data:", "blob:", "file:"))
        ]
        assert not elsewhere, f"requests left the origin: {elsewhere}"
        assert not page.observed.faults, "\n".join(page.observed.faults)


def _note_console(observed: Observed, line) -> None:
    # Tests read canvases back; the page does not.
    if line.type in ("error", "warning") and "willReadFrequently" not in line.text:
        observed.faults.append(f"{line.type}: {line.text} ({line.location.get('url', '')})")


def wait_until_drawn(page) -> None:
    """Wait until a page shows what was chosen last, its panel included."""
    page.wait_for_selector("[data-drawn='true']")
    page.wait_for_selector("#panel[aria-busy=true]", state="detached")


def wait_until_true(page, is_true) -> None:
    """Wait until a function of no arguments returns what is true; fail where it never does."""
    deadline = time.monotonic() + _WAITING_SECONDS
    while not is_true():
        assert time.monotonic() < deadline, "what was waited for did not come"
        page.wait_for_timeout(50)


# Pixels of a chart by what they show: cold is a long, warm a short.
_COUNT_COLOURS = """
() => {
  const count = {cold: 0, warm: 0, light: 0, all: 0};
  for (const canvas of document.querySelectorAll('#chart canvas')) {
    const {data} = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    for (let at = 0; at < data.length; at += 4) {
      const red = data[at], green = data[at + 1], blue = data[at + 2];
      if (data[at + 3] < 128) continue;
      count.all++;
      if (blue > red + 40) count.cold++;
      if (red > blue + 40) count.warm++;
      if (Math.min(red, green, blue) > 200) count.light++;
    }
  }
  return count;
}
"""


def count_colours(page):
    return page.evaluate(_COUNT_COLOURS)


def find_serious_faults(page, axe, within="document"):
    """Return what axe-core finds serious or critical."""
    page.evaluate(axe)
    found = page.evaluate(f"axe.run({within}, {{resultTypes: ['violations']}})")
    return [
        (fault["id"], node["html"], node["failureSummary"])
        for fault in found["violations"]
        for node in fault["nodes"]
        if fault["impact"] in ("serious", "critical")
    ]
