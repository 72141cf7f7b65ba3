"""Azure cost details exports as FOCUS charges: EA, MCA and pay-as-you-go, actual and amortized cost.

* Prices are per UnitOfMeasure and Quantity counts these, so cost = Quantity × EffectivePrice also where the
  unit is "10K" or "100 Hours" (checked on exports of an enterprise agreement); ConsumedQuantity is Quantity
  times the block size.
* An actual export has reservation usage at 0 beside the purchase; an amortized one has the usage at its share
  of the purchase, what was left unused, and no purchase. Which of the two a file is shows in its rows: unused
  commitments, or commitment usage that costs something, are amortized. A file without either is actual.
* BilledCost is the invoice's: 0 for what a commitment covers. EffectiveCost is the cost as delivered; where
  the lake has both exports of a month, `data.billing.replace` takes from each what the other lacks.
* ListCost is PayGPrice times Quantity where Azure gives that price; its 0 is no price.
* Dates are days in UTC; the last day of a billing period is inclusive in Azure, exclusive in FOCUS.
"""

from __future__ import annotations

from collections.abc import Sequence

from data.billing.azure_columns import block_size_sql, canonical, region_sql, unit_sql
from data.billing.azure_services import SERVICES
from data.billing.mapping import Mapping
from data.billing.services import category_sql, subcategory_sql
from data.formats import Format, needs

FORMATS = (
    Format(
        "azure-cost",
        "charges",
        "Azure cost details (actual or amortized)",
        needs("cost", "date", "metercategory", "consumedservice/servicename/servicefamily", "subscriptionid"),
        canonical=canonical,
        accepts=lambda columns: "billedcost" not in columns,
    ),
)

_TYPE = "lower(coalesce({text:chargetype}, 'Usage'))"
_MODEL = "lower(coalesce({text:pricingmodel}, ''))"
_COST = "{money:cost}"
_IS_PROFILE = "coalesce({text:billingprofileid} <> coalesce({text:billingaccountid}, ''), false)"
_BENEFIT = "coalesce({text:benefitid}, {text:reservationid})"
_UNUSED = f"{_TYPE} LIKE 'unused%'"
_COVERED = f"({_TYPE} = 'usage' AND ({_MODEL} IN ('reservation', 'savingsplan') OR {_BENEFIT} IS NOT NULL))"
_BOUGHT = f"({_TYPE} = 'purchase' AND ({_MODEL} IN ('reservation', 'savingsplan') OR {_BENEFIT} IS NOT NULL))"
_IS_AMORTIZED = f"bool_or({_UNUSED} OR ({_COVERED} AND {_COST} <> 0)) OVER ()"
_PLAN = f"({_MODEL} = 'savingsplan' OR {_TYPE} = 'unusedsavingsplan' OR {_BENEFIT} ILIKE '%savingsplan%')"

_DATE = "{date:date}"
_START = f"coalesce({{date:billingperiodstartdate}}, date_trunc('month', {_DATE}))"
_END = f"coalesce({{date:billingperiodenddate}} + INTERVAL 1 DAY, {_START} + INTERVAL 1 MONTH)"
_QUANTITY = "{money:quantity}"
_UNIT = "{text:unitofmeasure}"
_LISTED = (
    "coalesce(nullif({money:paygcostinbillingcurrency}, 0), "
    f"CASE WHEN {{money:paygprice}} > 0 THEN ({{money:paygprice}}::DOUBLE * {_QUANTITY}::DOUBLE) END)"
)
_INSTANCE = (
    "CASE WHEN json_valid({text:additionalinfo}) "
    "THEN json_extract_string({text:additionalinfo}, '$.ServiceType') END"
)
# What follows the last provider without the names: Microsoft.Sql/servers/databases.
_KIND_OF_RESOURCE = (
    "nullif(regexp_replace(regexp_extract({text:resourceid}, '(?i).*/providers/([^/]+(/[^/]+/[^/]*)+)$', 1), "
    "'(/[^/]+)/[^/]*', '\\1', 'g'), '')"
)
_TAGS = (
    "CASE WHEN {text:tags} LIKE '{%' AND json_valid({text:tags}) THEN {text:tags} "
    "WHEN json_valid('{' || {text:tags} || '}') THEN '{' || {text:tags} || '}' END"
)

