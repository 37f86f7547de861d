"""What a client gets for a request that cannot be answered: what is wrong, and what to do."""

import pytest

from web.api.resources import RESOURCES

TURNOVER = {"asset": "BTC", "provider": "turnover"}
MARKUP = "<script>alert(1)</script>"


def problem(answer, status):
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert body["status"] == status
    assert body["title"]
    assert body["detail"]
    assert body["next_step"]
    return body


@pytest.mark.parametrize(
    ("query", "status", "parameter"),
    [
        ({"asset": "BTX"}, 404, "asset"),
        ({"asset": ""}, 404, "asset"),
        ({**TURNOVER, "provider": "turnovr"}, 404, "provider"),
        ({**TURNOVER, "venue": "nowhere"}, 404, "venue"),
        ({**TURNOVER, "side": "up"}, 422, "side"),
        ({**TURNOVER, "as_of": "yesterday"}, 422, "as_of"),
        ({**TURNOVER, "as_of": "2026-13-01"}, 422, "as_of"),
        ({**TURNOVER, "as_of": "9999-12-31T23:59:59-23:00"}, 422, "as_of"),
        ({**TURNOVER, "as_of": "0001-01-01T00:00+14:00"}, 422, "as_of"),
        ({**TURNOVER, "as_of": "2999-01-01"}, 422, "as_of"),
        ({**TURNOVER, "as_of": "2026-01-30", "to": "2026-01-30"}, 422, "to"),
        ({**TURNOVER, "from": "2026-01-30", "days": "1"}, 422, "days"),
        ({**TURNOVER, "from": "2999-01-01"}, 422, "from"),
        ({**TURNOVER, "days": "nan"}, 422, "days"),
        ({**TURNOVER, "days": "-1"}, 422, "days"),
        ({**TURNOVER, "days": "1e9"}, 422, "days"),
        ({**TURNOVER, "days": "400"}, 422, "days"),
        ({**TURNOVER, "reach": "5"}, 422, "reach"),
        ({**TURNOVER, "tiers": "25,many"}, 422, "tiers"),
        ({**TURNOVER, "tiers": ",".join(map(str, range(1, 100)))}, 422, "tiers"),
        ({**TURNOVER, "limit": "10000"}, 422, "limit"),
        ({**TURNOVER, "limit": "0"}, 422, "limit"),
        ({**TURNOVER, "limit": "10000000", "format": "arrow"}, 422, "limit"),
        ({**TURNOVER, "cursor": "!"}, 422, "cursor"),
        ({**TURNOVER, "format": "xml"}, 422, "format"),
        ({**TURNOVER, "provder": "turnover"}, 422, "parameter"),
        ({**TURNOVER, "bins": "10000"}, 422, "parameter"),
    ],
)
def test_a_parameter_that_cannot_be_used_is_named(client, query, status, parameter):
    assert problem(client.get("/v1/map", params=query), status)["parameter"] == parameter


@pytest.mark.parametrize(
    "address", ["/v1/map?side=long&side=short", "/v1/runs?limit=1&limit=2", "/v1/files?to=a&to=b"]
)
def test_a_parameter_given_twice_is_refused(client, address):
    """Which of the values counts would be a guess, and answers kept by query could be mixed up."""
    assert "more than once" in problem(client.get(address), 422)["detail"]


def test_the_nearest_right_word_is_named(client):
    body = problem(client.get("/v1/map", params={"asset": "BTCC"}), 404)
    assert body["nearest"] == "BTC"
    assert "did you mean BTC?" in body["next_step"]
    body = problem(client.get("/v1/map", params={"asset": "NOPE"}), 404)
    assert body["nearest"] is None
    assert "did you mean" not in body["next_step"]
    body = problem(client.get("/v1/map", params={**TURNOVER, "provider": "Turn_over"}), 404)
    assert body["nearest"] == "turnover"


def test_a_window_without_maps_names_the_published_hours(client):
    body = problem(client.get("/v1/map", params={**TURNOVER, "to": "2020-01-01"}), 404)
    assert body["first_at"] in body["next_step"].replace("Z", ":00Z")


def test_a_name_without_rows_is_refused_where_no_map_is_needed(client):
    body = problem(client.get("/v1/forecast", params={"asset": "BTC", "provider": "turnovr"}), 404)
    assert body["nearest"] == "turnover"
    assert client.get("/v1/forecast", params={"provider": "path_only"}).status_code == 200


def test_tiers_are_a_part_of_the_map(client):
    answer = client.get("/v1/map", params={**TURNOVER, "tiers": "25", "limit": 5000})
    everything = client.get("/v1/map", params={**TURNOVER, "limit": 5000}).json()["data"]
    whole = sum(row["liquidation_usd"] for row in everything)
    assert 0 < sum(row["liquidation_usd"] for row in answer.json()["data"]) < whole


@pytest.mark.parametrize("form", ["json", "grid"])
@pytest.mark.parametrize(
    ("query", "status", "said"),
    [
        ({"provider": "consensus", "tiers": "25"}, 404, "no maps by leverage tier"),
        ({"provider": "turnover", "venue": "sim_alpha", "tiers": "25"}, 422, "all venues together"),
        ({"provider": "turnover", "tiers": "25,26"}, 422, "tiers '26' is not a leverage"),
    ],
)
def test_tiers_without_a_map_are_no_zeros(client, query, status, said, form):
    answer = client.get("/v1/map", params={"asset": "BTC", "format": form, **query})
    body = problem(answer, status)
    assert said in body["detail"]
    assert body["parameter"] == "tiers"


def test_markup_in_a_name_comes_back_as_text(client):
    for path in ("/v1/map", "/panels/today", "/", "/state"):
        answer = client.get(path, params={"asset": MARKUP})
        assert answer.status_code == 404
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "json" in answer.headers["content-type"] or MARKUP not in answer.text


@pytest.mark.parametrize("path", ["/nothing", "/v1/nothing", "/static/nothing.js", "/chart/no.js"])
def test_what_does_not_exist_is_a_problem(client, path):
    problem(client.get(path), 404)


def test_nothing_is_written(client):
    for resource in RESOURCES:
        problem(client.post(f"/v1/{resource.name}"), 405)
    problem(client.request("DELETE", "/v1/map"), 405)


def test_a_cursor_continues_its_own_rows_alone(client):
    """Rows of other parameters begin elsewhere: some would be left out without a word."""
    first = client.get("/v1/map", params={**TURNOVER, "limit": 2}).json()
    followed = {**TURNOVER, "limit": 3, "format": "csv", "cursor": first["next"]}
    assert client.get("/v1/map", params=followed).status_code == 200
    body = problem(client.get("/v1/map", params={**followed, "side": "short"}), 422)
    assert body["parameter"] == "cursor"
    problem(client.get("/v1/bands", params=followed), 422)


@pytest.mark.parametrize(
    "address", ["/", "/healthz", "/v1/map?limit=2", "/v1/files?limit=1", "/panels/today"]
)
def test_head_has_the_headers_of_get_and_no_body(client, address):
    whole, head = client.get(address), client.head(address)
    assert head.status_code == whole.status_code
    assert head.content == b""
    assert head.headers["content-type"] == whole.headers["content-type"]
    assert head.headers.get("etag") == whole.headers.get("etag")


def test_undecodable_bytes_are_refused(client):
    answer = client.get("/v1/map?asset=%ff%fe%00")
    problem(answer, 404)
    assert client.get("/v1/gaps?venue=%ed%a0%80").status_code == 200
    assert client.get("/v1/forecast?provider=%00").status_code == 404
