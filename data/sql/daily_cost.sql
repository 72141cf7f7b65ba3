-- Cost per day of use.
-- grain: day (its start, UTC), provider, service, team, currency
-- units: costs in `currency`, floats: a charge that covers several days, such as a monthly fee, is spread over them by
--        time, so days add up to the bill only to within rounding
-- source: charges
WITH spans AS (
    SELECT
        coalesce(ServiceProviderName, x_Source) AS provider,
        ServiceName AS service,
        team_of(Tags) AS team,
        BillingCurrency AS currency,
        ChargePeriodStart AS starts,
        greatest(ChargePeriodEnd, ChargePeriodStart + INTERVAL 1 MICROSECOND) AS ends,
        BilledCost::DOUBLE AS billed_cost,
        EffectiveCost::DOUBLE AS effective_cost
    FROM charges
),
days AS (
    SELECT *, unnest(days_of(starts, ends)) AS day FROM spans
),
shares AS (
    SELECT *, share_of_day(starts, ends, day) AS day_share FROM days
)
SELECT
    day,
    provider,
    service,
    team,
    currency,
    sum(billed_cost * day_share) AS billed_cost,
    sum(effective_cost * day_share) AS effective_cost
FROM shares
GROUP BY ALL
ORDER BY ALL
