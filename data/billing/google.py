"""Google Cloud's BigQuery billing exports, standard and detailed, as FOCUS charges.

One charge per row, credits folded in, so that no join can multiply a cost:

* BilledCost is cost plus all credits of the row, which is what Google invoices. ContractedCost is the cost
  before credits, ListCost the cost at list price where the export has it.
* The invoice's month is invoice.month, whose days end at midnight in Los Angeles: usage of the last hours of
  a month, UTC, may belong to the next one. Both stay as they are.
* Committed use discounts are fees on rows of their own and credits on the usage they cover. EffectiveCost
  moves the fees of an account and month to that usage, in proportion to its credits; the sum over both stays
  the invoice's. The export does not tell how much of a commitment was left unused; the usage carries it.
* The export only ever grows: corrections and late usage are new rows with a later export_time, and so each
  export time is a piece of the bill of its own (`data.billing.parts`).

Source: Cloud Billing data schema of BigQuery, standard and detailed usage cost.
"""

from __future__ import annotations

from collections.abc import Sequence

from data.billing import regions
from data.billing.google_services import SERVICES
from data.billing.mapping import Mapping
from data.billing.services import category_sql, subcategory_sql
from data.formats import Format, needs
from data.lake import quoted


def canonical(name: str) -> str:
    """service.description and service_description, as BigQuery's own exports spell it, are one."""
    return name.lower().replace(".", "_")


FORMATS = (
    Format(
        "google-billing",
        "charges",
        "Google Cloud billing export (standard or detailed)",
        needs(
            "billing_account_id", "service_description", "sku_description", "usage_start_time",
            "usage_end_time", "cost", "currency",
        ),
        canonical=canonical,
    ),
)  # fmt: skip

# Some tools write the list the way Python prints it.
_AS_LIST = """
    CREATE OR REPLACE TEMP MACRO as_json_list(x) AS
    CASE WHEN x IS NULL THEN '[]' WHEN json_valid(x) THEN x
        ELSE replace(regexp_replace(x, '\\bNone\\b', 'null', 'g'), '''', '"') END
"""
# Missing where any amount cannot be read: a bill with an unknown credit has no known cost.
_SUM_OF = """
    CREATE OR REPLACE TEMP MACRO sum_of_amounts(amounts) AS
    CASE WHEN len(list_filter(amounts, lambda a: as_money(a) IS NULL)) = 0
        THEN coalesce(list_sum(list_transform(amounts, lambda a: as_money(a))), 0)::DECIMAL(38, 18) END
"""
_CREDITED = """
    CREATE OR REPLACE TEMP MACRO credited(x) AS
    CASE WHEN json_valid(as_json_list(x))
        THEN sum_of_amounts(json_extract_string(as_json_list(x), '$[*].amount')) END
"""
_COMMITTED = """
    CREATE OR REPLACE TEMP MACRO credited_by_commitments(x) AS
    CASE WHEN contains(x, 'COMMITTED_USAGE_DISCOUNT') AND json_valid(as_json_list(x))
        THEN sum_of_amounts(list_transform(
            list_filter(
                list_zip(
                    json_extract_string(as_json_list(x), '$[*].amount'),
                    json_extract_string(as_json_list(x), '$[*].type')),
                lambda c: c[2] LIKE 'COMMITTED_USAGE_DISCOUNT%'),
            lambda c: c[1]))
        ELSE 0 END
"""
# The first value whose key is like a pattern, of a list of objects.
_FIRST = """
    CREATE OR REPLACE TEMP MACRO first_like(list, key, pattern, wanted) AS
    list_filter(
        list_zip(
            json_extract_string(CASE WHEN json_valid(list) THEN list ELSE '[]' END, '$[*].' || key),
            json_extract_string(CASE WHEN json_valid(list) THEN list ELSE '[]' END, '$[*].' || wanted)),
        lambda pair: pair[1] LIKE pattern)[1][2]
"""
MACROS = (_FIRST, _AS_LIST, _SUM_OF, _CREDITED, _COMMITTED)

