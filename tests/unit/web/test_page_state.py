"""What the page says of a view: headline, names to choose from, problems with the same status."""

import json
import re
from html import unescape

import pytest


@pytest.fixture(scope="module")
def newest(client):
    """Return the state of the page without parameters."""
    return client.get("/state").json()


def state_in(text):
    """Return the state that a page carries for its scripts."""
    return json.loads(unescape(re.search(r"<body data-state='(.*?)'>", text, re.DOTALL)[1]))


def test_the_page_carries_the_state_that_is_sent_to_an_open_one(client, newest):
    answer = client.get("/")
    assert answer.status_code == 200
    assert state_in(answer.text) == {k: v for k, v in newest.items() if k != "head"}


def test_a_view_without_parameters_is_of_the_largest_asset_and_follows_publications(newest):
    assert newest["view"]["asset"] == newest["assets"][0][0]
    assert newest["view"]["as_of"] is None
    assert newest["view"]["provider"] in newest["providers"]
    assert newest["view"]["days"] == "7"
    assert newest["first"] < newest["last"]
    assert newest["publication"]
    assert not newest["is_problem"]


def test_the_line_over_the_map_names_what_it_is_and_how_old(newest):
    head = newest["head"]
    for said in (newest["view"]["asset"], newest["view"]["provider"], "UTC", "old", "grade"):
        assert said in head
    assert "map by" in head, "a default says why it is one"


def test_a_chosen_hour_says_how_far_hours_are_published(client, newest):
    asset = newest["view"]["asset"]
    chosen = client.get("/state", params={"asset": asset, "as_of": newest["first"]}).json()
    assert chosen["view"]["as_of"] == newest["first"]
    assert "chosen; published up to" in chosen["head"]


def test_a_window_longer_than_what_is_published_says_so(client, newest):
    head = client.get("/state", params={"days": "90"}).json()["head"]
    assert re.search(r"only [\d.]+ of these 90 days are published", head)
    assert "days are published" not in newest["head"]


def test_a_map_of_some_leverage_names_it(client, newest):
    asset = newest["view"]["asset"]
    state = client.get("/state", params={"asset": asset, "tiers": "100,50"}).json()
    assert "only 50x, 100x" in state["head"]
    assert "only" not in newest["head"]


@pytest.mark.parametrize(
    ("given", "status", "said"),
    [
        ({"asset": "NOSUCH"}, 404, "is not a published asset"),
        ({"provider": "nosuch"}, 404, "is not a provider"),
        ({"days": "many"}, 422, "&#39;many&#39;"),
        ({"as_of": "yesterday"}, 422, "is not an instant"),
        ({"as_of": "2012-01-01"}, 404, "in this window"),
        ({"theme": "<b>"}, 422, "&lt;b&gt;"),
    ],
)
def test_a_problem_is_a_page_with_its_status_and_what_can_still_be_chosen(
    client, newest, given, status, said
):
    page, state = client.get("/", params=given), client.get("/state", params=given)
    assert (page.status_code, state.status_code) == (status, status)
    assert page.headers["content-type"].startswith("text/html")
    assert said in page.text
    assert said in state.json()["head"]
    assert state.json()["is_problem"]
    assert state.json()["assets"] == newest["assets"]
    assert "<a href=" in state.json()["head"]


def test_a_remembered_theme_is_drawn_from_the_start_and_the_address_wins(client):
    remembered = {"cookie": "theme=light"}
    assert 'data-theme="light"' in client.get("/", headers=remembered).text
    assert 'data-theme="dark"' in client.get("/?theme=dark", headers=remembered).text
    assert 'data-theme="auto"' in client.get("/", headers={"cookie": "theme=<b>"}).text


def test_the_preloaded_map_is_one(client):
    text = client.get("/").text
    address = unescape(re.search(r'rel="preload"[^>]*href="([^"]+)"', text)[1])
    answer = client.get(address)
    assert answer.status_code == 200
    assert answer.headers["etag"]


def test_every_file_that_the_page_loads_is_there(client):
    text = client.get("/").text
    loaded = re.findall(r'(?:href|src)="(/(?:static|chart)/[^"]+)"', text)
    assert len(loaded) > 10
    assert {address: client.get(address).status_code for address in loaded} == dict.fromkeys(
        loaded, 200
    )
