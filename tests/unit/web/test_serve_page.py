"""What docs/serve.md shows is what the server answers."""

import json
import re
import shlex
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[3] / "docs" / "serve.md").read_text()
ADDRESS = "http://127.0.0.1:8400"
EXAMPLES = re.findall(r"```sh\n((?:curl [^\n]*\n)+)```\n(?:\n```json\n(.*?)```)?", PAGE, re.DOTALL)


def keys(value):
    """Return the names in a JSON value, those of rows included."""
    if isinstance(value, dict):
        return value.keys() | {one for part in value.values() for one in keys(part)}
    return {one for part in value for one in keys(part)} if isinstance(value, list) else set()


def test_the_page_has_examples_of_every_endpoint(client):
    shown = {path for path in client.get("/openapi.json").json()["paths"] if path in PAGE}
    named = set(re.findall(r"/v1/[a-z-]+", "".join(text for text, _ in EXAMPLES)))
    described = {one for one in client.get("/openapi.json").json()["paths"] if "{" not in one}
    assert described <= named | shown | {"/events", "/metrics", "/healthz"}


@pytest.mark.parametrize(("commands", "shown"), EXAMPLES, ids=lambda text: text[:60].strip())
def test_an_example_is_answered_as_shown(client, commands, shown):
    answered = set()
    for command in commands.splitlines():
        address = shlex.split(command)[-1]
        assert address.startswith(ADDRESS)
        # The small market has no thin asset.
        answer = client.get(address.removeprefix(ADDRESS).replace("THIN", "BTC"))
        assert answer.status_code in (200, 404), answer.text
        assert (answer.status_code == 404) == ("BTCC" in address)
        answered |= keys(answer.json())
    if shown:
        # Rows of a market that was simulated apart: the figures differ, the names do not.
        assert keys(json.loads(shown)) <= answered


def test_the_program_shown_reads_a_map(client):
    (program,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    names = {}
    exec(program.replace(ADDRESS, str(client.base_url).rstrip("/")), names)  # noqa: S102
    assert names["table"].num_rows > 1000


def test_limits_are_those_of_the_server():
    from web.publications import READERS
    from web.rate_limit import RATES

    rate = next(one for one in RATES if one.prefix == "/v1/")
    assert f"{rate.burst} requests at once and {rate.per_second:g} a second" in PAGE
    assert READERS == 2
