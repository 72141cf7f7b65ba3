-- Demand per hour, every hour between a workload's first and last.
-- grain: workload, ts (start of the hour, UTC)
-- units: requests and tokens in the hour; missing, with is_gap, where the intervals known do not fill the hour
-- source: demand
WITH by_origin AS (
    SELECT
        workload,
        origin,
        date_trunc('hour', ts) AS hour,
        sum(interval_s) FILTER (WHERE NOT is_gap) AS known_s,
        sum(requests) AS requests,
        CASE WHEN count(tokens_in) = count(requests) THEN sum(tokens_in) END AS tokens_in,
        CASE WHEN count(tokens_out) = count(requests) THEN sum(tokens_out) END AS tokens_out
    FROM demand
    GROUP BY ALL
),
known AS (
    SELECT
        workload,
        hour,
        bool_and(coalesce(known_s, 0) >= 3600) AS is_whole,
        sum(requests) AS requests,
        CASE WHEN count(tokens_in) = count(*) THEN sum(tokens_in) END AS tokens_in,
        CASE WHEN count(tokens_out) = count(*) THEN sum(tokens_out) END AS tokens_out
    FROM by_origin
    GROUP BY ALL
),
hours AS (
    SELECT workload, unnest(generate_series(min(hour), max(hour), INTERVAL 1 HOUR)) AS hour
    FROM known
    GROUP BY workload
)
SELECT
    workload,
    hour AS ts,
    CASE WHEN is_whole THEN requests END AS requests,
    CASE WHEN is_whole THEN tokens_in END AS tokens_in,
    CASE WHEN is_whole THEN tokens_out END AS tokens_out,
    NOT coalesce(is_whole, false) AS is_gap
FROM hours
LEFT JOIN known USING (workload, hour)
ORDER BY workload, ts
