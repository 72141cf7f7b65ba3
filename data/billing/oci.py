"""Oracle Cloud's cost reports (before its FOCUS reports) as FOCUS charges.

cost.myCost is what is invoiced at the contracted price; the report has no list price, so ListCost stays
empty. Each report brings lines of its own: late usage and corrections (which name the line they correct
in lineItem/backreferenceNo) are new lines of a later report, so a numbered line is delivered once and stays.
"""

from __future__ import annotations

from collections.abc import Sequence

from data.billing import regions
from data.billing.mapping import Mapping, map_of
from data.billing.services import category_sql, subcategory_sql
from data.formats import Format, needs


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

SERVICES: dict[str, tuple[str, ...]] = {
    "Virtual Machines": ("COMPUTE",),
    "Containers": ("CONTAINER_ENGINE", "CONTAINER_INSTANCES"),
    "Serverless Compute": ("FUNCTIONS",),
    "Block Storage": ("BLOCK_STORAGE",),
    "Object Storage": ("OBJECTSTORE", "OBJECT_STORAGE", "ARCHIVE_STORAGE"),
    "File Storage": ("FILE_STORAGE",),
    "Relational Databases": ("DATABASE", "MYSQL", "POSTGRESQL", "EXADATA"),
    "NoSQL Databases": ("NOSQL",),
    "Network Infrastructure": ("NETWORK",),
    "Application Networking": ("LOAD_BALANCER", "LBAAS"),
    "Network Routing": ("DNS",),
    "Network Connectivity": ("VPN", "FASTCONNECT"),
    "Observability": ("TELEMETRY", "MONITORING", "LOGGING", "APM"),
    "Other (Management and Governance)": ("NOTIFICATIONS",),
    "Secret Management": ("KMS", "VAULT"),
    "Security Posture Management": ("CLOUD_GUARD",),
    "Other (Security)": ("WAF",),
    "Business Intelligence": ("ANALYTICS",),
    "Data Processing": ("DATA_INTEGRATION", "BIG_DATA", "DATA_FLOW"),
    "Other (Analytics)": ("DATA_SCIENCE",),
    "Messaging": ("STREAMING", "QUEUE"),
    "Other (Integration)": ("INTEGRATION",),
    "API Management": ("API_GATEWAY",),
}
_SERVICE = "{text:product.service}"
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
    "BillingAccountType": "'Tenancy'",
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
    "ServiceCategory": category_sql(f"upper({_SERVICE})", SERVICES),
    "ServiceSubcategory": subcategory_sql(f"upper({_SERVICE})", SERVICES),
    "RegionId": "{text:product.region}",
    "RegionName": regions.name_sql("{text:product.region}", regions.ORACLE),
    "AvailabilityZone": "{text:product.availabilitydomain}",
    "ResourceId": "{text:product.resourceid}",
    # An OCID says what it names: ocid1.instance.oc1.<region>.<unique part>
    "ResourceType": "nullif(regexp_extract({text:product.resourceid}, '^ocid1\\.([a-z0-9]+)\\.', 1), '')",
    "SkuId": "{text:cost.productsku}",
    "SkuMeter": "{text:product.description}",
    "SkuPriceId": "{text:cost.productsku}",  # the part number, by which Oracle's price list has its prices
    "SubAccountId": "{text:product.compartmentid}",
    "SubAccountName": "{text:product.compartmentname}",
    "SubAccountType": "CASE WHEN {text:product.compartmentid} IS NOT NULL THEN 'Compartment' END",
    "x_Source": "'oci'",
    "x_LineId": "{text:lineitem.referenceno}",
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
