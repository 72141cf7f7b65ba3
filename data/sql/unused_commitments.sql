-- What commitments cost without covering anything, on average over the last week of the bill they are on.
-- grain: commitment, provider, currency
-- units: unused_per_hour in `currency` per hour; newest is the end of the account's bill and of that week
-- source: charges whose commitment is unused; a charge that lies partly in the week counts with that part, and one whose
--         period goes on after the end of the bill counts as if it ended there
-- parameters: $since (inclusive) and $until (exclusive), moments of the charge's start
WITH bill AS (
    SELECT
        x_Source,
        BillingAccountId,
        max(least(ChargePeriodEnd, $until::TIMESTAMPTZ)) AS ends,
        greatest(epoch(min(ChargePeriodStart)), epoch(ends) - 7 * 86400) AS week
    FROM charges
    WHERE
        ChargeCategory = 'Usage'
        AND ChargeClass IS NULL
        AND ChargePeriodStart >= $since
        AND ChargePeriodStart < $until
    GROUP BY ALL
),
unused AS (
    SELECT
        charges.CommitmentDiscountId AS commitment,
        cloud_of(coalesce(charges.ServiceProviderName, charges.x_Source)) AS provider,
        charges.BillingCurrency AS currency,
        charges.EffectiveCost::DOUBLE AS cost,
        bill.ends,
        epoch(bill.ends) - bill.week AS week_s,
        epoch(least(charges.ChargePeriodEnd, bill.ends)) - epoch(charges.ChargePeriodStart) AS lasting_s,
        epoch(least(charges.ChargePeriodEnd, bill.ends)) - greatest(epoch(charges.ChargePeriodStart), bill.week)
        AS in_week_s
    FROM charges
    INNER JOIN bill USING (x_Source, BillingAccountId)
    WHERE
        charges.CommitmentDiscountStatus = 'Unused'
        AND charges.CommitmentDiscountId IS NOT NULL
        AND charges.ChargePeriodStart >= $since
        AND charges.ChargePeriodStart < bill.ends
)
SELECT
    commitment,
    provider,
    currency,
    sum(cost * in_week_s / lasting_s * 3600 / week_s) AS unused_per_hour,
    max(ends) AS newest
FROM unused
WHERE in_week_s > 0
GROUP BY ALL
ORDER BY ALL
