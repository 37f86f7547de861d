"""Downloads of archive files: complete, verified, retried, and each only once.

Belongs here: one file from its address to the disk. Does not belong here: which files are needed.
"""

import asyncio
import hashlib
import io
import logging
import os
import random
import re
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from sources.archives.binance import ArchiveFile
from sources.errors import ProviderRejected, SourceError, VenueRejected
from sources.http_exchange import HttpRequest, exchange, open_session
from sources.venues.pacer import Pacer, RequestPolicy

if TYPE_CHECKING:
    import aiohttp

logger = logging.getLogger(__name__)

# A month of five-minute bars is a third of a megabyte, and unzips to a megabyte.
LARGEST_FILE_BYTES = 32 * 2**20
LARGEST_UNZIPPED_BYTES = 256 * 2**20
DEFAULT_POLICY = RequestPolicy(attempts=5, longest_delay_seconds=30.0, concurrency=6)
_CHECKSUM = re.compile(r"\s*([0-9a-fA-F]{64})\b")
_NOT_FOUND = 404


@dataclass(frozen=True, slots=True)
class FetchedFile:
    """The result of one download.

    Parameters
    ----------
    file : ArchiveFile
        The file.
    status : {'here', 'absent', 'failed'}
        On the disk and verified; not published; or not available now.
    path : Path or None
        Its place on the disk.
    sha256 : str or None
        Of its content.
    message : str or None
        The error.
    """

    file: ArchiveFile
    status: Literal["here", "absent", "failed"]
    path: Path | None = None
    sha256: str | None = None
    message: str | None = None


class ArchiveClient:
    """Downloads files of one archive; use as ``async with``.

    Parameters
    ----------
    base_url : str
        Address of the archive.
    folder : Path
        Files are written here, under their path in the archive.
    kept : Path
        Files that are here already are not downloaded.
    rng : random.Random
        For the jitter between retries.
    policy : RequestPolicy
        Retries and concurrency.
    proxy : str or None
        For all connections.
    timeout_seconds : float
        For one request.
    """

    def __init__(
        self,
        base_url: str,
        folder: Path,
        kept: Path,
        *,
        rng: random.Random,
        policy: RequestPolicy = DEFAULT_POLICY,
        proxy: str | None = None,
        timeout_seconds: float = 60.0,
    ) -> None:
        self._base_url = base_url.rstrip("/")
        self._folders = (folder, kept)
        self._opening = open_session(proxy)
        self._timeout_seconds = timeout_seconds
        self._pacer = Pacer("the archive", policy, {}, rng)

    async def __aenter__(self) -> Self:
        """Open the connections; nothing is downloaded yet."""
        self._session: aiohttp.ClientSession = await self._opening.__aenter__()
        return self

    async def __aexit__(self, *error: Any) -> None:  # noqa: ANN401  (passed on)
        """Close the connections."""
        await self._opening.__aexit__(*error)

    async def fetch_all(
        self, files: Sequence[ArchiveFile], on_file: Callable[[FetchedFile], None]
    ) -> list[FetchedFile]:
        """Return the result of each file, in order; a failure does not stop the others."""

        async def one(file: ArchiveFile) -> FetchedFile:
            fetched = await self._fetch(file)
            on_file(fetched)
            return fetched

        return list(await asyncio.gather(*(one(file) for file in files)))

    def find(self, file: ArchiveFile) -> FetchedFile | None:
        """Return the file where it is on the disk already."""
        for folder in self._folders:
            path = folder / file.path
            if path.is_file():
                return FetchedFile(
                    file, "here", path, hashlib.sha256(path.read_bytes()).hexdigest()
                )
        return None

    async def _fetch(self, file: ArchiveFile) -> FetchedFile:
        found = self.find(file)
        if found is not None:
            return found
        try:
            body = await self._get_verified(file.path)
        except SourceError as exc:
            return FetchedFile(file, "failed", message=str(exc))
        if body is None:
            return FetchedFile(file, "absent")
        path = self._folders[0] / file.path
        _write_whole(path, body)
        return FetchedFile(file, "here", path, hashlib.sha256(body).hexdigest())

    async def _get_verified(self, path: str) -> bytes | None:
        """Return a file's content, None where it is not published.

        Raises
        ------
        ProviderUnavailable
            It is not available now.
        VenueRejected
            Its checksum was wrong twice, or it is no usable zip.
        """
        for _ in range(2):
            body = await self._get(path)
            if body is None:
                return None
            checksum = await self._get(f"{path}.CHECKSUM")
            found = _CHECKSUM.match((checksum or b"").decode("ascii", "replace"))
            if found is None:
                raise VenueRejected(f"{path}: no checksum is published beside it; nothing was kept")
            digest, published = hashlib.sha256(body).hexdigest(), found[1].lower()
            if digest == published:
                _check_zip(path, body)
                return body
            logger.info("%s: SHA-256 is %s, published is %s", path, digest, published)
        raise VenueRejected(
            f"{path}: wrong checksum, twice (SHA-256 is {digest[:12]}..., published is "
            f"{published[:12]}...); nothing was kept, the next run downloads it again"
        )

    async def _get(self, path: str) -> bytes | None:
        """Return the content at a path; None where there is none."""
        request = HttpRequest(
            "GET",
            f"{self._base_url}/{path}",
            self._timeout_seconds,
            largest_bytes=LARGEST_FILE_BYTES,
        )

        async def download() -> object:
            try:
                return await exchange(self._session, "archive", request)
            except ProviderRejected as exc:
                if exc.status == _NOT_FOUND:
                    return None
                raise

        body = await self._pacer.call(download, path)
        return body if isinstance(body, bytes) else None


def _check_zip(path: str, body: bytes) -> None:
    """Refuse what is no zip, or would unzip to more than a file of the archive ever does.

    The reader stops at the declared size, so that is the most it unzips to.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            unzipped = sum(one.file_size for one in archive.infolist())
    except zipfile.BadZipFile as exc:
        raise VenueRejected(f"{path}: no zip, though its checksum is right ({exc})") from exc
    if unzipped > LARGEST_UNZIPPED_BYTES:
        raise VenueRejected(
            f"{path}: {len(body):,} bytes would unzip to {unzipped:,}, more than the "
            f"{LARGEST_UNZIPPED_BYTES:,} a file of the archive may; nothing was kept"
        )


def _write_whole(path: Path, body: bytes) -> None:
    """Write a file that is there completely or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.writing")
    with temporary.open("wb") as file:
        file.write(body)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
