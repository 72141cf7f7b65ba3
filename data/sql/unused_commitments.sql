-- What commitments cost without covering anything.
-- grain: commitment, provider, currency
-- units: unused_cost in `currency`, exact decimal, over the window; newest is the end of the last such charge
-- source: usage and purchase charges whose commitment is unused
-- parameters: $since (inclusive) and $until (exclusive), moments of the charge's start
SELECT
    CommitmentDiscountId AS commitment,
    cloud_of(coalesce(ServiceProviderName, x_Source)) AS provider,
    BillingCurrency AS currency,
    sum(EffectiveCost) AS unused_cost,
    max(ChargePeriodEnd) AS newest
FROM charges
WHERE
    CommitmentDiscountStatus = 'Unused'
    AND CommitmentDiscountId IS NOT NULL
    AND ChargePeriodStart >= $since
    AND ChargePeriodStart < $until
GROUP BY ALL
ORDER BY ALL
