"""The AWS Cost and Usage Report, legacy and 2.0, as FOCUS charges.

Column names are compared in snake case, so lineItem/UnblendedCost of the CSV and line_item_unblended_cost of
the Parquet export are one; the many product/ and resourceTags/ columns vary from month to month and end in
x_Extra and Tags. Rules of the amounts:

* BilledCost is the net unblended cost where the report has it, else the unblended cost. Its sum is the
  invoice's. The blended cost is never used.
* EffectiveCost spreads commitments: covered usage costs what its reservation or savings plan cost, the fee
  lines keep what was not used, upfront fees and savings plan negations are 0 because the covered lines carry
  them.
* ListCost is the public on-demand cost of usage and 0 for discounts, credits and negations, which no list
  has.
* ContractedCost is the price before commitments: billed for ordinary usage and fees, list for covered usage.
* Split cost allocation lines repeat the cost of their parent line, so every amount of theirs is 0.

CUR 2.0 has the same lines under the names Athena uses, but a fixed set of columns: what were many columns are
maps (product, resource_tags, cost_category, discount), written as JSON in CSV, and the region is
product_region_code alone.
"""

from __future__ import annotations

from collections.abc import Sequence

from data.billing import regions
from data.billing.aws_services import SERVICES
from data.billing.mapping import Mapping, map_of
from data.billing.services import category_sql, subcategory_sql
from data.formats import Format, needs, snake_case

FORMATS = (
    Format(
        "aws-cur",
        "charges",
        "AWS Cost and Usage Report, legacy or 2.0",
        needs(
            "bill_payer_account_id", "bill_billing_period_start_date", "bill_billing_period_end_date",
            "line_item_line_item_type", "line_item_usage_start_date", "line_item_usage_end_date",
            "line_item_product_code", "line_item_currency_code",
            "line_item_unblended_cost/line_item_net_unblended_cost",
        ),
        canonical=snake_case,
    ),
)  # fmt: skip

TYPE = "{text:line_item_line_item_type}"
_COVERED = f"{TYPE} IN ('DiscountedUsage', 'SavingsPlanCoveredUsage')"
_DISCOUNT = (
    f"({TYPE} LIKE '%Discount' OR {TYPE} = 'Credit')"  # EdpDiscount, BundledDiscount, PrivateRateDiscount, …
)
_SPLIT = "{text:split_line_item_parent_resource_id} IS NOT NULL"
_RESERVATION = "coalesce({text:reservation_reservation_arn}, {text:reservation_reservation_a_r_n})"
_PLAN = "coalesce({text:savings_plan_savings_plan_arn}, {text:savings_plan_savings_plan_a_r_n})"

_BILLED = "coalesce({money:line_item_net_unblended_cost}, {money:line_item_unblended_cost})"
_PUBLIC = "coalesce({money:pricing_public_on_demand_cost}, " + _BILLED + ")"
_UNUSED_PLAN = (
    "({money:savings_plan_total_commitment_to_date} - coalesce({money:savings_plan_used_commitment}, 0))"
)
_UNUSED_RESERVATION = (
    "(coalesce({money:reservation_net_unused_amortized_upfront_fee_for_billing_period}, "
    "{money:reservation_unused_amortized_upfront_fee_for_billing_period}, 0) "
    "+ coalesce({money:reservation_net_unused_recurring_fee}, {money:reservation_unused_recurring_fee}, 0))"
)


def _by_type(cases: dict[str, str], otherwise: str) -> str:
    branches = " ".join(f"WHEN {test} THEN {value}" for test, value in cases.items())
    return f"CASE {branches} ELSE {otherwise} END"


def _is(name: str) -> str:
    return f"{TYPE} = '{name}'"


