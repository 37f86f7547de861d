"""What a reader does on the page: looks, chooses, goes back, zooms, takes something along."""

import base64
import csv
import re
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from playwright.sync_api import expect
from workbench import END

# The canvases of a chart, one after the other, as base64.
_READ_PIXELS = """
async () => {
  const parts = [...document.querySelectorAll('#chart canvas')].map((canvas) =>
    canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data);
  const reader = new FileReader();
  const read = new Promise((resolve) => { reader.onload = resolve; });
  reader.readAsDataURL(new Blob(parts));
  await read;
  return reader.result.split(',')[1];
}
"""


def view_in(url):
    """Return the view that an address holds."""
    return {name: value for name, (value,) in parse_qs(urlsplit(url).query).items()}


def view_of(page):
    return view_in(page.url)


def wait_for_view(page, is_meant):
    """Wait until the address has a view and the chart shows it."""
    page.wait_for_url(lambda url: is_meant(view_in(url)))
    page.wait_for_selector("[data-drawn='true']")


def choose(page, name, value):
    """Choose in a switch and wait until the chart shows it."""
    control = page.locator(f"[name={name}]").first
    kind = control.evaluate("one => one.type")
    if kind == "radio":
        page.locator(f"[name={name}][value='{value}']").check()
    elif kind == "range":
        control.fill(value)
    else:
        control.select_option(value)
    wait_for_view(page, lambda view: view.get(name) == value)


def seen_rows(page):
    """Return what is seen, as the page saves it."""
    with page.expect_download() as saved:
        page.locator("[data-save=csv]").click()
    with open(saved.value.path(), newline="") as file:  # noqa: PTH123
        return list(csv.DictReader(file))


def prices_seen(page):
    rows = seen_rows(page)
    return (
        min(float(row["price_low"]) for row in rows),
        max(float(row["price_high"]) for row in rows),
    )


def pixels_of(page):
    """Return what the chart's canvases show, a row of red, green, blue and opacity a pixel."""
    encoded = page.evaluate(_READ_PIXELS)
    return np.frombuffer(base64.b64decode(encoded), dtype=np.uint8).reshape(-1, 4).astype(int)


def differing_share(page, other):
    """Return the share of the chart's pixels that two pages paint in another colour."""
    one, another = pixels_of(page), pixels_of(other)
    if one.shape != another.shape:
        return 1.0
    return (np.abs(one - another).max(axis=1) > 8).mean()


def span_of(prices):
    low, high = prices
    return high - low


def hover_chart(page, x=0.5, y=0.5):
    box = page.locator("#chart").bounding_box()
    page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"])


def test_the_page_shows_the_map_of_the_largest_asset(open_page, colours):
    page = open_page()
    assert "BTC" in page.title()
    assert "turnover" in page.locator("#head").inner_text()
    shown = colours(page)
    assert shown["cold"] > 2000
    assert shown["warm"] > 2000
    assert page.locator("#panel").inner_text().strip()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("provider", "open_interest"),
        ("provider", "consensus"),
        ("venue", "sim_alpha"),
        ("days", "1"),
        ("reach", "0.2"),
        ("unit", "coins"),
        ("threshold", "0.5"),
        ("compare", "public_convention"),
    ],
)
def test_a_switch_changes_the_picture_and_the_address(open_page, name, value):
    page = open_page("/?asset=BTC&provider=turnover")
    before = page.locator("#charts").screenshot()
    choose(page, name, value)
    assert view_of(page)[name] == value
    if name != "unit":  # At one price all amounts change alike.
        assert page.locator("#charts").screenshot() != before


def test_a_side_alone_is_drawn_without_the_other(open_page, colours):
    page = open_page()
    both = colours(page)
    choose(page, "side", "long")
    longs = colours(page)
    assert longs["cold"] > 0.5 * both["cold"]
    assert longs["warm"] < 0.2 * both["warm"]


