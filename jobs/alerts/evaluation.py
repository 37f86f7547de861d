"""Evaluating rules: one query a condition for all rules, assets and hours.

Belongs here: running the queries, which assets a rule covers, making findings of rows. Does not
belong here: what a condition compares (``jobs.alerts.conditions``); states, cooldown and what is
sent (the ledger).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from jobs.alerts.finding import Figures, RuleFinding
from jobs.alerts.rule import SIDES, NewestBar, Rows, Rule
from jobs.errors import ConditionFailed
from jobs.instants import HOUR, HOUR_MICROSECONDS, to_instant, to_microseconds
from warehouse.errors import QueryFailed, QueryOverLimit
from warehouse.queries import named_query

_GRADES = "ABC"
_UNGRADED = len(_GRADES)

OLDEST_MAP_HOURS = 3
"""How old the map may be that the newest bar is held against [h]; as in the queries."""


class Queryable(Protocol):
    """A reader of the published file, or a connection of the writer."""

    def execute(self, sql: str, parameters: dict[str, Any]) -> Self:
        """Run one SELECT."""
        ...

    def to_arrow_table(self) -> pa.Table:
        """Return its rows."""
        ...


def newest_hour(reader: Queryable) -> datetime | None:
    """Return the newest published hour, UTC; None where none is."""
    sql = "select max(as_of) as as_of from marts.asset_quality_hourly"
    newest: datetime | None = reader.execute(sql, {}).to_arrow_table()["as_of"][0].as_py()
    return newest


def evaluate(
    reader: Queryable,
    rules: Sequence[Rule],
    hours: Sequence[datetime],
    newest_bars: Sequence[NewestBar] = (),
) -> list[RuleFinding]:
    """Return what every rule finds of the assets it covers in some hours.

    A rule has at least one finding for each hour and asset it covers, one a key where keys are
    fixed (a side): on, off, or unknown with a reason. The same data give the same findings, in the
    same order.

    Parameters
    ----------
    reader : Queryable
        What is published.
    rules : sequence of Rule
        The rules.
    hours : sequence of datetime
        Hours of published data, UTC. With `newest_bars` leave it empty: the hours are theirs.
    newest_bars : sequence of NewestBar
        Bars newer than what is published, one an asset. Only rules that depend on the newest bar
        are evaluated then.

    Raises
    ------
    ConditionFailed
        The query of a condition fails, as on a file that an older release published.
    WarehouseError
        What is published cannot be read.
    """
    findings, failures = evaluate_apart(reader, rules, hours, newest_bars)
    if failures:
        raise failures[0]
    return findings


def evaluate_apart(
    reader: Queryable,
    rules: Sequence[Rule],
    hours: Sequence[datetime],
    newest_bars: Sequence[NewestBar] = (),
) -> tuple[list[RuleFinding], list[ConditionFailed]]:
    """Return findings as `evaluate` does, and the conditions that fail: the others go on.

    Parameters
    ----------
    reader, rules, hours, newest_bars
        As for `evaluate`.

    Raises
    ------
    WarehouseError
        What is published cannot be read.
    """
    if newest_bars:
        rules = [rule for rule in rules if rule.depends_on_newest_bar]
        hours = sorted({bar.hour for bar in newest_bars})
    if not rules or not hours:
        return [], []
    covered = _read_covered(reader, hours, newest_bars)
    by_query: dict[str, list[Rule]] = {}
    for rule in rules:
        by_query.setdefault(rule.query, []).append(rule)
    found: dict[str, list[RuleFinding]] = {}
    failures = []
    for query, group in by_query.items():
        try:
            rows = _read_rows(reader, query, group, hours, newest_bars)
        except QueryFailed as exc:
            failures.append(_condition_failed(group, exc))
            continue
        judge = _Judge(rows, covered)
        for rule in group:
            found[rule.name] = list(judge.findings(rule))
    return [finding for rule in rules for finding in found.get(rule.name, ())], failures


def _condition_failed(rules: Sequence[Rule], error: QueryFailed) -> ConditionFailed:
    conditions = " and ".join(dict.fromkeys(rule.when for rule in rules))
    names = [rule.name for rule in rules]
    reason = str(error).splitlines()[0]
    if not isinstance(error, QueryOverLimit):
        reason += "; if an older release published the file, `liqheat run` publishes it anew"
    return ConditionFailed(
        f"{conditions} cannot be evaluated, needed by {', '.join(names)}: {reason}", names
    )


def _hours_before(hours: Sequence[datetime], newest_bars: Sequence[NewestBar]) -> list[datetime]:
    """Return the published hours whose grades apply: the hours themselves, or those before."""
    if not newest_bars:
        return list(hours)
    return sorted({hour - back * HOUR for hour in hours for back in range(OLDEST_MAP_HOURS + 1)})


@dataclass(frozen=True, slots=True)
class _Covered:
    """What is published of assets in the hours.

    Parameters
    ----------
    facts : dict of (str, int) to Figures
        Grade and age of the newest data by asset and hour [microseconds since 1970].
    hours : list of int
        All hours [microseconds since 1970].
    """

    facts: Mapping[tuple[str, int], Figures]
    hours: Sequence[int]

    def grade_rank(self, asset: str, hour: int) -> int:
        """Return 0 for A, 1 for B, 2 for C, 3 where there is no grade."""
        facts = self.facts.get((asset, hour))
        return _UNGRADED if facts is None else _GRADES.index(str(facts["grade"]))


def _read_covered(
    reader: Queryable, hours: Sequence[datetime], newest_bars: Sequence[NewestBar]
) -> _Covered:
    table = reader.execute(
        named_query("alert_grades"), {"hours": _hours_before(hours, newest_bars)}
    ).to_arrow_table()
    published = {(row.pop("asset"), row.pop("hour")): row for row in table.to_pylist()}
    microseconds = [to_microseconds(hour) for hour in hours]
    if not newest_bars:
        return _Covered(published, microseconds)
    newest: dict[tuple[str, int], Figures] = {}
    for bar in newest_bars:
        hour = to_microseconds(bar.hour)
        for back in range(OLDEST_MAP_HOURS + 1):
            facts = published.get((bar.asset, hour - back * HOUR_MICROSECONDS))
            if facts is not None:
                newest[bar.asset, hour] = facts
                break
    return _Covered(newest, microseconds)


def _read_rows(
    reader: Queryable,
    query: str,
    rules: Sequence[Rule],
    hours: Sequence[datetime],
    newest_bars: Sequence[NewestBar],
) -> Rows:
    """Return what a query finds for the assets of some rules."""
    named = None
    if not any(rule.is_for_every_asset for rule in rules):
        named = sorted({asset for rule in rules for asset in rule.assets})
    parameters: dict[str, Any] = {
        "hours": [] if newest_bars else list(hours),
        "assets": named,
        "bar_assets": [bar.asset for bar in newest_bars],
        "bar_hours": [bar.hour for bar in newest_bars],
        "bar_highs": [bar.high for bar in newest_bars],
        "bar_lows": [bar.low for bar in newest_bars],
        "bar_prices": [bar.price for bar in newest_bars],
        **type(rules[0]).parameters(rules),
    }
    text = named_query(query)
    # DuckDB refuses parameters that a statement does not take.
    taken = {name: value for name, value in parameters.items() if f"${name}" in text}
    return to_rows(reader.execute(text, taken).to_arrow_table())


def to_rows(table: pa.Table) -> Rows:
    """Return a query's rows, which are in order of asset, hour and key."""
    columns: dict[str, NDArray[Any]] = {}
    for name in table.column_names:
        column = table[name]
        if pa.types.is_integer(column.type) and name != "hour":
            column = column.cast(pa.float64())
        columns[name] = column.to_numpy(zero_copy_only=False)
    is_first = np.zeros(len(table), dtype=bool)
    for name in ("asset", "hour", "key"):
        is_first[1:] |= columns[name][1:] != columns[name][:-1]
    return Rows(columns, np.cumsum(is_first))