_EFFECTIVE = _by_type(
    {
        _SPLIT: "0",
        _is("DiscountedUsage"): "coalesce({money:reservation_net_effective_cost}, "
        f"{{money:reservation_effective_cost}}, {_BILLED})",
        _is("SavingsPlanCoveredUsage"): "coalesce({money:savings_plan_net_savings_plan_effective_cost}, "
        f"{{money:savings_plan_savings_plan_effective_cost}}, {_BILLED})",
        _is("RIFee"): _UNUSED_RESERVATION,
        _is("SavingsPlanRecurringFee"): f"coalesce({_UNUSED_PLAN}, {_BILLED})",
        f"{TYPE} IN ('SavingsPlanNegation', 'SavingsPlanUpfrontFee')": "0",
        f"{_is('Fee')} AND {_RESERVATION} IS NOT NULL": "0",
    },
    _BILLED,
)
_LIST = _by_type({_SPLIT: "0", f"{_DISCOUNT} OR {_is('SavingsPlanNegation')}": "0"}, _PUBLIC)
_CONTRACTED = _by_type(
    {_SPLIT: "0", f"{_is('Credit')} OR {_is('SavingsPlanNegation')}": "0", _COVERED: _PUBLIC}, _BILLED
)

_IS_PURCHASE = f"{TYPE} IN ('RIFee', 'SavingsPlanRecurringFee', 'SavingsPlanUpfrontFee', 'Fee')"
# Charge category by line item type; a type AWS adds later counts as an adjustment until it is known.
_CATEGORY = _by_type(
    {
        f"{_COVERED} OR {TYPE} IN ('Usage', 'SavingsPlanNegation')": "'Usage'",
        _IS_PURCHASE: "'Purchase'",
        _is("Tax"): "'Tax'",
        f"{TYPE} IN ('Credit', 'Refund')": "'Credit'",
    },
    f"CASE WHEN {TYPE} IS NOT NULL THEN 'Adjustment' END",
)
_FREQUENCY = _by_type(
    {
        f"{TYPE} IN ('RIFee', 'SavingsPlanRecurringFee')": "'Recurring'",
        f"{TYPE} IN ('SavingsPlanUpfrontFee', 'Fee', 'Tax', 'Credit', 'Refund')": "'One-Time'",
    },
    "'Usage-Based'",
)
_PRICING = _by_type(
    {
        f"{_COVERED}": "'Committed'",
        f"{_is('Usage')} AND {{text:line_item_usage_type}} LIKE '%SpotUsage%'": "'Dynamic'",
        f"{_is('Usage')} OR {_IS_PURCHASE}": "'Standard'",
    },
    "NULL",
)
_STATUS = _by_type(
    {
        _COVERED: "'Used'",
        f"{_is('RIFee')} AND {_UNUSED_RESERVATION} > 0": "'Unused'",
        f"{_is('SavingsPlanRecurringFee')} AND {_UNUSED_PLAN} > 0": "'Unused'",
    },
    "NULL",
)

_PRODUCT = "{text:line_item_product_code}"
_COMMITMENT = f"coalesce({_PLAN}, {_RESERVATION})"
# What a line takes from a commitment or buys of it: of a plan an amount of money, of a reservation hours,
# normalized ones where AWS counts these.
_PLAN_QUANTITY = _by_type(
    {
        _is("SavingsPlanCoveredUsage"): "{money:savings_plan_savings_plan_effective_cost}",
        f"{TYPE} IN ('SavingsPlanRecurringFee', 'SavingsPlanUpfrontFee')": "{money:line_item_unblended_cost}",
    },
    "NULL",
)
_NORMALIZED_HOURS = _by_type(
    {
        _is("DiscountedUsage"): "{money:line_item_normalized_usage_amount}",
        _is("RIFee"): "{money:reservation_total_reserved_normalized_units}",
    },
    "NULL",
)
_HOURS = _by_type(
    {
        _is("DiscountedUsage"): "{money:line_item_usage_amount}",
        _is("RIFee"): "{money:reservation_total_reserved_units}",
    },
    "NULL",
)


