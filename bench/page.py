"""Time, memory and size of the page, its API and the static page, in Debian's Chromium.

Run ``python -m bench.page --home FOLDER`` on the home of ``bench.page_home``; with ``--before
CHECKOUT`` the page of an older release is measured in the same run. The home is only read.
"""

import argparse
import http.client
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
from playwright.sync_api import Browser, Page, sync_playwright

from bench.stopwatch import print_machine
from warehouse.published_versions import add_version

ROOT = Path(__file__).parents[1]
ASSETS = ("BTC", "ETH", "SOL", "DOGE", "LTC", "AVAX", "LINK", "PEPE", "THIN", "SLIM")
PROVIDERS = ("turnover", "open_interest", "taker_tilt", "public_convention", "volume_profile")
_LIQHEAT = (sys.executable, "-c", "from cli.main import app; app()")
ARROW = "application/vnd.apache.arrow.stream"

_LOADS, _SWITCHES, _REQUESTS, _AT_ONCE = 10, 30, 100, 50

# Notes when the page had drawn what was chosen last, in the page's own clock.
_NOTE_DRAWN = """
window.drawnAt = [];
new MutationObserver(() => {
  if (document.documentElement.dataset.drawn === 'true') window.drawnAt.push(performance.now());
}).observe(document, {attributes: true, subtree: true, attributeFilter: ['data-drawn']});
"""

_SWITCH = """
async ([name, value]) => {
  const root = document.documentElement;
  const control = document.querySelector(`[name="${name}"]`);
  const begun = performance.now();
  const drawn = new Promise(done => {
    const observer = new MutationObserver(() => {
      if (root.dataset.drawn !== 'true') return;
      observer.disconnect();
      done(performance.now());
    });
    observer.observe(root, {attributes: true, attributeFilter: ['data-drawn']});
  });
  control.focus();
  control.value = value;
  if (name === 'asset')
    control.dispatchEvent(new KeyboardEvent('keydown', {key: 'Enter', bubbles: true}));
  else control.dispatchEvent(new Event('change', {bubbles: true}));
  return await drawn - begun;
}
"""

_WATCH_FRAMES = """
() => {
  window.frames_ = [];
  const note = at => { window.frames_.push(at); window.watching = requestAnimationFrame(note); };
  window.watching = requestAnimationFrame(note);
}
"""


@dataclass(frozen=True, slots=True)
class Served:
    """A running server.

    Parameters
    ----------
    port : int
        Where it listens.
    pid : int
        Its process.
    """

    port: int
    pid: int

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    def peak_mb(self) -> float:
        """Return the most memory it has held [MB]."""
        status = Path(f"/proc/{self.pid}/status").read_text(encoding="ascii")
        line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024


@contextmanager
def linked_home(home: Path) -> Iterator[Path]:
    """Yield a home whose published file is a link to that of another, to publish in."""
    with tempfile.TemporaryDirectory(dir=home.parent) as folder:
        _publish_link(home, Path(folder), "first")
        yield Path(folder)


def _publish_link(home: Path, own: Path, version: str) -> None:
    """Publish the file of a home, unchanged, as a version of another on the same disk."""
    published = own / "published"
    writing = published / ".writing"
    writing.mkdir(parents=True, exist_ok=True)
    finished = writing / f"{version}.duckdb"
    os.link((home / "published" / "liqheat.duckdb").resolve(), finished)
    add_version(finished, published / "liqheat.duckdb", version)


def _copy_published(home: Path, own: Path, name: str) -> Path:
    """Return a finished file of another publication with the content of a home's."""
    finished = own / "published" / ".writing" / f"{name}.duckdb"
    shutil.copyfile((home / "published" / "liqheat.duckdb").resolve(), finished)
    with duckdb.connect(str(finished)) as writer:
        writer.execute(f"create or replace macro publication_id() as '{name}'")
    return finished