def test_leverage_tiers_take_mass_away(open_page):
    page = open_page("/?asset=BTC&provider=turnover&days=1")
    everything = sum(float(row["amount"] or 0) for row in seen_rows(page))
    page.locator(".tiers summary").click()
    boxes = page.locator("#tiers input")
    assert boxes.count() >= 5
    boxes.first.uncheck()
    wait_for_view(page, lambda view: "tiers" in view)
    page.keyboard.press("Escape")
    expect(page.locator("#tiers")).to_be_hidden()
    assert 0 < sum(float(row["amount"] or 0) for row in seen_rows(page)) < everything


def test_back_and_forth_lead_through_what_was_chosen(open_page):
    page = open_page("/?asset=BTC&provider=turnover")
    choose(page, "provider", "taker_tilt")
    choose(page, "days", "1")
    provider = page.locator("[name=provider]")
    page.go_back()
    wait_for_view(page, lambda view: "days" not in view)
    expect(provider).to_have_value("taker_tilt")
    page.go_back()
    expect(provider).to_have_value("turnover")
    page.go_forward()
    expect(provider).to_have_value("taker_tilt")
    wait_for_view(page, lambda view: view["provider"] == "taker_tilt")


def test_a_link_opens_the_same_view(open_page):
    page = open_page("/?asset=BTC&provider=turnover&days=1&side=short&panel=accuracy")
    other = open_page(page.url)
    assert other.locator("[name=side]:checked").input_value() == "short"
    assert other.locator("[aria-selected=true][role=tab]").inner_text() == "Accuracy"
    assert differing_share(other, page) < 0.001
    assert prices_seen(other) == prices_seen(page)


def test_an_asset_that_is_chosen_shows_the_hours_of_its_link(open_page, wait_drawn):
    """Its prices have other labels: the price axis is wide for a moment, then narrow."""
    page = open_page("/?asset=BTC")

    def hold_until_words_are_there(route):
        page.wait_for_selector("#map[data-grade=C]")
        route.continue_()

    page.route("**/v1/map*", hold_until_words_are_there)
    page.keyboard.press("/")
    page.keyboard.type("thin")
    page.keyboard.press("Enter")
    wait_drawn(page)
    assert differing_share(page, open_page(page.url)) < 0.001


def test_the_tooltip_says_what_is_under_the_cursor(open_page):
    page = open_page()
    hover_chart(page, 0.4, 0.4)
    expect(page.locator("#chart")).to_contain_text(re.compile(r"distance [\d.]+ % (above|below)"))
    expect(page.locator("#chart")).to_contain_text(re.compile(r"(longs|shorts) [\d.]+[kMB]? USD"))


def test_the_wheel_zooms_and_a_key_shows_everything_again(open_page, wait_until):
    page = open_page("/?asset=BTC&provider=turnover&days=1")
    low, high = prices_seen(page)
    pane = page.locator("#chart [role=application]")
    pane.focus()
    for _ in range(4):
        page.keyboard.press("PageUp")
    wait_until(page, lambda: span_of(prices_seen(page)) < 0.8 * (high - low))
    pane.focus()
    page.keyboard.press("0")
    wait_until(page, lambda: prices_seen(page) == pytest.approx((low, high), rel=0.02))
    before = page.locator("#chart").screenshot()
    hover_chart(page)
    for _ in range(5):
        page.mouse.wheel(0, -200)
    wait_until(page, lambda: page.locator("#chart").screenshot() != before)


def test_an_hour_of_the_past_is_shown_and_left_again(open_page):
    page = open_page("/?asset=BTC&provider=turnover&days=1")
    assert view_of(page).get("as_of") is None
    page.locator("#earlier").click()
    wait_for_view(page, lambda view: "as_of" in view)
    hour = END - timedelta(hours=1)
    assert f"{hour:%Y-%m-%d %H:%M} UTC" in page.locator("#hour-said").inner_text()
    page.locator("#newest").click()
    wait_for_view(page, lambda view: "as_of" not in view)


