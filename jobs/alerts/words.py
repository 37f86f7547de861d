"""The words of alerts: what, how far from price, how much, the odds, the grade, the age of data.

Belongs here: every sentence an alert holds, a function for each condition. Does not belong here:
whether a condition holds (``jobs.alerts.conditions``), when something is sent (the ledger).

A message says what data show. It never says what price does next.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from jobs.alerts.finding import Figures, RuleFinding
from jobs.alerts.ledger_records import Alert, Wording
from jobs.alerts.rule import NO_ASSET, Rule
from jobs.read.figures import odds, percent, price, usd

Lines = tuple[str, list[str]]
"""The title after the asset's name, and the sentences about the condition."""

_CORRECTION = "Correction: "

HOUR_FORM = "%Y-%m-%d %H:%M UTC"


def alert_words(rule: Rule, finding: RuleFinding, link: str | None = None) -> Wording:
    """Return the message of a finding that fires.

    Parameters
    ----------
    rule : Rule
        The rule that found it.
    finding : RuleFinding
        What it found; `is_on`.
    link : str, optional
        Address of the page, ``{asset}`` in place of the asset.
    """
    title, sentences = _CONDITIONS[rule.when](rule, finding)
    subject = "All assets" if finding.asset == NO_ASSET else finding.asset
    body = [*sentences, _standing(finding), f"Rule: {rule.name}."]
    if link is not None:
        body.append(link.replace("{asset}", finding.asset))
    return Wording(f"{subject}: {title}", "\n".join(body))


def correction_words(rule: Rule, alert: Alert, finding: RuleFinding) -> Wording:
    """Return the message that later data show something else of an alert's hour.

    Parameters
    ----------
    rule : Rule
        The rule of the alert.
    alert : Alert
        As it was sent.
    finding : RuleFinding
        What the rule finds of the same hour with the data known now.
    """
    when = f"{alert.fired_at:{HOUR_FORM}}"
    title = f"{_CORRECTION}{alert.wording.title}"
    if finding.is_on:
        shown = alert_words(rule, finding)
        first = f"Later data change the figures of {when}. They are:"
        return Wording(title, "\n".join([first, shown.title, shown.body]))
    reason = f": {finding.reason}" if finding.reason else ""
    shown_now = "" if finding.reason else _measured(rule, finding)
    lines = [f"With the data known since, the condition did not hold at {when}{reason}."]
    return Wording(title, "\n".join([*lines, *filter(None, [shown_now]), f"Rule: {rule.name}."]))


def digest_words(alerts: Sequence[Alert]) -> Wording:
    """Return one message for several alerts and corrections: a line each, by hour."""
    assets = sorted({alert.asset for alert in alerts} - {NO_ASSET})
    named = ", ".join(assets[:5]) + (f" and {len(assets) - 5} more" if len(assets) > 5 else "")
    hours: dict[str, list[str]] = {}
    for alert in alerts:
        hours.setdefault(f"{alert.fired_at:{HOUR_FORM}}", []).append(_digest_line(alert))
    body = [line for hour, lines in hours.items() for line in (f"{hour}:", *lines)]
    body.append("Each in full, bands with the other side: `liqheat alerts list --format json`.")
    return Wording(f"{len(alerts)} alerts" + (f": {named}" if named else ""), "\n".join(body))


def _digest_line(alert: Alert) -> str:
    """Return the title with grade and odds; of a correction, what it corrects."""
    title = alert.wording.title
    if title.startswith(_CORRECTION):
        return f"{title}. {' '.join(alert.wording.body.splitlines()[:2])}"
    grade = alert.figures.get("grade")
    probability = alert.figures.get("touch_probability_24h_ratio")
    said = [f"grade {grade}"] if grade else []
    if isinstance(probability, float):
        said.append(f"odds of touch within 24 h {odds(probability)}")
    return f"{title}; {', '.join(said)}" if said else title


def explain_words(rule: Rule, finding: RuleFinding) -> str:
    """Return why a rule fired or did not for an asset and hour, in a sentence."""
    about = f"{finding.asset} {finding.key}".strip()
    state = {True: "holds", False: "does not hold", None: "is not known"}[finding.is_on]
    why = finding.reason or _measured(rule, finding)
    return f"{about}, {finding.hour:{HOUR_FORM}}: {rule.when} {state}" + (f": {why}" if why else "")


def _standing(finding: RuleFinding) -> str:
    """Return the grade and the age of the data."""
    figures = finding.figures
    said = [f"Data of {finding.hour:{HOUR_FORM}}"]
    if figures.get("is_newest_bar"):
        said = [f"Newest price before {finding.hour:{HOUR_FORM}}"]
    map_age = _number(figures, "map_age_seconds")
    if map_age:
        said.append(f"map {_age(map_age)} older")
    for name, what in (
        ("newest_bar_age_seconds", "newest bar"),
        ("newest_open_interest_age_seconds", "newest open interest"),
    ):
        age = _number(figures, name)
        if age is not None:
            said.append(f"{what} {_age(age)} old")
    grade = figures.get("grade")
    graded = "" if finding.asset == NO_ASSET else f"Grade {grade}. " if grade else "No grade. "
    return f"{graded}{', '.join(said)}."


