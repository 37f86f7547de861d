"""A simulated market of some days in the marts alerts read, one rule of every kind, and an oracle.

Belongs here: the market, the rules, replaying it by the hour, and what plain SQL says fires, with
cooldown and what is unknown. Does not belong here: variants of one condition
(`workbench.alert_oracle`).

The oracle shares nothing with `jobs.alerts`: it reads whole columns at once, by its own statements.
"""

import datetime as dt
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import duckdb

from jobs.alerts.evaluate_alerts import record_published, words_of
from jobs.alerts.ledger import AlertLedger
from jobs.alerts.rule_file import AlertRules
from sources.user_models import parse_model
from warehouse.contracts import relations
from workbench.alert_marts import MARTS

BEGUN = dt.datetime(2026, 3, 2, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)

# Values that depend on asset, hour and name alone. `block` is the same for some hours.
_MACROS = """
create macro draw(asset, hour, name) as
    (hash(concat_ws('/', asset, hour, name)) % 1000003) / 1000003.0;
create macro block(hour, length) as hour // length;
create macro instant(hour) as timestamptz '2026-03-02 00:00:00+00' + to_hours(hour);
"""

_MARKET = {
    "marts.asset_quality_hourly": """
        select asset, instant(hour) as as_of, 'all' as venue,
            case when draw(asset, block(hour, 17), 'grade') < .6 then 'A'
                when draw(asset, block(hour, 17), 'grade') < .8 then 'B' else 'C' end as grade,
            null as newest_bar_age_seconds, null as newest_open_interest_age_seconds
        from clock where not (asset = 'DOGE' and hour between 30 and 45)
        union all
        select asset, instant(hour), venue, 'A',
            if(draw(venue, block(hour, 9), 'gone') < .4, 3600 * (hour % 9), 0) + 60 as bar_age,
            greatest(bar_age,
                if(draw(asset, block(hour, 7), 'stale') < .3, 3600 * (hour % 7), 0) + 60)
        from clock, (values ('binance'), ('bybit')) as listed (venue)
        where not (asset = 'DOGE' and hour between 30 and 45)
    """,
    "marts.market_context_hourly": """
        select *, price * (1 + .01 * draw(asset, as_of, 'high')) as high,
            price * (1 - .01 * draw(asset, as_of, 'low')) as low,
            if(draw(asset, as_of, 'feed') < .05, null,
                -1e6 * ln(draw(asset, as_of, 'long') + 1e-9)) as realised_long_liquidation_usd,
            if(draw(asset, as_of, 'feed') < .05, null,
                -1e6 * ln(draw(asset, as_of, 'short') + 1e-9)) as realised_short_liquidation_usd,
            if(draw(asset, as_of, 'paid') < .05, null,
                2e-4 * (draw(asset, as_of, 'funding') - .5)) as funding_rate_8h_ratio
        from (select asset, instant(hour) as as_of,
            100 * (1 + .05 * sin(hour / 7)) * (1 + .01 * draw(asset, hour, 'price')) as price
            from clock)
    """,
    "marts.liquidation_bands_hourly": """
        select asset, instant(hour) as as_of, 'turnover' as provider, 'all' as venue, side, rank,
            level * .999 as price_low, level * 1.001 as price_high, level as price_peak,
            usd as liquidation_usd,
            if(draw(asset, hour, 'odds') < .05, null, usd * draw(asset, hour, concat(side, rank)))
                as expected_forced_usd_24h
        from (
            select *,
                (100 * (1 + .05 * sin(hour / 7))) * (1 + if(side = 'long', -1, 1)
                    * (.003 + .04 * draw(asset, hour, concat('away', side, rank)))) as level,
                1e6 * (1 + 9 * draw(asset, hour, concat('usd', side, rank))) as usd
            from clock, (values ('long'), ('short')) as sides (side),
                (values (1), (2)) as ranks (rank)
            where draw(asset, hour, side) > .1
        )
    """,
    "marts.venue_open_interest_hourly": """
        select asset, instant(hour) as as_of, venue, false as is_set_apart,
            1000 * (1 + .1 * draw(asset, block(hour, 5), venue)) as open_interest_base,
            open_interest_base * 100 as open_interest_usd
        from clock, (values ('binance'), ('bybit')) as listed (venue)
        where draw(asset, hour, concat('seen', venue)) > .05
    """,
    "marts.asset_disagreement_hourly": """
        select asset, instant(hour) as as_of, draw(asset, block(hour, 3), 'overlap') as
            overlap_mean_ratio
        from clock where draw(asset, hour, 'compared') > .1
    """,
    "marts.liquidation_outlook_daily": """
        select asset, instant(hour) as as_of, side, 'turnover' as provider,
            1e8 * draw(asset, hour, concat('day', side)) as expected_usd
        from clock, (values ('long'), ('short')) as sides (side) where hour % 24 = 0
    """,
    "marts.estimator_skill_daily": """
        select asset, instant(hour) as as_of, 'turnover' as provider, 'training_mean' as null_model,
            30 as window_days, 'scored' as status,
            draw(asset, hour, 'skill') - .5 as deviance_removed_ratio
        from clock where hour % 24 = 0
    """,
    "quality.check_results": """
        select 'maps' as suite, 'mass' as check_name, asset, instant(hour) as as_of,
            'critical' as severity, false as success, 1 as unexpected_count
        from clock where asset = 'ETH' and hour = 20
    """,
}

