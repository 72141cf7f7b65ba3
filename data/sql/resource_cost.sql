-- What each resource cost per billing month.
-- grain: resource, type, instance_type, region, provider, service, team, month (YYYY-MM), currency
-- units: costs in `currency`, exact decimals; team as in macros/team_of.sql
-- source: charges that name a resource
SELECT
    ResourceId AS resource,
    ResourceType AS type,
    instance_type_of(SkuPriceDetails) AS instance_type,
    RegionId AS region,
    coalesce(ServiceProviderName, x_Source) AS provider,
    ServiceName AS service,
    team_of(Tags) AS team,
    x_Month AS month,
    BillingCurrency AS currency,
    sum(EffectiveCost) AS effective_cost,
    sum(ListCost) AS list_cost,
    sum(BilledCost) AS billed_cost
FROM charges
WHERE ResourceId IS NOT NULL
GROUP BY ALL
ORDER BY ALL
