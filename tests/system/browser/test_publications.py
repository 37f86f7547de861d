"""An open page while the server fills, publishes and restarts."""

import shutil

import pytest
from playwright.sync_api import expect
from workbench import END

from jobs.publish.publish import publish
from jobs.settings import Settings


@pytest.fixture
def live(small_home, tmp_path, serve):
    """Return a server of its own over a built home of which nothing is published."""
    home = tmp_path / "home"
    shutil.copytree(small_home, home, symlinks=True, ignore=shutil.ignore_patterns("published"))
    return serve(home)


def test_an_open_page_fills_follows_publications_and_outlives_the_server(
    live, open_page, change_publication
):
    page = open_page(base=live.url, wait=False)
    page.locator("main").get_by_text("publish").first.wait_for()

    publish(Settings(home=live.home, threads=1), as_of=END)
    page.locator("#hour-said").get_by_text(f"{END:%Y-%m-%d %H:%M}").wait_for()
    page.wait_for_selector("[data-drawn='true']")

    # The bands are gone from the next publication: the page shows it in place.
    page.evaluate("window.isSame = true")
    change_publication(
        live.home, "update marts.asset_quality_hourly set grade = 'C' where asset = 'BTC'"
    )
    page.wait_for_selector("#map[data-grade=C]")
    page.wait_for_selector("[data-drawn='true']")
    assert page.evaluate("window.isSame")

    live.stop()
    page.locator("#status").get_by_text("does not respond").wait_for()
    live.start()
    page.locator("#status").get_by_text("Live").wait_for()
    page.locator("[name=provider]").select_option("open_interest")
    page.wait_for_selector("[data-drawn='true']")
    # The browser reports requests that no server answered, and the empty answers before.
    page.observed.faults = [
        fault
        for fault in page.observed.faults
        if not any(known in fault for known in ("ERR_", "404", "503"))
    ]


# To a program's browser all tabs are visible; a reader sees one.
_LET_TABS_HIDE = """
let isHidden = false;
Object.defineProperty(document, 'hidden', {get: () => isHidden});
window.setHidden = (hidden) => {
  isHidden = hidden;
  document.dispatchEvent(new Event('visibilitychange'));
};
"""


def test_more_tabs_than_a_browser_has_connections_all_work(open_page, server, wait_drawn):
    """A browser opens six connections to a server: a hidden tab leaves its own to the others."""
    context = open_page("/docs", wait=False).context
    context.add_init_script(_LET_TABS_HIDE)
    tabs = []
    for _ in range(8):
        tab = context.new_page()
        tab.goto(f"{server.url}/?asset=THIN&days=1")
        wait_drawn(tab)
        tab.evaluate("window.setHidden(true)")
        tabs.append(tab)
    for tab in tabs[:2]:
        tab.evaluate("window.setHidden(false)")
        tab.locator("[name=provider]").select_option("open_interest")
        tab.wait_for_url("**provider=open_interest**")
        wait_drawn(tab)
        expect(tab.locator("#status")).to_contain_text("Live")
