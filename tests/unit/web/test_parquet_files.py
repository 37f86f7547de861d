"""Published Parquet over HTTP: the list, the files, and nothing else of the disk."""

import hashlib
import io
import os
import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from web.api.parquet_files import ParquetFolder

PATH = "context/day=2026-01-30/data.parquet"


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "published" / "parquet"
    file = root / PATH
    file.parent.mkdir(parents=True)
    file.write_bytes(b"of today")
    (tmp_path / "secret").write_text("secret")
    return ParquetFolder(root)


def test_the_list_is_what_is_on_the_disk(client, small_home):
    root = small_home / "published" / "parquet"
    listed = client.get("/v1/files", params={"limit": 1000}).json()["data"]
    assert {one["path"] for one in listed} == {
        path.relative_to(root).as_posix() for path in root.rglob("*.parquet")
    }
    for one in listed[:5]:
        content = (root / one["path"]).read_bytes()
        assert one["sha256"] == hashlib.sha256(content).hexdigest()
        assert one["bytes"] == len(content)
        assert one["rows"] == pq.read_metadata(root / one["path"]).num_rows
    days = [one["day"] for one in listed]
    assert days == sorted(days, reverse=True)


def test_the_list_is_paged_and_chosen(client):
    everything = client.get("/v1/files", params={"limit": 1000}).json()["data"]
    first = client.get("/v1/files", params={"limit": 3}).json()
    second = client.get("/v1/files", params={"limit": 3, "cursor": first["next"]}).json()
    assert first["data"] + second["data"] == everything[:6]
    maps = {"relation": "marts.liquidation_heatmap_hourly", "limit": 1000}
    chosen = client.get("/v1/files", params=maps).json()["data"]
    assert {one["relation"] for one in chosen} == {maps["relation"]}
    day = chosen[-1]["day"]
    of_day = client.get("/v1/files", params={**maps, "from": day, "to": day}).json()["data"]
    assert {one["day"] for one in of_day} == {day}
    unknown = client.get("/v1/files", params={"relation": "liquidation_heatmap_hourl"})
    assert unknown.json()["nearest"] == "liquidation_heatmap_hourly"
    assert client.get("/v1/files", params={"from": "someday"}).status_code == 422


def test_the_list_has_the_envelope_of_every_answer(client):
    listed = client.get("/v1/files", params={"limit": 1})
    rows = client.get("/v1/runs", params={"limit": 1}).json()
    body = listed.json()
    assert set(body) == set(rows)
    assert (body["as_of"], body["is_stale"]) == (rows["as_of"], rows["is_stale"])
    assert listed.headers["x-liqheat-publication"] == body["publication"]


@pytest.mark.parametrize(
    ("query", "status"),
    [({"relatoin": "assets"}, 422), ({"format": "csv"}, 422), ({"asset": "BTC"}, 200)],
)
def test_the_list_ignores_what_a_link_holds_and_refuses_the_rest(client, query, status):
    assert client.get("/v1/files", params={"limit": 1, **query}).status_code == status


def test_the_list_is_sent_again_once_a_file_has_changed(small_home, tmp_path, serve):
    """Files are written before the link moves: the publication alone says too little."""
    home = tmp_path / "home"
    shutil.copytree(small_home / "published", home / "published", symlinks=True)
    with serve(home) as client:
        first = client.get("/v1/files", params={"limit": 1})
        known = {"If-None-Match": first.headers["etag"]}
        assert client.get("/v1/files", params={"limit": 1}, headers=known).status_code == 304
        file = home / "published" / "parquet" / first.json()["data"][0]["path"]
        pq.write_table(pq.read_table(file).slice(0, 1), file)
        again = client.get("/v1/files", params={"limit": 1}, headers=known)
        assert again.status_code == 200
        assert again.json()["data"][0]["rows"] == 1


