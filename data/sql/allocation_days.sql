-- Charges by day, added up by what allocation rules look at.
-- grain: month (YYYY-MM, of the invoice), day (its start, UTC, inside that month), then as allocation_groups, and kind
-- units: costs in `currency`, floats: they add up to allocation_groups to within rounding. kind is `use` for what is
--        billed by the day or finer, `fee` for what is billed at once or for a longer time, `tax` for taxes; fees and
--        taxes are spread over the part of their charge period that lies in the month
-- source: charges; team as in macros/team_of.sql. What a charge says of another month (a correction) stands on the
--         first day of the month it is billed in
-- parameters: $since (YYYY-MM, inclusive), $by_region, $by_resource, $by_tags (flags)
WITH billed AS (
    SELECT
        *,
        strptime(x_Month || '-01', '%Y-%m-%d') AT TIME ZONE 'UTC' AS first_day,
        (strptime(x_Month || '-01', '%Y-%m-%d') + INTERVAL 1 MONTH) AT TIME ZONE 'UTC' AS next_month
    FROM charges
    WHERE x_Month >= $since
),
spans AS (
    SELECT
        *,
        CASE
            WHEN ChargeCategory = 'Tax' THEN 'tax'
            WHEN
                ChargeCategory IN ('Usage', 'Purchase')
                AND coalesce(ChargeFrequency, 'Usage-Based') <> 'One-Time'
                AND ChargeClass IS NULL
                AND ChargePeriodEnd - ChargePeriodStart <= INTERVAL 25 HOUR
                AND ChargePeriodStart >= first_day
                THEN 'use'
            ELSE 'fee'
        END AS kind,
        CASE WHEN ChargePeriodEnd > first_day AND ChargePeriodStart < next_month
            THEN greatest(ChargePeriodStart, first_day) ELSE first_day END AS starts,
        CASE WHEN ChargePeriodEnd > first_day AND ChargePeriodStart < next_month
            THEN least(ChargePeriodEnd, next_month) ELSE first_day END AS stops
    FROM billed
),
days AS (
    SELECT
        *,
        greatest(stops, starts + INTERVAL 1 MICROSECOND) AS ends,
        unnest(days_of(starts, ends)) AS day
    FROM spans
),
shares AS (
    SELECT *, share_of_day(starts, ends, day) AS day_share FROM days
)
SELECT
    x_Month AS month,
    day,
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
    kind,
    sum(BilledCost::DOUBLE * day_share) AS billed_cost,
    sum(EffectiveCost::DOUBLE * day_share) AS effective_cost
FROM shares
GROUP BY ALL
ORDER BY ALL