_RULES = (
    ("band_near", {"within": "1 %", "cooldown": "3 h"}),
    ("could_force", {"above": "5 M USD", "cooldown": "6 h"}),
    ("band_swept", {"cooldown": "2 h"}),
    ("liquidations_realised", {"above": "3 M USD", "cooldown": "6 h"}),
    ("liquidations_predicted", {"above": "90 M USD", "cooldown": "1 h"}),
    ("open_interest_moved", {"by": "3 %", "over": "4 h", "cooldown": "1 h"}),
    ("funding_moved", {"by": "1 bps", "over": "8 h", "cooldown": "12 h"}),
    ("grade_changed", {"cooldown": "12 h"}),
    ("providers_disagree", {"above": "60 %", "cooldown": "6 h"}),
    ("data_stale", {"older_than": "2 h", "cooldown": "6 h"}),
    ("venue_gone", {"older_than": "90 min", "cooldown": "6 h"}),
    ("publishing_stopped", {"cooldown": "6 h"}),
    ("skill_faded", {"below": "0 %", "cooldown": "1 h"}),
)

Fired = tuple[str, str, str, dt.datetime]
"""Rule, asset, key and hour of an alert."""

EVENTS = ("band_swept", "grade_changed")


def month_rules() -> AlertRules:
    """Return a rule of every kind, each named as its kind."""
    rules = [
        {"name": when, "when": when, "asset": "*", "to": "desk"} | rest for when, rest in _RULES
    ]
    return parse_model(
        {"targets": {"desk": {"url": "${DESK}"}}, "rules": rules}, AlertRules, "alerts.yaml"
    )


@contextmanager
def simulated_days(hours: int) -> Iterator[duckdb.DuckDBPyConnection]:
    """Yield the marts of a market of some hours; `see_until` shows only what was published then."""
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'; set threads = 1")
        connection.execute("create schema marts; create schema quality; create schema whole")
        connection.execute(_MACROS)
        connection.execute(
            "create table clock as select asset, hour from range(?) as hours (hour), "
            "(values ('BTC'), ('ETH'), ('DOGE')) as listed (asset)",
            [hours],
        )
        connection.execute(f"set variable seen_until = timestamptz '{BEGUN + hours * HOUR}'")
        for name in MARTS:
            columns = ", ".join(f'"{one.name}" {one.type}' for one in relations()[name].columns)
            table = f"whole.{name.partition('.')[2]}"
            connection.execute(f"create table {table} ({columns})")
            if name in _MARKET:
                connection.execute(f"insert into {table} by name {_MARKET[name]}")
            seen = "where as_of <= getvariable('seen_until')" if name in _MARKET else ""
            connection.execute(f"create view {name} as from {table} {seen}")
        yield connection


def see_until(connection: duckdb.DuckDBPyConnection, hour: int) -> dt.datetime:
    """Show only what was published up to an hour; return its instant."""
    at = BEGUN + hour * HOUR
    connection.execute(f"set variable seen_until = timestamptz '{at}'")
    return at


