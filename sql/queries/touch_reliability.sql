-- How often price touched bands with given odds, by group of odds, at the newest midnight measured,
-- not later than $as_of.

with
chosen as (
    select *
    from marts.touch_reliability_daily
    where
        asset = $asset
        and provider = $provider
        and as_of <= $as_of
    qualify as_of = max(as_of) over ()
)

select * from chosen
order by odds_group
