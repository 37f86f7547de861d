"""A server while publications come: the first, the next, under load, damaged, gone."""

import asyncio
import json
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import duckdb
import httpx
import pytest

from warehouse.published_versions import add_version
from warehouse.read import ReadLimits
from web.publications import Publications

BANDS = {"asset": "BTC", "provider": "turnover"}


def publish_again(home, change="select 1"):
    """Publish the newest version once more, changed by a statement; return its identity."""
    link = home / "published" / "liqheat.duckdb"
    made = home / "published" / ".writing" / uuid.uuid4().hex
    made.parent.mkdir(exist_ok=True)
    made.write_bytes(link.resolve().read_bytes())
    made.chmod(0o644)
    identity = uuid.uuid4().hex
    with duckdb.connect(str(made)) as connection:
        connection.execute("set timezone = 'UTC'")
        connection.execute(f"create or replace macro publication_id() as '{identity}'")
        connection.execute(change)
    add_version(made, link, identity)
    return identity


def next_event(lines):
    """Return the data of the next publication in a stream of events."""
    for line in lines:
        if line.startswith("data: "):
            return json.loads(line.removeprefix("data: "))
    return None


def test_an_empty_home_says_what_to_run_and_serves_the_first_publication(
    serve, small_home, tmp_path
):
    home = tmp_path / "home"
    with serve(home) as client:
        assert client.get("/healthz").json()["status"] == "unpublished"
        for path in ("/v1/map", "/v1/assets", "/v1/files"):
            answer = client.get(path)
            assert answer.status_code == 503
            assert "liqheat demo" in answer.json()["next_step"]
        page = client.get("/")
        assert page.status_code == 503
        assert "liqheat demo" in page.text
        with client.stream("GET", "/events") as events:
            home.mkdir()
            (home / "published").symlink_to(small_home / "published")
            event = next_event(events.iter_lines())
        assert client.get("/v1/bands", params=BANDS).json()["publication"] == event["id"]
        assert client.get("/healthz").status_code == 200


def test_a_page_that_is_open_learns_of_each_publication(serve, home):
    with serve(home) as client, client.stream("GET", "/events") as events:
        lines = events.iter_lines()
        first = next_event(lines)
        assert first.keys() == {"id", "as_of", "published_at"}
        tag = client.get("/v1/bands", params=BANDS).headers["etag"]
        published = publish_again(home)
        assert next_event(lines)["id"] == published
        again = client.get("/v1/bands", params=BANDS, headers={"If-None-Match": tag})
        assert again.status_code == 200
        assert again.json()["publication"] == published


def test_a_cursor_of_an_earlier_publication_is_refused(serve, home):
    with serve(home) as client, client.stream("GET", "/events") as events:
        lines = events.iter_lines()
        next_event(lines)
        cursor = client.get("/v1/bands", params={**BANDS, "limit": 3}).json()["next"]
        publish_again(home)
        next_event(lines)
        answer = client.get("/v1/bands", params={**BANDS, "limit": 3, "cursor": cursor})
        assert answer.status_code == 410
        assert "begin again" in answer.json()["next_step"]


def test_answers_under_republishing_are_each_of_one_publication(serve, home):
    """Prices of a publication all carry its number: an answer that mixed two would show it."""
    number = "update marts.liquidation_bands_hourly set price = {0} where asset = 'BTC'"
    with serve(home) as client:
        publish_again(home, number.format(0))
        seen, errors, stop = {}, [], threading.Event()

        def ask(worker):
            with httpx.Client(base_url=client.base_url, timeout=30) as own:
                while not stop.is_set():
                    # Each another question, so that none is answered from memory.
                    query = {**BANDS, "days": 1, "limit": 500 + worker}
                    answer = own.get("/v1/bands", params=query)
                    if answer.status_code == 429:
                        stop.wait(0.05)
                        continue
                    if answer.status_code != 200:
                        errors.append(answer.text)
                        continue
                    body = answer.json()
                    seen.setdefault(body["publication"], set()).update(
                        row["price"] for row in body["data"]
                    )

        with ThreadPoolExecutor(6) as workers:
            asking = [workers.submit(ask, worker) for worker in range(6)]
            made, deadline = {}, time.monotonic() + 60.0
            try:
                for count in range(1, 5):
                    identity = publish_again(home, number.format(count))
                    made[identity] = float(count)
                    while identity not in seen:
                        assert time.monotonic() < deadline, "nobody was answered from it"
                        stop.wait(0.05)
            finally:
                stop.set()
            for one in asking:
                one.result()
    assert errors == []
    of_ours = {identity: prices for identity, prices in seen.items() if identity in made}
    assert of_ours == {identity: {price} for identity, price in made.items()}


