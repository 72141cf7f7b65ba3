-- What each workload served in a period.
-- grain: workload
-- units: requests and tokens in the period; known_s the seconds that were measured, all origins together as one
-- source: demand; gaps are no demand of zero: they lower known_s
-- parameters: $since (inclusive) and $until (exclusive), moments
WITH intervals AS (
    SELECT
        workload,
        ts,
        max(interval_s) AS interval_s,
        bool_and(NOT is_gap) AS is_known,
        sum(requests) AS requests,
        sum(tokens_in) AS tokens_in,
        sum(tokens_out) AS tokens_out
    FROM demand
    WHERE ts >= $since AND ts < $until
    GROUP BY workload, ts
)
SELECT
    workload,
    sum(requests) FILTER (WHERE is_known) AS requests,
    sum(tokens_in + tokens_out) FILTER (WHERE is_known) AS tokens,
    coalesce(sum(interval_s) FILTER (WHERE is_known), 0)::BIGINT AS known_s
FROM intervals
GROUP BY workload
ORDER BY workload
