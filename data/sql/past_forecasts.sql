-- Of every slot that has passed, what the newest stored forecast of each metric made before it said.
-- grain: metric, series, step, quantile
-- units: value in the metric's unit
-- source: forecasts
-- parameters: $since and $until, moments: slots that begin in [since, until), origins before until
SELECT metric, unique_id, ds, quantile, arg_max(value, origin) AS value
FROM forecasts
WHERE origin >= $since AND origin < $until AND ds >= $since AND ds < $until AND ds >= origin AND quantile > 0.5
GROUP BY metric, unique_id, ds, quantile
ORDER BY metric, unique_id, ds, quantile
