"""How far a map can be trusted, in sentences: grade, skill, what is on no level, crowding.

Belongs here: the words that accompany a map wherever it is shown. Does not belong here: the
figures, which the published tables hold.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from plots.source import PublishedMaps
from warehouse.errors import QueryFailed
from warehouse.queries import named_query

Evidence = Mapping[str, Any]
"""The row of ``sql/queries/map_evidence.sql``."""


def read_evidence(maps: PublishedMaps, provider: str, as_of: datetime) -> Evidence | None:
    """Return what is known about a map; None where a release without these tables published it.

    Parameters
    ----------
    maps : PublishedMaps
        The asset.
    provider : str
        Whose map.
    as_of : datetime
        Its hour.
    """
    with maps.open() as reader:
        try:
            result = reader.execute(
                named_query("map_evidence"),
                {"asset": maps.asset, "provider": provider, "as_of": as_of},
            ).to_arrow_table()
        except QueryFailed:
            return None
    return dict(result.to_pylist()[0])


def evidence_sentences(evidence: Evidence) -> list[str]:
    """Return the sentences of a map, those that always apply first.

    Examples
    --------
    >>> unknown = dict.fromkeys(
    ...     ("grade", "explained_ratio", "published_ratio", "off_map_ratio", "crowded_excess_ratio")
    ... )
    >>> evidence_sentences(unknown)  # doctest: +NORMALIZE_WHITESPACE
    ['grade: none; skill: not measured; see `liqheat accuracy`',
     'a level that most providers show is also the one most watched']
    """
    grade = f"grade: {evidence['grade'] or 'none'}"
    sentences = [f"{grade}; skill: {_skill(evidence)}"]
    published = evidence["published_ratio"]
    if published is not None:
        sentences.append(
            f"in the week before, venues published {_share(published)} of the USD that the map "
            "would have had liquidated; no figure here is scaled by that"
        )
    off_map = evidence["off_map_ratio"]
    if off_map is not None:
        sentences.append(
            f"{100 * off_map:.0f} % of what it expects in an hour is on no level of the map: "
            "the move itself, and a constant"
        )
    return [
        *sentences,
        f"a level that most providers show is also the one most watched{_crowd(evidence)}",
    ]


def _share(ratio: float) -> str:
    return f"{100 * ratio:.1f} %" if ratio < 0.1 else f"{100 * ratio:.0f} %"


def _skill(evidence: Evidence) -> str:
    if evidence["explained_ratio"] is None:
        return "not measured; see `liqheat accuracy`"
    said = (
        f"given the path of price it explains {100 * evidence['explained_ratio']:.0f} % of "
        f"published liquidations over {evidence['window_days']} days"
    )
    if evidence["over_path_ratio"] is not None:
        said += f", {_over_path(evidence)}"
    if evidence["is_short_fit"]:
        said += ", fitted on less than 90 days"
    return said


def _over_path(evidence: Evidence) -> str:
    """Return how a map does against the path of price alone, by the null that it beats least."""
    change = f"{100 * evidence['over_path_ratio']:+.0f} %"
    low, high = evidence["over_path_low_ratio"], evidence["over_path_high_ratio"]
    if low is None or high is None:
        return f"{change} beyond the path alone, too few weeks for an interval"
    found = "better" if low > 0.0 else "worse" if high < 0.0 else "not shown to be better"
    return f"{found} than the path alone ({change} [{100 * low:+.0f}, {100 * high:+.0f}])"


def _crowd(evidence: Evidence) -> str:
    excess = evidence["crowded_excess_ratio"]
    if excess is None:
        return ""
    low, high = evidence["crowded_excess_low_ratio"], evidence["crowded_excess_high_ratio"]
    said = (
        f"; here price touched such levels {100 * abs(excess):.1f} points "
        f"{'more' if excess >= 0.0 else 'less'} often than lone ones"
    )
    if low is None or high is None:
        return f"{said}, too few weeks for an interval"
    return f"{said} (difference [{100 * low:+.1f}, {100 * high:+.1f}])"
