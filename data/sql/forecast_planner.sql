-- The model that plans are made with: by the backtest with the latest origins of those that looked far enough ahead
-- and whose forecasts had all come true at a moment; of equal ones, by that with most origins.
-- grain: one row, or none where no such backtest began its last forecast since $since
-- units: last_origin as UTC time
-- source: forecast_scores
-- parameters: $metric, $since, $until, $least_s: seconds that its forecasts looked ahead at least
SELECT model, last_origin
FROM forecast_scores
WHERE metric = $metric AND is_planner AND last_origin >= $since AND horizon_s >= $least_s
    AND last_origin + to_seconds(horizon_s) <= $until
ORDER BY last_origin DESC, origins DESC, run, model
LIMIT 1
