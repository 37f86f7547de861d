-- What a ledger expects to be liquidated and published in the 24 hours after each midnight, over
-- simulated paths of the recent volatility.
--
-- Materialized: table
-- Known limitation: the standing map is that of midnight; positions opened later are not on it. The
-- interval is that of paths alone, not of fit or capture.

with
outlook as (
    select * exclude (run_id)
    from derived.liquidation_outlook
)

select * from outlook