def open_files(pattern):
    return [
        target
        for path in Path("/proc/self/fd").iterdir()
        if (target := _target(path)) and pattern in target
    ]


def _target(path):
    try:
        return str(path.readlink())
    except OSError:
        return ""


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="open files are listed on Linux")
def test_readers_of_a_replaced_version_close(serve, home):
    with serve(home) as client, client.stream("GET", "/events") as events:
        lines = events.iter_lines()
        next_event(lines)
        with ThreadPoolExecutor(8) as workers:
            list(workers.map(lambda n: client.get("/v1/bands", params={"limit": n + 1}), range(16)))
        version = str((home / "published" / "liqheat.duckdb").resolve())
        assert open_files(version)
        publish_again(home)
        next_event(lines)
        client.get("/v1/bands")
        assert open_files(version) == []


def test_a_damaged_publication_does_not_end_what_was_served(serve, home):
    with serve(home) as client:
        served = client.get("/v1/bands", params=BANDS).json()
        link = home / "published" / "liqheat.duckdb"
        damaged = home / "published" / ".writing" / "damaged"
        damaged.parent.mkdir(exist_ok=True)
        damaged.write_bytes(b"no database")
        add_version(damaged, link, "damaged")
        wait_until(lambda: client.get("/healthz").json()["status"] != "ok")
        assert client.get("/v1/bands", params=BANDS).json()["data"] == served["data"]
        published = None
        broken = link.resolve()
        good = next(p for p in (home / "published" / "versions").glob("*/*.duckdb") if p != broken)
        again = home / "published" / ".writing" / "again"
        again.write_bytes(good.read_bytes())
        add_version(again, link, "again")
        published = wait_until(lambda: client.get("/healthz").json().get("publication"))
        assert published == served["publication"]


def test_a_damaged_file_alone_is_said_so(serve, tmp_path):
    file = tmp_path / "published" / "liqheat.duckdb"
    file.parent.mkdir()
    file.write_bytes(b"no database")
    with serve(tmp_path) as client:
        health = client.get("/healthz")
        assert (health.status_code, health.json()["status"]) == (503, "damaged")
        answer = client.get("/v1/map")
        assert answer.status_code == 503
        assert "liqheat publish" in answer.json()["next_step"]


def wait_until(holds, seconds=10.0):
    """Return what a condition returns once it holds."""
    waiting = threading.Event()
    for _ in range(int(seconds / 0.05)):
        if found := holds():
            return found
        waiting.wait(0.05)
    pytest.fail("it never held")


async def test_a_look_that_fails_is_logged_and_followed_by_another(monkeypatch, tmp_path, caplog):
    monkeypatch.setattr("web.publications._LOOK_SECONDS", 0.01)
    monkeypatch.setattr("web.publications._REST_SECONDS", 0.01)
    publications = Publications(tmp_path / "liqheat.duckdb", ReadLimits())
    looks = asyncio.Queue()

    async def look():
        await looks.put(1)
        if looks.qsize() == 2:
            raise RuntimeError("a defect")
        return False

    monkeypatch.setattr(publications, "look", look)
    async with publications.watching(), asyncio.timeout(10):
        while looks.qsize() < 4:
            await asyncio.sleep(0.01)
    assert "a defect" in caplog.text
