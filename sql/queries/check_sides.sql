-- What odd lots show of the sides that each venue counts.
--
-- one_sided: venues that publish one side themselves, which is better evidence than odd lots

select
    * exclude (contradiction_count),
    if(list_contains($one_sided, venue), null, contradiction_count) as contradiction_count,
from intermediate.int_odd_lot