def _number(figures: Figures, name: str) -> float | None:
    value = figures.get(name)
    return None if value is None or isinstance(value, str) else float(value)


def _text(figures: Figures, name: str) -> str:
    value = figures.get(name)
    return "" if value is None else str(value)


def _counted(number: float | None, thing: str) -> str:
    """Return a number of things: 1 band, 2 bands, no bands."""
    count = int(number or 0)
    return f"{count or 'no'} {thing}{'' if count == 1 else 's'}"


def _age(seconds: float) -> str:
    """Return a span of time: 5 min, 3 h, 2.5 days."""
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.0f} h" if seconds < 172_800 else f"{seconds / 86_400:.1f} days"


def _amount(value: float | None) -> str:
    return "an unknown amount" if value is None else f"{usd(value)} USD"


def _interval(figures: Figures, low: str, high: str) -> str:
    """Return the 80 % interval in brackets; that there is none, where there is none."""
    ends = _number(figures, low), _number(figures, high)
    if ends[0] is None or ends[1] is None:
        return " (no interval)"
    return f" (80 % interval {usd(ends[0])} - {usd(ends[1])})"


def _signed(ratio: float, form: str = "+.1f") -> str:
    return percent(ratio, form)


def _place(figures: Figures) -> str:
    """Return where a band is from price."""
    distance = _number(figures, "distance_ratio") or 0.0
    if distance == 0.0:
        return "around price"
    return f"{percent(abs(distance), '.1f')} {'below' if distance < 0 else 'above'} price"


def _prices(figures: Figures) -> str:
    low, high = _number(figures, "price_low"), _number(figures, "price_high")
    return "" if low is None or high is None else f"{price(low)} - {price(high)}"


def _held(figures: Figures) -> str:
    """Return what a band holds, with its interval."""
    held = _number(figures, "liquidation_usd")
    if held is None:
        share = _number(figures, "side_share_ratio")
        return f"{percent(share)} of its side (the map has no scale in USD)"
    return _amount(held) + _interval(figures, "liquidation_q10_usd", "liquidation_q90_usd")


def _band(figures: Figures, side: str) -> str:
    """Return one band: side, prices, distance, amount, odds."""
    probability = _number(figures, "touch_probability_24h_ratio")
    forced = _number(figures, "expected_forced_usd_24h")
    parts = [
        f"{side}s at {_prices(figures)}, {_place(figures)}, {_held(figures)}",
        "odds of touch within 24 h not known"
        if probability is None
        else f"odds of touch within 24 h {odds(probability)}",
    ]
    if forced is not None:
        parts.append(f"expected to be forced in that time {_amount(forced)}")
    return "; ".join(parts)


def _both_sides(finding: RuleFinding) -> list[str]:
    """Return the band that was found, and the one on the other side of price."""
    other = "long" if finding.key == "short" else "short"
    at = _number(finding.figures, "price")
    return [
        f"Price {'not known' if at is None else price(at)}; map by "
        f"{_text(finding.figures, 'provider')}, all venues.",
        f"{_band(finding.figures, finding.key)}.".replace(finding.key, finding.key.title(), 1),
        f"Other side: {_band(finding.other_side, other)}."
        if finding.other_side is not None
        else f"Other side: no such band of {other}s within 20 % of price.",
    ]


def _band_near(_: Rule, finding: RuleFinding) -> Lines:
    return f"band of {finding.key}s {_place(finding.figures)}", _both_sides(finding)


def _could_force(_: Rule, finding: RuleFinding) -> Lines:
    forced = _amount(_number(finding.figures, "expected_forced_usd_24h"))
    title = (
        f"band of {finding.key}s {_place(finding.figures)}, {forced} expected to be forced in 24 h"
    )
    return title, _both_sides(finding)


