"""Who may send requests: host names, the token, the login, headers that protect the page."""

import http.client
import logging

import pytest

from jobs.errors import SettingsRejected
from jobs.settings import Settings
from web.rate_limit import RequestRate
from web.security import check_exposure

TOKEN = "a-token-of-enough-characters"  # noqa: S105  (of this test alone)
WRONG = "another-token-of-the-same-size"


@pytest.fixture(scope="module")
def guarded(small_home, serve):
    with serve(small_home, serve_token=TOKEN, serve_names="maps.example") as client:
        yield client


@pytest.mark.parametrize("path", ["/v1/map", "/v1/files", "/metrics", "/events", "/panels/today",
                                  "/openapi.json", "/state"])  # fmt: skip
def test_without_the_token_nothing_is_answered(guarded, path):
    for headers in ({}, {"Authorization": f"Bearer {WRONG}"}, {"Authorization": TOKEN},
                    {"Authorization": "Bearer \udcff".encode("utf-8", "surrogateescape")},
                    {"Cookie": f"liqheat_page={TOKEN}"}):  # fmt: skip
        answer = guarded.get(path, headers=headers)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Bearer")
        assert "LIQHEAT_SERVE_TOKEN" in answer.json()["next_step"]
        assert TOKEN not in answer.text


def test_the_token_lets_in(guarded):
    answer = guarded.get("/v1/bands", headers={"Authorization": f"Bearer {TOKEN}"})
    assert answer.status_code == 200


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


def test_guesses_of_an_address_are_few_and_the_token_waits_with_them(
    small_home, serve, monkeypatch
):
    # None comes back while the test runs.
    monkeypatch.setattr("web.security.GUESSES", RequestRate("", 1e-3, 5))
    with serve(small_home, serve_token=TOKEN) as client:

        def status_of(token):
            return client.get("/v1/context", headers=bearer(token)).status_code

        # A program that goes on with one wrong token guesses once.
        assert {status_of(WRONG) for _ in range(20)} == {401}
        guesses = [status_of(f"{WRONG}-{number}") for number in range(6)]
        assert guesses == [401, 401, 401, 401, 429, 429]
        refused = client.get("/v1/context", headers={"Cookie": f"liqheat_page={WRONG}"})
        assert refused.status_code == 429
        assert 0 < int(refused.headers["retry-after"]) <= 1000
        assert "wait" in refused.json()["next_step"]
        # Else the answer would say which guess is right.
        assert status_of(TOKEN) == 429
        assert client.get("/v1/context").status_code == 401
        assert client.get("/healthz").status_code == 200
        elsewhere = {**bearer(TOKEN), "X-Forwarded-For": "10.1.2.3"}
        assert client.get("/v1/context", headers=elsewhere).status_code == 200


def test_a_token_may_hold_any_character(small_home, serve):
    token = 'tök#en+"/&%=;€ 0123'  # noqa: S105  (of this test alone)
    with serve(small_home, serve_token=token) as client:
        sent = {"Authorization": b"Bearer " + token.encode()}
        assert client.get("/v1/bands", headers=sent).status_code == 200
        assert client.post("/login", data={"token": token}).status_code == 303


def test_the_page_leads_to_the_login_and_back(guarded):
    answer = guarded.get("/?asset=ETH&side=long")
    assert answer.status_code == 303
    login = guarded.get(answer.headers["location"])
    assert login.status_code == 200
    assert 'value="/?asset=ETH&amp;side=long"' in login.text
    refused = guarded.post("/login", data={"token": WRONG, "next": "/?asset=ETH"})
    assert refused.status_code == 401
    assert "set-cookie" not in refused.headers
    admitted = guarded.post("/login", data={"token": TOKEN, "next": "/?asset=ETH"})
    assert (admitted.status_code, admitted.headers["location"]) == (303, "/?asset=ETH")
    cookie = admitted.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert TOKEN not in cookie
    sent = {"Cookie": cookie.partition(";")[0]}
    guarded.cookies.clear()
    assert guarded.get("/v1/bands", headers=sent).status_code == 200
    left = guarded.post("/logout", headers=sent)
    assert 'liqheat_page=""' in left.headers["set-cookie"]


