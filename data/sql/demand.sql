-- Demand at the resolution it was measured in, all origins together.
-- grain: workload, ts (start of the interval, UTC), interval_s
-- units: requests and tokens in the interval; missing where any origin has a gap, which is not zero
-- source: demand
SELECT
    workload,
    ts,
    interval_s,
    CASE WHEN NOT bool_or(is_gap) THEN sum(requests) END AS requests,
    CASE WHEN NOT bool_or(is_gap) AND count(*) = count(tokens_in) THEN sum(tokens_in) END AS tokens_in,
    CASE WHEN NOT bool_or(is_gap) AND count(*) = count(tokens_out) THEN sum(tokens_out) END AS tokens_out,
    bool_or(is_gap) AS is_gap
FROM demand
GROUP BY workload, ts, interval_s
ORDER BY workload, ts, interval_s
