"""Fetching archive files: whole, verified, paced, and no more than once.

Belongs here: one file from its address to the disk. Does not belong here: which files are wanted.
"""

import asyncio
import hashlib
import io
import logging
import os
import random
import re
import time
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Literal, Self

from sources.archives.binance import ArchiveFile
from sources.errors import ProviderRejected, ProviderUnavailable, VenueRejected, VenueUnavailable
from sources.http_exchange import HttpRequest, exchange, open_session
from sources.venues.pacer import Pacer, Patience, Sleep

if TYPE_CHECKING:
    import aiohttp

logger = logging.getLogger(__name__)

# A month of five-minute bars is a third of a megabyte, and unfolds to a megabyte.
LARGEST_FILE_BYTES = 32 * 2**20
LARGEST_UNFOLDED_BYTES = 256 * 2**20
DEFAULT_PATIENCE = Patience(attempts=5, longest_delay_seconds=30.0, concurrency=6)
_CHECKSUM = re.compile(r"\s*([0-9a-fA-F]{64})\b")
_NOT_FOUND = 404


@dataclass(frozen=True, slots=True)
class Fetched:
    """What became of one file.

    Parameters
    ----------
    file : ArchiveFile
        Which.
    status : {'here', 'absent', 'failed'}
        On the disk and verified; not published; or not to be had now.
    path : Path or None
        Where it is.
    sha256 : str or None
        Of its content.
    message : str or None
        What went wrong.
    """

    file: ArchiveFile
    status: Literal["here", "absent", "failed"]
    path: Path | None = None
    sha256: str | None = None
    message: str | None = None


class ArchiveClient:
    """Fetches files of one archive; use as ``async with``.

    Parameters
    ----------
    base_url : str
        Where the archive is.
    folder : Path
        Files land here, under their path in the archive.
    kept : Path
        Files that are here already are not fetched.
    patience : Patience
        How many at once, and how stubbornly.
    rng : random.Random
        For the jitter between tries.
    proxy : str or None
        For all connections.
    timeout_seconds : float
        For one request.
    sleep, monotonic : Callable
        Waiting, and a clock that only measures durations [seconds].
    """

    def __init__(
        self,
        base_url: str,
        folder: Path,
        kept: Path,
        *,
        rng: random.Random,
        patience: Patience = DEFAULT_PATIENCE,
        proxy: str | None = None,
        timeout_seconds: float = 60.0,
        sleep: Sleep = asyncio.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._base_url = base_url.rstrip("/")
        self._folders = (folder, kept)
        self._opening = open_session(proxy)
        self._timeout_seconds = timeout_seconds
        self._pacer = Pacer("the archive", patience, {}, rng, sleep, monotonic)

    async def __aenter__(self) -> Self:
        """Open the connections; nothing is fetched yet."""
        self._session: aiohttp.ClientSession = await self._opening.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the connections."""
        await self._opening.__aexit__(kind, error, traceback)

    async def fetch_all(
        self, files: Sequence[ArchiveFile], on_file: Callable[[Fetched], None]
    ) -> list[Fetched]:
        """Return what became of each file, in order; no failure stops the others."""

        async def one(file: ArchiveFile) -> Fetched:
            fetched = await self._fetch(file)
            on_file(fetched)
            return fetched

        return list(await asyncio.gather(*(one(file) for file in files)))

    def find(self, file: ArchiveFile) -> Fetched | None:
        """Return the file where it is on the disk already."""
        for folder in self._folders:
            path = folder / file.path
            if path.is_file():
                return Fetched(file, "here", path, hashlib.sha256(path.read_bytes()).hexdigest())
        return None

    async def _fetch(self, file: ArchiveFile) -> Fetched:
        found = self.find(file)
        if found is not None:
            return found
        try:
            body = await self._get_verified(file.path)
        except (VenueUnavailable, VenueRejected) as exc:
            return Fetched(file, "failed", message=str(exc))
        if body is None:
            return Fetched(file, "absent")
        path = self._folders[0] / file.path
        _write_whole(path, body)
        return Fetched(file, "here", path, hashlib.sha256(body).hexdigest())

    async def _get_verified(self, path: str) -> bytes | None:
        """Return a file's content, None where it is not published.

        Raises
        ------
        VenueUnavailable
            It cannot be had now.
        VenueRejected
            Twice it did not fit its checksum, or it is no usable zip.
        """
        for _ in range(2):
            body = await self._get(path)
            if body is None:
                return None
            said = await self._get(f"{path}.CHECKSUM")
            found = _CHECKSUM.match((said or b"").decode("ascii", "replace"))
            if found is None:
                raise VenueRejected(
                    f"{path}: no checksum is published beside it; nothing was taken"
                )
            digest, published = hashlib.sha256(body).hexdigest(), found[1].lower()
            if digest == published:
                _check_zip(path, body)
                return body
            logger.info("%s: SHA-256 is %s, published is %s", path, digest, published)
        raise VenueRejected(
            f"{path}: wrong checksum, twice (SHA-256 is {digest[:12]}..., published is "
            f"{published[:12]}...); nothing of it was taken, the next run fetches it again"
        )

    async def _get(self, path: str) -> bytes | None:
        """Return what lies at a path; None where nothing does."""

        async def ask() -> object:
            try:
                return await exchange(
                    self._session,
                    "archive",
                    HttpRequest(
                        "GET",
                        f"{self._base_url}/{path}",
                        self._timeout_seconds,
                        largest_bytes=LARGEST_FILE_BYTES,
                    ),
                )
            except ProviderRejected as exc:
                if exc.status == _NOT_FOUND:
                    return None
                raise

        answer = await self._pacer.call(
            ask, path, _explain, (ProviderUnavailable, ProviderRejected)
        )
        return answer if isinstance(answer, bytes) else None


def _explain(exc: BaseException) -> VenueUnavailable | VenueRejected:
    if isinstance(exc, ProviderUnavailable):
        return VenueUnavailable(str(exc), exc.retry_after_seconds)
    return VenueRejected(str(exc))


def _check_zip(path: str, body: bytes) -> None:
    """Refuse what is no zip, or would unfold to more than a file of the archive ever does.

    What a zip declares is what is unfolded at most: the reader stops there.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            unfolded = sum(one.file_size for one in archive.infolist())
    except zipfile.BadZipFile as exc:
        raise VenueRejected(f"{path}: no zip, though its checksum fits ({exc})") from exc
    if unfolded > LARGEST_UNFOLDED_BYTES:
        raise VenueRejected(
            f"{path}: {len(body):,} bytes would unfold to {unfolded:,}, more than the "
            f"{LARGEST_UNFOLDED_BYTES:,} a file of the archive may; nothing of it was taken"
        )


def _write_whole(path: Path, body: bytes) -> None:
    """Write a file so that it is there whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.writing")
    with temporary.open("wb") as file:
        file.write(body)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
