"""The columns of FOCUS 1.4, spelled as the specification spells them, with our own words for their meaning.

Source of names, types and allowed values: FinOps Open Cost and Usage Specification 1.4 (CC-BY-4.0). A column
that the specification calls mandatory is nullable here unless the product cannot do without it: real exports
leave list and contracted cost empty, and refusing a whole bill for that would help no one.
"""

from __future__ import annotations

from data.columns import Column, Kind, integer, money, text, time

BILLING = "BillingCurrency"
PRICING = "PricingCurrency"
SERVICE_CATEGORIES = (
    "AI and Machine Learning", "Analytics", "Business Applications", "Compute", "Databases",
    "Developer Tools", "Multicloud", "Identity", "Integration", "Internet of Things",
    "Management and Governance", "Media", "Migration", "Mobile", "Networking", "Security",
    "Storage", "Web", "Other",
)  # fmt: skip
CHARGE_CATEGORIES = ("Usage", "Purchase", "Tax", "Credit", "Adjustment")

COST_AND_USAGE: tuple[Column, ...] = (
    text("AllocatedMethodDetails", "How a shared cost was split, as JSON"),
    text("AllocatedMethodId", "Method by which a shared cost was split"),
    text("AllocatedResourceId", "Resource a shared cost was given to"),
    text("AllocatedResourceName", "Name of the resource a shared cost was given to"),
    text("AllocatedTags", "Tags of the resource a shared cost was given to, as JSON"),
    text("AvailabilityZone", "Zone inside the region"),
    money("BilledCost", "What the invoice asks for this charge", BILLING, nullable=False),
    text("BillingAccountId", "Account that receives the invoice", nullable=False),
    text("BillingAccountName", "Name of the account that receives the invoice"),
    text("BillingAccountType", "Provider's word for the kind of billing account"),
    text("BillingCurrency", "Currency of the invoice, ISO 4217", nullable=False),
    time("BillingPeriodEnd", "End of the invoice's period, exclusive", nullable=False),
    time("BillingPeriodStart", "Start of the invoice's period, inclusive", nullable=False),
    text("CapacityReservationId", "Capacity reservation the charge belongs to"),
    text("CapacityReservationStatus", "Whether reserved capacity was used", allowed=("Used", "Unused")),
    text("ChargeCategory", "What kind of charge this is", nullable=False, allowed=CHARGE_CATEGORIES),
    text("ChargeClass", "Correction of an earlier, invoiced period, else empty", allowed=("Correction",)),
    text("ChargeDescription", "The provider's sentence about the charge"),
    text("ChargeFrequency", "How often it recurs", allowed=("One-Time", "Recurring", "Usage-Based")),
    time("ChargePeriodEnd", "End of the charge's period, exclusive", nullable=False),
    time("ChargePeriodStart", "Start of the charge's period, inclusive", nullable=False),
    text("CommitmentDiscountCategory", "What the commitment promises to use", allowed=("Spend", "Usage")),
    text("CommitmentDiscountId", "Commitment that covers the charge"),
    text("CommitmentDiscountName", "Name of the commitment"),
    money("CommitmentDiscountQuantity", "Commitment used or bought", "CommitmentDiscountUnit"),
    text("CommitmentDiscountStatus", "Whether the commitment was used", allowed=("Used", "Unused")),
    text("CommitmentDiscountType", "Provider's word for the kind of commitment"),
    text("CommitmentDiscountUnit", "Unit of CommitmentDiscountQuantity"),
    text("CommitmentProgramEligibilityDetails", "Commitment programs that could cover the charge, as JSON"),
    money("ConsumedQuantity", "How much was consumed", "ConsumedUnit"),
    text("ConsumedUnit", "Unit of ConsumedQuantity"),
    text("ContractApplied", "Contract commitments this charge counts towards, as JSON"),
    money("ContractedCost", "Cost at the negotiated price, before commitments", BILLING),
    money("ContractedUnitPrice", "Negotiated price per PricingUnit", BILLING),
    money("EffectiveCost", "Cost with commitments spread over what they cover", BILLING, nullable=False),
    text("HostProviderName", "Who runs the infrastructure underneath"),
    text("InvoiceDetailId", "Line of the invoice"),
    text("InvoiceId", "Invoice; empty while the period is open"),
    text("InvoiceIssuerName", "Who sends the invoice"),
    money("ListCost", "Cost at the public list price", BILLING),
    money("ListUnitPrice", "Public price per PricingUnit", BILLING),
    text("PricingCategory", "Pricing model", allowed=("Standard", "Dynamic", "Committed", "Other")),
    text("PricingCurrency", "Currency of the price list, ISO 4217"),
    money("PricingCurrencyContractedUnitPrice", "Negotiated price per PricingUnit", PRICING),
    money("PricingCurrencyEffectiveCost", "Effective cost", PRICING),
    money("PricingCurrencyListUnitPrice", "Public price per PricingUnit", PRICING),
    money("PricingQuantity", "Quantity the price is multiplied with", "PricingUnit"),
    text("PricingUnit", "Unit the price is per"),
    text("RegionId", "Provider's id of the region"),
    text("RegionName", "Name of the region"),
    text("ResourceId", "Provider's id of the resource"),
    text("ResourceName", "Name of the resource"),
    text("ResourceType", "Provider's word for the kind of resource"),
    text("ServiceCategory", "What the service is for", allowed=SERVICE_CATEGORIES),
    text("ServiceName", "Name of the service"),
    text("ServiceProviderName", "Who sells the service"),
    text("ServiceSubcategory", "Finer than ServiceCategory"),
    text("SkuId", "Provider's id of what was bought"),
    text("SkuMeter", "What is metered"),
    text("SkuPriceDetails", "Attributes of the price, as JSON"),
    text("SkuPriceId", "Provider's id of the price"),
    text("SubAccountId", "Account, subscription or project inside the billing account"),
    text("SubAccountName", "Name of the sub-account"),
    text("SubAccountType", "Provider's word for the kind of sub-account"),
    text("Tags", "Tags of the resource, as a JSON object"),
)

