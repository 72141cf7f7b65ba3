-- Scores of one backtest run.
-- grain: model, series
-- units: plan costs in mean demand, pinball and mean_demand in the metric's unit, coverage as share 0..1
-- source: forecast_scores
-- parameters: $run, its fingerprint
SELECT
    run, unique_id, metric, model, is_champion, is_planner, demand_quantile, first_origin, last_origin,
    origins, horizon_s, points, mean_demand, plan_cost_99, plan_cost_999, wql, mase, pinball_q10,
    pinball_q50, pinball_q90, pinball_q99, pinball_q999, coverage_q10, coverage_q50, coverage_q90,
    coverage_q99, coverage_q999
FROM forecast_scores
WHERE run = $run
ORDER BY model, unique_id
