"""Panels over HTTP, and what holds of the HTML of each."""

from dataclasses import replace

import pytest
from workbench import END
from workbench.html_fragment import Fragment

from warehouse.read import open_published
from web.panels.fragments import _READ_BY_NAME, render_panel

NAMES = tuple(_READ_BY_NAME)
EVIL = "<img src=x onerror=alert(1)>\"'&"


@pytest.fixture(scope="module")
def evil(changed_file):
    """Return a file in which a provider, a venue and a reason hold markup."""
    quoted = "'" + EVIL.replace("'", "''") + "'"
    return changed_file(
        *(
            f"update marts.{table} set provider = {quoted} where provider = 'turnover'"
            for table in ("liquidation_bands_hourly", "cascade_scenarios_hourly")
        ),
        f"update marts.provider_disagreement_hourly set provider_a = {quoted} "
        "where provider_a = 'open_interest'",
        f"update marts.provider_disagreement_hourly set provider_b = {quoted} "
        "where provider_b = 'turnover'",
        f"update marts.venue_open_interest_hourly set venue = {quoted}",
        f"update marts.asset_quality_hourly set venue = {quoted} where venue <> 'all'",
        "update marts.asset_quality_hourly set grade = 'C', "
        f"reasons = [({quoted}, 1.0, 2.0, 'hard')]",
    )


@pytest.mark.parametrize("name", NAMES)
def test_words_from_files_and_venues_are_text(name, fragment, evil):
    found = fragment(evil, name)
    assert not any(tag in ("img", "script") for tag, _ in found.elements)
    assert not any(
        attribute.startswith("on") or attribute == "style"
        for _, attributes in found.elements
        for attribute in attributes
    )


def test_markup_in_a_name_is_shown_as_it_is_written(fragment, evil):
    assert "<img src=x onerror=alert(1)>" in fragment(evil, "quality").text
    assert "<img src=x onerror=alert(1)>" in fragment(evil, "context").text


@pytest.mark.parametrize("name", NAMES)
def test_tables_have_a_caption_and_headers_a_scope(name, fragment, published):
    found = fragment(published, name, provider="turnover", shock=-4.0)
    tags = [tag for tag, _ in found.elements]
    assert tags.count("table") == tags.count("caption")
    assert all("scope" in attributes for attributes in found.all("th"))
    assert tags.count("h2") == 1


@pytest.mark.parametrize("name", NAMES)
def test_an_id_is_on_a_panel_once(name, fragment, published):
    found = fragment(published, name, provider="turnover")
    ids = [attributes["id"] for _, attributes in found.elements if "id" in attributes]
    assert len(ids) == len(set(ids))


@pytest.fixture(scope="module")
def with_nulls(changed_file):
    """Return a file whose figures are not known."""
    return changed_file(
        "update marts.liquidation_bands_hourly set liquidation_usd = null, "
        "expected_forced_usd_24h = null, side_expected_forced_usd_24h = null, "
        "touch_probability_24h_ratio = null",
        "update marts.market_context_hourly set open_interest_usd = null, "
        "open_interest_reported_usd = null, funding_rate_8h_ratio = null, "
        "long_short_accounts_ratio = null, is_realised_liquidation_complete = null, "
        "realised_liquidation_feeds = null, realised_long_liquidation_usd = null",
        "update marts.venue_open_interest_hourly set open_interest_reported_usd = null, "
        "sides_counted = null",
        "update marts.asset_quality_hourly set open_interest_usd = null, "
        "open_interest_share_ratio = null, graded_a_open_interest_ratio = null",
        "update marts.provider_disagreement_hourly set scale_log_ratio = null, "
        "wasserstein_bps = null, peak_distance_bps = null, band_match_ratio = null",
    )


@pytest.mark.parametrize("name", NAMES)
def test_what_is_not_known_is_never_called_none_or_nan(name, fragment, with_nulls):
    words = fragment(with_nulls, name, provider="turnover", shock=-4.0).text.split()
    assert not {"None", "nan", "inf", "none,", "nan,"} & {word.strip(".:;()") for word in words}


@pytest.fixture(scope="module")
def emptied(changed_file, ask, published):
    """Return a file whose tables have no rows."""
    tables = ask(
        published,
        "select schema_name || '.' || table_name as name from duckdb_tables() "
        "where schema_name in ('marts', 'derived', 'quality')",
    )
    return changed_file(*(f"delete from {table['name']}" for table in tables))


@pytest.mark.parametrize("name", NAMES)
def test_tables_without_rows_leave_words(name, given, published, emptied):
    """The view is of a publication that had them."""
    known = given(published, lambda one: one, provider="turnover", shock=-4.0)
    with open_published(emptied) as reader:
        found = Fragment(render_panel(name, replace(known, reader=reader)))
    assert not any(tag == "tbody" for tag, _ in found.elements if name != "health")
    assert len(found.text.split()) > 15
    assert "None" not in found.text


def test_a_panel_is_the_same_until_the_next_publication(client):
    first = client.get("/panels/today", params={"asset": "BTC"})
    assert first.status_code == 200
    assert first.headers["content-type"].startswith("text/html")
    tag = {"If-None-Match": first.headers["etag"]}
    again = client.get("/panels/today", params={"asset": "BTC"}, headers=tag)
    assert (again.status_code, again.content) == (304, b"")
    other = client.get("/panels/today", params={"asset": "THIN"}, headers=tag)
    assert other.status_code == 200
    assert other.headers["etag"] != first.headers["etag"]


def test_another_release_sends_the_same_panel_again(client, monkeypatch):
    first = client.get("/panels/today", params={"asset": "BTC"})
    monkeypatch.setattr("web.answers._RELEASE", "another")
    known = {"If-None-Match": first.headers["etag"]}
    assert client.get("/panels/today", params={"asset": "BTC"}, headers=known).status_code == 200


def test_a_chosen_move_is_part_of_what_is_the_same(client):
    tags = {
        client.get("/panels/cascade", params={"shock": shock}).headers["etag"]
        for shock in (-4, -5, 5)
    }
    assert len(tags) == 3


def test_the_state_of_the_pipeline_is_read_each_time(client):
    response = client.get("/panels/health")
    assert "etag" not in response.headers
    assert response.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("shock", ["21", "-100", "nan", "inf", "far"])
def test_a_move_that_is_none_is_refused(client, shock):
    assert client.get("/panels/cascade", params={"shock": shock}).status_code == 422


def test_an_unknown_panel_names_those_there_are(client):
    response = client.get("/panels/quallity")
    assert response.status_code == 422
    assert "did you mean quality?" in response.text
    assert all(name in response.text for name in NAMES)


def test_panels_of_an_hour_that_has_passed_are_of_that_hour(client):
    at = f"{END:%Y-%m-%dT00:00Z}"
    assert f"{END:%Y-%m-%d} 00:00" in client.get("/panels/context", params={"as_of": at}).text


@pytest.mark.parametrize("name", ["today", "health"])
def test_a_home_without_a_publication_says_what_to_run(serve, tmp_path, name):
    with serve(tmp_path) as client:
        response = client.get(f"/panels/{name}")
    assert response.status_code in (404, 503)
    assert "liqheat demo" in response.text
    assert response.headers["content-type"].startswith("text/html")