def _band_swept(_: Rule, finding: RuleFinding) -> Lines:
    figures = finding.figures
    count = int(_number(figures, "swept_count") or 0)
    held, low, high = (_number(figures, f"swept_{name}") for name in ("usd", "low", "high"))
    span = "" if low is None or high is None else f" at {price(low)} - {price(high)}"
    bands = f"{_counted(count, 'band')} of {finding.key}s"
    # Intervals of several bands do not add up: only one has its own, and the largest, below.
    before_held = _held(figures) if count == 1 else _amount(held)
    before = _number(figures, "map_price")
    traded = [_number(figures, name) for name in ("low", "high")]
    lines = [
        f"Price traded through {bands}{span}; the map before held {before_held} there.",
        f"Map by {_text(figures, 'provider')}, all venues: an estimate, not what was liquidated.",
    ]
    if count > 1:
        lines.insert(1, f"The largest: {_prices(figures)}, {_held(figures)}.")
    if before is not None and traded[0] is not None and traded[1] is not None:
        lines.insert(
            1, f"Price before {price(before)}, then {price(traded[0])} - {price(traded[1])}."
        )
    probability = _number(figures, "touch_probability_24h_ratio")
    if probability is not None:
        lines.append(f"Odds of touch within 24 h were {odds(probability)} on that map.")
    other = "short" if finding.key == "long" else "long"
    swept = _counted(_number(finding.other_side or {}, "swept_count"), "band")
    lines.append(f"Other side: {swept} of {other}s swept.")
    return f"{bands} swept{span}", lines


def _sides(figures: Figures, *, has_interval: bool) -> str:
    parts = []
    for side in ("long", "short"):
        interval = _interval(figures, f"{side}_q10_usd", f"{side}_q90_usd") if has_interval else ""
        amount = _number(figures, f"{side}_usd")
        parts.append(f"{side}s {'not known' if amount is None else _amount(amount) + interval}")
    return ", ".join(parts)


def _liquidations_realised(rule: Rule, finding: RuleFinding) -> Lines:
    figures = finding.figures
    side = getattr(rule, "side", None)
    of = f" of {side}s" if side else ""
    is_complete = figures.get("is_complete")
    opened, closed = _number(figures, "open_price"), _number(figures, "price")
    lines = [f"Published for the hour: {_sides(figures, has_interval=False)}."]
    if opened and closed:
        lines.append(f"Price {price(closed)}, {_signed(closed / opened - 1)} in the hour.")
    feeds = _text(figures, "feeds") or "not named"
    lines.append(
        f"Feeds: {feeds}; " + ("complete for their venues." if is_complete else "a lower bound.")
    )
    return f"{_amount(finding.measure)}{of} liquidated in an hour", lines


def _liquidations_predicted(rule: Rule, finding: RuleFinding) -> Lines:
    figures = finding.figures
    side = getattr(rule, "side", None)
    of = f" of {side}s" if side else ""
    age = _number(figures, "outlook_age_seconds") or 0.0
    lines = [
        f"Expected of the 24 hours after midnight: {_sides(figures, has_interval=True)}.",
        f"By {_text(figures, 'provider')}, over paths of the recent volatility in both directions; "
        f"the outlook is {_age(age)} old.",
    ]
    if not figures.get("is_capture_known"):
        lines.append("What share venues publish is not known; the figure assumes all of it.")
    return f"{_amount(finding.measure)}{of} expected to be liquidated in 24 h", lines


def _open_interest_moved(_: Rule, finding: RuleFinding) -> Lines:
    figures = finding.figures
    hours = int(_number(figures, "over_hours") or 0)
    venues = _counted(_number(figures, "venue_count"), "venue")
    known = int(_number(figures, "all_venue_count") or 0)
    return (
        f"open interest {_signed(finding.measure or 0.0)} in {hours} h",
        [
            f"{_amount(_number(figures, 'open_interest_usd'))} on {venues} observed in both "
            f"hours, of {known}; the change is in units of the asset."
        ],
    )


def _points(ratio: float | None) -> str:
    return "not known" if ratio is None else f"{100 * ratio:+.4f} %"


def _funding_moved(_: Rule, finding: RuleFinding) -> Lines:
    figures = finding.figures
    hours = int(_number(figures, "over_hours") or 0)
    now, before = (
        _points(_number(figures, name))
        for name in ("funding_rate_8h_ratio", "funding_rate_8h_before_ratio")
    )
    instruments = _counted(_number(figures, "funding_instrument_count"), "instrument")
    return (
        f"funding {_points(finding.measure)} in {hours} h",
        [f"Now {now} for 8 hours, {before} before; mean of {instruments}."],
    )


def _grade_changed(_: Rule, finding: RuleFinding) -> Lines:
    figures = finding.figures
    reasons = _text(figures, "reason_names").replace("_", " ")
    return (
        f"grade {_text(figures, 'grade_before')} -> {_text(figures, 'grade')}",
        [f"Gates that fail: {reasons}." if reasons else "No gate fails."],
    )


def _providers_disagree(_: Rule, finding: RuleFinding) -> Lines:
    figures = finding.figures
    count = int(_number(figures, "provider_count") or 0)
    largest = _number(figures, "largest_disagreement_ratio")
    return (
        f"maps of providers differ by {percent(finding.measure)}",
        [
            f"Mean over the pairs of {count} providers, 100 % is no overlap. Furthest apart: "
            f"{_text(figures, 'furthest_provider_a')} and "
            f"{_text(figures, 'furthest_provider_b')}, {percent(largest)}."
        ],
    )


