"""Take README's picture: the page on the simulated market of the demonstration, ending this hour.

Run ``python -m bench.picture docs/heatmap.png`` (``make picture``); it builds a home first.
"""

import argparse
import shutil
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from playwright.sync_api import sync_playwright

from bench.page import serving
from jobs.collect.landing import land
from jobs.hourly import run_hour
from jobs.settings import Settings
from sources.simulated import MarketParameters, simulate

_SEED, _DAYS = 7, 10
_WIDTH, _HEIGHT = 1400, 860


def build_home(folder: Path) -> Path:
    """Return a home with the demonstration's market up to the last full hour.

    The demonstration itself ends on a fixed day: the page calls its map stale.
    """
    settings = Settings(home=folder)
    end = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    market = MarketParameters(start=end - timedelta(days=_DAYS), days=_DAYS, seed=_SEED)
    for number, batch in enumerate(simulate(market, ingested_at=end)):
        land(batch, settings.landing, f"picture-{number:04d}")
    run_hour(settings, as_of=end)
    return folder


def take_picture(home: Path, path: Path) -> None:
    """Write a picture of the page that a home is served as."""
    with sync_playwright() as playwright, serving(home) as served:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        context = browser.new_context(
            viewport={"width": _WIDTH, "height": _HEIGHT}, color_scheme="dark"
        )
        page = context.new_page()
        page.goto(f"{served.url}/?asset=BTC&provider=turnover")
        page.wait_for_selector("[data-drawn='true']")
        page.wait_for_selector("#panel[aria-busy=true]", state="detached")
        # What the cursor shows is part of what the page is.
        box = page.locator("#chart").bounding_box()
        assert box is not None
        page.mouse.move(box["x"] + 0.36 * box["width"], box["y"] + 0.62 * box["height"])
        page.wait_for_timeout(300)
        page.screenshot(path=path)
        browser.close()


def main() -> int:
    """Build the home and take the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", type=Path)
    parser.add_argument("--home", type=Path, help="a home to show instead of one built now")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        take_picture(options.home or build_home(Path(folder) / "home"), options.path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
