-- How much each resource was used in a window.
-- grain: resource, metric, unit
-- units: quantiles and maximum in `unit`; n is the number of measurements and hours the time they span, missing
--        where no interval is known; workload is the one it serves, if any
-- source: usage
-- parameters: $window_start (inclusive) and $window_end (exclusive), moments
SELECT
    resource_id AS resource,
    metric,
    unit,
    min(workload) AS workload,
    quantile_cont(value, 0.5) AS p50,
    quantile_cont(value, 0.95) AS p95,
    max(value) AS max,
    count(value) AS n,
    sum(interval_s) FILTER (WHERE value IS NOT NULL) / 3600 AS hours
FROM usage
WHERE ts >= $window_start AND ts < $window_end
GROUP BY ALL
ORDER BY ALL
