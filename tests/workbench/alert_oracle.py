"""Where rules hold, in plain SQL: what evaluation is held against.

Each statement is written from the meaning of its condition, one rule at a time, with thresholds as
literals and none of the queries of the project. It returns asset, key and hour.
"""

import duckdb

_GRADED = (
    "select asset, as_of from marts.asset_quality_hourly "
    "where venue = 'all' and grade in ('A', 'B')"
)

ORACLES: dict[str, tuple[dict[str, str], str]] = {
    "near": (
        {"when": "band_near", "within": "1.5 %"},
        "select distinct asset, side, as_of from marts.liquidation_bands_hourly as band "
        f"join ({_GRADED}) using (asset, as_of) "
        "join (select asset, as_of, price as now from marts.market_context_hourly) "
        "using (asset, as_of) where provider = 'turnover' and venue = 'all' "
        "and case side when 'long' then (now - price_high) / now "
        "else (price_low - now) / now end <= 0.015",
    ),
    "near and large": (
        {"when": "band_near", "within": "150 bps", "at_least": "5 M USD", "side": "long"},
        "select distinct asset, side, as_of from marts.liquidation_bands_hourly as band "
        f"join ({_GRADED}) using (asset, as_of) "
        "join (select asset, as_of, price as now from marts.market_context_hourly) "
        "using (asset, as_of) where provider = 'turnover' and venue = 'all' "
        "and side = 'long' and liquidation_usd >= 5e6 and price_high >= now * 0.985",
    ),
    "near of consensus": (
        {"when": "band_near", "within": "1 %", "provider": "consensus", "min_grade": "A"},
        "select distinct asset, side, as_of from marts.liquidation_bands_hourly as band "
        "join (select asset, as_of from marts.asset_quality_hourly "
        "where venue = 'all' and grade = 'A') using (asset, as_of) "
        "join (select asset, as_of, price as now from marts.market_context_hourly) "
        "using (asset, as_of) where provider = 'consensus' and venue = 'all' "
        "and case side when 'long' then (now - price_high) / now "
        "else (price_low - now) / now end <= 0.01",
    ),
    "force": (
        {"when": "could_force", "above": "4 M USD"},
        "select asset, side, as_of from marts.liquidation_bands_hourly "
        f"join ({_GRADED}) using (asset, as_of) where provider = 'turnover' and venue = 'all' "
        "group by asset, side, as_of having max(expected_forced_usd_24h) > 4e6",
    ),
    "swept": (
        {"when": "band_swept"},
        "select distinct band.asset, band.side, bar.as_of from marts.market_context_hourly as bar "
        f"join ({_GRADED}) using (asset, as_of) "
        "join marts.liquidation_bands_hourly as band on band.asset = bar.asset "
        "and band.as_of = bar.as_of - interval 1 hour "
        "where band.provider = 'turnover' and band.venue = 'all' "
        "and ((band.side = 'long' and bar.low <= band.price_low) "
        "or (band.side = 'short' and bar.high >= band.price_high))",
    ),
    "swept much": (
        {"when": "band_swept", "at_least": "10 M USD"},
        "select band.asset, band.side, bar.as_of from marts.market_context_hourly as bar "
        f"join ({_GRADED}) using (asset, as_of) "
        "join marts.liquidation_bands_hourly as band on band.asset = bar.asset "
        "and band.as_of = bar.as_of - interval 1 hour "
        "where band.provider = 'turnover' and band.venue = 'all' "
        "and ((band.side = 'long' and bar.low <= band.price_low) "
        "or (band.side = 'short' and bar.high >= band.price_high)) "
        "group by all having sum(band.liquidation_usd) >= 1e7",
    ),
    "liquidated": (
        {"when": "liquidations_realised", "above": "6 M USD"},
        f"select asset, '', as_of from marts.market_context_hourly join ({_GRADED}) "
        "using (asset, as_of) where coalesce(realised_long_liquidation_usd, 0) "
        "+ coalesce(realised_short_liquidation_usd, 0) > 6e6",
    ),
    "shorts liquidated": (
        {"when": "liquidations_realised", "above": "6 M USD", "side": "short"},
        f"select asset, '', as_of from marts.market_context_hourly join ({_GRADED}) "
        "using (asset, as_of) where realised_short_liquidation_usd > 6e6",
    ),
    "expected": (
        {"when": "liquidations_predicted", "above": "9 M USD"},
        "select asset, '', hour.as_of from (select asset, as_of, sum(expected_usd) as usd "
        "from marts.liquidation_outlook_daily group by all) as day "
        f"join ({_GRADED}) as hour using (asset) "
        "where date_trunc('day', hour.as_of) = day.as_of and usd > 9e6",
    ),
    "open interest": (
        {"when": "open_interest_moved", "by": "5 %", "over": "6 h"},
        "select asset, '', now.as_of from marts.venue_open_interest_hourly as now "
        f"join ({_GRADED}) using (asset, as_of) "
        "join marts.venue_open_interest_hourly as before using (asset, venue) "
        "where before.as_of = now.as_of - interval 6 hours "
        "and not now.is_set_apart and not before.is_set_apart group by asset, now.as_of having "
        "abs(sum(now.open_interest_base) / sum(before.open_interest_base) - 1) >= 0.05",
    ),
    "funding down": (
        {"when": "funding_moved", "by": "3 bps", "direction": "down"},
        "select asset, '', now.as_of from marts.market_context_hourly as now "
        f"join ({_GRADED}) using (asset, as_of) "
        "join marts.market_context_hourly as before using (asset) "
        "where before.as_of = now.as_of - interval 8 hours "
        "and now.funding_rate_8h_ratio - before.funding_rate_8h_ratio <= -0.0003",
    ),
    "grade": (
        {"when": "grade_changed"},
        "select now.asset, now.grade, now.as_of from marts.asset_quality_hourly as now "
        "join marts.asset_quality_hourly as before on before.asset = now.asset "
        "and before.venue = 'all' and before.as_of = (select max(as_of) "
        "from marts.asset_quality_hourly as earlier where earlier.venue = 'all' "
        "and earlier.asset = now.asset and earlier.as_of < now.as_of) "
        "where now.venue = 'all' and now.grade <> before.grade "
        "and before.as_of >= now.as_of - interval 24 hours",
    ),
    "grade worse": (
        {"when": "grade_changed", "direction": "worse"},
        "select now.asset, now.grade, now.as_of from marts.asset_quality_hourly as now "
        "join marts.asset_quality_hourly as before on before.asset = now.asset "
        "and before.venue = 'all' and before.as_of = (select max(as_of) "
        "from marts.asset_quality_hourly as earlier where earlier.venue = 'all' "
        "and earlier.asset = now.asset and earlier.as_of < now.as_of) "
        "where now.venue = 'all' and now.grade > before.grade "
        "and before.as_of >= now.as_of - interval 24 hours",
    ),
    "disagree": (
        {"when": "providers_disagree", "above": "60 %"},
        f"select asset, '', as_of from marts.asset_disagreement_hourly join ({_GRADED}) "
        "using (asset, as_of) where overlap_mean_ratio < 0.4",
    ),
    "stale": (
        {"when": "data_stale", "older_than": "1 h"},
        "with hour as (select distinct as_of from marts.market_context_hourly), "
        "newest as (select venue.asset, hour.as_of as moment, max(venue.as_of) as last "
        "from marts.asset_quality_hourly as venue join hour on venue.as_of <= hour.as_of "
        "and venue.as_of > hour.as_of - interval 7 days where venue.venue <> 'all' group by all), "
        "aged as (select newest.asset, moment, extract(epoch from moment - last) "
        "+ coalesce(min(newest_bar_age_seconds), 604800) as bars, "
        "extract(epoch from moment - last) + min(newest_open_interest_age_seconds) "
        "as open_interest from newest "
        "join marts.asset_quality_hourly as venue on venue.asset = newest.asset "
        "and venue.as_of = last where venue.venue <> 'all' group by newest.asset, moment, last) "
        "select asset, 'bars', moment from aged where bars > 3600 union all "
        "select asset, 'open_interest', moment from aged where open_interest > 3600",
    ),
    "gone": (
        {"when": "venue_gone", "older_than": "20 min"},
        "with hour as (select distinct as_of from marts.market_context_hourly), "
        "ended as (select asset, venue from marts.data_feeds where expected_until_at is not null), "
        "newest as (select venue.asset, venue.venue, hour.as_of as moment, "
        "max(venue.as_of) as last from marts.asset_quality_hourly as venue "
        "join hour on venue.as_of <= hour.as_of "
        "and venue.as_of > hour.as_of - interval 7 days where venue.venue <> 'all' "
        "and (venue.asset, venue.venue) not in (select asset, venue from ended) group by all) "
        "select 'all', newest.venue, moment from newest join marts.asset_quality_hourly as row "
        "on row.asset = newest.asset and row.venue = newest.venue and row.as_of = last "
        "group by newest.venue, moment having min(extract(epoch from moment - last) "
        "+ coalesce(least(newest_bar_age_seconds, newest_open_interest_age_seconds), 604800)) "
        "> 1200",
    ),
    "held back": (
        {"when": "publishing_stopped"},
        "with hour as (select distinct as_of as moment from marts.market_context_hourly) "
        "select distinct asset, '', moment from hour join quality.check_results on as_of <= moment "
        "where severity = 'critical' and not success and asset is not null union all "
        "select distinct 'all', '', moment from hour join quality.check_results on as_of <= moment "
        "where check_name = 'schema'",
    ),
    "skill": (
        {"when": "skill_faded", "below": "5 %"},
        "with hour as (select distinct as_of as moment from marts.market_context_hourly), "
        "day as (select asset, as_of, arg_max(deviance_removed_ratio, window_days) as removed "
        "from marts.estimator_skill_daily where provider = 'turnover' "
        "and null_model = 'training_mean' and status = 'scored' group by all) "
        "select asset, '', moment from hour join day on date_trunc('day', moment) = as_of "
        "where removed < 0.05",
    ),
}
"""By rule name: the rule's own keys, for every asset, and the statement of where it holds."""


def held(
    connection: duckdb.DuckDBPyConnection, name: str, *, has_any_grade: bool = False
) -> set[tuple[str, str, object]]:
    """Return the asset, key and hour of every place where a rule holds.

    Parameters
    ----------
    connection : DuckDBPyConnection
        The marts.
    name : str
        The rule.
    has_any_grade : bool
        Whether the rule takes assets of every grade, ``min_grade: C``.
    """
    statement = ORACLES[name][1]
    if has_any_grade:
        statement = statement.replace("grade in ('A', 'B')", "grade in ('A', 'B', 'C')")
        statement = statement.replace("grade = 'A'", "grade in ('A', 'B', 'C')")
    return set(connection.execute(statement).fetchall())
