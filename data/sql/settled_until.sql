-- Up to where each bill is complete: charges of the newest days still arrive and change.
-- grain: source, provider
-- units: newest is the end of the newest use on the bill, settled the moment before which its days no longer change:
--        $settle_days before newest, or the end of the newest closed month, whichever is later
-- source: charges (use of a day or less: a monthly fee is billed up to the month's end), billing_periods
-- parameters: $settle_days, a number of days; $as_of, a moment, or NULL for all: later use is not there, and a month
--             whose charges changed later is not closed
WITH bill AS (
    SELECT
        x_Source AS source,
        coalesce(ServiceProviderName, x_Source) AS provider,
        max(ChargePeriodEnd) AS newest
    FROM charges
    WHERE
        ChargeCategory = 'Usage'
        AND ChargePeriodEnd <= ChargePeriodStart + INTERVAL 1 DAY
        AND ChargePeriodEnd <= coalesce($as_of::TIMESTAMPTZ, 'infinity'::TIMESTAMPTZ)
    GROUP BY ALL
),
closed AS (
    SELECT x_Source AS source, max(BillingPeriodEnd) AS month_end
    FROM billing_periods
    WHERE
        BillingPeriodStatus = 'Closed'
        AND ($as_of::TIMESTAMPTZ IS NULL OR BillingPeriodLastUpdated <= $as_of::TIMESTAMPTZ)
    GROUP BY ALL
)
SELECT
    bill.source,
    bill.provider,
    bill.newest,
    greatest(
        date_trunc('day', bill.newest) - to_days($settle_days::INTEGER),
        least(bill.newest, coalesce(closed.month_end, '-infinity'::TIMESTAMPTZ))
    ) AS settled
FROM bill
LEFT JOIN closed USING (source)
ORDER BY bill.source, bill.provider
