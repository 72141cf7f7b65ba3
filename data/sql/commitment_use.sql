-- What commitments covered, left unused and asked for in a window: what changes when one of them ends.
-- grain: commitment, then as allocation_groups
-- units: costs in `currency`, floats, sums over the window. contracted_cost is what the covered use would have cost
--        without the commitment (ContractedCost, else ListCost); the other costs are what stands on the bill for it
-- source: charges that name a commitment
-- parameters: $since (inclusive) and $until (exclusive), moments of the charge's start; $by_region, $by_resource,
--             $by_tags (flags)
SELECT
    CommitmentDiscountId AS commitment,
    x_Source AS source,
    coalesce(SubAccountId, BillingAccountId) AS account,
    SubAccountName AS account_name,
    coalesce(ServiceName, 'unknown') AS service,
    CASE WHEN $by_region THEN RegionId END AS region,
    CASE WHEN $by_resource THEN coalesce(ResourceName, ResourceId) END AS resource,
    CASE WHEN $by_tags THEN Tags END AS tags,
    team_of(Tags) AS team,
    ChargeCategory AS category,
    coalesce(CommitmentDiscountStatus = 'Unused', false) AS is_unused,
    BillingCurrency AS currency,
    coalesce(
        sum(coalesce(ContractedCost, ListCost)) FILTER (WHERE CommitmentDiscountStatus = 'Used'), 0
    )::DOUBLE AS contracted_cost,
    coalesce(sum(EffectiveCost), 0)::DOUBLE AS effective_cost,
    coalesce(sum(BilledCost), 0)::DOUBLE AS billed_cost
FROM charges
WHERE
    CommitmentDiscountId IS NOT NULL
    AND ChargePeriodStart >= $since
    AND ChargePeriodStart < $until
GROUP BY ALL
ORDER BY ALL
