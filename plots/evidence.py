"""How far a map can be trusted, in sentences: grade, skill, what is on no level, crowding.

Belongs here: the words that accompany a map wherever it is shown. Does not belong here: the
figures, which the published tables hold.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from warehouse.errors import QueryFailed
from warehouse.queries import named_query
from warehouse.read import Reader

Evidence = Mapping[str, Any]
"""The row of ``sql/queries/map_evidence.sql``."""

_ASSUMED = "estimate, leverage assumed,"
_MEASURED = "positions of accounts as last seen, at the liquidation prices their venue states,"
_STALE = "positions of accounts, most of them not seen within the hour: stale,"

_BY_SEMANTICS = {
    "mean_shape": "mean shape of all maps",
    "expected_realised": "USD that venues would publish as liquidated if price went there, fitted",
}


def read_evidence(reader: Reader, *, asset: str, provider: str, as_of: datetime) -> Evidence | None:
    """Return what is known about a map; None where a release without these tables published it.

    Parameters
    ----------
    reader : Reader
        The published file.
    asset, provider : str
        Whose map.
    as_of : datetime
        Its hour.
    """
    try:
        row = reader.execute(
            named_query("map_evidence"), {"asset": asset, "provider": provider, "as_of": as_of}
        ).fetchall()[0]
    except QueryFailed:
        return None
    return dict(zip(reader.columns, row, strict=True))


def map_in_words(semantics: str, evidence: Evidence | None) -> str:
    """Return what the figures of a map are; "by" and its provider follow.

    Parameters
    ----------
    semantics : str
        What the map counts: standing, opened, expected_realised, or mean_shape of all maps.
    evidence : mapping, optional
        What is known about it.

    Examples
    --------
    >>> map_in_words("standing", None)
    'estimate, leverage assumed,'
    """
    if evidence is not None and is_measured(evidence):
        return _STALE if evidence["is_measured_fresh"] is False else _MEASURED
    return _BY_SEMANTICS.get(semantics, _ASSUMED)


def evidence_sentences(evidence: Evidence) -> list[str]:
    """Return the sentences of a map, those that always apply first.

    Examples
    --------
    >>> unknown = dict.fromkeys(
    ...     ("grade", "explained_ratio", "published_ratio", "off_map_ratio", "crowded_excess_ratio",
    ...      "measured_long_ratio", "measured_short_ratio", "measured_position_count")
    ... )
    >>> evidence_sentences(unknown)  # doctest: +NORMALIZE_WHITESPACE
    ['grade: none; skill: not measured (run `liqheat calibrate`, then `liqheat publish`)',
     'a level that most providers show is also the one most watched']
    """
    grade = f"grade: {evidence['grade'] or 'none'}"
    sentences = [f"{grade}; skill: {_skill(evidence)}", *measured_sentences(evidence)]
    scale = published_share_in_words(evidence)
    if scale:
        sentences.append(scale)
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


def published_share_in_words(evidence: Evidence) -> str:
    """Return how much of the map's USD venues have published; empty where that is not known.

    Examples
    --------
    >>> published_share_in_words({"published_ratio": 0.029})  # doctest: +NORMALIZE_WHITESPACE
    'in the week before, venues published 2.9 % of the USD that the map would have had liquidated;
    no figure here is scaled by that'
    """
    published = evidence["published_ratio"]
    if published is None:
        return ""
    return (
        f"in the week before, venues published {_share(published)} of the USD that the map "
        "would have had liquidated; no figure here is scaled by that"
    )


def is_measured(evidence: Evidence) -> bool:
    """Return whether a map is of measured positions."""
    return any(
        evidence[name] is not None
        for name in ("measured_long_ratio", "measured_short_ratio", "measured_position_count")
    )


def measured_sentences(evidence: Evidence) -> list[str]:
    """Return what a map of measured positions rests on; nothing for other maps.

    Examples
    --------
    >>> evidence = {
    ...     "measured_long_ratio": 0.71, "measured_short_ratio": None,
    ...     "measured_position_count": 2340, "measured_account_count": 1900,
    ...     "measured_within_hour_ratio": 0.4, "measured_without_price_ratio": 0.12,
    ...     "measured_oldest_seconds": 72000.0, "is_measured_fresh": False,
    ...     "collecting_seconds": 18000.0,
    ... }
    >>> for sentence in measured_sentences(evidence):
    ...     print(sentence)
    measured: 71 % of long open interest, 2,340 positions of 1,900 accounts; 40 % seen within the hour, the oldest 20 h before; 12 % has no liquidation price and is on no level
    stale: most of it was last seen more than an hour before, its levels may have moved since
    still filling: accounts had been collected for 5 h
    """  # noqa: E501
    if not is_measured(evidence):
        return []
    shares = [
        f"{_share(evidence[f'measured_{side}_ratio'])} of {side}"
        for side in ("long", "short")
        if evidence[f"measured_{side}_ratio"] is not None
    ]
    parts = [f"{' and '.join(shares)} open interest" if shares else "open interest is not known"]
    if evidence["measured_position_count"] is None:
        return [f"measured: {parts[0]}"]
    parts.append(
        f"{evidence['measured_position_count']:,} positions of "
        f"{evidence['measured_account_count']:,} accounts"
    )
    said = f"measured: {', '.join(parts)}"
    if evidence["measured_within_hour_ratio"] is not None:
        said += (
            f"; {_share(evidence['measured_within_hour_ratio'])} seen within the hour, the oldest "
            f"{evidence['measured_oldest_seconds'] / 3600:.0f} h before; "
            f"{_share(evidence['measured_without_price_ratio'])} has no liquidation price and is "
            "on no level"
        )
    sentences = [said]
    if not evidence["is_measured_fresh"]:
        sentences.append(
            "stale: most of it was last seen more than an hour before, its levels may have moved "
            "since"
        )
    if evidence["collecting_seconds"] is not None:
        sentences.append(
            "still filling: accounts had been collected for "
            f"{evidence['collecting_seconds'] / 3600:.0f} h"
        )
    return sentences


def _share(ratio: float) -> str:
    return f"{100 * ratio:.1f} %" if ratio < 0.1 else f"{100 * ratio:.0f} %"


def _skill(evidence: Evidence) -> str:
    if evidence["explained_ratio"] is None:
        return "not measured (run `liqheat calibrate`, then `liqheat publish`)"
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