def _data_stale(_: Rule, finding: RuleFinding) -> Lines:
    what = "bars" if finding.key == "bars" else "open interest"
    venues = _counted(_number(finding.figures, "venue_count"), "venue")
    return (
        f"no {what} for {_age(finding.measure or 0.0)}",
        [f"The newest of {venues} are that old; maps of this hour rest on them."],
    )


def _venue_gone(_: Rule, finding: RuleFinding) -> Lines:
    share = _number(finding.figures, "open_interest_share_ratio")
    assets = int(_number(finding.figures, "asset_count") or 0)
    weight = (
        f"It had {percent(share)} of the asset's open interest."
        if share is not None
        else f"Assets followed there: {assets}."
    )
    return (
        f"no data of {finding.key} for {_age(finding.measure or 0.0)}",
        [f"Neither bars nor open interest. {weight}"],
    )


def _publishing_stopped(_: Rule, finding: RuleFinding) -> Lines:
    figures = finding.figures
    names = _text(figures, "check_names")
    seconds = _number(figures, "held_seconds")
    since = f"for {_age(seconds)}" if seconds else "since this hour"
    lines = [
        f"Critical checks that fail: {names}.",
        _text(figures, "description"),
        f"Held back {since}; what was published before stays. `liqheat check` shows the rows.",
    ]
    return "publication held back", [line for line in lines if line]


def _skill_faded(_: Rule, finding: RuleFinding) -> Lines:
    figures = finding.figures
    provider, null = _text(figures, "provider"), _text(figures, "null_model")
    low, high = (_number(figures, f"deviance_removed_{end}_ratio") for end in ("low", "high"))
    days = int(_number(figures, "window_days") or 0)
    interval = (
        "no interval"
        if low is None or high is None
        else f"95 % interval {percent(low)} to {percent(high)}"
    )
    lines = [
        f"Over {days} days it removes {percent(finding.measure)} of the deviance of {null} "
        f"({interval}); 0 % is no better than that."
    ]
    if figures.get("is_lower_bound"):
        lines.append("Some venue publishes only part of its liquidations.")
    return f"skill of {provider} {percent(finding.measure)}", lines


_CONDITIONS: Mapping[str, Callable[[Rule, RuleFinding], Lines]] = {
    "band_near": _band_near,
    "could_force": _could_force,
    "band_swept": _band_swept,
    "liquidations_realised": _liquidations_realised,
    "liquidations_predicted": _liquidations_predicted,
    "open_interest_moved": _open_interest_moved,
    "funding_moved": _funding_moved,
    "grade_changed": _grade_changed,
    "providers_disagree": _providers_disagree,
    "data_stale": _data_stale,
    "venue_gone": _venue_gone,
    "publishing_stopped": _publishing_stopped,
    "skill_faded": _skill_faded,
}


def _measured(rule: Rule, finding: RuleFinding) -> str:
    """Return the measure beside the threshold; empty where there is none."""
    if finding.measure is None:
        return ""
    thresholds: dict[str, Any] = {
        name: getattr(rule, name)
        for name in ("within", "above", "at_least", "by", "older_than", "below")
        if getattr(rule, name, None) is not None
    }
    measure = _FORMS[rule.when](finding.measure)
    if rule.when == "band_swept" and not thresholds:
        measure = f"{_counted(finding.measure, 'band')} swept"
    compared = ", ".join(
        f"{name.replace('_', ' ')} "
        + (_age(value.total_seconds()) if name == "older_than" else _threshold(rule, name, value))
        for name, value in thresholds.items()
    )
    return f"{measure}" + (f"; the rule: {compared}" if compared else "")


def _threshold(rule: Rule, name: str, value: float) -> str:
    if name == "at_least" or rule.when.startswith("liquidations") or rule.when == "could_force":
        return _amount(value)
    return percent(value, ".4g" if rule.when == "funding_moved" else ".3g")


_FORMS: Mapping[str, Callable[[float], str]] = {
    "band_near": lambda ratio: f"{percent(ratio, '.2f')} to the near edge",
    "could_force": _amount,
    "band_swept": _amount,
    "liquidations_realised": _amount,
    "liquidations_predicted": _amount,
    "open_interest_moved": lambda ratio: _signed(ratio, "+.2f"),
    "funding_moved": _points,
    "grade_changed": lambda steps: (
        f"{_counted(abs(steps), 'grade')} {'lower' if steps > 0 else 'higher'}"
        if steps
        else "no change"
    ),
    "providers_disagree": lambda ratio: percent(ratio, ".1f"),
    "data_stale": _age,
    "venue_gone": _age,
    "publishing_stopped": lambda count: f"{_counted(count, 'critical check')} failed",
    "skill_faded": lambda ratio: percent(ratio, ".1f"),
}
