"""What the doctor asks of a lake: its catalogue, its data, and the versions of both.

Does not belong here: how a lake is read (``warehouse.lake``). Nothing of the lake is changed:
a file of another name is written beside its data and removed again.
"""

import tempfile
from pathlib import Path
from uuid import uuid4

from jobs.collect.doctor_report import ExaminedResponse
from jobs.collect.shared_landing import open_bucket
from jobs.errors import SharedLandingFailed
from jobs.settings import Settings
from warehouse.address import BUCKET, LakeAddress
from warehouse.errors import WarehouseError
from warehouse.storage import examine_lake

_CONTENT = b"written by liqheat doctor, may be deleted"


def examine_lake_of(settings: Settings) -> list[ExaminedResponse]:
    """Return what is found of the lake of a home; nothing where the warehouse is a file."""
    if isinstance(settings.warehouse, Path):
        return []
    try:
        address = settings.warehouse_address
    except WarehouseError as exc:
        return [_examined("address", "LIQHEAT_WAREHOUSE", str(exc))]
    if not isinstance(address, LakeAddress):
        return []
    notes: tuple[str, ...] = ()
    failure: str | None = None
    try:
        notes = examine_lake(address)
    except WarehouseError as exc:
        failure = str(exc)
    return [
        _examined("catalogue", "LIQHEAT_WAREHOUSE", failure, notes),
        _examined("data", "LIQHEAT_DATA", _why_not_writable(address.data), (address.data,)),
    ]


def _examined(
    kind: str, declaration: str, failure: str | None, notes: tuple[str, ...] = ()
) -> ExaminedResponse:
    return ExaminedResponse(
        venue="lake",
        kind=kind,
        instrument=None,
        declaration=declaration,
        status="fits" if failure is None else "not checked",
        reason=failure,
        notes=notes,
    )


def _why_not_writable(place: str) -> str | None:
    """Return why a file cannot be written, read and removed at a place; None where it can."""
    if not place.startswith(BUCKET):
        folder = Path(place)
        # The first run makes it.
        while not folder.exists() and folder != folder.parent:
            folder = folder.parent
        try:
            with tempfile.NamedTemporaryFile(dir=folder, prefix="doctor-") as file:
                file.write(_CONTENT)
        except OSError as exc:
            return f"{place}: cannot be written ({exc}); make it writable, or correct LIQHEAT_DATA"
        return None
    name = f"doctor/{uuid4().hex}"
    try:
        bucket = open_bucket(place, "LIQHEAT_DATA")
        bucket.write(name, _CONTENT)
        is_whole = bucket.read(name) == _CONTENT
        bucket.remove(name)
    except SharedLandingFailed as exc:
        return str(exc)
    except FileNotFoundError:
        is_whole = False
    return None if is_whole else f"{place}: what was written there cannot be read back"