def replay(
    connection: duckdb.DuckDBPyConnection, ledger: AlertLedger, hours: Iterable[int]
) -> None:
    """Record each hour as the run after its publication does."""
    rules = month_rules().rules
    for hour in hours:
        see_until(connection, hour)
        record_published(ledger, connection, rules, words_of(rules))


def fired_alerts(ledger: AlertLedger) -> set[Fired]:
    """Return what fired."""
    return {(one.rule, one.asset, one.key, one.fired_at) for one in ledger.alerts(BEGUN)}


# Where each condition holds: asset, key, hour, is_on (NULL unknown). Those that need a grade of B
# or better are off where an asset's is worse.
_HOLDS = {
    "band_near": """
        select asset, side as key, hour, grade <> 'C' and case
            when not exists (from whole.liquidation_bands_hourly as b
                where b.asset = g.asset and b.as_of = g.at_hour) then null
            else coalesce((select min(if(side = 'long', greatest(1 - b.price_high / m.price, 0),
                greatest(b.price_low / m.price - 1, 0)))
                from whole.liquidation_bands_hourly as b
                inner join whole.market_context_hourly as m using (asset, as_of)
                where b.asset = g.asset and b.as_of = g.at_hour and b.side = sides.side)
                <= .01, false)
            end as is_on
        from graded as g, (values ('long'), ('short')) as sides (side)
    """,
    "could_force": """
        select asset, side as key, hour, grade <> 'C' and case
            when not exists (from whole.liquidation_bands_hourly as b
                where b.asset = g.asset and b.as_of = g.at_hour
                and b.expected_forced_usd_24h is not null) then null
            else coalesce((select max(expected_forced_usd_24h)
                from whole.liquidation_bands_hourly as b
                where b.asset = g.asset and b.as_of = g.at_hour and b.side = sides.side)
                > 5e6, false)
            end as is_on
        from graded as g, (values ('long'), ('short')) as sides (side)
    """,
    "band_swept": """
        select g.asset, b.side as key, g.hour, g.grade <> 'C' and bool_or(
            if(b.side = 'long', m.low <= b.price_low, m.high >= b.price_high)) as is_on
        from graded as g
        inner join whole.market_context_hourly as m on m.asset = g.asset and m.as_of = g.at_hour
        inner join whole.liquidation_bands_hourly as b
            on b.asset = g.asset and b.as_of = (
                select max(c.as_of) from whole.liquidation_bands_hourly as c
                where c.asset = g.asset and c.as_of < g.at_hour
                and c.as_of >= g.at_hour - interval 3 hours)
        group by g.asset, b.side, g.hour, g.grade
    """,
    "liquidations_realised": """
        select g.asset, '' as key, hour, grade <> 'C'
            and realised_long_liquidation_usd + realised_short_liquidation_usd > 3e6 as is_on
        from graded as g
        inner join whole.market_context_hourly as m on m.asset = g.asset and m.as_of = g.at_hour
    """,
    "liquidations_predicted": """
        select g.asset, '' as key, hour, g.grade <> 'C' and sum(o.expected_usd) > 9e7 as is_on
        from graded as g inner join whole.liquidation_outlook_daily as o
            on o.asset = g.asset and o.as_of = date_trunc('day', g.at_hour)
        group by g.asset, g.hour, g.grade
    """,
    "open_interest_moved": """
        select g.asset, '' as key, hour, grade <> 'C' and (
            select abs(sum(n.open_interest_base) / sum(b.open_interest_base) - 1)
            from whole.venue_open_interest_hourly as n
            inner join whole.venue_open_interest_hourly as b
                on b.asset = n.asset and b.venue = n.venue and b.as_of = n.as_of - interval 4 hours
            where n.asset = g.asset and n.as_of = g.at_hour) >= .03 as is_on
        from graded as g
    """,
    "funding_moved": """
        select g.asset, '' as key, hour, grade <> 'C'
            and abs(n.funding_rate_8h_ratio - b.funding_rate_8h_ratio) >= 1e-4 as is_on
        from graded as g
        inner join whole.market_context_hourly as n on n.asset = g.asset and n.as_of = g.at_hour
        left join whole.market_context_hourly as b
            on b.asset = g.asset and b.as_of = g.at_hour - interval 8 hours
    """,
    "grade_changed": """
        select g.asset, g.grade as key, g.hour, g.grade <> b.grade as is_on
        from graded as g inner join graded as b
            on b.asset = g.asset and b.hour = (select max(c.hour) from graded as c
                where c.asset = g.asset and c.hour < g.hour and c.hour >= g.hour - 24)
    """,
    "providers_disagree": """
        select g.asset, '' as key, hour, grade <> 'C' and (
            select 1 - overlap_mean_ratio from whole.asset_disagreement_hourly as d
            where d.asset = g.asset and d.as_of = g.at_hour) > .6 as is_on
        from graded as g
    """,
    "data_stale": """
        select asset, unnest(['bars', 'open_interest']) as key, hour,
            unnest([bars, interest]) > 7200 as is_on
        from (
            select asset, hour,
                min(newest_bar_age_seconds) + 3600 * any_value(ago) as bars,
                min(newest_open_interest_age_seconds) + 3600 * any_value(ago) as interest
            from last_seen group by asset, hour
        )
    """,
    "venue_gone": """
        select 'all' as asset, venue as key, hour, min(least(newest_bar_age_seconds,
            newest_open_interest_age_seconds) + 3600 * ago) > 5400 as is_on
        from last_seen group by venue, hour
    """,
    "publishing_stopped": """
        select asset, '' as key, hour, asset = 'ETH' and hour >= 20 as is_on from clock
    """,
    "skill_faded": """
        select asset, '' as key, hour, (
            select deviance_removed_ratio from whole.estimator_skill_daily as s
            where s.asset = clock.asset
                and s.as_of = date_trunc('day', instant(clock.hour))) < 0 as is_on
        from clock
    """,
}