_COST = "{money:cost}"
_CREDITS = "{text:credits}"
_BILLED = f"({_COST} + credited({_CREDITS}))"
_COVERED = f"(credited_by_commitments({_CREDITS}) < 0)"
_FEE = "regexp_matches({text:sku_description}, '(?i)^commitment')"
_SAME_BILL = "OVER (PARTITION BY {text:billing_account_id}, {text:invoice_month})"
_FEES = f"sum(CASE WHEN {_FEE} THEN {_BILLED} END) {_SAME_BILL}"
_CREDITS_OF_FEES = f"sum(credited_by_commitments({_CREDITS})) {_SAME_BILL}"
_EFFECTIVE = (
    f"CASE WHEN {_FEE} AND {_CREDITS_OF_FEES} < 0 THEN 0 "
    f"WHEN {_COVERED} THEN {_BILLED} + CAST(coalesce({_FEES}, 0)::DOUBLE "
    f"* (credited_by_commitments({_CREDITS})::DOUBLE / {_CREDITS_OF_FEES}::DOUBLE) AS DECIMAL(38, 18)) "
    f"ELSE {_BILLED} END"
)

_TYPE = "lower(coalesce({text:cost_type}, 'regular'))"
_IS_USAGE = f"({_TYPE} = 'regular' AND NOT {_FEE})"
_CATEGORY_OF_ROW = (
    f"CASE WHEN {_TYPE} = 'tax' THEN 'Tax' WHEN {_TYPE} <> 'regular' THEN 'Adjustment' "
    f"WHEN {_FEE} THEN 'Purchase' ELSE 'Usage' END"
)
_MONTH = (
    "coalesce(timezone('UTC', try_strptime({text:invoice_month} || '01', '%Y%m%d')), "
    "date_trunc('month', {time:usage_start_time}))"
)
_PLACE = "coalesce({text:location_region}, {text:location_location})"
_REGION = f"nullif(regexp_replace({_PLACE}, '^([a-z]+-[a-z]+[0-9]+)-[a-z]$', '\\1'), '')"
_MACHINE = "first_like({text:system_labels}, 'key', 'compute.googleapis.com/machine_spec', 'value')"

_SERVICE = "{text:service_description}"

