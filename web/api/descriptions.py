"""What OpenAPI says of an endpoint, from the contract of its columns.

Belongs here: schemas and words made of contracts. Does not belong here: parameters, which their
declarations describe (``web.view``).
"""

from collections.abc import Mapping
from typing import Any

from warehouse.contracts import Column
from web.answers import MediaType
from web.api.resources import RESOURCES, Resource

Responses = dict[int | str, dict[str, Any]]
"""Responses by status, as FastAPI takes them."""

_PROBLEM = {
    "type": "object",
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string", "description": "The kind of problem."},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What is wrong with this request."},
        "next_step": {"type": "string", "description": "What to do about it."},
        "parameter": {"type": "string", "description": "The parameter it is about."},
        "nearest": {"type": ["string", "null"], "description": "The nearest name that exists."},
        "known": {"type": "array", "items": {"type": "string"}, "description": "Names there are."},
    },
    "required": ["type", "title", "status", "detail", "next_step"],
}

_TEXT = {"type": ["string", "null"]}

_ENVELOPE = {
    "as_of": {
        **_TEXT,
        "format": "date-time",
        "description": "Hour of the answer, UTC: the newest published hour that is not later than "
        "the one requested.",
    },
    "age_seconds": {
        "type": ["integer", "null"],
        "description": "From as_of to this response, seconds.",
    },
    "is_stale": {
        "type": "boolean",
        "description": "Whether the newest published hour of the map, or of the asset for rows of "
        "no map, is older than a running schedule leaves it: two and a half hours.",
    },
    "coverage": {
        "type": ["number", "null"],
        "description": "Share of the 24 hours to as_of that bars and open interest cover, the "
        "smaller of the two; of all venues, the mean weighted by open interest.",
    },
    "grade": {
        **_TEXT,
        "description": "Grade of the asset at as_of. A: all gates hold; B: flagged; C: not fit to "
        "act on.",
    },
    "params_hash": {
        **_TEXT,
        "description": "Hash of the parameters that made the map at as_of.",
    },
    "publication": {"type": "string", "description": "Identity of the publication."},
    "next": {
        **_TEXT,
        "description": "Cursor of the rows that follow; null after the last.",
    },
}

_SUBJECT = {
    "asset": "Asset of every row.",
    "provider": "Provider of every row.",
    "venue": "Venue of every row.",
    "unit": "Unit of the amounts of the map: usd, or relative where it has no scale.",
    "semantics": "What the map counts: standing, opened, realised, or expected_realised.",
}

_CONSENSUS = next(one for one in RESOURCES if one.name == "consensus")

_JSON_TYPES = {
    "VARCHAR": {"type": "string"},
    "DOUBLE": {"type": "number", "format": "double"},
    "FLOAT": {"type": "number", "format": "float"},
    "INTEGER": {"type": "integer", "format": "int32"},
    "BIGINT": {"type": "integer", "format": "int64"},
    "BOOLEAN": {"type": "boolean"},
    "DATE": {"type": "string", "format": "date"},
    "TIMESTAMP WITH TIME ZONE": {"type": "string", "format": "date-time"},
}


def describe(resource: Resource) -> str:
    """Return the description of an endpoint: its grain, its hours, how to page."""
    grain = [name for name in resource.contract.grain if name not in resource.left_out]
    text = f"One row for each {', '.join(grain)}; `{resource.relation}`, newest first."
    if resource.scope != "home":
        hour = "the newest midnight" if resource.is_daily else "one hour, `as_of`"
        text += f" Without `days`, `from` or `to`: {hour}."
    unused = resource.parameters_without_effect
    if unused:
        text += f" Without effect here: {', '.join(f'`{name}`' for name in unused)}."
    if resource.name == "map":
        text += (
            " With provider `consensus` the rows are those of /v1/consensus. As "
            "`application/vnd.liqheat.grid` it is what the page draws, seven days by default."
        )
    return text


def responses(resource: Resource) -> Responses:
    """Return the responses of an endpoint as OpenAPI has them."""
    row = _row_schema(resource)
    names = {} if resource.scope == "home" else {"asset": _SUBJECT["asset"]}
    if resource.name == "map":
        row = {"anyOf": [row, _row_schema(_CONSENSUS)]}
    answers = list_responses(row, _SUBJECT if resource.scope == "map" else names)
    table = {
        "schema": {
            "type": "string",
            "format": "binary",
            "description": "The same rows; headers X-Liqheat-* hold the envelope, for Arrow also "
            "the metadata of its schema.",
        }
    }
    content = answers[200]["content"]
    content |= {MediaType.csv.value: table, MediaType.arrow.value: table}
    if resource.name == "map":
        content[MediaType.grid.value] = {"schema": {"type": "string", "format": "binary"}}
    return answers


def list_responses(row: Mapping[str, Any], subject: Mapping[str, str]) -> Responses:
    """Return the responses of an endpoint that lists something as JSON.

    Parameters
    ----------
    row : mapping
        Schema of one entry.
    subject : mapping of str to str
        Further members of the envelope, with their descriptions.
    """
    members: dict[str, Any] = {
        **_ENVELOPE,
        **{name: {"type": "string", "description": text} for name, text in subject.items()},
        "data": {"type": "array", "items": row},
    }
    schema = {"type": "object", "properties": members, "required": [*_ENVELOPE, "data"]}
    content: dict[str, Any] = {MediaType.json.value: {"schema": schema}}
    problem = {"application/problem+json": {"schema": _PROBLEM}}
    return {
        200: {"description": "The rows.", "content": content},
        304: {"description": "The client has them: its If-None-Match is the tag of this answer."},
        **{
            status: {"description": text, "content": problem}
            for status, text in {
                404: "Nothing of that name, or nothing in that window, is published.",
                406: "None of the media types that Accept lists is offered.",
                410: "The cursor is of an earlier publication.",
                422: "A parameter cannot be used, or the answer would be too large.",
                429: "Too many requests from this client.",
                503: "Nothing is published yet, or all readers are busy.",
            }.items()
        },
    }


def _row_schema(resource: Resource) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {column.name: column_schema(column) for column in resource.columns},
    }


def column_schema(column: Column) -> dict[str, Any]:
    """Return a column as a JSON schema, with its unit and how its numbers are aggregated."""
    kind, is_list = column.type.removesuffix("[]"), column.type.endswith("[]")
    value = dict(_JSON_TYPES.get(kind, {"type": "object"}))
    schema: dict[str, Any] = {"type": "array", "items": value} if is_list else value
    if column.is_nullable:
        schema["type"] = [schema["type"], "null"]
    if column.measure:
        schema["x-measure"] = column.measure.name
    return {**schema, "description": column.comment}
