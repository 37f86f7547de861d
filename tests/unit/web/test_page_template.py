"""The page's HTML: nothing inline, every value escaped, problems with a way out."""

import json

import pytest
from workbench.html_fragment import Fragment

from web.page import templates
from web.page_state import Headline, MapPage, PageState, map_query
from web.problem_details import unknown_name, unpublished

EVIL = "<img src=x onerror=alert(1)>'\"&"


def state(**changes):
    known = {
        "view": {
            "asset": "BTC",
            "provider": "turnover",
            "compare": None,
            "venue": "all",
            "days": "7",
            "reach": None,
            "side": "both",
            "unit": "usd",
            "threshold": "0",
            "panel": "today",
            "theme": "auto",
        },
        "title": "BTC by turnover",
        "grade": "A",
        "publication": "one",
        "published_at": "2026-01-15T00:03:10+00:00",
        "first": "2026-01-05T01:00:00+00:00",
        "last": "2026-01-15T00:00:00+00:00",
        "assets": (("BTC", "A"), (EVIL, None)),
        "providers": ("turnover", EVIL),
        "venues": ("all", "sim"),
        "is_problem": False,
    }
    return PageState(**{**known, **changes})


def headline(**changes):
    known = {
        "asset": "BTC",
        "grade": "A",
        "what": "estimate by turnover",
        "age": "5 min old",
        "is_stale": False,
        "warning": None,
        "reasons": (),
        "evidence": ("grade: A", "second"),
    }
    return Headline(**{**known, **changes})


def rendered(page):
    return (
        templates().get_template("page.html").render(**page.context(), modules=("/static/page.js",))
    )


def test_nothing_on_the_page_is_inline_or_from_elsewhere():
    page = Fragment(rendered(MapPage(state(), headline(), None, "days=7&format=grid")))
    assert all("src" in script for script in page.all("script"))
    assert not page.all("style")
    assert not [a for _, a in page.elements if "style" in a or any(n.startswith("on") for n in a)]
    loaded = [a["src"] for a in page.all("script")] + [a["href"] for a in page.all("link")]
    assert loaded
    assert all(address.startswith("/") for address in loaded)


def test_names_from_data_stay_text():
    page = MapPage(state(title=EVIL), headline(asset=EVIL, what=EVIL, evidence=(EVIL,)), None, "")
    elements = Fragment(rendered(page))
    assert not elements.all("img")
    (body,) = elements.all("body")
    assert json.loads(body["data-state"])["assets"][1][0] == EVIL


def test_every_control_has_a_label():
    text = rendered(MapPage(state(), headline(), None, ""))
    elements = Fragment(text)
    labelled = {label["for"] for label in elements.all("label") if "for" in label}
    for control in elements.all("input") + elements.all("select"):
        own = "aria-label" in control or control.get("id") in labelled
        assert own or control.get("type") == "radio" or "name" in control


def test_a_problem_is_said_with_its_next_step_and_links_that_lead_out():
    problem = unknown_name("asset", "BTX", ["BTC", "ETH"], what="a published asset")
    page = MapPage(state(is_problem=True, grade=None), None, problem, None)
    text = rendered(page)
    assert "did you mean BTC?" in text
    assert [
        a["href"] for a in Fragment(text).all("a") if a.get("href", "").startswith("?asset")
    ] == [
        "?asset=BTC",
        "?asset=",
    ]


def test_an_empty_home_says_what_to_run_and_that_the_page_fills_itself():
    page = MapPage(
        state(
            is_problem=True, publication=None, published_at=None, assets=(), providers=(), venues=()
        ),
        None,
        unpublished(),
        None,
    )
    text = rendered(page)
    assert "liqheat demo" in text
    assert "fills by itself" in text
    assert 'rel="preload"' not in text


@pytest.mark.parametrize(
    ("given", "query"),
    [
        ({}, "days=7&format=grid"),
        ({"theme": "dark", "panel": "health"}, "days=7&format=grid"),
        ({"from": "2026-01-01T00:00Z"}, "from=2026-01-01T00%3A00Z&format=grid"),
        ({"days": "3", "tiers": "25,50"}, "days=3&tiers=25%2C50&format=grid"),
    ],
)
def test_the_map_is_preloaded_under_the_address_that_the_script_requests(given, query):
    assert map_query(given) == query
