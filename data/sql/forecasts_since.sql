-- Every stored forecast of one metric made since a moment.
-- grain: series, origin, step, model, quantile
-- units: value in the metric's unit
-- source: forecasts
-- parameters: $metric; $since and $until, moments, both inclusive
SELECT unique_id, origin, ds, model, quantile, value
FROM forecasts
WHERE metric = $metric AND origin >= $since AND origin <= $until
ORDER BY unique_id, origin, ds, model, quantile
