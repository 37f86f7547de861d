-- What is expected of the 24 hours after the newest midnight of an asset,
-- not later than $as_of where that is given.

with
chosen as (
    select
        as_of,
        side,
        expected_usd,
        expected_q10_usd,
        expected_q90_usd,
        capture_ratio,
        reason,
    from marts.liquidation_outlook_daily
    where asset = $asset and as_of <= coalesce($as_of, 'infinity'::timestamp)
    qualify as_of = max(as_of) over ()
)

select * from chosen
order by side
