"""Published Parquet as files: the list with rows and checksums, and the files themselves.

Belongs here: finding and sending what is below ``published/parquet``, and nothing else of the disk.
Does not belong here: writing it (``warehouse.publication``).
"""

import asyncio
import hashlib
import json
import os
import re
import stat
import threading
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any

import pyarrow as pa
import pyarrow.parquet as pq
from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from warehouse.contracts import public_relations
from web.answers import (
    Envelope,
    MediaType,
    choose_media,
    cursor_text,
    headers_of,
    instant_text,
    is_known_tag,
    page_of_rows,
    rows_key,
    tag_of,
)
from web.api.descriptions import list_responses
from web.delivery import OpenFileResponse
from web.problem_details import Refusal, bad_parameter, unknown_name
from web.view import LINK_PARAMETERS, CurrentPublications, check_parameters

router = APIRouter(prefix="/v1", tags=["api"])

_NAME = "data.parquet"
_DAY = re.compile(r"day=(\d{4}-\d{2}-\d{2})")
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")

_KNOWN_PARAMETERS = LINK_PARAMETERS | {"relation", "limit", "cursor", "format"}

_COLUMNS = {
    "path": {"type": "string", "description": "`/v1/files/<path>` sends the file."},
    "relation": {"type": "string", "description": "The mart."},
    "day": {"type": "string", "format": "date", "description": "UTC day of its rows."},
    "rows": {"type": "integer", "description": "Rows."},
    "bytes": {"type": "integer", "description": "Size, bytes."},
    "sha256": {"type": "string", "description": "SHA-256 of its bytes."},
    "modified_at": {"type": "string", "format": "date-time", "description": "When it was written."},
}

_MOST_FILES = 1_000
_DEFAULT_FILES = 200


@dataclass(frozen=True, slots=True)
class PublishedFile:
    """One Parquet file, as it is listed.

    Parameters
    ----------
    path : str
        Below the folder of Parquet; ``/v1/files/<path>`` sends it.
    relation : str
        The mart.
    day : date
        UTC day of its rows.
    rows : int
        Rows.
    size : int
        Bytes.
    sha256 : str
        Of its bytes.
    modified_at : datetime
        When it was written.
    """

    path: str
    relation: str
    day: date
    rows: int
    size: int
    sha256: str
    modified_at: datetime

    def as_row(self) -> dict[str, Any]:
        """Return the file as a row of the list."""
        return {
            "path": self.path,
            "relation": self.relation,
            "day": self.day.isoformat(),
            "rows": self.rows,
            "bytes": self.size,
            "sha256": self.sha256,
            "modified_at": instant_text(self.modified_at),
        }


