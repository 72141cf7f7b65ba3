-- Cost per day of everything that is watched for anomalies.
-- grain: day (its start, UTC), provider, sub_account, service, region, team, currency
-- units: effective_cost in `currency`, float: a charge that covers several days is spread over them by time; team as in
--        macros/team_of.sql; sub_account is the billing account where a charge names none
-- source: charges without tax, which follows from the others
-- parameters: $since (inclusive) and $until (exclusive), moments; a day counts with what of it lies between them
WITH spans AS (
    SELECT
        coalesce(ServiceProviderName, x_Source) AS provider,
        coalesce(SubAccountId, BillingAccountId) AS sub_account,
        ServiceName AS service,
        RegionId AS region,
        team_of(Tags) AS team,
        BillingCurrency AS currency,
        ChargePeriodStart AS starts,
        greatest(ChargePeriodEnd, ChargePeriodStart + INTERVAL 1 MICROSECOND) AS ends,
        EffectiveCost::DOUBLE AS cost
    FROM charges
    WHERE
        ChargeCategory <> 'Tax'
        AND ChargePeriodStart < $until
        AND greatest(ChargePeriodEnd, ChargePeriodStart + INTERVAL 1 MICROSECOND) > $since
),
days AS (
    SELECT
        *,
        unnest(days_of(greatest(starts, $since::TIMESTAMPTZ), least(ends, $until::TIMESTAMPTZ))) AS day
    FROM spans
),
shares AS (
    SELECT
        *,
        (
            epoch_us(least(ends, day + INTERVAL 1 DAY, $until::TIMESTAMPTZ))
            - epoch_us(greatest(starts, day, $since::TIMESTAMPTZ))
        ) / (epoch_us(ends) - epoch_us(starts))::DOUBLE AS day_share
    FROM days
)
SELECT day, provider, sub_account, service, region, team, currency, sum(cost * day_share) AS effective_cost
FROM shares
GROUP BY ALL
ORDER BY ALL
