"""Every endpoint of rows over a published home, in every form."""

import csv
import io
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest

from warehouse.queries import named_query
from warehouse.read import open_published
from web.api.resources import RESOURCES, read_page
from web.api.routes import _asset_question
from web.catalogue import Catalogue, PublishedAsset, PublishedMap, is_late
from web.view import HoursQuery

ARROW = "application/vnd.apache.arrow.stream"
ENVELOPE = {
    "as_of",
    "age_seconds",
    "is_stale",
    "coverage",
    "grade",
    "params_hash",
    "publication",
    "next",
    "data",
}
TURNOVER = {"asset": "BTC", "provider": "turnover"}


def arrow_table(answer):
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == ARROW
    return pa.ipc.open_stream(answer.content).read_all()


def read_published(home, sql, parameters=None):
    with open_published(home / "published" / "liqheat.duckdb") as reader:
        return reader.execute(sql, parameters).to_arrow_table().to_pylist()


@pytest.mark.parametrize("resource", RESOURCES, ids=[one.name for one in RESOURCES])
def test_an_endpoint_answers_the_columns_of_its_contract(client, resource):
    columns = [one.name for one in resource.columns]
    page = {"limit": 5}
    body = client.get(f"/v1/{resource.name}", params=page).json()
    assert body.keys() >= ENVELOPE, body
    assert all(list(row) == columns for row in body["data"])

    table = arrow_table(client.get(f"/v1/{resource.name}", params=page, headers={"Accept": ARROW}))
    assert table.column_names == columns
    assert table.num_rows == len(body["data"])
    assert table.schema.metadata[b"liqheat.publication"].decode() == body["publication"]

    text = client.get(f"/v1/{resource.name}", params={**page, "format": "csv"})
    assert text.headers["content-type"].startswith("text/csv")
    assert text.headers["x-liqheat-publication"] == body["publication"]
    rows = list(csv.reader(io.StringIO(text.text)))
    assert rows[0] == columns
    assert len(rows) == 1 + len(body["data"])


@pytest.mark.parametrize(
    "name", ["assets", "map", "bands", "cascades", "by-leverage", "consensus", "disagreement",
             "quality", "forecast", "context", "open-interest", "runs"],
)  # fmt: skip
def test_the_small_market_has_rows(client, name):
    assert client.get(f"/v1/{name}").json()["data"]


def test_bands_are_those_of_the_published_file(client, small_home):
    answered = client.get("/v1/bands", params=TURNOVER).json()["data"]
    hours = {"as_of": None, "earliest": None}
    read = read_published(small_home, named_query("bands"), {**TURNOVER, "venue": "all", **hours})
    assert [(one["side"], one["rank"], one["liquidation_usd"]) for one in answered] == [
        (one["side"], one["rank"], one["liquidation_usd"]) for one in read
    ]


def test_a_map_has_every_bin_of_its_hours(client, small_home):
    query = {**TURNOVER, "days": 1}
    table = arrow_table(client.get("/v1/map", params={**query, "format": "arrow"}))
    read = read_published(
        small_home,
        "select count(*) as bins, sum(liquidation_usd) as usd, count(distinct as_of) as hours "
        "from marts.liquidation_heatmap_hourly where asset = 'BTC' and provider = 'turnover' "
        "and venue = 'all' and liquidation_usd > 0 and as_of > (select max(as_of) "
        "from marts.liquidation_heatmap_hourly) - interval 1 day",
    )[0]
    assert table.num_rows == read["bins"] > 1000
    assert len(table["as_of"].unique()) == read["hours"] == 24
    assert sum(table["liquidation_usd"].to_pylist()) == pytest.approx(read["usd"], rel=1e-5)


def test_an_answer_without_a_window_is_of_one_hour(client):
    body = client.get("/v1/map", params={**TURNOVER, "limit": 5000}).json()
    assert {row["as_of"] for row in body["data"]} == {body["as_of"]}
    assert body["next"] is None


def test_an_earlier_hour_is_answered_by_as_of(client):
    newest = datetime.fromisoformat(client.get("/v1/bands", params=TURNOVER).json()["as_of"])
    # Between two hours: the one that is not later.
    requested = newest - timedelta(hours=3, minutes=30)
    body = client.get("/v1/bands", params={**TURNOVER, "as_of": requested.isoformat()}).json()
    assert datetime.fromisoformat(body["as_of"]) == newest - timedelta(hours=4)
    assert body["age_seconds"] > 3 * 3600