RULES: dict[str, str] = {
    "BilledCost": f"CASE WHEN {_IS_AMORTIZED} AND ({_COVERED} OR {_UNUSED}) THEN 0 ELSE {_COST} END",
    "EffectiveCost": _COST,
    "ListCost": f"CASE WHEN {_TYPE} = 'usage' THEN CAST({_LISTED} AS DECIMAL(38, 18)) END",
    "ContractedCost": f"CASE WHEN {_COVERED} "
    f"THEN CAST({{money:unitprice}}::DOUBLE * {_QUANTITY}::DOUBLE AS DECIMAL(38, 18)) "
    f"WHEN {_UNUSED} THEN 0 ELSE {_COST} END",
    "ListUnitPrice": "nullif({money:paygprice}, 0)",
    # Pay-as-you-go exports have one price, which is the contracted one where no commitment lowers it.
    "ContractedUnitPrice": f"coalesce({{money:unitprice}}, CASE WHEN NOT ({_COVERED} OR {_UNUSED}) "
    "THEN {money:effectiveprice} END)",
    "BillingCurrency": "coalesce({text:billingcurrency}, 'XXX')",  # ISO 4217 for: not stated
    # A customer agreement is invoiced by billing profile; an enrollment has one, of its own number.
    "BillingAccountId": "coalesce({text:billingprofileid}, {text:billingaccountid}, {text:subscriptionid})",
    "BillingAccountName": f"CASE WHEN {_IS_PROFILE} THEN {{text:billingprofilename}} "
    "ELSE {text:billingaccountname} END",
    "BillingAccountType": f"CASE WHEN {_IS_PROFILE} THEN 'Billing Profile' "
    "WHEN {text:billingaccountid} IS NULL THEN 'Subscription' ELSE 'Billing Account' END",
    "BillingPeriodStart": _START,
    "BillingPeriodEnd": _END,
    "ChargePeriodStart": _DATE,
    "ChargePeriodEnd": f"{_DATE} + INTERVAL 1 DAY",
    "ChargeCategory": f"CASE WHEN {_TYPE} = 'usage' OR {_UNUSED} THEN 'Usage' WHEN {_TYPE} = 'purchase' "
    f"THEN 'Purchase' WHEN {_TYPE} = 'tax' THEN 'Tax' WHEN {_TYPE} IN ('credit', 'refund') THEN 'Credit' "
    "ELSE 'Adjustment' END",
    "ChargeClass": f"CASE WHEN {_TYPE} = 'refund' THEN 'Correction' END",
    "ChargeDescription": "coalesce({text:productname}, "
    "nullif(concat_ws(' - ', {text:metercategory}, {text:metersubcategory}, {text:metername}), ''))",
    "ChargeFrequency": "CASE lower({text:frequency}) WHEN 'usagebased' THEN 'Usage-Based' "
    "WHEN 'recurring' THEN 'Recurring' WHEN 'onetime' THEN 'One-Time' "
    f"ELSE CASE WHEN {_TYPE} = 'usage' OR {_UNUSED} THEN 'Usage-Based' END END",
    "PricingCategory": f"CASE WHEN {_TYPE} NOT IN ('usage', 'purchase') AND NOT {_UNUSED} THEN NULL "
    f"WHEN {_COVERED} OR {_UNUSED} THEN 'Committed' WHEN {_MODEL} = 'spot' THEN 'Dynamic' "
    "ELSE 'Standard' END",
    "PricingQuantity": "{money:quantity}",
    "PricingUnit": "{text:unitofmeasure}",
    "PricingCurrency": "{text:pricingcurrency}",
    "ConsumedQuantity": f"CASE WHEN {_TYPE} = 'usage' THEN CAST({_QUANTITY} * {block_size_sql(_UNIT)} "
    "AS DECIMAL(38, 18)) END",
    "ConsumedUnit": f"CASE WHEN {_TYPE} = 'usage' THEN {unit_sql(_UNIT)} END",
    "CommitmentDiscountId": f"CASE WHEN {_COVERED} OR {_UNUSED} OR {_BOUGHT} THEN {_BENEFIT} END",
    "CommitmentDiscountName": f"CASE WHEN {_COVERED} OR {_UNUSED} OR {_BOUGHT} "
    "THEN coalesce({text:benefitname}, {text:reservationname}) END",
    "CommitmentDiscountCategory": f"CASE WHEN {_COVERED} OR {_UNUSED} OR {_BOUGHT} "
    f"THEN CASE WHEN {_PLAN} THEN 'Spend' ELSE 'Usage' END END",
    "CommitmentDiscountType": f"CASE WHEN {_COVERED} OR {_UNUSED} OR {_BOUGHT} "
    f"THEN CASE WHEN {_PLAN} THEN 'Savings Plan' ELSE 'Reservation' END END",
    "CommitmentDiscountStatus": f"CASE WHEN {_COVERED} THEN 'Used' WHEN {_UNUSED} THEN 'Unused' END",
    "InvoiceId": "{text:invoiceid}",
    "InvoiceIssuerName": "'Microsoft'",
    "ServiceProviderName": "'Microsoft'",
    "HostProviderName": "CASE WHEN lower(coalesce({text:publishertype}, 'azure')) = 'marketplace' "
    "THEN {text:publishername} ELSE 'Microsoft' END",
    "ServiceName": "coalesce({text:metercategory}, {text:consumedservice}, 'Azure')",
    "ServiceCategory": category_sql("lower({text:metercategory})", SERVICES),
    "ServiceSubcategory": subcategory_sql("lower({text:metercategory})", SERVICES),
    "RegionId": region_sql("{text:resourcelocation}"),
    "RegionName": "{text:resourcelocation}",
    "AvailabilityZone": "{text:availabilityzone}",
    "ResourceId": "{text:resourceid}",
    "ResourceName": "coalesce({text:resourcename}, "
    "nullif(regexp_extract({text:resourceid}, '([^/]+)/?$', 1), ''))",
    "ResourceType": f"coalesce({{text:resourcetype}}, {_KIND_OF_RESOURCE})",
    "SkuId": "{text:meterid}",
    "SkuMeter": "{text:metername}",
    "SkuPriceId": "coalesce({text:partnumber}, {text:meterid})",  # one of the two is the price sheet's key
    "SkuPriceDetails": f"CASE WHEN {_INSTANCE} IS NOT NULL "
    f"THEN to_json({{'InstanceType': {_INSTANCE}}})::VARCHAR END",
    "SubAccountId": "{text:subscriptionid}",
    "SubAccountName": "{text:subscriptionname}",
    "SubAccountType": "CASE WHEN {text:subscriptionid} IS NOT NULL THEN 'Subscription' END",
    "Tags": _TAGS,
    "x_Source": "'azure'",
    "x_Dataset": f"CASE WHEN {_IS_AMORTIZED} THEN 'amortized' ELSE 'actual' END",
}


def cost_details(columns: Sequence[str]) -> Mapping:
    """The rules for an export with these columns."""
    unread = f"CASE WHEN {_TAGS} IS NULL THEN {{text:tags}} END"
    consumed = (
        "tags", "chargetype", "pricingmodel", "date", "billingperiodstartdate", "billingperiodenddate",
        "frequency", "billingcurrency", "cost", "resourcename", "productname",
        "unitprice", "partnumber",
    )  # fmt: skip
    del columns  # every spelling has the same rules
    return Mapping("azure-cost", dict(RULES), extra={"Tags": unread}, consumed=consumed, native=_COST)
