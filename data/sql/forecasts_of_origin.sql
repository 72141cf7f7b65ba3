-- Forecasts of one metric made at one moment.
-- grain: series, step, model, quantile
-- units: value in the metric's unit
-- source: forecasts
-- parameters: $metric; $origin, a moment
SELECT unique_id, ds, model, quantile, value
FROM forecasts
WHERE metric = $metric AND origin = $origin
ORDER BY unique_id, ds, model, quantile
