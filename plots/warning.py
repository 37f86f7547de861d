"""The warning over the picture of an asset that is not fit to act on.

Belongs here: its words. Does not belong here: grades, which the published tables hold, and how the
warning looks.
"""

from dataclasses import dataclass
from datetime import datetime

from warehouse.queries import named_query
from warehouse.read import Reader

# Reasons named; `liqheat quality` shows all of them with their figures.
_NAMED_REASONS = 5


@dataclass(frozen=True, slots=True)
class MapWarning:
    """Why a map is not fit to act on.

    Parameters
    ----------
    title : str
        What holds of the asset.
    reason : str
        Why.
    command : str
        The command that says more.
    """

    title: str
    reason: str
    command: str


def read_warning(reader: Reader, *, asset: str, venue: str, as_of: datetime) -> MapWarning | None:
    """Return why a map is not fit to act on, None where it is.

    A venue without a grade of its own has the asset's.

    Parameters
    ----------
    reader : Reader
        The published file.
    asset, venue : str
        Whose map; venue ``all`` is the sum.
    as_of : datetime
        The newest hour drawn.
    """
    command = f"liqheat quality {asset}"
    row = reader.execute(
        named_query("grade_of_map"), {"asset": asset, "venue": venue, "as_of": as_of}
    ).fetchone()
    if row is None:
        return MapWarning(
            "Not graded: too little is known to act on.",
            f"there are no bars of {asset} for this map",
            command,
        )
    grade, reasons = row
    if grade != "C":
        return None
    names = [reason.replace("_", " ") for reason in reasons]
    more = f" and {len(names) - _NAMED_REASONS} more" if len(names) > _NAMED_REASONS else ""
    return MapWarning(
        "Grade C: too noisy to act on.",
        f"{', '.join(names[:_NAMED_REASONS])}{more}",
        command,
    )