LOAD_COLUMNS: tuple[Column, ...] = (
    text("x_Source", "Who bills: aws, azure, gcp, or the issuer's name", nullable=False),
    text(
        "x_Dataset",
        "Which of a provider's exports the row is from, where it has several: actual, amortized, …",
    ),
    time("x_ExportTime", "When the provider exported the row; append-only exports alone"),
    text("x_LineId", "The provider's lasting number of the row; append-only exports alone"),
    text("x_Repaired", "Costs the provider left at 0 that were filled in: ListCost, ContractedCost"),
    text("x_Month", "Month of BillingPeriodStart, YYYY-MM", nullable=False),
    integer("x_LoadId", "Load that brought the row; see loads", nullable=False),
    integer("x_Row", "Row in its file, the first after the header is 1", nullable=False),
    Column("x_Extra", Kind.MAP, "Every source column without a FOCUS home that has a value", None),
)

BILLING_PERIOD: tuple[Column, ...] = (
    time("BillingPeriodCreated", "When the first charge of the period was loaded", nullable=False),
    time("BillingPeriodEnd", "End of the period, exclusive", nullable=False),
    time("BillingPeriodLastUpdated", "When its charges last changed", nullable=False),
    time("BillingPeriodStart", "Start of the period, inclusive", nullable=False),
    text(
        "BillingPeriodStatus", "Whether more charges are expected", nullable=False, allowed=("Open", "Closed")
    ),
    text("InvoiceIssuerName", "Who sends the invoice"),
)

_TERMS = ("No Upfront", "Partial Upfront", "All Upfront")
_INTERVALS = ("One-Time", "Monthly", "Quarterly", "Semi-Annual", "Annual", "Custom")
_FULFILMENT = (
    "Hourly", "Daily", "Weekly", "Monthly", "Quarterly", "Semi-Annual", "Annual", "Full Period",
    "Transactional", "Custom",
)  # fmt: skip
_LIFECYCLE = ("Proposed", "Pending", "Active", "Exhausted", "Expired", "Canceled", "Superseded")
_BENEFITS = ("Discount", "Entitlement", "Availability", "Other")
_PRE = "ContractCommitment"

CONTRACT_COMMITMENT: tuple[Column, ...] = (
    text("BillingCurrency", "Currency of the commitment's cost, ISO 4217"),
    text(f"{_PRE}Applicability", "What the commitment covers, as JSON"),
    text(f"{_PRE}BenefitCategory", "What is given in return", allowed=_BENEFITS),
    text(f"{_PRE}Category", "What is promised", nullable=False, allowed=("Spend", "Usage")),
    money(f"{_PRE}Cost", "What is promised, in money, over the whole period", BILLING),
    time(f"{_PRE}Created", "When the commitment was recorded"),
    text(f"{_PRE}Description", "The provider's sentence about the commitment"),
    money(f"{_PRE}DiscountPercentage", "Discount as a share of the price", "share 0..1"),
    text(f"{_PRE}DurationType", "Provider's word for the length"),
    text(f"{_PRE}FulfillmentInterval", "How often the promise is measured", allowed=_FULFILMENT),
    text(f"{_PRE}Id", "Provider's id of the commitment", nullable=False),
    time(f"{_PRE}LastUpdated", "When the record last changed"),
    text(f"{_PRE}LifecycleStatus", "Where it stands", allowed=_LIFECYCLE),
    text(f"{_PRE}Model", "Whether it is measured each interval or over the whole period",
         allowed=("Continuous", "Discontinuous")),
    text(f"{_PRE}OfferCategory", "Public or negotiated", allowed=("Negotiated", "Public")),
    text(f"{_PRE}PaymentInterval", "How often it is paid", allowed=_INTERVALS),
    text(f"{_PRE}PaymentModel", "How much is paid first", allowed=_TERMS),
    money(f"{_PRE}PaymentUpfrontPercentage", "Share paid first", "share 0..1"),
    time(f"{_PRE}PeriodEnd", "End of the commitment, exclusive", nullable=False),
    time(f"{_PRE}PeriodStart", "Start of the commitment, inclusive", nullable=False),
    money(f"{_PRE}Quantity", "What is promised, in units", f"{_PRE}Unit"),
    text(f"{_PRE}Type", "Provider's word for the kind of commitment", nullable=False),
    text(f"{_PRE}Unit", "Unit of the promised quantity"),
    text("ContractId", "Contract the commitment is part of", nullable=False),
    time("ContractPeriodEnd", "End of the contract, exclusive", nullable=False),
    time("ContractPeriodStart", "Start of the contract, inclusive", nullable=False),
    text("InvoiceIssuerName", "Who sends the invoice"),
    text("PricingCurrency", "Currency of the price list, ISO 4217"),
    money(f"PricingCurrency{_PRE}Cost", "What is promised, in money, over the whole period", PRICING),
    text("ServiceProviderName", "Who sells the service"),
)  # fmt: skip
