"""A large FOCUS 1.4 Cost and Usage file in Parquet, generated: every column, values as spread as real ones.

Every value follows from the number of its row, so a file of one size is the same everywhere. Costs have nine
decimals; their type is a choice, because exports differ: DECIMAL keeps digits, DOUBLE is what AWS writes.
"""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import duckdb

from data.billing.columns import COST_AND_USAGE

ROW_GROUP = 122_880
_COST = "((h // 8) % pow(10, 2 + h % 8)) / 1e9"  # from a billionth to a tenth
_SERVICES = (
    ("Amazon Elastic Compute Cloud", "Compute", "Virtual Machines", "Hours"),
    ("Amazon Simple Storage Service", "Storage", "Object Storage", "GB-Mo"),
    ("AWS Data Transfer", "Networking", "Network Connectivity", "GB"),
    ("Amazon Relational Database Service", "Databases", "Relational Databases", "Hours"),
    ("Amazon Bedrock", "AI and Machine Learning", "Generative AI", "1000 Tokens"),
    ("AWS Lambda", "Compute", "Serverless Compute", "GB-Seconds"),
    ("Amazon CloudWatch", "Management and Governance", "Observability", "Metrics"),
)
_FIXED = {
    "BillingAccountId": "'123456789012'",
    "BillingAccountName": "'Payer'",
    "BillingAccountType": "'Management Account'",
    "BillingCurrency": "'USD'",
    "BillingPeriodStart": "TIMESTAMPTZ '2026-10-01 00:00:00+00'",
    "BillingPeriodEnd": "TIMESTAMPTZ '2026-11-01 00:00:00+00'",
    "ChargeCategory": "CASE WHEN i % 997 = 0 THEN 'Tax' WHEN i % 211 = 0 THEN 'Credit' ELSE 'Usage' END",
    "ChargeFrequency": "'Usage-Based'",
    "HostProviderName": "'AWS'",
    "InvoiceId": "'INV-' || (i % 12)",
    "InvoiceIssuerName": "'AWS'",
    "ServiceProviderName": "'AWS'",
    "PricingCurrency": "'USD'",
    "SubAccountType": "'Member Account'",
    "ResourceType": "'Instance'",
}
_HOUR = "TIMESTAMPTZ '2026-10-01 00:00:00+00' + to_hours((i * 744 // n)::INTEGER)"
_VARIED = {
    "AvailabilityZone": "'eu-west-1' || chr((97 + h % 3)::INTEGER)",
    "ChargeDescription": "'$' || (h % 977) / 1000.0 || ' per unit of meter ' || h % 977",
    "ChargePeriodStart": _HOUR,
    "ChargePeriodEnd": f"{_HOUR} + INTERVAL 1 HOUR",
    "CommitmentDiscountId": "CASE WHEN h % 5 = 0 THEN 'arn:aws:savingsplans::1:sp/' || h % 40 END",
    "CommitmentDiscountCategory": "CASE WHEN h % 5 = 0 THEN 'Spend' END",
    "CommitmentDiscountStatus": "CASE WHEN h % 5 = 0 THEN 'Used' END",
    "CommitmentDiscountType": "CASE WHEN h % 5 = 0 THEN 'Savings Plan' END",
    "ConsumedUnit": "s.unit",
    "PricingUnit": "s.unit",
    "PricingCategory": "CASE WHEN h % 5 = 0 THEN 'Committed' ELSE 'Standard' END",
    "RegionId": "['eu-west-1', 'eu-central-1', 'us-east-1', 'us-east-2', 'ap-south-1'][1 + h % 5]",
    "RegionName": "['Ireland', 'Frankfurt', 'N. Virginia', 'Ohio', 'Mumbai'][1 + h % 5]",
    "ResourceId": "'arn:aws:ec2:eu-west-1:1:instance/i-' || printf('%017x', h % 200000)",
    "ResourceName": "'node-' || h % 200000",
    "ServiceName": "s.name",
    "ServiceCategory": "s.category",
    "ServiceSubcategory": "s.subcategory",
    "SkuId": "'SKU' || printf('%012d', h % 977)",
    "SkuMeter": "'BoxUsage:m' || h % 977",
    "SkuPriceDetails": """'{"InstanceType": "m' || h % 977 || '.large", "OperatingSystem": "Linux"}'""",
    "SkuPriceId": "'SKU' || printf('%012d', h % 977) || '.JRTCKXETXF'",
    "SubAccountId": "printf('%012d', 210000000000 + h % 300)",
    "SubAccountName": "'team-' || h % 300",
    "Tags": """'{"team": "team-' || h % 60 || '", "env": "' || ['prod', 'test'][1 + h % 2] || '"}'""",
}
_AMOUNTS = {
    "BilledCost": 1.0, "EffectiveCost": 1.0, "ContractedCost": 1.1, "ListCost": 1.25,
    "PricingQuantity": 10.0, "ConsumedQuantity": 10.0, "ListUnitPrice": 0.125, "ContractedUnitPrice": 0.11,
    "PricingCurrencyEffectiveCost": 1.0,
}  # fmt: skip


def write(path: Path, rows: int, *, amounts: str = "DECIMAL(38, 9)") -> Decimal:
    """Write the file; the sum of its BilledCost is given back. `amounts` is the SQL type of costs."""
    with duckdb.connect() as connection:
        connection.execute(f"COPY ({_select(rows, amounts)}) TO '{path}' (ROW_GROUP_SIZE {ROW_GROUP})")
        total = f"SELECT sum(BilledCost::DECIMAL(38, 9)) FROM '{path}'"
        found = connection.execute(total).fetchone()
    return Decimal(found[0]) if found else Decimal(0)


def _select(rows: int, amounts: str) -> str:
    values = {
        **_FIXED,
        **_VARIED,
        **{name: f"round({_COST} * {factor}, 9)::{amounts}" for name, factor in _AMOUNTS.items()},
    }
    named = ", ".join(
        f"{values.get(column.name, f'NULL::{column.kind.value}')} AS {column.name}"
        for column in COST_AND_USAGE
    )
    services = ", ".join(f"({number}, {', '.join(map(repr, row))})" for number, row in enumerate(_SERVICES))
    return f"""
        SELECT {named}
        FROM (SELECT range AS i, {rows}::BIGINT AS n, (hash(range) >> 1)::BIGINT AS h FROM range({rows})) AS r
        JOIN (VALUES {services}) AS s (number, name, category, subcategory, unit)
            ON s.number = h % {len(_SERVICES)}
    """
