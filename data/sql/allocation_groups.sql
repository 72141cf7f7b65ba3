-- Charges of one billing month, added up by what allocation rules look at.
-- grain: source, account, account_name, service, region, resource, tags, team, category, is_unused, currency; region,
--        resource and tags are empty where no rule asks for them
-- units: costs in `currency`, exact decimals; commitment_saving is list cost less effective cost of what
--        commitments covered; is_unused marks cost of commitments that covered nothing
-- source: charges; team as in macros/team_of.sql
-- parameters: $period (YYYY-MM), $by_region, $by_resource, $by_tags (flags)
SELECT
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
    sum(BilledCost) AS billed_cost,
    sum(EffectiveCost) AS effective_cost,
    sum(ListCost) AS list_cost,
    sum(ListCost - EffectiveCost) FILTER (WHERE CommitmentDiscountStatus = 'Used') AS commitment_saving
FROM charges
WHERE x_Month = $period
GROUP BY ALL
ORDER BY ALL
