"""The export in `docs/bi/superset`, imported into a running Superset; each chart's query timed.

Superset runs in its own environment, with `duckdb-engine` and `psycopg2-binary`:

    .venv/bin/python -m bench.superset --address http://127.0.0.1:8088 \
        --uri 'duckdb:////data/published/liqheat.duckdb?access_mode=read_only'

`SUPERSET_USER` and `SUPERSET_PASSWORD` are who imports; both are `admin` unless set. The database's
password, if any, is in its address.
"""

import argparse
import io
import json
import os
import statistics
import time
import zipfile
from typing import Any
from urllib.parse import unquote, urlsplit

import httpx

from bench.superset_export import DASHBOARD, FOLDER, PLACEHOLDER

REPEATS = 5


def archive(uri: str) -> bytes:
    """Return the export as a zip, with the address of a database in it."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as file:
        for path in sorted(FOLDER.rglob("*.yaml")):
            text = path.read_text().replace(PLACEHOLDER, uri)
            file.writestr(f"liqheat/{path.relative_to(FOLDER)}", text)
    return content.getvalue()


def log_in(client: httpx.Client) -> None:
    """Put the session's tokens into the client's headers."""
    name = os.environ.get("SUPERSET_USER", "admin")
    word = os.environ.get("SUPERSET_PASSWORD", "admin")
    login = {"username": name, "password": word, "provider": "db", "refresh": False}
    answer = client.post("/api/v1/security/login", json=login).raise_for_status()
    client.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
    answer = client.get("/api/v1/security/csrf_token/").raise_for_status()
    client.headers["X-CSRFToken"] = answer.json()["result"]
    client.headers["Referer"] = str(client.base_url)


def import_dashboard(client: httpx.Client, uri: str) -> float:
    """Import the export; return how long it took [s]."""
    password = unquote(urlsplit(uri).password or "")
    began = time.perf_counter()
    client.post(
        "/api/v1/dashboard/import/",
        files={"formData": ("liqheat.zip", archive(uri), "application/zip")},
        data={
            "overwrite": "true",
            "passwords": json.dumps({"databases/liqheat.yaml": password} if password else {}),
        },
    ).raise_for_status()
    return time.perf_counter() - began


def default_filters(client: httpx.Client) -> list[tuple[set[int], dict[str, Any]]]:
    """Return the charts that each filter of the dashboard leaves out, and what it adds at first."""
    answer = client.get("/api/v1/dashboard/liqheat").raise_for_status().json()["result"]
    return [
        (set(each["scope"]["excluded"]), each["defaultDataMask"]["extraFormData"])
        for each in json.loads(answer["json_metadata"])["native_filter_configuration"]
    ]


def query_of(client: httpx.Client, chart: int, filters: list[Any]) -> dict[str, Any]:
    """Return the query that a chart sends from the dashboard."""
    answer = client.get(f"/api/v1/chart/{chart}").raise_for_status().json()["result"]
    query: dict[str, Any] = json.loads(answer["query_context"]) | {"force": True}
    for excluded, added in filters:
        if chart not in excluded:
            query["queries"][0]["filters"] += added.get("filters", [])
    return query


def time_charts(client: httpx.Client) -> list[float]:
    """Run the query of each chart; print and return the median time of each [s]."""
    charts = client.get("/api/v1/dashboard/liqheat/charts").raise_for_status().json()["result"]
    filters = default_filters(client)
    medians = []
    for chart in charts:
        query = query_of(client, chart["id"], filters)
        times = []
        for _ in range(REPEATS):
            began = time.perf_counter()
            answer = client.post("/api/v1/chart/data", json=query)
            times.append(time.perf_counter() - began)
            if answer.is_error:
                raise RuntimeError(f"{chart['slice_name']}: {answer.text[:500]}")
        rows = [each["rowcount"] for each in answer.json()["result"]]
        assert all(rows), f"{chart['slice_name']}: no rows"
        medians.append(statistics.median(times))
        print(f"{medians[-1]:7.3f} s  {sum(rows):6,} rows  {chart['slice_name']}", flush=True)
    return medians


def main() -> None:
    """Import and time."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--address", required=True, help="Of Superset.")
    parser.add_argument("--uri", required=True, help="Of the database, as SQLAlchemy takes it.")
    arguments = parser.parse_args()
    with httpx.Client(base_url=arguments.address, timeout=300) as client:
        log_in(client)
        print(f"{import_dashboard(client, arguments.uri):7.3f} s  import of {DASHBOARD}")
        medians = time_charts(client)
    print(f"{statistics.median(medians):7.3f} s  median of {len(medians)} charts")


if __name__ == "__main__":
    main()
