"""The shared landing: a bucket or folder where landing files wait between collectors and a writer.

Belongs here: files that appear there whole, listing and removing them, its errors in our words.
Does not belong here: which files are sent (`jobs.collect.send_landing`) and received
(`jobs.collect.receive_landing`).

A file has the name that it has in the landing folder of its collector, ``<kind>/<name>.parquet``.
"""

import hashlib
import os
import re
import socket
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar

import pyarrow as pa
from pyarrow.fs import FileSelector, S3FileSystem

from jobs.errors import SharedLandingFailed
from jobs.processes import is_running
from jobs.settings import Settings, read_object_store
from warehouse.address import BUCKET, ObjectStore
from warehouse.durable_files import move_into_place

_WRITING = ".writing"
# A file is written in seconds.
_LONGEST_WRITING_SECONDS = 86_400.0
_CONNECT_SECONDS = 5.0
# A round sends some hundred small files, each a request of some 30 ms.
_CONCURRENCY = 8

Item = TypeVar("Item")
Result = TypeVar("Result")

# What a message of object storage means, and what to do; the first whose signs are found.
_KNOWN = (
    ("NO_SUCH_BUCKET|NoSuchBucket", "there is no such bucket", "create it, or correct {variable}"),
    (
        r"ACCESS_DENIED|SIGNATURE_DOES_NOT_MATCH|INVALID_ACCESS_KEY|INVALID_SIGNATURE|"
        r"(EXPIRED|INVALID)_TOKEN|(Expired|Invalid)Token|AccessDenied|HTTP status 40[13]|"
        r"Permission denied",
        "access is refused",
        "let it be read and written there; for a bucket check AWS_ACCESS_KEY_ID, "
        "AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN (a token may have expired)",
    ),
    ("HTTP status 30|PermanentRedirect", "the bucket is in another region", "correct AWS_REGION"),
    ("No space left|Disk quota", "no room on the disk", "free some"),
    ("Read-only file system", "it cannot be written", "let it be written again"),
)


class SharedLanding(Protocol):
    """A place for landing files that several machines reach; its methods may run in threads.

    Each raises `SharedLandingFailed` where the place cannot be used.
    """

    def list_files(self) -> dict[str, int]:
        """Return the size of each file by its name below the shared landing [bytes]."""

    def write(self, name: str, content: bytes) -> None:
        """Write a file; it appears whole or not at all, and replaces one of its name."""

    def read(self, name: str) -> bytes:
        """Return the content of a file; raise FileNotFoundError where it is gone."""

    def remove(self, name: str) -> None:
        """Remove a file; one that is gone is as good as removed."""


def open_shared_landing(settings: Settings) -> SharedLanding:
    """Return the shared landing of a home, a collector's or a writer's.

    Without a key of object storage pyarrow looks for one as Amazon's own programs do.

    Raises
    ------
    SharedLandingFailed
        The home has none, or the key of object storage has no secret.
    """
    address = settings.send_to or settings.receive_from
    if address is None:
        raise SharedLandingFailed("neither LIQHEAT_SEND_TO nor LIQHEAT_RECEIVE_FROM is set")
    variable = "LIQHEAT_SEND_TO" if settings.send_to else "LIQHEAT_RECEIVE_FROM"
    if not address.startswith(BUCKET):
        return _FolderLanding(Path(address), variable)
    return open_bucket(address, variable)


def open_bucket(address: str, variable: str) -> SharedLanding:
    """Return a place on object storage, with the keys of this process.

    Parameters
    ----------
    address : str
        ``s3://bucket/prefix``.
    variable : str
        The setting that holds it.

    Raises
    ------
    SharedLandingFailed
        The key of object storage has no secret.
    """
    store = read_object_store()
    if store.key_id is not None and store.secret is None:
        raise SharedLandingFailed(
            f"{address}: AWS_ACCESS_KEY_ID is set and AWS_SECRET_ACCESS_KEY is not; set both"
        )
    return _BucketLanding(address, store, variable)


def transfer_each(
    transfer: Callable[[Item], Result], items: Iterable[Item]
) -> tuple[list[Result], SharedLandingFailed | None]:
    """Transfer files, some at once, until the shared landing fails.

    Parameters
    ----------
    transfer : callable
        Transfers one file.
    items : iterable
        The files.

    Returns
    -------
    results : list
        What `transfer` returned for each file before the failure, in any order.
    failure : SharedLandingFailed or None
        Why it stopped.
    """
    results: list[Result] = []
    failures: list[SharedLandingFailed] = []

    def attempt(item: Item) -> None:
        if failures:
            return
        try:
            results.append(transfer(item))
        except SharedLandingFailed as exc:
            failures.append(exc)

    with ThreadPoolExecutor(_CONCURRENCY) as pool:
        list(pool.map(attempt, items))
    return results, failures[0] if failures else None


