-- What was loaded, newest first.
-- grain: load, table, source, kind, currency
-- units: costs in `currency`, exact decimals; not empty for bills only
-- source: loads; a load that restated any part counts as restated
SELECT
    load_id,
    loaded_at,
    table_name,
    source,
    kind,
    currency,
    sum(row_count)::BIGINT AS row_count,
    min(period_start) AS period_start,
    max(period_end) AS period_end,
    sum(billed_cost) AS billed_cost,
    sum(effective_cost) AS effective_cost,
    CASE WHEN bool_or(status = 'restated') THEN 'restated' ELSE min(status) END AS status,
    string_agg(DISTINCT note, '; ' ORDER BY note) AS note
FROM loads
GROUP BY load_id, loaded_at, table_name, source, kind, currency
ORDER BY load_id DESC, table_name, source, kind, currency