def test_a_side_and_a_reach_leave_the_rest_out(client):
    query = {**TURNOVER, "limit": 5000}
    everything = client.get("/v1/map", params=query).json()["data"]
    some = client.get("/v1/map", params={**query, "side": "short", "reach": 0.05}).json()["data"]
    price = some[0]["price"]
    assert some == [
        row
        for row in everything
        if row["side"] == "short"
        and row["price_high"] > price * 0.95
        and row["price_low"] < price * 1.05
    ]
    assert 0 < len(some) < len(everything)


def test_pages_hold_every_row_once(client):
    query = {**TURNOVER, "days": 1}
    whole = client.get("/v1/bands", params={**query, "limit": 5000}).json()["data"]
    rows, cursor = [], None
    while True:
        page = {**query, "limit": 97} | ({} if cursor is None else {"cursor": cursor})
        answer = client.get("/v1/bands", params=page)
        rows += answer.json()["data"]
        cursor = answer.json()["next"]
        if cursor is None:
            assert "link" not in answer.headers
            break
        assert f"cursor={cursor}" in answer.headers["link"]
    assert rows == whole
    assert len(rows) > 97


def test_a_long_window_is_read_in_stretches_without_a_seam():
    hours = [datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=one) for one in range(240)]
    reads = []

    def read(known):
        found = [at for at in reversed(hours) if known["from_at"] < at <= known["until_at"]]
        found = [at for at in found for _ in range(3)][: known["row_count"]]
        reads.append(len(found))
        return pa.table({"as_of": pa.array(found, pa.timestamp("us", tz="UTC"))})

    whole = [at for at in reversed(hours[1:]) for _ in range(3)]
    for first_row, row_count in ((0, 1000), (0, 10), (5, 100), (70, 75), (700, 100), (2000, 5)):
        known = {
            "from_at": hours[0],
            "until_at": hours[-1],
            "first_row": first_row,
            "row_count": row_count,
        }
        rows = read_page(read, known, at_once=timedelta(hours=25))
        assert rows["as_of"].to_pylist() == whole[first_row : first_row + row_count]
    assert max(reads) <= 75


def test_consensus_is_a_provider_of_maps(client):
    as_map = client.get("/v1/map", params={"asset": "BTC", "provider": "consensus"}).json()
    own = client.get("/v1/consensus", params={"asset": "BTC"}).json()
    assert as_map["data"] == own["data"]
    assert as_map["provider"] == "consensus"


def test_the_page_gets_its_grid(client):
    answer = client.get("/v1/map", params={**TURNOVER, "format": "grid"})
    assert answer.headers["content-type"] == "application/vnd.liqheat.grid"
    length = int.from_bytes(answer.content[:4], "little")
    assert b'"asset": "BTC"' in answer.content[4 : 4 + length]


def test_an_envelope_carries_what_is_known_of_the_map(client, small_home):
    body = client.get("/v1/map", params={**TURNOVER, "limit": 1}).json()

    def published(column, relation, where="true"):
        of_hour = f"asset = 'BTC' and venue = 'all' and as_of = $as_of::timestamp and {where}"
        sql = f"select distinct {column} from {relation} where {of_hour}"
        (row,) = read_published(small_home, sql, {"as_of": body["as_of"]})
        return row[column]

    assert body["grade"] == published("grade", "marts.asset_quality_hourly")
    assert 0.0 < body["coverage"] <= 1.0
    own = published("params_hash", "marts.liquidation_heatmap_hourly", "provider = 'turnover'")
    assert body["params_hash"] == own
    assert (body["asset"], body["provider"], body["venue"]) == ("BTC", "turnover", "all")
    # The market was simulated long ago.
    assert body["is_stale"] is True


def test_what_has_not_changed_is_not_sent_again(client):
    first = client.get("/v1/map", params=TURNOVER)
    again = client.get("/v1/map", params=TURNOVER, headers={"If-None-Match": first.headers["etag"]})
    assert again.status_code == 304
    assert again.content == b""
    assert again.headers["etag"] == first.headers["etag"]
    other = client.get("/v1/map", params={**TURNOVER, "side": "long"})
    assert other.headers["etag"] != first.headers["etag"]
    as_csv = client.get("/v1/map", params={**TURNOVER, "format": "csv"})
    assert as_csv.headers["etag"] != first.headers["etag"]


def test_another_release_sends_the_same_publication_again(client, monkeypatch):
    first = client.get("/v1/bands", params=TURNOVER)
    monkeypatch.setattr("web.answers._RELEASE", "another")
    known = {"If-None-Match": first.headers["etag"]}
    assert client.get("/v1/bands", params=TURNOVER, headers=known).status_code == 200


