"""The page of a server with a token, and the page that lists the API."""

import pytest

TOKEN = "a-token-of-more-than-sixteen-letters"  # noqa: S105


@pytest.fixture
def guarded(serve, served_home):
    """Return a server that shows itself only to those with the token."""
    return serve(served_home, LIQHEAT_SERVE_TOKEN=TOKEN)


def test_a_reader_logs_in_and_comes_to_the_page(
    guarded, open_page, wait_drawn, axe, serious_faults
):
    page = open_page("/?asset=THIN", base=guarded.url, wait=False)
    page.locator("#token").fill("not-the-token-of-this-server")
    page.keyboard.press("Enter")
    page.get_by_role("alert").wait_for()
    assert serious_faults(page, axe) == []
    page.locator("#token").fill(TOKEN)
    page.keyboard.press("Enter")
    wait_drawn(page)
    assert "THIN" in page.title()
    # The browser reports the refusals.
    page.observed.faults = [
        fault for fault in page.observed.faults if "401" not in fault and "403" not in fault
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious_in_the_list_of_the_api(open_page, axe, serious_faults, scheme):
    page = open_page("/docs", wait=False, color_scheme=scheme)
    assert page.get_by_text("/v1/map").first.is_visible()
    assert serious_faults(page, axe) == []


@pytest.mark.parametrize("width", [390, 768, 1440])
def test_the_list_of_the_api_is_one_column_within_the_window(open_page, width):
    page = open_page("/docs", width=width, wait=False)
    assert page.locator("html").evaluate("(html) => html.scrollWidth") <= width
    boxes = [part.bounding_box() for part in page.locator("main > *").all()]
    assert len(boxes) > 10
    assert {round(box["x"]) for box in boxes} == {round(boxes[0]["x"])}
    assert min(box["width"] for box in boxes) > 300
    assert "`" not in page.locator("main").inner_text()