RULES: dict[str, str] = {
    "BilledCost": _BILLED,
    "EffectiveCost": _EFFECTIVE,
    "ListCost": f"coalesce({{money:cost_at_list}}, CASE WHEN {_IS_USAGE} THEN {_COST} END)",
    "ContractedCost": f"CASE WHEN {_TYPE} = 'regular' THEN {_COST} ELSE {_BILLED} END",
    "ContractedUnitPrice": "{money:price_effective_price}",
    "BillingCurrency": "{text:currency}",
    "BillingAccountId": "{text:billing_account_id}",
    "BillingAccountType": "'Billing Account'",
    "BillingPeriodStart": _MONTH,
    "BillingPeriodEnd": f"{_MONTH} + INTERVAL 1 MONTH",
    "ChargePeriodStart": "{time:usage_start_time}",
    "ChargePeriodEnd": "{time:usage_end_time}",
    "ChargeCategory": _CATEGORY_OF_ROW,
    # A correction says so in its mode: MANUAL_ADJUSTMENT, PARTIAL_CORRECTION, COMPLETE_NEGATION, …
    "ChargeClass": f"CASE WHEN {_TYPE} = 'adjustment' OR {{text:adjustment_info_mode}} ILIKE '%CORRECTION%' "
    "OR {text:adjustment_info_mode} ILIKE '%NEGATION%' THEN 'Correction' END",
    "ChargeDescription": "{text:sku_description}",
    "ChargeFrequency": f"CASE WHEN {_FEE} THEN 'Recurring' WHEN {_TYPE} = 'regular' THEN 'Usage-Based' "
    "ELSE 'One-Time' END",
    "PricingCategory": f"CASE WHEN {_TYPE} <> 'regular' THEN NULL WHEN {_FEE} THEN 'Standard' "
    f"WHEN {_COVERED} THEN 'Committed' "
    "WHEN {text:sku_description} ILIKE '%spot preemptible%' OR {text:sku_description} ILIKE 'preemptible%' "
    "THEN 'Dynamic' ELSE 'Standard' END",
    "PricingQuantity": "{money:usage_amount_in_pricing_units}",
    "PricingUnit": "{text:usage_pricing_unit}",
    "ConsumedQuantity": f"CASE WHEN {_IS_USAGE} THEN {{money:usage_amount}} END",
    "ConsumedUnit": f"CASE WHEN {_IS_USAGE} THEN {{text:usage_unit}} END",
    "CommitmentDiscountId": f"CASE WHEN {_IS_USAGE} AND {_COVERED} "
    f"THEN first_like(as_json_list({_CREDITS}), 'type', 'COMMITTED_USAGE_DISCOUNT%', 'id') END",
    "CommitmentDiscountCategory": f"CASE WHEN {_COVERED} THEN CASE WHEN contains({_CREDITS}, "
    "'COMMITTED_USAGE_DISCOUNT_DOLLAR_BASE') THEN 'Spend' ELSE 'Usage' END END",
    "CommitmentDiscountType": f"CASE WHEN {_COVERED} OR {_FEE} THEN 'Committed Use Discount' END",
    "CommitmentDiscountStatus": f"CASE WHEN {_IS_USAGE} AND {_COVERED} THEN 'Used' END",
    "InvoiceIssuerName": "coalesce({text:seller_name}, 'Google Cloud')",
    "ServiceProviderName": "'Google Cloud'",
    "HostProviderName": "'Google Cloud'",
    "ServiceName": f"coalesce({_SERVICE}, 'Google Cloud')",
    "ServiceCategory": category_sql(_SERVICE, SERVICES),
    "ServiceSubcategory": subcategory_sql(_SERVICE, SERVICES),
    "RegionId": _REGION,
    "RegionName": f"coalesce({regions.name_sql(_REGION, regions.GOOGLE)}, {_PLACE})",
    "AvailabilityZone": "{text:location_zone}",
    "ResourceId": "coalesce({text:resource_global_name}, {text:resource_name})",
    "ResourceName": "{text:resource_name}",
    "ResourceType": "nullif(regexp_extract({text:resource_global_name}, '/([A-Za-z]+)/[^/]+$', 1), '')",
    "SkuId": "{text:sku_id}",
    "SkuMeter": "{text:sku_description}",
    "SkuPriceId": "{text:sku_id}",  # Google's price list has its prices by SKU
    "SkuPriceDetails": f"CASE WHEN {_MACHINE} IS NOT NULL "
    f"THEN to_json({{'InstanceType': {_MACHINE}}})::VARCHAR END",
    "SubAccountId": "{text:project_id}",
    "SubAccountName": "{text:project_name}",
    "SubAccountType": "CASE WHEN {text:project_id} IS NOT NULL THEN 'Project' END",
    "Tags": "labels_object({text:labels}, {text:project_labels})",
    "x_Source": "'gcp'",
    "x_ExportTime": "{time:export_time}",
}


def usage_cost(columns: Sequence[str]) -> Mapping:
    """The rules for an export with these columns; resource names or prices make it the detailed one."""
    present = {canonical(name) for name in columns}
    is_detailed = bool(present & {"resource_name", "resource_global_name", "price_effective_price"})
    name = "detailed" if is_detailed else "standard"
    rules = {**RULES, "x_Dataset": quoted(name)}
    consumed = ("cost", "service_description", "invoice_month", "cost_type", "location_region")
    return Mapping(f"google-{name}", rules, consumed=consumed, native=_BILLED)