@contextmanager
def serving(home: Path) -> Iterator[Served]:
    """Serve a home until the block ends."""
    process = subprocess.Popen(  # noqa: S603
        [*_LIQHEAT, "serve", "--port", "0"],
        cwd=ROOT,
        env={**os.environ, "LIQHEAT_HOME": str(home)},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        address = process.stdout.readline().strip().rstrip("/")
        served = Served(int(address.rpartition(":")[2]), process.pid)
        yield served
    finally:
        process.terminate()
        process.wait(20)


@contextmanager
def open_page(browser: Browser, url: str) -> Iterator[Page]:
    """Yield a page in a context of its own, with nothing cached."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    context.add_init_script(_NOTE_DRAWN)
    page = context.new_page()
    page.set_default_timeout(60_000)
    page.goto(url)
    try:
        yield page
    finally:
        context.close()


def _wait_drawn(page: Page) -> float:
    """Wait until a page has drawn; return when it first had, since it was requested [ms]."""
    page.wait_for_selector("[data-drawn='true']")
    return float(page.evaluate("window.drawnAt[0]"))


def time_loads(browser: Browser, served: Served) -> dict[str, Sequence[float]]:
    """Return times from request to the first text and to the drawn map [ms]."""
    drawn, text = [], []
    for _ in range(_LOADS):
        with open_page(browser, f"{served.url}/?asset=BTC") as page:
            drawn.append(_wait_drawn(page))
            paints = page.evaluate(
                "performance.getEntriesByName('first-contentful-paint').map(one => one.startTime)"
            )
            text.extend(paints)
    return {"page: request to first text [ms]": text, "page: request to the map [ms]": drawn}


def time_switches(browser: Browser, served: Served) -> dict[str, Sequence[float]]:
    """Return times from a choice to the drawn map, each map for the first time and again [ms]."""
    times: dict[str, list[float]] = {"provider": [], "asset": [], "provider, seen before": []}
    with open_page(browser, f"{served.url}/?asset=BTC&provider=turnover") as page:
        _wait_drawn(page)

        def switch(name: str, value: str, label: str) -> None:
            times[label].append(float(page.evaluate(_SWITCH, [name, value])))
            page.wait_for_timeout(300)

        for asset in ASSETS[1:]:
            switch("asset", asset, "asset")
            for provider in PROVIDERS[1:3]:
                switch("provider", provider, "provider")
            switch("provider", PROVIDERS[0], "provider, seen before")
    return {f"page: switch of {name} to the map [ms]": each for name, each in times.items()}


def time_frames(browser: Browser, served: Served, days: int) -> dict[str, Sequence[float]]:
    """Return times between frames while the map is dragged and zoomed [ms]."""
    found = {}
    with open_page(browser, f"{served.url}/?asset=BTC&days={days}") as page:
        _wait_drawn(page)
        page.wait_for_timeout(1000)
        box = page.locator("#chart").bounding_box()
        assert box is not None
        middle = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)

        def watched(move: Callable[[], None]) -> list[float]:
            page.evaluate(_WATCH_FRAMES)
            move()
            at = page.evaluate("() => (cancelAnimationFrame(window.watching), window.frames_)")
            return list(np.diff(at))

        def drag() -> None:
            page.mouse.move(*middle)
            page.mouse.down()
            for step in range(120):
                page.mouse.move(
                    middle[0] + 150 * np.sin(step / 8), middle[1] + 60 * np.sin(step / 11)
                )
            page.mouse.up()

        def zoom() -> None:
            page.mouse.move(*middle)
            for step in range(40):
                page.mouse.wheel(0, -120 if step < 20 else 120)
                page.wait_for_timeout(20)

        page.mouse.move(*middle)
        page.mouse.wheel(0, -240)
        page.wait_for_timeout(500)
        found[f"page: frame while panning {days} days [ms]"] = watched(drag)
        found[f"page: frame while zooming {days} days [ms]"] = watched(zoom)
    return found


def time_requests(served: Served) -> dict[str, Sequence[float]]:
    """Return times of map requests, one after the other and many at once [ms]."""
    paths = [
        f"/v1/map?asset={asset}&provider={provider}&days=7"
        for provider in PROVIDERS
        for asset in ASSETS
    ]
    figures: dict[str, Sequence[float]] = {}
    for label, accept in (("Arrow", ARROW), ("the page's form", "application/vnd.liqheat.grid")):
        connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=60)
        times = []
        for path in (paths * 2)[:_REQUESTS]:
            seconds, _, _ = _request(connection, path, {"Accept": accept})
            times.append(1e3 * seconds)
        figures[f"map of 7 days, {label} [ms]"] = times
        connection.close()
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=60)
    _, etag, _ = _request(connection, paths[0], {"Accept": ARROW})
    headers = {"Accept": ARROW, "If-None-Match": etag}
    unchanged = [_request(connection, paths[0], headers, 304)[0] for _ in range(_REQUESTS)]
    figures["304 [ms]"] = [1e3 * seconds for seconds in unchanged]
    connection.close()

    def one(path: str) -> float:
        own = http.client.HTTPConnection("127.0.0.1", served.port, timeout=120)
        seconds, _, size = _request(own, path, {"Accept": ARROW})
        assert size > 10_000
        return 1e3 * seconds

    begun = time.perf_counter()
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        figures[f"each of {_AT_ONCE} at once [ms]"] = list(pool.map(one, paths[:_AT_ONCE]))
    figures[f"all of {_AT_ONCE} at once [ms]"] = [1e3 * (time.perf_counter() - begun)]
    return figures


def _request(
    connection: http.client.HTTPConnection,
    path: str,
    headers: dict[str, str],
    expected: int = 200,
) -> tuple[float, str, int]:
    """Return seconds, ETag and bytes of a request; fail where it is not answered as expected."""
    begun = time.perf_counter()
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    body = answer.read()
    seconds = time.perf_counter() - begun
    assert answer.status == expected, (path, answer.status, body[:500])
    return seconds, answer.getheader("ETag", ""), len(body)


def time_publications(
    browser: Browser, served: Served, home: Path, own: Path
) -> dict[str, Sequence[float]]:
    """Return times from a moved link to the map drawn anew in an open page [ms]."""
    times = []
    with open_page(browser, f"{served.url}/?asset=BTC") as page:
        _wait_drawn(page)
        page.wait_for_timeout(1000)
        for number in range(3):
            finished = _copy_published(home, own, f"again-{number}")
            # It may draw anew for other reasons: it must have sent for the map, then drawn it.
            with page.expect_response(lambda answer: "/v1/map" in answer.url):
                begun = time.perf_counter()
                add_version(finished, own / "published" / "liqheat.duckdb", f"again-{number}")
            page.wait_for_selector("[data-drawn='true']")
            times.append(1e3 * (time.perf_counter() - begun))
            page.wait_for_timeout(500)
    return {"publication to the map in an open page [ms]": times}


def measure_static(browser: Browser, home: Path, folder: Path) -> dict[str, Sequence[float]]:
    """Return size, time to write and time to draw of the static page of seven days."""
    path = folder / "static.html"
    seconds = write_static(ROOT, home, path)
    drawn = []
    for _ in range(5):
        with open_page(browser, path.as_uri()) as page:
            drawn.append(_wait_drawn(page))
    return {
        "static page: size [kB]": [path.stat().st_size / 1e3],
        "static page: to write [ms]": [1e3 * seconds],
        "static page: opened to drawn [ms]": drawn,
    }


def write_static(checkout: Path, home: Path, path: Path) -> float:
    """Write a static page with the code of a checkout; return how long it took [s]."""
    begun = time.perf_counter()
    subprocess.run(  # noqa: S603
        [*_LIQHEAT, "plot", "BTC", "--provider", "turnover",
         "--output", str(path)],
        cwd=checkout,
        env={**os.environ, "LIQHEAT_HOME": str(home), "PYTHONPATH": str(checkout)},
        check=True,
        stdout=subprocess.DEVNULL,
    )  # fmt: skip
    return time.perf_counter() - begun


def measure_before(
    browser: Browser, checkout: Path, home: Path, folder: Path
) -> dict[str, Sequence[float]]:
    """Return the same of a release that drew with plotly, and its time to zoom."""
    path = folder / "before.html"
    seconds = write_static(checkout, home, path)
    drawn, zoomed = [], []
    for _ in range(3):
        with open_page(browser, path.as_uri()) as page:
            # Its script runs, and draws, before the page is loaded; then two frames.
            drawn.append(
                float(
                    page.evaluate(
                        "() => new Promise(done => requestAnimationFrame(() => "
                        "requestAnimationFrame(() => done(performance.now()))))"
                    )
                )
            )
            zoomed += page.evaluate(_ZOOM_PLOTLY)
    return {
        "before, static page: size [kB]": [path.stat().st_size / 1e3],
        "before, static page: to write [ms]": [1e3 * seconds],
        "before, static page: opened to drawn [ms]": drawn,
        "before, static page: zoom to drawn [ms]": zoomed,
    }


_ZOOM_PLOTLY = """
async () => {
  const plot = document.querySelector('.plotly-graph-div');
  const [low, high] = plot.layout.yaxis.range, times = [];
  for (const share of [0.1, 0.2, 0.3]) {
    const begun = performance.now(), inset = share * (high - low);
    const fitted = new Promise(done => {
      let last = 0;
      // The page fits colours after the zoom: it is done when nothing is drawn for a while.
      plot.on('plotly_afterplot', () => { last = performance.now(); });
      const wait = setInterval(() => {
        if (last && performance.now() - last > 1000) { clearInterval(wait); done(last); }
      }, 20);
    });
    await Plotly.relayout(plot, {'yaxis.range': [low + inset, high - inset]});
    times.push(await fitted - begun);
  }
  return times;
}
"""


def print_figures(figures: dict[str, Sequence[float]]) -> None:
    """Print the number, median, 95th percentile and largest of each figure."""
    for label, values in figures.items():
        middle, high = np.quantile(values, [0.5, 0.95])
        print(
            f"{label:<58} n {len(values):>4}  median {middle:>9,.1f}  p95 {high:>9,.1f}  "
            f"max {max(values):>9,.1f}",
            flush=True,
        )


def main() -> int:
    """Measure and print everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--before", type=Path, help="checkout of a release to compare with")
    parser.add_argument(
        "--before-home", type=Path, help="the same home as that release published it"
    )
    parser.add_argument("--only", help="only measurements whose name holds this")
    options = parser.parse_args()
    home: Path = options.home.resolve()
    print_machine()
    print(f"load {os.getloadavg()[0]:.1f}; {json.dumps(_published_size(home))}")
    chromium = shutil.which("chromium")
    with sync_playwright() as playwright, linked_home(home) as own, serving(own) as served:
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-gpu"]
        )
        print(f"Chromium {browser.version}, no GPU")
        steps: dict[str, Callable[[], dict[str, Sequence[float]]]] = {
            "loads": lambda: time_loads(browser, served),
            "switches": lambda: time_switches(browser, served),
            "frames": lambda: {
                **time_frames(browser, served, 7),
                **time_frames(browser, served, 90),
            },
            "requests": lambda: time_requests(served),
            "memory": lambda: {"server: most memory [MB]": [served.peak_mb()]},
            "publications": lambda: time_publications(browser, served, home, own),
            "static": lambda: measure_static(browser, home, own),
        }
        if options.before is not None:
            before: Path = options.before.resolve()
            before_home: Path = (options.before_home or home).resolve()
            steps["before"] = lambda: measure_before(browser, before, before_home, own)
        for name, step in steps.items():
            if options.only is None or options.only in name:
                print_figures(step())
        browser.close()
    return 0


def _published_size(home: Path) -> dict[str, Any]:
    file = (home / "published" / "liqheat.duckdb").resolve()
    return {"published file [MB]": round(file.stat().st_size / 1e6)}


if __name__ == "__main__":
    sys.exit(main())
