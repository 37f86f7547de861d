-- Totals of maps in the window, for the suite of maps.
--
-- Maps of outside providers may lie on either side of price. Ledgers keep no books, and their maps
-- change with the capture.

select
    asset,
    venue,
    provider,
    as_of,
    not_finite_side_count,
    smallest,
    books_error_ratio,
    range_ratio,
    sum_deviation_ratio,
    if(
        is_estimate or semantics = 'expected_realised', wrong_side_ratio, null
    ) as wrong_side_ratio,
    if(is_estimate, change_ratio - explained_ratio, null) as unexplained_change_ratio,
from intermediate.int_map_audit