def test_an_answer_is_stale_with_its_own_map_or_asset():
    """Another asset that is fresh makes this one no younger."""
    now = datetime(2026, 1, 15, 0, 20, tzinfo=UTC)
    fresh, late = now - timedelta(minutes=20), now - timedelta(hours=8)

    def asset(name, newest_of_asset, newest_of_map):
        hours = np.array([int(newest_of_asset.timestamp()) * 1_000_000])
        own = PublishedMap(newest_of_map, newest_of_map, None, "standing")
        maps = {("turnover", "all"): own}
        return PublishedAsset(name, hours, "A", 1.0, "turnover", "", maps)

    assets = [asset("BTC", fresh, fresh), asset("OLD", late, late), asset("HALF", fresh, late)]
    catalogue = Catalogue("one", now, {one.name: one for one in assets})
    settings = SimpleNamespace(publish_window_days=90)
    request = SimpleNamespace(app=SimpleNamespace(state=SimpleNamespace(settings=settings)))
    publications = SimpleNamespace(catalogue=catalogue)

    def is_stale(name, scope):
        resource = next(one for one in RESOURCES if one.scope == scope)
        question = _asset_question(resource, HoursQuery(asset=name), request, publications)
        return is_late(question.newest_at, now)

    assert [is_stale(one.name, "map") for one in assets] == [False, True, True]
    assert [is_stale(one.name, "asset") for one in assets] == [False, True, False]
    assert not catalogue.is_stale(now)


@pytest.mark.parametrize("resource", RESOURCES, ids=lambda one: one.name)
def test_openapi_holds_for_every_answer(client, resource):
    described = client.get("/openapi.json").json()["paths"][f"/v1/{resource.name}"]["get"]
    answer = described["responses"]["200"]["content"]["application/json"]["schema"]
    queries = [{}, {"provider": "consensus"}] if resource.name == "map" else [{}]
    for query in queries:
        body = client.get(f"/v1/{resource.name}", params={**query, "limit": 5}).json()
        check_schema(body, answer)


def test_openapi_offers_the_grid_where_it_is(client):
    paths = client.get("/openapi.json").json()["paths"]
    for resource in RESOURCES:
        parameters = paths[f"/v1/{resource.name}"]["get"]["parameters"]
        (form,) = (one["schema"] for one in parameters if one["name"] == "format")
        assert ("grid" in form["enum"]) == (resource.name == "map")


def check_schema(value, schema):
    """Hold a value against a JSON schema, as far as the API uses them; no member may be extra."""
    if "anyOf" in schema:
        names = [set(one["properties"]) for one in schema["anyOf"]]
        schema = schema["anyOf"][names.index(set(value))]
    types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    of_json = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None)}
    of_json |= {"integer": int, "number": (int, float)}
    assert any(isinstance(value, of_json[name]) for name in types), (value, schema)
    if isinstance(value, dict) and "properties" in schema:
        assert set(schema.get("required", ())) <= set(value) <= set(schema["properties"])
        for name, one in value.items():
            check_schema(one, schema["properties"][name])
    if isinstance(value, list):
        for one in value:
            check_schema(one, schema["items"])


def test_the_form_is_what_accept_prefers(client):
    def form(accept):
        return client.get("/v1/context", headers={"Accept": accept}).headers["content-type"]

    assert form("*/*") == "application/json"
    assert form("text/html,application/xhtml+xml,*/*;q=0.8") == "application/json"
    assert form("text/csv, application/json;q=0.5").startswith("text/csv")
    assert form(f"application/json;q=0.1, {ARROW}") == ARROW
    refused = client.get("/v1/context", headers={"Accept": "image/png"})
    assert refused.status_code == 406
    assert "format=json" in refused.json()["next_step"]


def test_openapi_describes_columns_with_unit_and_measure(client):
    schema = client.get("/openapi.json").json()
    answer = schema["paths"]["/v1/bands"]["get"]["responses"]["200"]["content"]
    row = answer["application/json"]["schema"]["properties"]["data"]["items"]["properties"]
    assert row["liquidation_usd"]["x-measure"] == "stock"
    assert "USD" in row["liquidation_usd"]["description"]
    assert all("description" in column for column in row.values())
    described = {
        (path, one["name"])
        for path, item in schema["paths"].items()
        for one in item["get"].get("parameters", [])
        if path.startswith("/v1/") and "description" in one
    }
    assert ("/v1/map", "reach") in described
    assert ("/v1/context", "reach") not in described
    assert "Without effect here: `reach`" in schema["paths"]["/v1/bands"]["get"]["description"]
    for resource in RESOURCES:
        assert f"/v1/{resource.name}" in schema["paths"]


def test_the_reference_lists_endpoints_parameters_and_columns(client):
    page = client.get("/docs").text
    for resource in RESOURCES:
        assert f"GET /v1/{resource.name}</code>" in page
    assert "liquidation_usd" in page
    assert "<script" not in page
