-- Commitments in force at $as_of.
-- grain: source, commitment
-- units: cost and quantity over the whole period; cost_per_hour in `currency` per hour
-- source: contract_commitments; provider (aws, azure, gcp) from the charges that name the commitment, else from its
--         id, else empty; regions and instance_types are those it was seen to cover, separated by commas
-- parameters: $as_of, a moment
WITH billed AS (
    SELECT
        CommitmentDiscountId,
        cloud_of(min(ServiceProviderName)) AS provider,
        string_agg(DISTINCT RegionId, ',' ORDER BY RegionId) FILTER (WHERE CommitmentDiscountStatus = 'Used')
        AS regions,
        string_agg(DISTINCT instance_type_of(SkuPriceDetails), ',' ORDER BY instance_type_of(SkuPriceDetails))
        FILTER (WHERE CommitmentDiscountStatus = 'Used') AS instance_types
    FROM charges
    WHERE CommitmentDiscountId IS NOT NULL
    GROUP BY ALL
),
named AS (
    SELECT *, cloud_of(ContractCommitmentId) AS guess FROM contract_commitments
)
SELECT
    x_Source AS source,
    coalesce(billed.provider, CASE WHEN guess IN ('aws', 'azure', 'gcp') THEN guess END) AS provider,
    ContractCommitmentId AS commitment,
    ContractId AS contract,
    ContractCommitmentType AS type,
    ContractCommitmentCategory AS category,
    ContractCommitmentDescription AS description,
    billed.regions,
    billed.instance_types,
    ContractCommitmentPeriodStart AS period_start,
    ContractCommitmentPeriodEnd AS period_end,
    BillingCurrency AS currency,
    ContractCommitmentCost AS cost,
    ContractCommitmentQuantity AS quantity,
    ContractCommitmentUnit AS unit,
    ContractCommitmentCost::DOUBLE
    / ((epoch(ContractCommitmentPeriodEnd) - epoch(ContractCommitmentPeriodStart)) / 3600) AS cost_per_hour
FROM named
LEFT JOIN billed ON billed.CommitmentDiscountId = named.ContractCommitmentId
WHERE
    ContractCommitmentPeriodStart <= $as_of
    AND ContractCommitmentPeriodEnd > $as_of
    AND coalesce(ContractCommitmentLifecycleStatus, 'Active') IN ('Active', 'Exhausted')
ORDER BY source, commitment
