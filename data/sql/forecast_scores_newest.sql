-- The newest backtest of every series, by model: of the runs with the latest origin, the one with most origins.
-- grain: metric, series, model
-- units: plan costs in mean demand, coverage as share 0..1
-- source: forecast_scores
SELECT
    metric, unique_id, model, is_champion, last_origin, origins, horizon_s, points, plan_cost_99,
    plan_cost_999, wql, mase, coverage_q99, run
FROM forecast_scores
QUALIFY row_number() OVER (
    PARTITION BY metric, unique_id, model ORDER BY last_origin DESC, origins DESC, run
) = 1
ORDER BY metric, unique_id, model
