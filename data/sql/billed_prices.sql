-- What an hour of each instance type cost, day by day, as the bill says.
-- grain: provider, region, instance_type, category (FOCUS PricingCategory), currency, day
-- units: hours of instances, whatever block of hours the price is for; list_cost, contracted_cost and effective_cost in
--        `currency`, exact decimals, missing where the bill does not say or where a 0 was filled in; day is the start
--        of the charges' day in UTC, newest the end of the last charge
-- source: usage of compute services that names an instance type and has a price per hour; no corrections, no hours that
--         cost nothing, no shares that an allocation gave out, no dedicated machines, no Windows or licensed images,
--         and no charges for single cores or memory, whose hours are not hours of a machine
-- parameters: $since (inclusive) and $until (exclusive), moments of the charge's start
SELECT
    cloud_of(coalesce(ServiceProviderName, x_Source)) AS provider,
    RegionId AS region,
    instance_type_of(SkuPriceDetails) AS instance_type,
    PricingCategory AS category,
    BillingCurrency AS currency,
    date_trunc('day', ChargePeriodStart) AS day,
    sum(
        PricingQuantity * coalesce(nullif(regexp_extract(PricingUnit, '^\d{1,4}'), ''), '1')::INTEGER
    )::DECIMAL(38, 18) AS hours,
    CASE WHEN count(ListCost) FILTER (WHERE NOT contains(coalesce(x_Repaired, ''), 'ListCost')) = count(*)
        THEN sum(ListCost) END AS list_cost,
    CASE WHEN count(ContractedCost) FILTER (WHERE NOT contains(coalesce(x_Repaired, ''), 'ContractedCost')) = count(*)
        THEN sum(ContractedCost) END AS contracted_cost,
    sum(EffectiveCost) AS effective_cost,
    max(ChargePeriodEnd) AS newest
FROM charges
WHERE
    ChargeCategory = 'Usage'
    AND ChargeClass IS NULL
    AND ServiceCategory = 'Compute'
    AND ChargePeriodStart >= $since
    AND ChargePeriodStart < $until
    AND instance_type_of(SkuPriceDetails) IS NOT NULL
    AND RegionId IS NOT NULL
    AND PricingCategory IS NOT NULL
    AND AllocatedMethodId IS NULL
    AND PricingQuantity > 0
    AND greatest(coalesce(ContractedCost, 0), EffectiveCost) > 0
    AND regexp_matches(PricingUnit, '(?i)^(\d{1,4} )?(hours?|hrs?)$')
    AND coalesce(json_extract_string(SkuPriceDetails, '$.OperatingSystem'), 'Linux') ILIKE 'linux%'
    AND NOT regexp_matches(coalesce(SkuMeter, ''), '(?i)\b(core|ram|memory|cpu)\b|dedicated|hostbox')
    AND NOT regexp_matches(
        concat_ws(' ', ServiceName, ChargeDescription),
        '(?i)\b(windows|rhel|red hat|suse|sles|sql|ubuntu pro|dedicated|licen[cs]es?)\b'
    )
GROUP BY ALL
ORDER BY ALL