class _FolderLanding:
    """A shared landing in a folder that several machines mount.

    Parameters
    ----------
    folder : Path
        Where; it has to exist, since a folder that is not mounted must not be filled.
    variable : str
        The setting that names it.
    """

    def __init__(self, folder: Path, variable: str) -> None:
        self._folder, self._variable = folder, variable
        self._translated = partial(_translated, str(folder), variable)

    def list_files(self) -> dict[str, int]:
        """Return the size of each file by name [bytes]."""
        with self._translated():
            self._require_folder()
            found = {}
            for path in sorted(self._folder.glob("*/*")):
                # Another process may have received it meanwhile.
                with suppress(FileNotFoundError):
                    if path.parent.name != _WRITING and path.is_file():
                        found[path.relative_to(self._folder).as_posix()] = path.stat().st_size
            return found

    def write(self, name: str, content: bytes) -> None:
        """Write a file under a temporary name, sync and rename it."""
        with self._translated():
            self._require_folder()
            digest = hashlib.sha256(name.encode()).hexdigest()[:16]
            writing = self._writing_folder() / f"{digest}-{socket.gethostname()}-{os.getpid()}"
            try:
                writing.write_bytes(content)
                move_into_place(writing, self._folder / name)
            finally:
                writing.unlink(missing_ok=True)

    def read(self, name: str) -> bytes:
        """Return the content of a file."""
        with self._translated():
            return (self._folder / name).read_bytes()

    def remove(self, name: str) -> None:
        """Remove a file."""
        with self._translated():
            (self._folder / name).unlink(missing_ok=True)

    def _writing_folder(self) -> Path:
        """Return the folder of temporary files, cleared of those of killed processes.

        Whether a process of another machine runs is not known: a container's name never comes back.
        """
        writing = self._folder / _WRITING
        writing.mkdir(exist_ok=True)
        # By the clock of the storage, as for files in it.
        last_change = writing.stat().st_mtime
        for left in writing.glob("*-*-*"):
            name, _, number = left.name.rpartition("-")
            is_own = name.endswith(f"-{socket.gethostname()}") and number.isdecimal()
            with suppress(FileNotFoundError):
                is_old = last_change - left.stat().st_mtime > _LONGEST_WRITING_SECONDS
                if is_old or (is_own and not is_running(int(number))):
                    left.unlink()
        return writing

    def _require_folder(self) -> None:
        if not self._folder.is_dir():
            raise SharedLandingFailed(
                f"{self._folder}: there is no such folder; mount it, make it, or correct "
                f"{self._variable}"
            )


class _BucketLanding:
    """A shared landing on object storage. Temporary errors are retried by its client, three times.

    Parameters
    ----------
    address : str
        ``s3://bucket/prefix``.
    store : ObjectStore
        How it is reached.
    variable : str
        The setting that holds the address.
    """

    def __init__(self, address: str, store: ObjectStore, variable: str) -> None:
        address = address.rstrip("/")
        self._root = address.removeprefix(BUCKET)
        self._translated = partial(_translated, address, variable)
        with self._translated():
            self._files = S3FileSystem(
                access_key=store.key_id,
                secret_key=store.secret,
                session_token=store.token,
                region=store.region,
                endpoint_override=store.endpoint,
                connect_timeout=_CONNECT_SECONDS,
                # A small file is one request, which stores all of it or nothing.
                allow_delayed_open=True,
            )

    def list_files(self) -> dict[str, int]:
        """Return the size of each object by name [bytes]."""
        with self._translated():
            try:
                found = self._files.get_file_info(FileSelector(self._root, recursive=True))
            except FileNotFoundError:
                # The bucket is there and has no object of this prefix.
                return {}
        return {
            one.path.removeprefix(f"{self._root}/"): one.size
            for one in found
            if one.is_file and one.path.count("/") == self._root.count("/") + 2
        }

    def write(self, name: str, content: bytes) -> None:
        """Write an object; storage keeps it when the last byte has arrived."""
        with self._translated(), self._files.open_output_stream(f"{self._root}/{name}") as stream:
            stream.write(content)

    def read(self, name: str) -> bytes:
        """Return the content of an object."""
        with self._translated(), self._files.open_input_file(f"{self._root}/{name}") as file:
            return bytes(file.readall())

    def remove(self, name: str) -> None:
        """Remove an object."""
        with self._translated(), suppress(FileNotFoundError):
            self._files.delete_file(f"{self._root}/{name}")


@contextmanager
def _translated(place: str, variable: str) -> Iterator[None]:
    """Translate errors of a place; a file that is not there stays FileNotFoundError."""
    try:
        yield
    except FileNotFoundError:
        raise
    except (OSError, pa.ArrowException, ValueError) as exc:
        text = str(exc).splitlines()[0] if str(exc) else type(exc).__name__
        for signs, meaning, step in _KNOWN:
            if re.search(signs, text):
                raise SharedLandingFailed(
                    f"{place}: {meaning} ({text}); {step.format(variable=variable)}"
                ) from exc
        raise SharedLandingFailed(f"{place}: cannot be used at present ({text})") from exc