@pytest.mark.parametrize(
    "elsewhere", ["https://evil.example/", "//evil.example/", "/\\evil.example", "/login", "x"]
)
def test_the_login_leads_to_no_other_site(guarded, elsewhere):
    admitted = guarded.post("/login", data={"token": TOKEN, "next": elsewhere})
    assert admitted.headers["location"] == "/"
    guarded.cookies.clear()


def test_a_form_that_is_too_large_is_refused(guarded):
    assert guarded.post("/login", content=b"token=" + b"x" * 10_000).status_code == 413


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "localhost.evil.example",
                                  "127.0.0.1.evil.example", "", "[::2", "192.168.1.5"])  # fmt: skip
def test_a_name_that_is_not_served_is_refused(client, host):
    answer = client.get("/v1/bands", headers={"Host": host})
    assert answer.status_code == 421
    assert "LIQHEAT_SERVE_NAMES" in answer.json()["next_step"]


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:9", "127.0.0.1:1", "[::1]:80", "::1",
                                  "127.0.0.5"])  # fmt: skip
def test_this_machine_is_served_under_its_own_names(client, host):
    if host == "::1":
        host = "[::1]"
    assert client.get("/healthz", headers={"Host": host}).status_code == 200


def test_further_names_are_served_with_a_token(guarded):
    admitted = {"Authorization": f"Bearer {TOKEN}"}
    for host, status in (("maps.example", 200), ("10.0.0.1", 200), ("evil.example", 421)):
        answer = guarded.get("/v1/context", headers={**admitted, "Host": host})
        assert answer.status_code == status


def test_a_request_without_a_host_is_refused(client):
    connection = http.client.HTTPConnection(client.base_url.host, client.base_url.port)
    connection.putrequest("GET", "/v1/bands", skip_host=True)
    connection.endheaders()
    assert connection.getresponse().status in (400, 421)
    connection.close()


@pytest.mark.parametrize("path", ["/", "/v1/bands", "/nothing", "/static/style.css"])
def test_every_response_protects_the_page(client, path):
    headers = client.get(path).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert "server" not in headers


def test_no_other_site_may_read(client):
    answer = client.get("/v1/bands", headers={"Origin": "https://other.example"})
    assert "access-control-allow-origin" not in answer.headers
    preflight = client.request(
        "OPTIONS", "/v1/bands", headers={"Origin": "https://other.example",
                                         "Access-Control-Request-Method": "GET"},
    )  # fmt: skip
    assert preflight.status_code == 405


def test_no_secret_reaches_the_log(guarded, caplog):
    with caplog.at_level(logging.DEBUG):
        guarded.get("/v1/bands", headers={"Authorization": f"Bearer {TOKEN}"})
        guarded.get("/v1/bands", headers={"Authorization": f"Bearer {WRONG}"})
        guarded.post("/login", data={"token": TOKEN})
    served = [one.getMessage() for one in caplog.records if not one.name.startswith("http")]
    assert not [one for one in served if TOKEN in one or WRONG in one]


@pytest.mark.parametrize(
    ("host", "given", "message"),
    [
        ("0.0.0.0", {}, "set LIQHEAT_SERVE_TOKEN first"),  # noqa: S104
        ("maps.example", {}, "set LIQHEAT_SERVE_TOKEN first"),
        ("0.0.0.0", {"serve_token": ""}, "set LIQHEAT_SERVE_TOKEN first"),  # noqa: S104
        ("127.0.0.1", {"serve_token": "short"}, "fewer than 16"),
        ("127.0.0.1", {"serve_names": "maps.example"}, "set LIQHEAT_SERVE_TOKEN too"),
    ],
)
def test_others_are_let_in_with_a_token_only(host, given, message):
    with pytest.raises(SettingsRejected, match=message):
        check_exposure(Settings(**given), host)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.0.0.9"])
def test_this_machine_needs_no_token(host):
    check_exposure(Settings(), host)
    check_exposure(Settings(serve_token=TOKEN), "0.0.0.0")  # noqa: S104
