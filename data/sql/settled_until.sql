-- Up to where each provider's bill is complete: charges of the newest days still arrive and change.
-- grain: provider
-- units: newest is the end of the newest use on the bill, settled the moment before which its days no longer change:
--        $settling_days before newest, or the end of the newest closed month, whichever is later
-- source: charges (use of a day or less: a monthly fee is billed up to the month's end), billing_periods
-- parameters: $settling_days, a number of days
WITH bill AS (
    SELECT
        coalesce(ServiceProviderName, x_Source) AS provider,
        x_Source,
        max(ChargePeriodEnd) AS newest
    FROM charges
    WHERE ChargeCategory = 'Usage' AND ChargePeriodEnd <= ChargePeriodStart + INTERVAL 1 DAY
    GROUP BY ALL
),
closed AS (
    SELECT x_Source, max(BillingPeriodEnd) AS month_end
    FROM billing_periods
    WHERE BillingPeriodStatus = 'Closed'
    GROUP BY ALL
)
SELECT
    bill.provider,
    max(bill.newest) AS newest,
    max(greatest(
        date_trunc('day', bill.newest) - to_days($settling_days::INTEGER),
        least(bill.newest, coalesce(closed.month_end, '-infinity'::TIMESTAMPTZ))
    )) AS settled
FROM bill
LEFT JOIN closed USING (x_Source)
GROUP BY bill.provider
ORDER BY bill.provider
