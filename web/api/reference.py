"""The page that lists the API: written from its own description, without a script from elsewhere.

Belongs here: turning OpenAPI into HTML. Does not belong here: the description
(``web.api.descriptions``).
"""

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from web.page import templates

router = APIRouter(include_in_schema=False)


@router.get("/docs", response_class=HTMLResponse)
async def show_reference(request: Request) -> HTMLResponse:
    """Return the list of endpoints with their parameters and columns."""
    described: dict[str, Any] = request.app.openapi()
    endpoints = [
        {
            "path": path,
            "summary": item["get"].get("summary", ""),
            "description": item["get"].get("description", ""),
            "parameters": [
                {"name": one["name"], "description": one.get("description", "")}
                for one in item["get"].get("parameters", [])
            ],
            "columns": _columns(item["get"]),
        }
        for path, item in described["paths"].items()
        if "get" in item
    ]
    page, info = templates().get_template("reference.html"), described["info"]
    text = page.render(title=info["title"], about=info["description"], endpoints=endpoints)
    return HTMLResponse(text, headers={"Cache-Control": "no-cache"})


def _columns(operation: dict[str, Any]) -> list[dict[str, str]]:
    """Return the columns of an endpoint of rows; none of others."""
    content = operation["responses"].get("200", {}).get("content", {})
    members = content.get("application/json", {}).get("schema", {}).get("properties", {})
    rows = members.get("data", {}).get("items", {})
    columns = {
        name: one
        for row in rows.get("anyOf", [rows])
        for name, one in row.get("properties", {}).items()
    }
    return [{"name": name, "description": one["description"]} for name, one in columns.items()]
