-- Quantity and cost of daily charges, by what allocation rules look at and what was metered: why cost changes.
-- grain: as allocation_groups (tax and fees left out), with region always, then meter, unit
-- units: quantity in `unit`, costs in `currency`; floats, sums over the window. quantity is missing where the bill has
--        none
-- source: charges of kind `use` in allocation_days
-- parameters: $since (inclusive) and $until (exclusive), moments of the charge's start; $by_resource, $by_tags (flags)
SELECT
    x_Source AS source,
    coalesce(SubAccountId, BillingAccountId) AS account,
    SubAccountName AS account_name,
    coalesce(ServiceName, 'unknown') AS service,
    RegionId AS region,
    CASE WHEN $by_resource THEN coalesce(ResourceName, ResourceId) END AS resource,
    CASE WHEN $by_tags THEN Tags END AS tags,
    team_of(Tags) AS team,
    ChargeCategory AS category,
    coalesce(CommitmentDiscountStatus = 'Unused', false) AS is_unused,
    BillingCurrency AS currency,
    coalesce(SkuId, '') || ' ' || coalesce(SkuMeter, '') AS meter,
    PricingUnit AS unit,
    sum(PricingQuantity)::DOUBLE AS quantity,
    sum(BilledCost)::DOUBLE AS billed_cost,
    sum(EffectiveCost)::DOUBLE AS effective_cost
FROM charges
WHERE
    ChargePeriodStart >= $since
    AND ChargePeriodStart < $until
    AND ChargeCategory IN ('Usage', 'Purchase')
    AND coalesce(ChargeFrequency, 'Usage-Based') <> 'One-Time'
    AND ChargeClass IS NULL
    AND ChargePeriodEnd - ChargePeriodStart <= INTERVAL 25 HOUR
GROUP BY ALL
ORDER BY ALL