def test_a_file_is_sent_whole_or_in_part(client):
    one = client.get("/v1/files", params={"limit": 1}).json()["data"][0]
    address = f"/v1/files/{one['path']}"
    whole = client.get(address)
    assert hashlib.sha256(whole.content).hexdigest() == one["sha256"]
    assert pq.read_table(io.BytesIO(whole.content)).num_rows == one["rows"]
    head = client.head(address)
    assert int(head.headers["content-length"]) == one["bytes"]
    assert head.content == b""
    size = one["bytes"]
    for sent, first, last in (
        ("bytes=0-3", 0, 3),
        ("bytes=-8", size - 8, size - 1),
        ("bytes=5-", 5, size - 1),
        (f"bytes=2-{10 * size}", 2, size - 1),
    ):
        part = client.get(address, headers={"Range": sent})
        assert part.status_code == 206
        assert part.content == whole.content[first : last + 1]
        assert part.headers["content-range"] == f"bytes {first}-{last}/{size}"
    for sent in (f"bytes={size}-", "bytes=3-2", "bytes=-", "lines=1-2"):
        refused = client.get(address, headers={"Range": sent})
        assert refused.status_code == 416
        assert refused.headers["content-range"] == f"bytes */{size}"
    again = client.get(address, headers={"If-None-Match": whole.headers["etag"]})
    assert again.status_code == 304


@pytest.mark.parametrize(
    "path",
    ["../../secret", "%2e%2e/%2e%2e/secret", "..%2f..%2fsecret", "/etc/passwd", "%2fetc%2fpasswd",
     "context/day=2026-01-30/../../../../secret", "context\\day=2026-01-30\\data.parquet",
     "context/day=2026-01-30/other.parquet", "context/day=2026-02-30/data.parquet",
     "context/day=2026-01-30/data.parquet/", "context%00/day=2026-01-30/data.parquet",
     "../liqheat.duckdb", "%ff", "context/day=2026-01-30\n/data.parquet"],
)  # fmt: skip
def test_no_path_leads_out(client, path):
    answer = client.get(f"/v1/files/{path}") if "\n" not in path else client.get(
        f"/v1/files/{path.replace(chr(10), '%0a')}"
    )  # fmt: skip
    assert answer.status_code == 404, answer.text


def test_only_files_of_the_folder_open(folder):
    with os.fdopen(folder.open(PATH), "rb") as file:
        assert file.read() == b"of today"
    for path in (
        "../../secret",
        "context/../context/day=2026-01-30/data.parquet",
        "/",
        "",
        "a/b/c",
    ):
        with pytest.raises(FileNotFoundError):
            folder.open(path)


def test_a_link_is_not_followed_wherever_it_is(folder, tmp_path):
    root = tmp_path / "published" / "parquet"
    day = root / "context" / "day=2026-01-31"
    day.mkdir()
    (day / "data.parquet").symlink_to(tmp_path / "secret")
    (root / "linked").symlink_to(root / "context")
    (root / "context" / "day=2026-02-01").symlink_to(root / "context" / "day=2026-01-30")
    for path in (
        "context/day=2026-01-31/data.parquet",
        "linked/day=2026-01-30/data.parquet",
        "context/day=2026-02-01/data.parquet",
    ):
        with pytest.raises(FileNotFoundError):
            folder.open(path)
        assert folder.describe(path) is None


def test_what_is_no_plain_file_is_not_opened(folder, tmp_path):
    day = tmp_path / "published" / "parquet" / "context" / "day=2026-01-31"
    day.mkdir()
    os.mkfifo(day / "data.parquet")
    with pytest.raises(FileNotFoundError):
        folder.open("context/day=2026-01-31/data.parquet")


def test_a_file_that_is_no_parquet_is_not_listed(folder):
    assert folder.describe(PATH) is None


def test_a_file_written_again_has_another_checksum(tmp_path):
    folder = ParquetFolder(tmp_path)
    file = tmp_path / PATH
    file.parent.mkdir(parents=True)
    for rows in ([1, 2], [1, 2, 3]):
        made = file.with_name("made")
        pq.write_table(pa.table({"one": rows}), made)
        made.replace(file)
        described = folder.describe(PATH)
        assert described.rows == len(rows)
        assert described.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
        assert folder.describe(PATH) is described
