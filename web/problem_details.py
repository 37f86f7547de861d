"""Problems as the API answers them (RFC 9457), each with what to do next.

Belongs here: the exception that any route raises, the nearest right word, and how errors of the
pipeline are worded over HTTP. Does not belong here: deciding what is wrong.
"""

import difflib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from warehouse.errors import NotPublished, PublishedFileDamaged, QueryOverLimit, WarehouseError

MEDIA_TYPE = "application/problem+json"

FIRST_PUBLICATION = "run `liqheat demo` to try it, or `liqheat run`; this server notices by itself"

# Names listed in a problem; more help nobody.
_MOST_LISTED = 60

# Ratio of difflib below which a name is not near: at 0.5, NOPE is near DOGE.
_LEAST_LIKENESS = 0.6


@dataclass(slots=True, eq=False)
class Refusal(Exception):
    """A request that is not answered as it was sent.

    Parameters
    ----------
    status : int
        HTTP status.
    title : str
        The kind of problem, the same for all of its kind.
    detail : str
        What is wrong with this request.
    next_step : str
        What to do about it.
    members : mapping, optional
        Further members of the problem, such as ``parameter``, ``nearest`` and ``known``.
    headers : mapping, optional
        Headers of the response.
    """

    status: int
    title: str
    detail: str
    next_step: str
    members: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        """Return the problem as a sentence with its next step."""
        return f"{self.detail}; {self.next_step}"

    def body(self) -> dict[str, Any]:
        """Return the members of the problem."""
        return {
            "type": "about:blank",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "next_step": self.next_step,
            **self.members,
        }


def bad_parameter(parameter: str, detail: str, next_step: str) -> Refusal:
    """Return the problem of a parameter whose value cannot be used."""
    return Refusal(422, "Parameter not valid", detail, next_step, {"parameter": parameter})


def invalid_value(error: Mapping[str, Any], next_step: str) -> Refusal:
    """Return the problem of a parameter that its model does not take.

    Parameters
    ----------
    error : mapping
        One of pydantic's errors: ``loc``, ``msg`` and ``input``.
    next_step : str
        What to do about it.
    """
    name, message = str(error["loc"][-1]), str(error["msg"])
    sent = str(error.get("input"))[:80]
    return bad_parameter(name, f"{name} {sent!r}: {message[:1].lower()}{message[1:]}", next_step)


def unknown_name(parameter: str, value: str, known: Collection[str], *, what: str) -> Refusal:
    """Return the problem of a name that does not exist, with the nearest that does.

    Parameters
    ----------
    parameter : str
        The parameter that holds the name.
    value : str
        The name.
    known : collection of str
        Names that exist.
    what : str
        What the name is of, with its article: ``a published asset``.
    """
    names = sorted(known)
    by_folded = {name.casefold(): name for name in names}
    near = difflib.get_close_matches(value.casefold(), by_folded, n=1, cutoff=_LEAST_LIKENESS)
    nearest = by_folded[near[0]] if near else None
    listed = ", ".join(names[:_MOST_LISTED]) + (", ..." if len(names) > _MOST_LISTED else "")
    hint = f"did you mean {nearest}? " if nearest else ""
    return Refusal(
        404 if parameter in ("asset", "provider", "venue", "compare") else 422,
        "Unknown name",
        f"{parameter} {value[:80]!r} is not {what}",
        f"{hint}there are: {listed or 'none'}",
        {"parameter": parameter, "nearest": nearest, "known": names[:_MOST_LISTED]},
    )


def busy(detail: str, seconds: int) -> Refusal:
    """Return the problem of a server that has no room for an answer for some seconds."""
    return Refusal(
        503,
        "Busy",
        detail,
        "send the request again later, or ask for less",
        headers={"Retry-After": str(seconds)},
    )


def unpublished() -> Refusal:
    """Return the problem of a home in which nothing is published yet."""
    return Refusal(
        503,
        "Nothing published",
        "nothing is published yet",
        FIRST_PUBLICATION,
        headers={"Retry-After": "5"},
    )


def of_error(error: WarehouseError) -> Refusal:
    """Return the problem that an error of the published file is over HTTP."""
    if isinstance(error, NotPublished):
        return unpublished()
    if isinstance(error, PublishedFileDamaged):
        return Refusal(
            503,
            "Published file damaged",
            "the published file cannot be read",
            "run `liqheat publish`, which rebuilds it",
            headers={"Retry-After": "5"},
        )
    if isinstance(error, QueryOverLimit):
        return Refusal(
            422,
            "Answer too large",
            "this answer needs more memory or time than one request may use",
            "ask for fewer hours (days, from, to) or fewer rows (limit)",
        )
    return Refusal(
        500,
        "Query failed",
        "the published file does not answer this query",
        "it may be of an older release: run `liqheat publish`",
    )
