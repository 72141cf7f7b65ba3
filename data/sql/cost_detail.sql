-- What the cost of one watched series is made of, so that a change of it can be explained.
-- grain: day (its start, UTC), category, is_correction, sku, resource, commitment, unit
-- units: effective_cost in the series' currency, quantity in `unit` (missing where the bill gives none), floats: a charge
--        that covers several days is spread over them by time; commitment is the one that covers the charge, missing
--        where none does
-- source: charges without tax, as in daily_cost_series
-- parameters: $since (inclusive) and $until (exclusive), midnights; $provider, $sub_account, $service, $region, $team,
--             $currency name the series, NULL where it has none
WITH spans AS (
    SELECT
        ChargeCategory AS category,
        coalesce(ChargeClass = 'Correction', false) AS is_correction,
        coalesce(SkuId, SkuMeter, SkuPriceId, ChargeDescription) AS sku,
        ResourceId AS resource,
        CASE WHEN CommitmentDiscountStatus IS DISTINCT FROM 'Unused' THEN CommitmentDiscountId END AS commitment,
        PricingUnit AS unit,
        PricingQuantity::DOUBLE AS quantity,
        EffectiveCost::DOUBLE AS cost,
        ChargePeriodStart AS starts,
        greatest(ChargePeriodEnd, ChargePeriodStart + INTERVAL 1 MICROSECOND) AS ends
    FROM charges
    WHERE
        ChargeCategory <> 'Tax'
        AND ChargePeriodStart < $until
        AND greatest(ChargePeriodEnd, ChargePeriodStart + INTERVAL 1 MICROSECOND) > $since
        AND coalesce(ServiceProviderName, x_Source) IS NOT DISTINCT FROM $provider
        AND coalesce(SubAccountId, BillingAccountId) IS NOT DISTINCT FROM $sub_account
        AND ServiceName IS NOT DISTINCT FROM $service
        AND RegionId IS NOT DISTINCT FROM $region
        AND team_of(Tags) IS NOT DISTINCT FROM $team
        AND BillingCurrency IS NOT DISTINCT FROM $currency
),
days AS (
    SELECT
        *,
        unnest(days_of(greatest(starts, $since::TIMESTAMPTZ), least(ends, $until::TIMESTAMPTZ))) AS day
    FROM spans
),
shares AS (
    SELECT *, share_of_day(starts, ends, day) AS day_share FROM days
)
SELECT
    day,
    category,
    is_correction,
    sku,
    resource,
    commitment,
    unit,
    sum(quantity * day_share) AS quantity,
    sum(cost * day_share) AS effective_cost
FROM shares
GROUP BY ALL
ORDER BY ALL
