"""Oracle Cloud's cost reports (before its FOCUS reports) as FOCUS charges.

cost.myCost is what is invoiced at the contracted price; the report has no list price, so ListCost stays
empty. A correction of an earlier line names it in lineItem/backreferenceNo.
"""

from __future__ import annotations

from collections.abc import Sequence

from data.billing.mapping import Mapping, map_of
from data.formats import Format, needs
from data.lake import quoted


def canonical(name: str) -> str:
    """lineItem/tenantId as lineitem.tenantid."""
    return name.lower().replace("/", ".")


FORMATS = (
    Format(
        "oci-cost",
        "charges",
        "Oracle Cloud cost report",
        needs(
            "lineitem.tenantid", "lineitem.intervalusagestart", "lineitem.intervalusageend",
            "product.service", "cost.mycost", "cost.currencycode",
        ),
        canonical=canonical,
    ),
)  # fmt: skip

CATEGORIES: dict[str, tuple[str, ...]] = {
    "Compute": ("COMPUTE", "CONTAINER_ENGINE", "FUNCTIONS", "CONTAINER_INSTANCES"),
    "Storage": ("BLOCK_STORAGE", "OBJECTSTORE", "OBJECT_STORAGE", "FILE_STORAGE", "ARCHIVE_STORAGE"),
    "Databases": ("DATABASE", "MYSQL", "NOSQL", "POSTGRESQL", "EXADATA"),
    "Networking": ("NETWORK", "LOAD_BALANCER", "LBAAS", "DNS", "VPN", "FASTCONNECT"),
    "Management and Governance": ("TELEMETRY", "MONITORING", "LOGGING", "NOTIFICATIONS", "APM"),
    "Security": ("KMS", "VAULT", "WAF", "CLOUD_GUARD"),
    "Analytics": ("ANALYTICS", "DATA_INTEGRATION", "BIG_DATA", "DATA_FLOW", "DATA_SCIENCE"),
    "Integration": ("STREAMING", "INTEGRATION", "API_GATEWAY", "QUEUE"),
}
_SERVICE = "{text:product.service}"
_CATEGORY = " ".join(
    f"WHEN upper({_SERVICE}) IN ({', '.join(map(quoted, names))}) THEN {quoted(category)}"
    for category, names in CATEGORIES.items()
)
_START = "{time:lineitem.intervalusagestart}"
_COST = "{money:cost.mycost}"
_TAG = "tags."

RULES: dict[str, str] = {
    "BilledCost": _COST,
    "EffectiveCost": _COST,
    "ContractedCost": _COST,
    "ContractedUnitPrice": "{money:cost.unitprice}",
    "BillingCurrency": "{text:cost.currencycode}",
    "BillingAccountId": "{text:lineitem.tenantid}",
    "BillingPeriodStart": f"date_trunc('month', {_START})",
    "BillingPeriodEnd": f"date_trunc('month', {_START}) + INTERVAL 1 MONTH",
    "ChargePeriodStart": _START,
    "ChargePeriodEnd": "{time:lineitem.intervalusageend}",
    "ChargeCategory": "'Usage'",
    "ChargeClass": "CASE WHEN lower({text:lineitem.iscorrection}) = 'true' THEN 'Correction' END",
    "ChargeDescription": "{text:product.description}",
    "ChargeFrequency": "'Usage-Based'",
    "PricingCategory": "'Standard'",
    "PricingQuantity": "{money:usage.billedquantity}",
    "PricingUnit": "coalesce({text:cost.skuunitdescription}, {text:cost.billingunitreadable})",
    "ConsumedQuantity": "{money:usage.billedquantity}",
    "ConsumedUnit": "coalesce({text:cost.skuunitdescription}, {text:cost.billingunitreadable})",
    "InvoiceIssuerName": "'Oracle'",
    "ServiceProviderName": "'Oracle'",
    "HostProviderName": "'Oracle'",
    "ServiceName": f"coalesce({_SERVICE}, 'Oracle Cloud')",
    "ServiceCategory": f"CASE {_CATEGORY} ELSE 'Other' END",
    "RegionId": "{text:product.region}",
    "AvailabilityZone": "{text:product.availabilitydomain}",
    "ResourceId": "{text:product.resourceid}",
    "SkuId": "{text:cost.productsku}",
    "SkuMeter": "{text:product.description}",
    "SubAccountId": "{text:product.compartmentid}",
    "SubAccountName": "{text:product.compartmentname}",
    "x_Source": "'oci'",
}


def cost_report(columns: Sequence[str]) -> Mapping:
    """The rules for a report with these columns; each tag has one of its own."""
    homes = [name for name in columns if canonical(name).startswith(_TAG)]
    tags = {name[len(_TAG) :]: f"{{text:{canonical(name)}}}" for name in homes}
    rules = dict(RULES)
    if tags:
        rules["Tags"] = f"to_json({map_of(tags)})::VARCHAR"
    consumed = ("product.service", *map(canonical, homes))
    return Mapping("oci-cost", rules, consumed=consumed, native=_COST)