def _of_product(name: str) -> str:
    """SQL of a product attribute: a column of its own, or in the map of CUR 2.0."""
    inside = f"json_extract_string({{text:product}}, '$.{name}')"
    return f"coalesce({{text:product_{name}}}, CASE WHEN json_valid({{text:product}}) THEN {inside} END)"


_REGION = f"coalesce({{text:product_region_code}}, {_of_product('region')})"
_REGION_NAME = (
    f"CASE WHEN {_of_product('location_type')} = 'AWS Region' THEN {_of_product('location')} "
    f"ELSE coalesce({regions.name_sql(_REGION, regions.AWS)}, {_of_product('location')}) END"
)
_INSTANCE = _of_product("instance_type")
_SYSTEM = _of_product("operating_system")

RULES: dict[str, str] = {
    "BilledCost": f"CASE WHEN {_SPLIT} THEN 0 ELSE {_BILLED} END",
    "EffectiveCost": _EFFECTIVE,
    "ListCost": _LIST,
    "ContractedCost": _CONTRACTED,
    "BillingCurrency": "{text:line_item_currency_code}",
    "BillingAccountId": "{text:bill_payer_account_id}",
    "BillingAccountName": "{text:bill_payer_account_name}",
    "BillingAccountType": "'Payer Account'",
    "SubAccountId": "{text:line_item_usage_account_id}",
    "SubAccountName": "{text:line_item_usage_account_name}",
    "SubAccountType": "CASE WHEN {text:line_item_usage_account_id} = {text:bill_payer_account_id} "
    "THEN 'Payer Account' WHEN {text:line_item_usage_account_id} IS NOT NULL THEN 'Linked Account' END",
    "BillingPeriodStart": "{time:bill_billing_period_start_date}",
    "BillingPeriodEnd": "{time:bill_billing_period_end_date}",
    "ChargePeriodStart": "{time:line_item_usage_start_date}",
    "ChargePeriodEnd": "{time:line_item_usage_end_date}",
    "ChargeCategory": _CATEGORY,
    "ChargeClass": f"CASE WHEN {_is('Refund')} THEN 'Correction' END",
    "ChargeDescription": "{text:line_item_line_item_description}",
    "ChargeFrequency": _FREQUENCY,
    "PricingCategory": _PRICING,
    "PricingQuantity": "{money:line_item_usage_amount}",
    "PricingUnit": "{text:pricing_unit}",
    "PricingCurrency": "{text:pricing_currency}",
    "ConsumedQuantity": f"CASE WHEN {_COVERED} OR {_is('Usage')} THEN {{money:line_item_usage_amount}} END",
    "ConsumedUnit": f"CASE WHEN {_COVERED} OR {_is('Usage')} THEN {{text:pricing_unit}} END",
    "ListUnitPrice": "{money:pricing_public_on_demand_rate}",
    "ContractedUnitPrice": f"CASE WHEN {_is('Usage')} THEN {{money:line_item_unblended_rate}} "
    f"WHEN {_COVERED} THEN {{money:pricing_public_on_demand_rate}} END",
    "CommitmentDiscountId": _COMMITMENT,
    "CommitmentDiscountCategory": f"CASE WHEN {_PLAN} IS NOT NULL THEN 'Spend' "
    f"WHEN {_RESERVATION} IS NOT NULL THEN 'Usage' END",
    "CommitmentDiscountType": f"CASE WHEN {_PLAN} IS NOT NULL THEN 'Savings Plan' "
    f"WHEN {_RESERVATION} IS NOT NULL THEN 'Reserved Instance' END",
    "CommitmentDiscountStatus": f"CASE WHEN {_COMMITMENT} IS NOT NULL THEN {_STATUS} END",
    "CommitmentDiscountQuantity": f"coalesce({_PLAN_QUANTITY}, {_NORMALIZED_HOURS}, {_HOURS})",
    "CommitmentDiscountUnit": f"CASE WHEN {_PLAN_QUANTITY} IS NOT NULL THEN {{text:line_item_currency_code}} "
    f"WHEN {_NORMALIZED_HOURS} IS NOT NULL THEN 'Normalized Hours' "
    f"WHEN {_HOURS} IS NOT NULL THEN 'Hours' END",
    "InvoiceId": "{text:bill_invoice_id}",
    "InvoiceIssuerName": "coalesce({text:bill_invoicing_entity}, 'AWS')",
    "ServiceProviderName": "'AWS'",
    "HostProviderName": "'AWS'",
    "ServiceName": f"coalesce({_of_product('product_name')}, {_PRODUCT})",
    "ServiceCategory": category_sql(_PRODUCT, SERVICES),
    "ServiceSubcategory": subcategory_sql(_PRODUCT, SERVICES),
    "RegionId": _REGION,
    "RegionName": _REGION_NAME,
    "AvailabilityZone": "{text:line_item_availability_zone}",
    "ResourceId": "{text:line_item_resource_id}",
    "ResourceType": "CASE WHEN {text:line_item_resource_id} IS NOT NULL "
    f"THEN {_of_product('product_family')} END",
    "SkuId": "{text:product_sku}",
    "SkuMeter": "{text:line_item_usage_type}",
    # A rate id is of a price, a rate code of the price of one SKU, as FOCUS wants it.
    "SkuPriceId": "coalesce({text:pricing_rate_code}, {text:pricing_rate_id})",
    "SkuPriceDetails": f"CASE WHEN {_INSTANCE} IS NOT NULL "
    f"THEN json_merge_patch(to_json({{'InstanceType': {_INSTANCE}}}), CASE WHEN {_SYSTEM} IS NOT NULL "
    f"THEN to_json({{'OperatingSystem': {_SYSTEM}}}) ELSE '{{}}'::JSON END)::VARCHAR END",
    "x_Source": "'aws'",
}

