"""How far two providers differ, as people read it.

Belongs here: wording rows of ``marts.provider_disagreement_hourly`` and
``marts.asset_disagreement_hourly`` for the command line and the page. Does not belong here: the
measures (``transforms.disagreement``).
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from jobs.read.figures import difference_cells, percent

PairRow = Mapping[str, Any]
"""One row of ``marts.provider_disagreement_hourly``."""

MEASURES_IN_WORDS = (
    "share + reach + placement = 100 %. moved by: how far mass would have to move along price. "
    "bands: of the five largest of one, found in the other."
)


def pair_cells(pair: PairRow) -> dict[str, str]:
    """Return the cells of a pair by header."""
    scale = pair["scale_log_ratio"]
    return {
        "a": pair["provider_a"],
        "b": pair["provider_b"],
        **difference_cells(pair),
        "total a : b": "" if scale is None else f"{math.exp(scale):.2g}",
        "": limits_of_comparison(pair),
    }


def limits_of_comparison(pair: PairRow) -> str:
    """Return why two maps cannot be compared, or over which part of the prices they can."""
    if pair["reason"]:
        return str(pair["reason"])
    covered = {end: pair[f"covered_{end}_ratio"] for end in "ab"}
    if min(covered.values()) >= 1:
        return ""
    notes = [f"{end} covers {percent(part)}" for end, part in covered.items() if part < 1]
    return "; ".join([*notes, f"there they share {percent(pair['common_overlap_ratio'])}"])


def overall_notes(overall: Sequence[PairRow]) -> list[str]:
    """Return what the disagreement on the whole asset says, where it was measured."""
    if not overall or overall[0]["overlap_mean_ratio"] is None:
        return []
    row = overall[0]
    return [
        f"all venues, both sides: {row['provider_count']} providers (near copies count once) "
        f"share {percent(row['overlap_mean_ratio'])} on average; of what they do not share "
        f"{percent(row['reach_share_ratio'])} comes from the distance from price (leverage "
        "assumed), the rest from the exact place (entries assumed).",
        f"furthest apart: {row['furthest_provider_a']} and {row['furthest_provider_b']}.",
    ]
