-- How old the data is.
-- grain: table_name
-- units: newest_data is the latest moment the rows speak of, newest_load when something last changed; UTC, missing
--        where there is nothing
-- source: charges (use only: a commitment bought today runs for years), demand, usage, offers, deployments, events,
--         spot_capacity, contract_commitments; loads
WITH newest AS (
    SELECT 'charges' AS table_name, max(ChargePeriodEnd) AS newest_data FROM charges WHERE ChargeCategory = 'Usage'
    UNION ALL
    SELECT 'contract_commitments', max(ContractCommitmentLastUpdated) FROM contract_commitments
    UNION ALL
    SELECT 'demand', max(ts + to_seconds(interval_s)) FROM demand
    UNION ALL
    SELECT 'deployments', max(as_of) FROM deployments
    UNION ALL
    SELECT 'events', max(ts) FROM events
    UNION ALL
    SELECT 'offers', max(as_of) FROM offers
    UNION ALL
    SELECT 'spot_capacity', max(ts) FROM spot_capacity
    UNION ALL
    SELECT 'usage', max(ts + to_seconds(coalesce(interval_s, 0))) FROM usage
)
SELECT newest.table_name, newest.newest_data, max(loads.loaded_at) AS newest_load
FROM newest
LEFT JOIN loads USING (table_name)
GROUP BY ALL
ORDER BY table_name
