-- What each resource cost per day on average in a window.
-- grain: resource, provider, sub_account, service, region, team, currency
-- units: cost_per_day in `currency` per day of the window on which the resource was billed, float
-- source: charges that name a resource, by their start; without tax
-- parameters: $since (inclusive) and $until (exclusive), moments of the charge's start
SELECT
    ResourceId AS resource,
    coalesce(ServiceProviderName, x_Source) AS provider,
    coalesce(SubAccountId, BillingAccountId) AS sub_account,
    ServiceName AS service,
    RegionId AS region,
    team_of(Tags) AS team,
    BillingCurrency AS currency,
    sum(EffectiveCost)::DOUBLE / count(DISTINCT date_trunc('day', ChargePeriodStart)) AS cost_per_day
FROM charges
WHERE
    ResourceId IS NOT NULL
    AND ChargeCategory <> 'Tax'
    AND ChargePeriodStart >= $since
    AND ChargePeriodStart < $until
GROUP BY ALL
ORDER BY ALL
