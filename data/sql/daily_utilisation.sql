-- Utilisation of each resource per day.
-- grain: day (its start, UTC), resource, metric, unit
-- units: value is the mean over the day in `unit`, weighted by the length of the intervals where all are known
-- source: usage
-- parameters: $since (inclusive) and $until (exclusive), moments of the interval's start
SELECT
    date_trunc('day', ts) AS day,
    resource_id AS resource,
    metric,
    unit,
    CASE
        WHEN count(interval_s) = count(*) AND sum(interval_s) > 0 THEN sum(value * interval_s) / sum(interval_s)
        ELSE avg(value)
    END AS value
FROM usage
WHERE ts >= $since AND ts < $until AND value IS NOT NULL
GROUP BY ALL
ORDER BY ALL
