-- Charges of one source and billing month with the columns of FOCUS 1.2, for tools that read that version.
-- grain: charge
-- units: as charges, but units are spelled as FOCUS wants them, prices and skus of taxes are left out, and where no
--         other pricing currency is told it is the billing currency; ProviderName and PublisherName are what 1.3
--         renamed and 1.4 dropped
-- source: charges
-- parameters: $source (aws, azure, gcp, …), $period (YYYY-MM)
SELECT
    AvailabilityZone,
    BilledCost,
    BillingAccountId,
    BillingAccountName,
    BillingAccountType,
    BillingCurrency,
    BillingPeriodEnd,
    BillingPeriodStart,
    CapacityReservationId,
    CASE WHEN CapacityReservationId IS NOT NULL THEN CapacityReservationStatus END AS CapacityReservationStatus,
    ChargeCategory,
    ChargeClass,
    ChargeDescription,
    ChargeFrequency,
    ChargePeriodEnd,
    ChargePeriodStart,
    CASE WHEN CommitmentDiscountId IS NOT NULL THEN CommitmentDiscountCategory END AS CommitmentDiscountCategory,
    CommitmentDiscountId,
    CASE WHEN CommitmentDiscountId IS NOT NULL THEN CommitmentDiscountName END AS CommitmentDiscountName,
    CASE WHEN CommitmentDiscountId IS NOT NULL THEN CommitmentDiscountQuantity END AS CommitmentDiscountQuantity,
    CASE WHEN CommitmentDiscountId IS NOT NULL THEN CommitmentDiscountStatus END AS CommitmentDiscountStatus,
    CASE WHEN CommitmentDiscountId IS NOT NULL THEN CommitmentDiscountType END AS CommitmentDiscountType,
    CASE WHEN CommitmentDiscountId IS NOT NULL AND CommitmentDiscountQuantity IS NOT NULL
        THEN CommitmentDiscountUnit END AS CommitmentDiscountUnit,
    ConsumedQuantity,
    CASE WHEN ConsumedQuantity IS NOT NULL THEN focus_unit(ConsumedUnit) END AS ConsumedUnit,
    ContractedCost,
    CASE WHEN ChargeCategory <> 'Tax' THEN ContractedUnitPrice END AS ContractedUnitPrice,
    EffectiveCost,
    InvoiceId,
    InvoiceIssuerName,
    ListCost,
    CASE WHEN ChargeCategory <> 'Tax' THEN ListUnitPrice END AS ListUnitPrice,
    CASE WHEN ChargeCategory <> 'Tax' THEN PricingCategory END AS PricingCategory,
    coalesce(PricingCurrency, BillingCurrency) AS PricingCurrency,
    CASE WHEN ChargeCategory <> 'Tax' THEN coalesce(
        PricingCurrencyContractedUnitPrice,
        CASE WHEN coalesce(PricingCurrency, BillingCurrency) = BillingCurrency THEN ContractedUnitPrice END
    ) END AS PricingCurrencyContractedUnitPrice,
    coalesce(
        PricingCurrencyEffectiveCost,
        CASE WHEN coalesce(PricingCurrency, BillingCurrency) = BillingCurrency THEN EffectiveCost END
    ) AS PricingCurrencyEffectiveCost,
    CASE WHEN ChargeCategory <> 'Tax' THEN coalesce(
        PricingCurrencyListUnitPrice,
        CASE WHEN coalesce(PricingCurrency, BillingCurrency) = BillingCurrency THEN ListUnitPrice END
    ) END AS PricingCurrencyListUnitPrice,
    CASE WHEN ChargeCategory <> 'Tax' THEN PricingQuantity END AS PricingQuantity,
    CASE WHEN ChargeCategory <> 'Tax' AND PricingQuantity IS NOT NULL THEN focus_unit(PricingUnit) END AS PricingUnit,
    ServiceProviderName AS ProviderName,
    coalesce(x_Extra['PublisherName'], HostProviderName, ServiceProviderName) AS PublisherName,
    RegionId,
    CASE WHEN RegionId IS NOT NULL THEN RegionName END AS RegionName,
    ResourceId,
    CASE WHEN ResourceId IS NOT NULL THEN ResourceName END AS ResourceName,
    CASE WHEN ResourceId IS NOT NULL THEN ResourceType END AS ResourceType,
    ServiceCategory,
    ServiceName,
    ServiceSubcategory,
    CASE WHEN ChargeCategory <> 'Tax' THEN SkuId END AS SkuId,
    CASE WHEN ChargeCategory <> 'Tax' AND SkuId IS NOT NULL THEN SkuMeter END AS SkuMeter,
    CASE WHEN ChargeCategory <> 'Tax' THEN SkuPriceDetails END AS SkuPriceDetails,
    CASE WHEN ChargeCategory <> 'Tax' THEN SkuPriceId END AS SkuPriceId,
    SubAccountId,
    CASE WHEN SubAccountId IS NOT NULL THEN SubAccountName END AS SubAccountName,
    CASE WHEN SubAccountId IS NOT NULL THEN SubAccountType END AS SubAccountType,
    Tags
FROM charges
WHERE x_Source = $source AND x_Month = $period
ORDER BY x_LoadId, x_Row
