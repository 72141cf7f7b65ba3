-- Every stored forecast beside what came true.
-- grain: unique_id, metric, origin, ds, model, quantile
-- units: value and actual in the metric's unit, per forecast interval; actual is missing until the whole interval is
--        known, and where it has a gap
-- source: forecasts; demand of the workload of that name, for the metrics requests, tokens_in and tokens_out
WITH steps AS (
    SELECT
        unique_id,
        metric,
        origin,
        model,
        coalesce(
            min(ds - previous) FILTER (WHERE ds > previous), INTERVAL 1 HOUR
        ) AS step
    FROM (
        SELECT
            unique_id,
            metric,
            origin,
            model,
            ds,
            lag(ds) OVER (PARTITION BY unique_id, metric, origin, model ORDER BY ds) AS previous
        FROM forecasts
    )
    GROUP BY ALL
),
intervals AS (
    SELECT DISTINCT unique_id, metric, ds, ds + step AS until
    FROM forecasts
    INNER JOIN steps USING (unique_id, metric, origin, model)
),
by_origin AS (
    SELECT
        i.unique_id,
        i.metric,
        i.ds,
        i.until,
        d.origin,
        sum(d.interval_s) FILTER (WHERE NOT d.is_gap) AS known_s,
        sum(CASE i.metric WHEN 'requests' THEN d.requests WHEN 'tokens_in' THEN d.tokens_in
            WHEN 'tokens_out' THEN d.tokens_out END) AS actual
    FROM intervals AS i
    INNER JOIN demand AS d ON i.unique_id = d.workload AND d.ts >= i.ds AND d.ts < i.until
    GROUP BY ALL
),
actuals AS (
    SELECT
        unique_id,
        metric,
        ds,
        until,
        CASE WHEN bool_and(coalesce(known_s, 0) >= epoch(until) - epoch(ds)) THEN sum(actual) END AS actual
    FROM by_origin
    GROUP BY ALL
)
SELECT f.unique_id, f.metric, f.origin, f.ds, f.model, f.quantile, f.value, a.actual
FROM forecasts AS f
INNER JOIN steps AS s USING (unique_id, metric, origin, model)
LEFT JOIN actuals AS a ON f.unique_id = a.unique_id AND f.metric = a.metric AND f.ds = a.ds AND f.ds + s.step = a.until
ORDER BY f.unique_id, f.metric, f.origin, f.ds, f.model, f.quantile