class ParquetFolder:
    """The folder of published Parquet; what is known of a file holds until it is written again.

    Parameters
    ----------
    root : Path
        The folder.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._known: dict[str, tuple[tuple[int, int, int], PublishedFile]] = {}
        self._lock = threading.Lock()

    def paths(self, relation: str | None, first: date | None, last: date | None) -> list[str]:
        """Return the paths of files, newest day first; of one relation and some days if given."""
        found = []
        for folder in self._root.iterdir() if self._root.is_dir() else ():
            if folder.is_symlink() or not folder.is_dir() or relation not in (None, folder.name):
                continue
            for day_folder in folder.iterdir():
                day = _day_of(day_folder.name)
                is_wanted = day is not None and (first or day) <= day <= (last or day)
                if is_wanted and (day_folder / _NAME).is_file():
                    found.append((day_folder.name, folder.name))
        found.sort(key=lambda one: one[1])
        found.sort(key=lambda one: one[0], reverse=True)
        return [f"{name}/{day}/{_NAME}" for day, name in found]

    def describe(self, path: str) -> PublishedFile | None:
        """Return what is known of a file; None where it is gone."""
        try:
            descriptor = self.open(path)
        except FileNotFoundError:
            return None
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(file.fileno())
            version = (status.st_ino, status.st_size, status.st_mtime_ns)
            with self._lock:
                known = self._known.get(path)
            if known is not None and known[0] == version:
                return known[1]
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            file.seek(0)
            try:
                rows = pq.ParquetFile(file).metadata.num_rows
            except pa.ArrowException:
                return None
        relation, day, _ = path.split("/")
        found = PublishedFile(
            path=path,
            relation=f"marts.{relation}",
            day=date.fromisoformat(day.removeprefix("day=")),
            rows=rows,
            size=status.st_size,
            sha256=digest,
            modified_at=datetime.fromtimestamp(status.st_mtime, UTC),
        )
        with self._lock:
            self._known[path] = version, found
        return found

    def open(self, path: str) -> int:
        """Return a descriptor of a file, opened for reading.

        Each part of the path is opened below the part before it and is never a link, so that no
        path leads out of the folder.

        Raises
        ------
        FileNotFoundError
            There is no such file.
        """
        relation, _, rest = path.partition("/")
        day, _, name = rest.partition("/")
        if not re.fullmatch(r"[a-z0-9_]+", relation) or _day_of(day) is None or name != _NAME:
            raise FileNotFoundError(path)
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
        opened: list[int] = []
        try:
            opened.append(os.open(self._root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
            for part in (relation, day):
                opened.append(os.open(part, flags | os.O_DIRECTORY, dir_fd=opened[-1]))
            file = os.open(name, flags | os.O_NONBLOCK, dir_fd=opened[-1])
        except OSError as exc:
            raise FileNotFoundError(path) from exc
        finally:
            for descriptor in opened:
                os.close(descriptor)
        if not stat.S_ISREG(os.fstat(file).st_mode):
            os.close(file)
            raise FileNotFoundError(path)
        return file


def _day_of(name: str) -> date | None:
    match = _DAY.fullmatch(name)
    if match is None:
        return None
    with suppress(ValueError):
        return date.fromisoformat(match[1])
    return None


def _sent_day(parameter: str, text: str | None) -> date | None:
    if text is None:
        return None
    try:
        return date.fromisoformat(text[:10])
    except ValueError:
        raise bad_parameter(
            parameter, f"{parameter} {text[:40]!r} is not a day", "write it as 2026-01-15"
        ) from None


class FilesQuery(BaseModel):
    """The parameters of the list; all are optional."""

    model_config = ConfigDict(frozen=True, populate_by_name=True)

    relation: str | None = Field(
        None, description="Only files of this mart, `liquidation_heatmap_hourly`."
    )
    from_: str | None = Field(None, alias="from", description="First UTC day.")
    to: str | None = Field(None, description="Last UTC day.")
    limit: int | None = Field(
        None, ge=1, description="Files of one response: 200 by default and at most 1,000."
    )
    cursor: str | None = Field(
        None, description="`next` of the response before, for the files after it."
    )
    form: str | None = Field(None, alias="format", description="`json` alone.")


@router.get(
    "/files",
    summary="Published Parquet: path, rows, bytes, sha256",
    operation_id="files",
    responses=list_responses({"type": "object", "properties": _COLUMNS}, {}),
    response_class=Response,
)
async def list_files(
    request: Request,
    publications: CurrentPublications,
    query: Annotated[FilesQuery, Query()],
) -> Response:
    """List the published Parquet files, newest day first.

    They hold the whole history of marts by hour, not only the window of the other endpoints.
    """
    check_parameters(request.query_params.multi_items(), _KNOWN_PARAMETERS)
    media = choose_media(query.form, request.headers.get("accept", ""), (MediaType.json,))
    folder: ParquetFolder = request.app.state.parquet
    relation = query.relation
    if relation is not None:
        relation = relation.removeprefix("marts.")
        known = [one.name.partition(".")[2] for one in public_relations()]
        if relation not in known:
            raise unknown_name("relation", relation, known, what="a published relation")
    catalogue, now = publications.catalogue, datetime.now(UTC)
    key = rows_key(catalogue.publication_id, request.url.path, request.query_params.multi_items())
    page = page_of_rows(query.limit or _DEFAULT_FILES, query.cursor, key, media, _MOST_FILES)
    first, last = _sent_day("from", query.from_), _sent_day("to", query.to)

    def read() -> tuple[list[dict[str, Any]], bool]:
        paths = folder.paths(relation, first, last)
        wanted = paths[page.first_row : page.first_row + page.row_count]
        found = [one.as_row() for path in wanted if (one := folder.describe(path)) is not None]
        return found, len(paths) > page.first_row + page.row_count

    rows, has_next = await asyncio.to_thread(read)
    following = None
    if has_next:
        following = cursor_text(key, page.first_row + page.row_count)
    is_stale = catalogue.is_stale(now)
    # Files change before the link of the published file moves: the tag is of what is listed.
    listed = json.dumps([following, rows])
    tag = tag_of(catalogue.publication_id, request.url.path, listed, f"stale: {is_stale}")
    headers = {"ETag": tag, "Cache-Control": "private, no-cache", "Vary": "Accept"}
    if is_known_tag(tag, request.headers.get("if-none-match")):
        return Response(status_code=304, headers=headers)
    envelope = Envelope(catalogue.publication_id, catalogue.newest_at, None, None, None, {})
    members = envelope.members(now, is_stale=is_stale, next_page=following)
    return JSONResponse({**members, "data": rows}, headers={**headers, **headers_of(members)})


@router.head("/files/{path:path}", include_in_schema=False, response_class=Response)
@router.get(
    "/files/{path:path}",
    summary="One published Parquet file",
    response_class=Response,
    responses={200: {"content": {"application/vnd.apache.parquet": {}}}},
    operation_id="file",
)
async def send_file(request: Request, path: str) -> Response:
    """Send a file of the list, or the part of it that `Range` names: DuckDB reads it by address."""
    folder: ParquetFolder = request.app.state.parquet
    try:
        descriptor = await asyncio.to_thread(folder.open, path)
    except FileNotFoundError:
        raise Refusal(
            404, "No such file", "no such file is published", "/v1/files lists what there is"
        ) from None
    status = os.fstat(descriptor)
    tag = f'"{status.st_ino:x}-{status.st_size:x}-{status.st_mtime_ns:x}"'
    headers = {
        "ETag": tag,
        "Cache-Control": "private, no-cache",
        "Accept-Ranges": "bytes",
        "Content-Disposition": f'attachment; filename="{path.replace("/", "-")}"',
    }
    if is_known_tag(tag, request.headers.get("if-none-match")):
        os.close(descriptor)
        return Response(status_code=304, headers=headers)
    first, last, is_part = 0, status.st_size - 1, False
    sent = request.headers.get("range")
    if sent is not None and request.headers.get("if-range", tag) == tag:
        try:
            first, last = _part(sent, status.st_size)
        except ValueError:
            os.close(descriptor)
            raise Refusal(
                416,
                "Range not satisfiable",
                f"this file has {status.st_size:,} bytes",
                "ask for one range within them",
                headers={"Content-Range": f"bytes */{status.st_size}"},
            ) from None
        is_part = True
        headers["Content-Range"] = f"bytes {first}-{last}/{status.st_size}"
    return OpenFileResponse(
        descriptor,
        first,
        last - first + 1,
        status_code=206 if is_part else 200,
        media_type="application/vnd.apache.parquet",
        headers=headers,
    )


def _part(sent: str, size: int) -> tuple[int, int]:
    """Return the first and last byte of a Range header."""
    match = _RANGE.fullmatch(sent.strip())
    if match is None or not (match[1] or match[2]) or size == 0:
        raise ValueError(sent)
    if not match[1]:
        first, last = max(size - int(match[2]), 0), size - 1
    else:
        first, last = int(match[1]), min(int(match[2] or size - 1), size - 1)
    if first > last:
        raise ValueError(sent)
    return first, last