# Each asset's venues as last published at or before each hour, and how many hours ago.
_SEEN = """
create or replace temp view graded as
select asset, as_of as at_hour, (epoch(as_of - instant(0)) / 3600)::bigint as hour, grade
from whole.asset_quality_hourly where venue = 'all';
create or replace temp view last_seen as
select clock.asset, clock.hour, q.venue, q.newest_bar_age_seconds,
    q.newest_open_interest_age_seconds, epoch(instant(clock.hour) - q.as_of) / 3600 as ago
from clock inner join whole.asset_quality_hourly as q
    on q.asset = clock.asset and q.venue <> 'all' and q.as_of = (
        select max(p.as_of) from whole.asset_quality_hourly as p
        where p.asset = clock.asset and p.as_of <= instant(clock.hour));
"""

# A spell is announced once, in its first hour at or after the end of the cooldown.
_FIRED = """
with recursive
held as ({holds}),
known as (
    select *, row_number() over (partition by asset, key order by hour) as n,
        if({is_event}, hour, count(*) filter (where not is_on) over (
            partition by asset, key order by hour)) as spell
    from held where is_on is not null and hour >= {first}
),
step as (
    select asset, key, 0::bigint as n, null::bigint as fired, null::bigint as announced,
        false as is_fired, null::bigint as hour
    from known group by asset, key
    union all
    select known.asset, known.key, known.n,
        if({fires}, known.hour, step.fired), if({fires}, known.spell, step.announced),
        {fires}, known.hour
    from step inner join known
        on known.asset = step.asset and known.key = step.key and known.n = step.n + 1
)
select '{rule}' as rule, asset, key, hour from step where is_fired
"""
_FIRES = (
    "(known.is_on and step.announced is distinct from known.spell "
    "and coalesce(known.hour >= step.fired + {cooldown}, true))"
)


def oracle(connection: duckdb.DuckDBPyConnection, first: int = 0) -> set[Fired]:
    """Return rule, asset, key and hour of each alert that plain SQL finds from an hour on."""
    connection.execute(_SEEN)
    found = set()
    for when, rest in _RULES:
        text = _FIRED.format(
            holds=_HOLDS[when],
            is_event=str(when in EVENTS).lower(),
            first=first,
            fires=_FIRES.format(cooldown=str(rest["cooldown"]).partition(" ")[0]),
            rule=when,
        )
        for rule, asset, key, hour in connection.execute(text).fetchall():
            found.add((rule, asset, key, BEGUN + hour * HOUR))
    return found
