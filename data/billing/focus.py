"""FOCUS 1.0 to 1.4 and its Contract Commitment dataset, as our tables.

The columns keep their names; only what versions renamed or dropped needs a rule. The version is told from the
column set, because files do not carry it.
"""

from __future__ import annotations

from collections.abc import Sequence

from data.billing.columns import CONTRACT_COMMITMENT, COST_AND_USAGE, SERVICE_CATEGORIES
from data.billing.mapping import Mapping
from data.columns import Kind
from data.formats import Format, needs
from data.lake import quoted

_LATER_THAN_1_0: tuple[tuple[str, frozenset[str]], ...] = (
    ("1.4", frozenset({"commitmentprogrameligibilitydetails", "invoicedetailid"})),
    (
        "1.3",
        frozenset(
            {
                "serviceprovidername", "hostprovidername", "contractapplied", "allocatedmethodid",
                "allocatedmethoddetails", "allocatedresourceid", "allocatedresourcename", "allocatedtags",
            }
        ),
    ),
    (
        "1.2",
        frozenset(
            {
                "invoiceid", "billingaccounttype", "subaccounttype", "pricingcurrency",
                "pricingcurrencycontractedunitprice", "pricingcurrencyeffectivecost",
                "pricingcurrencylistunitprice",
            }
        ),
    ),
    (
        "1.1",
        frozenset(
            {
                "commitmentdiscountquantity", "commitmentdiscountunit", "capacityreservationid",
                "capacityreservationstatus", "skumeter", "skupricedetails", "servicesubcategory",
            }
        ),
    ),
)  # fmt: skip


def version(columns: Sequence[str]) -> str:
    """The newest FOCUS version a Cost and Usage column set shows, 1.0 to 1.4."""
    present = {column.lower() for column in columns}
    if "serviceprovidername" in present and not present & {"providername", "publishername"}:
        return "1.4"  # which removed the two
    return next((name for name, added in _LATER_THAN_1_0 if present & added), "1.0")


FORMATS = (
    Format(
        "focus",
        "charges",
        "FOCUS 1.0 to 1.4 Cost and Usage",
        needs(
            "billedcost", "effectivecost", "billingcurrency", "billingaccountid", "billingperiodstart",
            "billingperiodend", "chargeperiodstart", "chargeperiodend", "chargecategory",
        ),
    ),
    Format(
        "focus-contract-commitment",
        "contract_commitments",
        "FOCUS Contract Commitment",
        needs(
            "contractcommitmentid", "contractcommitmentcategory", "contractcommitmenttype", "contractid",
            "contractcommitmentperiodstart", "contractcommitmentperiodend", "contractperiodstart",
            "contractperiodend",
        ),
    ),
)  # fmt: skip

_READ = {Kind.DECIMAL: "money", Kind.TIME: "time", Kind.TEXT: "text"}
_CATEGORY_LIST = ", ".join(quoted(name) for name in SERVICE_CATEGORIES)


# Azure leaves SkuPriceDetails out and names the size of a machine in a column of its own.
_AZURE_TYPE = """
    CASE WHEN json_valid({text:x_skudetails}) AND coalesce(
        json_extract_string({text:x_skudetails}, '$.InstanceType'),
        json_extract_string({text:x_skudetails}, '$.ServiceType')) IS NOT NULL
    THEN to_json({'InstanceType': coalesce(
        json_extract_string({text:x_skudetails}, '$.InstanceType'),
        json_extract_string({text:x_skudetails}, '$.ServiceType'))})::VARCHAR END
"""

# Columns of later versions under the names that Azure gives them in its 1.0 exports.
_AZURE_NAMES = {
    "InvoiceId": "x_invoiceid",
    "PricingCurrency": "x_pricingcurrency",
    "SkuMeter": "x_skumetername",
}


def cost_and_usage(columns: Sequence[str]) -> Mapping:
    """FOCUS columns from a file of any version.

    ServiceProviderName is ProviderName before 1.3, which is when it was renamed. A ServiceCategory the
    specification does not know becomes Other, and the original stays in x_Extra. Of the path that Azure gives
    as an account only the last part stays, which is what its native exports and people call the account: so a
    month that comes in both kinds of export is known as one month.
    """
    rules = {column.name: f"{{{_READ[column.kind]}:{column.name.lower()}}}" for column in COST_AND_USAGE}
    present = {column.lower() for column in columns}
    if "serviceprovidername" not in present:
        rules["ServiceProviderName"] = "{text:providername}"
    rules |= {
        name: f"{{text:{own}}}"
        for name, own in _AZURE_NAMES.items()
        if name.lower() not in present and own in present
    }
    for name in ("BillingAccountId", "SubAccountId"):
        rules[name] = _last_part(name.lower())
    rules["SkuPriceDetails"] = f"coalesce({{text:skupricedetails}}, {_AZURE_TYPE})"
    rules["Tags"] = "tags_object({text:tags})"  # Google lists them, key by key
    category = "{text:servicecategory}"
    rules["ServiceCategory"] = f"CASE WHEN {category} IN ({_CATEGORY_LIST}) THEN {category} ELSE 'Other' END"
    unknown = f"CASE WHEN {category} NOT IN ({_CATEGORY_LIST}) THEN {category} END"
    return Mapping(
        f"focus-{version(columns)}",
        rules,
        extra={"ServiceCategory": unknown},
        consumed=("servicecategory", "skupricedetails", "tags", "billingaccountid", "subaccountid"),
        native="{money:billedcost}",
    )


def _last_part(column: str) -> str:
    """/providers/Microsoft.Billing/billingAccounts/1234567 as 1234567."""
    text = f"{{text:{column}}}"
    return f"CASE WHEN starts_with({text}, '/') THEN regexp_extract({text}, '([^/]+)/*$', 1) ELSE {text} END"


def contract_commitment(_: Sequence[str]) -> Mapping:
    """Contract Commitment columns of 1.3 (13) or 1.4 (30)."""
    rules = {column.name: f"{{{_READ[column.kind]}:{column.name.lower()}}}" for column in CONTRACT_COMMITMENT}
    return Mapping("focus-contract-commitment", rules)
