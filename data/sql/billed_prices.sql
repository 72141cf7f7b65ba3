-- What an hour of each instance type cost, as the bill says.
-- grain: provider, region, instance_type, category (FOCUS PricingCategory), currency
-- units: hours of instances; list_cost, contracted_cost and effective_cost in `currency`, exact decimals, missing
--        where the bill does not say; newest is the end of the last charge
-- source: usage charges per hour that name an instance type; no corrections, no Windows or licensed images, and no
--         charges for single cores or memory, whose hours are not hours of a machine
-- parameters: $since (inclusive) and $until (exclusive), moments of the charge's start
SELECT
    cloud_of(coalesce(ServiceProviderName, x_Source)) AS provider,
    RegionId AS region,
    instance_type_of(SkuPriceDetails) AS instance_type,
    coalesce(PricingCategory, 'Standard') AS category,
    BillingCurrency AS currency,
    sum(PricingQuantity) AS hours,
    sum(ListCost) AS list_cost,
    sum(ContractedCost) AS contracted_cost,
    sum(EffectiveCost) AS effective_cost,
    max(ChargePeriodEnd) AS newest
FROM charges
WHERE
    ChargeCategory = 'Usage'
    AND ChargeClass IS NULL
    AND ChargePeriodStart >= $since
    AND ChargePeriodStart < $until
    AND instance_type_of(SkuPriceDetails) IS NOT NULL
    AND RegionId IS NOT NULL
    AND PricingQuantity > 0
    AND regexp_matches(PricingUnit, '(?i)^(1 )?(hours?|hrs?)$')
    AND coalesce(json_extract_string(SkuPriceDetails, '$.OperatingSystem'), 'Linux') ILIKE 'linux%'
    AND NOT regexp_matches(coalesce(SkuMeter, ''), '(?i)\b(core|ram|memory|cpu)\b')
    AND PricingCategory IS NOT NULL
GROUP BY ALL
ORDER BY ALL