def test_what_is_seen_is_saved_as_a_picture_and_as_rows(open_page):
    page = open_page("/?asset=BTC&provider=turnover&days=1")
    with page.expect_download() as saved:
        page.locator("[data-save=png]").click()
    assert saved.value.suggested_filename.endswith(".png")
    with open(saved.value.path(), "rb") as file:  # noqa: PTH123
        assert file.read(8) == b"\x89PNG\r\n\x1a\n"
    rows = seen_rows(page)
    assert {row["asset"] for row in rows} == {"BTC"}
    assert {row["side"] for row in rows} == {"long", "short"}


def test_saved_rows_say_what_their_amounts_are_of(open_page):
    """Coins, shares and a part of the leverage tiers are not to be taken for USD of all."""

    def said(query):
        rows = seen_rows(open_page(f"/?asset=BTC&days=1&{query}"))
        return {(row["unit"], row["leverage"]) for row in rows}

    assert said("provider=turnover") == {("USD", "all")}
    assert said("provider=turnover&unit=coins&tiers=25,50") == {("BTC", "25,50")}
    assert said("provider=consensus") == {("share of the side", "all")}


def test_an_asset_is_found_by_name(open_page):
    page = open_page()
    page.keyboard.press("/")
    page.keyboard.type("thi")
    page.keyboard.press("Enter")
    wait_for_view(page, lambda view: view.get("asset") == "THIN")
    assert "THIN" in page.title()


def test_the_first_arrow_marks_the_first_asset_found(open_page):
    page = open_page()
    page.keyboard.press("/")
    page.keyboard.type("t")
    found = page.locator("#assets li").first.get_attribute("data-asset")
    page.keyboard.press("ArrowDown")
    assert page.locator("#assets [aria-selected=true]").get_attribute("data-asset") == found


def test_maps_beside_each_other_say_each_note_once(open_page):
    page = open_page("/?provider=turnover&compare=public_convention&unit=coins")
    notes = page.locator(".chart p").all_inner_texts()
    assert len(notes) == 2
    assert "coins: USD at the price of the bin" in notes[0]
    assert "coins: USD" not in notes[1]


@pytest.mark.parametrize(
    ("other", "scale"), [("public_convention", "one"), ("consensus", "its own")]
)
def test_maps_of_one_unit_beside_each_other_share_a_scale_of_colours(open_page, other, scale):
    page = open_page(f"/?provider=turnover&compare={other}")
    captions = page.locator(".pane:not(.difference) figcaption").all_inner_texts()
    assert [caption.partition(", ")[2] for caption in captions] == [f"colours by {scale} scale"] * 2
    keys = page.locator(".heatmap-key").evaluate_all("keys => keys.map((key) => key.toDataURL())")
    assert (keys[0] == keys[1]) == (scale == "one")


def test_a_noisy_asset_is_greyed_and_says_why(open_page):
    page = open_page("/?asset=THIN")
    head = page.locator("#head").inner_text()
    assert "Grade C" in head
    assert "low open interest" in head
    assert page.locator("#map").get_attribute("data-grade") == "C"


def test_an_unknown_asset_names_those_there_are(open_page):
    page = open_page("/?asset=BTCC", wait=False)
    page.get_by_text("BTCC").first.wait_for()
    page.get_by_text("did you mean BTC").or_(page.get_by_text("BTC")).first.wait_for()
    # The browser itself reports the 404.
    page.observed.faults = [fault for fault in page.observed.faults if "404" not in fault]


def test_a_name_with_markup_in_it_is_text(open_page, markup, wait_drawn):
    page = open_page()
    page.keyboard.press("/")
    page.keyboard.type("<img")
    page.wait_for_selector("#assets [data-asset]")
    page.keyboard.press("Enter")
    wait_for_view(page, lambda view: view.get("asset") == markup)
    assert markup in page.title()
    assert page.locator("img").count() == 0
    for panel in ("providers", "quality", "health"):
        page.locator(f"#tab-{panel}").click()
        expect(page.locator(f"#tab-{panel}")).to_have_attribute("aria-selected", "true")
        wait_drawn(page)
    assert page.locator("img").count() == 0