class _Judge:
    """The rows of one query, and the assets they concern, for the rules that share it."""

    def __init__(self, rows: Rows, covered: _Covered) -> None:
        self._rows = rows
        self._covered = covered
        assets, hours = rows["asset"].tolist(), rows["hour"].tolist()
        self._places = list(zip(assets, hours, rows["key"].tolist(), strict=True))
        self._ranks = np.array(
            [covered.grade_rank(*place) for place in zip(assets, hours, strict=True)], dtype=int
        )
        self._figures: dict[int, Figures] = {}
        # Made once: there are tens of thousands of findings.
        self._instants = {hour: to_instant(hour) for hour in {*hours, *covered.hours}}

    def findings(self, rule: Rule) -> Iterator[RuleFinding]:
        """Yield the findings of one rule."""
        measure = rule.measured(self._rows)
        judged = rule.judged(self._rows, measure)
        judged = judged[rule.covers(self._rows["asset"][judged])]
        worst = _UNGRADED if rule.least_grade is None else _GRADES.index(rule.least_grade)
        rows_by_place = {self._places[row]: row for row in judged.tolist()}
        holds = rule.holds(measure[judged])
        for row, is_holding, value in zip(
            judged.tolist(), holds.tolist(), measure[judged].tolist(), strict=True
        ):
            asset, hour, key = self._places[row]
            is_unknown = value != value
            is_on: bool | None = None if is_unknown else is_holding
            reason = self._unknown_reason(rule, row) if is_unknown else None
            if self._ranks[row] > worst:
                is_on, reason = False, self._grade_reason(rule, asset, hour)
            other = None
            if rule.keys == SIDES:
                other_row = rows_by_place.get((asset, hour, SIDES[key == SIDES[0]]))
                other = None if other_row is None else self._figures_of(other_row)
            yield RuleFinding(
                rule.name,
                asset,
                key,
                self._instants[hour],
                is_on,
                None if is_unknown else value,
                self._figures_of(row),
                other,
                reason,
            )
        yield from self._missing(rule, rows_by_place.keys(), worst)

    def _missing(
        self, rule: Rule, found: Set[tuple[str, int, str]], worst: int
    ) -> Iterator[RuleFinding]:
        """Yield a finding for each key that the rule covers and no row was judged of."""
        informative = np.flatnonzero(rule.informative(self._rows)).tolist()
        with_data = {self._places[row][:2] for row in informative}
        if rule.is_for_every_asset:
            wanted: Iterable[tuple[str, int]] = self._covered.facts if rule.keys else ()
        else:
            wanted = [(asset, hour) for asset in rule.assets for hour in self._covered.hours]
        with_finding = {place[:2] for place in found}
        for asset, hour in wanted:
            # Where the data decide the keys, those that were found are all.
            keys = rule.judged_keys or (() if (asset, hour) in with_finding else ("",))
            for key in keys:
                if (asset, hour, key) in found:
                    continue
                is_on: bool | None = None
                if (asset, hour) not in self._covered.facts:
                    reason = "nothing of the asset is published for the hour"
                elif self._covered.grade_rank(asset, hour) > worst:
                    is_on, reason = False, self._grade_reason(rule, asset, hour)
                elif (asset, hour) in with_data:
                    is_on, reason = False, rule.nothing_found
                else:
                    reason = rule.no_data
                yield RuleFinding(rule.name, asset, key, self._instants[hour], is_on, reason=reason)

    def _unknown_reason(self, rule: Rule, row: int) -> str:
        reasons = self._rows.columns.get("unknown_reason")
        return rule.unknown if reasons is None or not reasons[row] else str(reasons[row])

    def _figures_of(self, row: int) -> Figures:
        figures = self._figures.get(row)
        if figures is None:
            asset, hour, _ = self._places[row]
            figures = {**self._covered.facts.get((asset, hour), {}), **self._rows.figures(row)}
            self._figures[row] = figures
        return figures

    def _grade_reason(self, rule: Rule, asset: str, hour: int) -> str:
        facts = self._covered.facts.get((asset, hour))
        if facts is None:
            return "the asset has no grade in the hour"
        return f"grade {facts['grade']}, the rule takes {rule.least_grade} or better"