_TAG_PREFIXES = ("resourceTags/user:", "resource_tags_user_")


def tag_name(column: str) -> str | None:
    """The tag a resource tag column holds: user tags under their own name, aws: tags with their prefix."""
    for prefix in _TAG_PREFIXES:
        if column.startswith(prefix):
            return column.removeprefix(prefix)
    if column.startswith("resourceTags/"):
        return column.removeprefix("resourceTags/")
    if column.startswith("resource_tags_aws_"):
        return "aws:" + column.removeprefix("resource_tags_aws_")
    return None


# resource_tags of CUR 2.0: user_owner is the tag owner, aws_x the tag aws:x of AWS itself.
_TAG_MAP = (
    "CASE WHEN json_valid({text:resource_tags}) THEN to_json(map_from_entries(list_transform(map_entries("
    "{text:resource_tags}::JSON::MAP(VARCHAR, VARCHAR)), lambda e: {'k': regexp_replace("
    "regexp_replace(e.key, '^user[_:]', ''), '^aws[_:]', 'aws:'), 'v': e.value})))::VARCHAR END"
)
_ONLY_IN_2 = {"resource_tags", "cost_category", "discount", "product", "bill_payer_account_name"}


def line_items(columns: Sequence[str]) -> Mapping:
    """The rules for a report with these columns."""
    present = {snake_case(column) for column in columns}
    rules = dict(RULES)
    tags = {name: f"{{text:{snake_case(column)}}}" for column in columns if (name := tag_name(column))}
    homes = [snake_case(column) for column in columns if tag_name(column)]
    if tags:
        rules["Tags"] = f"to_json({map_of(tags)})::VARCHAR"
    elif "resource_tags" in present:
        rules["Tags"] = _TAG_MAP
        homes.append("resource_tags")
    kind = "aws-cur-2" if present & _ONLY_IN_2 else "aws-cur"
    native = f"CASE WHEN {_SPLIT} THEN 0 ELSE {_BILLED} END"
    return Mapping(kind, rules, consumed=("pricing_rate_code", *homes), native=native)
