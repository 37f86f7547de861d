"""What publications changed in hours that readers had seen, for people.

Belongs here: which changes are meant, hours joined into runs, words. Does not belong here: how
changes are found (``warehouse.first_published``).
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from jobs.errors import NothingToDo
from jobs.read.figures import percent, plural, usd
from jobs.settings import Settings

if TYPE_CHECKING:
    from warehouse.read import Reader

# Short enough to type, long enough to be of one publication.
_ID_LENGTH = 8

# A difference of maps that assume something else says nothing about the data.
PARAMETERS = "parameters"

_NO_PROVIDER = "none"

_HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class ChangeFilter:
    """Which changes are meant.

    Parameters
    ----------
    asset, provider : str, optional
        Whose; all where None.
    from_at, until_at : datetime, optional
        First and last hour, UTC.
    since : datetime or str, optional
        Publications at or after an instant, UTC, or after the one with an id, of which the first
        eight characters do; by default the last publication.
    """

    asset: str | None = None
    provider: str | None = None
    from_at: datetime | None = None
    until_at: datetime | None = None
    since: datetime | str | None = None


@dataclass(frozen=True, slots=True)
class PublishedChanges:
    """Changes found.

    Parameters
    ----------
    since : str
        Of which publications they are, in words.
    rows : list of dict
        One for each asset, hour and provider, by column.
    """

    since: str
    rows: list[dict[str, Any]]


def published_changes(settings: Settings, chosen: ChangeFilter) -> PublishedChanges:
    """Return the changes that are meant; none is an answer too.

    Raises
    ------
    NotPublished
        Nothing is published.
    NothingToDo
        No such asset, provider or publication is known, or a release that did not record changes
        made the file; the message says which there are. Or the last hour is before the first.
    """
    # It loads the database, and the program lists its commands without.
    from jobs.read.query import named_rows, named_rows_if_published, open_reader

    if chosen.from_at and chosen.until_at and chosen.from_at > chosen.until_at:
        raise NothingToDo(
            f"no hour lies between {chosen.from_at:%Y-%m-%d %H:%M} and "
            f"{chosen.until_at:%Y-%m-%d %H:%M} UTC: the first is after the last"
        )
    with open_reader(settings) as reader:
        known = named_rows_if_published(reader, "known_publications", {})
        if known is None:
            raise NothingToDo(
                "a release that did not record changes made the published file; run "
                "`liqheat publish`: changes are recorded from then on"
            )
        _check_names(reader, chosen)
        newest = known[0]
        since_at, publication_id = None, None
        if chosen.since is None:
            publication_id = newest["publication_id"]
            words = f"in the last publication, {newest['published_at']:%Y-%m-%d %H:%M} UTC"
        elif isinstance(chosen.since, datetime):
            since_at = chosen.since
            words = f"since {since_at:%Y-%m-%d %H:%M} UTC"
        else:
            found = _publication(known, chosen.since)
            since_at = found["published_at"] + timedelta(microseconds=1)
            words = f"since the publication of {found['published_at']:%Y-%m-%d %H:%M} UTC"
        rows = named_rows(
            reader,
            "changed_hours",
            {
                "asset": chosen.asset,
                "provider": chosen.provider,
                "from_at": chosen.from_at,
                "until_at": chosen.until_at,
                "since_at": since_at,
                "publication_id": publication_id,
            },
        )
    return PublishedChanges(words, rows)


def _publication(known: Sequence[dict[str, Any]], wanted: str) -> dict[str, Any]:
    found = [row for row in known if row["publication_id"].startswith(wanted)]
    ids = {row["publication_id"] for row in found}
    if len(wanted) >= _ID_LENGTH and len(ids) == 1:
        return found[0]
    listed = ", ".join(
        f"{row['publication_id'][:_ID_LENGTH]} of {row['published_at']:%Y-%m-%d %H:%M}"
        for row in known[:5]
    )
    raise NothingToDo(
        f"{wanted} is no publication that added or changed an hour of the file; give an instant, "
        f"or one of the newest: {listed}"
    )


def _check_names(reader: "Reader", chosen: ChangeFilter) -> None:
    for column, wanted in (("asset", chosen.asset), ("provider", chosen.provider)):
        if wanted is None or (column == "provider" and wanted == _NO_PROVIDER):
            continue
        rows = reader.execute(
            f"select distinct {column} from marts.liquidation_heatmap_arrays "
            f"union select distinct {column} from marts.published_changes order by 1"
        ).fetchall()
        names = [name for (name,) in rows if name != _NO_PROVIDER]
        if wanted not in names:
            raise NothingToDo(
                f"no {column} {wanted} is published; there are {', '.join(names) or 'none'}"
            )


def without_parameters(changes: PublishedChanges) -> tuple[PublishedChanges, str | None]:
    """Return the changes that other parameters did not make, and a sentence on those they did."""
    parameters = [row for row in changes.rows if row["reason"] == PARAMETERS]
    if not parameters:
        return changes, None
    rest = [row for row in changes.rows if row["reason"] != PARAMETERS]
    hours = {(row["asset"], row["as_of"]) for row in parameters}
    whose = sorted({row["provider"] for row in parameters} - {_NO_PROVIDER})
    sentence = (
        f"{plural(len(hours), 'hour')} of {', '.join(sorted({asset for asset, _ in hours}))} "
        f"differ in the parameters of {', '.join(whose) or 'their models'}, not in their data; "
        "marts.estimator_parameters has both, --across-parameters shows the differences all the "
        "same"
    )
    return PublishedChanges(changes.since, rest), sentence


def change_cells(rows: Sequence[dict[str, Any]]) -> list[dict[str, str]]:
    """Return the cells of a table: consecutive hours with one reason are one line.

    Rows of no provider have a line only where no map of the hour has one.
    """
    with_map = {(row["asset"], row["as_of"]) for row in rows if row["provider"] != _NO_PROVIDER}
    shown = [
        row
        for row in rows
        if row["provider"] != _NO_PROVIDER or (row["asset"], row["as_of"]) not in with_map
    ]
    return [_cells(run) for run in _runs(shown)]


def _runs(rows: Sequence[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """Yield runs of consecutive hours of one asset and provider that changed for one reason."""
    run: list[dict[str, Any]] = []
    for row in rows:
        if run and (
            any(row[name] != run[-1][name] for name in ("asset", "provider", "why"))
            or row["as_of"] - run[-1]["as_of"] > _HOUR
        ):
            yield run
            run = []
        run.append(row)
    if run:
        yield run


def _cells(run: Sequence[dict[str, Any]]) -> dict[str, str]:
    first, last = run[0], run[-1]
    hours = f"{first['as_of']:%Y-%m-%d %H:%M}"
    if len(run) > 1:
        same_day = first["as_of"].date() == last["as_of"].date()
        hours += f" to {last['as_of']:{'%H:%M' if same_day else '%Y-%m-%d %H:%M'}}"
    counts = [
        f"{sum(row[f'{name}_row_count'] for row in run):,} {name}"
        for name in ("replaced", "removed", "added")
        if any(row[f"{name}_row_count"] for row in run)
    ]
    return {
        "asset": first["asset"],
        "hours": hours,
        "map by": "" if first["provider"] == _NO_PROVIDER else first["provider"],
        "total": _range([_total_change(row) for row in run], "+.1f"),
        "moved": _range([row["moved_ratio"] for row in run], ".1f"),
        "longs within 5 %": _largest(run, "near_long_change_usd"),
        "shorts within 5 %": _largest(run, "near_short_change_usd"),
        "grade": _grade(run),
        "rows": ", ".join(counts),
        "why": first["why"] + ("" if all(row["is_kept"] for row in run) else " (not kept)"),
    }


def _total_change(row: dict[str, Any]) -> float | None:
    """Return by how much the whole map grew, as a share of it before."""
    before, after = row["map_before_usd"], row["map_after_usd"]
    return after / before - 1 if before and after is not None else None


def _range(ratios: Sequence[float | None], form: str) -> str:
    """Return the least and the largest ratio in percent, one where they print alike."""
    values = [ratio for ratio in ratios if ratio is not None]
    if not values:
        return ""
    low, high = (percent(value, form) for value in (min(values), max(values)))
    return low if low == high else f"{low.removesuffix(' %')} to {high}"


def _largest(run: Sequence[dict[str, Any]], name: str) -> str:
    """Return the change furthest from zero, with its sign."""
    values = [row[name] for row in run if row[name]]
    if not values:
        return ""
    value = max(values, key=abs)
    return f"{'+' if value > 0 else '-'}{usd(abs(value))}"


def _grade(run: Sequence[dict[str, Any]]) -> str:
    changes = {
        f"{row['grade_before'] or 'none'} to {row['grade_after'] or 'none'}"
        for row in run
        if row["grade_before"] != row["grade_after"]
    }
    return ", ".join(sorted(changes))


def change_notes(changes: PublishedChanges) -> list[str]:
    """Return sentences below the table."""
    hours = {(row["asset"], row["as_of"]) for row in changes.rows}
    assets = [
        f"{asset} {plural(len(list(group)), 'hour')}"
        for asset, group in itertools.groupby(sorted(hours), key=lambda each: each[0])
    ]
    notes = [
        f"changed: {', '.join(assets)}.",
        "total: by how much the whole map grew or shrank. moved: USD that are in other bins beyond "
        "that, as a share of the map before. Changes within 5 % of price are those of the hour "
        "that changed most.",
        "without a total: the map is as before, was not there or is not in USD; "
        "marts.published_changes names the relations of which rows changed.",
        "what readers saw first is in the schema as_published.",
    ]
    if not all(row["is_kept"] for row in changes.rows):
        notes.append(
            "not kept: more was replaced at once than LIQHEAT_PUBLISH_KEPT_PERCENT allows; "
            "as_published has no rows of these hours where a relation is not kept."
        )
    return notes