def test_a_phone_shows_everything_without_scrolling_sideways(open_page):
    page = open_page(width=390, height=844, has_touch=True, is_mobile=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    box = page.locator("#chart").bounding_box()
    assert box["width"] > 340
    assert box["height"] > 240
    page.locator("#more").click()
    choose(page, "provider", "open_interest")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_light_and_dark_follow_the_system_and_the_choice(open_page, colours, wait_until):
    light = open_page(color_scheme="light")
    dark = open_page(color_scheme="dark")
    assert colours(light)["light"] > 4 * colours(dark)["light"]
    choose(dark, "theme", "light")
    wait_until(dark, lambda: colours(dark)["light"] > 0.5 * colours(light)["light"])


def test_everything_is_reached_by_the_keyboard(open_page):
    page = open_page()
    reached = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.add(
            page.evaluate(
                "() => { const on = document.activeElement; "
                "return on.name || on.dataset.save || on.closest('[id]')?.id }"
            )
        )
    assert reached >= {
        *("asset", "provider", "compare", "venue", "days", "reach", "side", "unit", "threshold"),
        *("png", "csv", "link", "theme", "chart", "earlier", "hour", "newest", "panel"),
    }
    page.locator("#tab-today").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    page.wait_for_selector("#tab-providers[aria-selected=true]")


def test_words_under_a_resting_cursor_outlive_a_new_map(open_page):
    page = open_page("/?asset=BTC&provider=turnover&days=1")
    hover_chart(page, 0.4, 0.6)
    words = page.locator("#chart").get_by_text(re.compile(r"^distance"))
    expect(words).to_be_visible()
    choose(page, "provider", "open_interest")
    expect(words).to_be_visible()


@pytest.mark.parametrize(
    ("worker", "said"),
    [
        ("self.createImageBitmap = () => Promise.reject(new Error('no memory'));", "no memory"),
        ("throw new Error('no worker');", "no worker"),
    ],
)
def test_a_picture_that_fails_is_said_and_leaves_no_old_one(open_page, colours, worker, said):
    page = open_page()
    page.route(
        "**/raster.worker.js",
        lambda route: route.fulfill(
            body=f"{worker}\n{route.fetch().text()}", content_type="text/javascript"
        ),
    )
    page.reload()
    page.wait_for_selector("[data-drawn='true']")
    expect(page.locator("#chart")).to_contain_text(re.compile(f"The map is not drawn: .*{said}"))
    page.observed.faults.clear()


def test_fingers_above_each_other_zoom_prices(open_page, wait_until):
    page = open_page("/?asset=BTC&provider=turnover", has_touch=True)
    low, high = prices_seen(page)
    box = page.locator("#chart").bounding_box()
    x, middle = box["x"] + 200, box["y"] + 200
    client = page.context.new_cdp_session(page)

    def touch(kind, *apart):
        points = [{"x": x, "y": middle + sign * one} for one in apart for sign in (-1, 1)]
        client.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    touch("touchStart", 30)
    for apart in (40, 50, 60):
        touch("touchMove", apart)
    touch("touchEnd")
    wait_until(page, lambda: span_of(prices_seen(page)) < 0.8 * (high - low))


def test_a_move_of_price_that_was_chosen_is_in_the_address(open_page):
    page = open_page("/?asset=BTC&provider=turnover&panel=cascade&shock=-4")
    said = page.locator("#panel .panel-said").first
    expect(said).to_contain_text("A move of -4")
    page.locator("#panel input[name=shock]").fill("-7")
    page.locator("#panel form button").click()
    expect(said).to_contain_text("A move of -7")
    assert "shock=-7" in page.url
    page.go_back()
    expect(said).to_contain_text("A move of -4")
