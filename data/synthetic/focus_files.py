"""FOCUS files of the demo: 1.0 as Parquet from Microsoft, 1.3 as CSV from Google."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from data.synthetic.bills import MONEY
from data.synthetic.fleet import COMPANY, PAYER
from data.synthetic.lines import TIME, csv_bytes, decimals, invoice_ids, months, sku
from data.synthetic.money import QUANTITY_SCALE, UNITS_PER_USD, usd

REGION_NAMES = {
    "eastus": "East US", "westus2": "West US 2", "westeurope": "West Europe", "us-central1": "Iowa",
    "us-east4": "Northern Virginia", "europe-west1": "Belgium", "europe-west4": "Netherlands",
}  # fmt: skip
ISSUER = {"azure": ("Microsoft Azure", "Microsoft"), "gcp": ("Google Cloud", "Google")}
FOCUS_1_0 = (
    "AvailabilityZone", "BilledCost", "BillingAccountId", "BillingAccountName", "BillingCurrency",
    "BillingPeriodEnd", "BillingPeriodStart", "ChargeCategory", "ChargeClass", "ChargeDescription",
    "ChargeFrequency", "ChargePeriodEnd", "ChargePeriodStart", "CommitmentDiscountCategory",
    "CommitmentDiscountId", "CommitmentDiscountName", "CommitmentDiscountStatus", "CommitmentDiscountType",
    "ConsumedQuantity", "ConsumedUnit", "ContractedCost", "ContractedUnitPrice", "EffectiveCost",
    "InvoiceIssuerName", "ListCost", "ListUnitPrice", "PricingCategory", "PricingQuantity", "PricingUnit",
    "ProviderName", "PublisherName", "RegionId", "RegionName", "ResourceId", "ResourceName", "ResourceType",
    "ServiceCategory", "ServiceName", "SkuId", "SkuPriceId", "SubAccountId", "SubAccountName", "Tags",
)  # fmt: skip
AZURE_OWN = ("x_ResourceGroupName", "x_SkuMeterName", "x_SkuDetails")
FOCUS_1_3 = (
    *FOCUS_1_0,
    "AllocatedMethodDetails", "AllocatedMethodId", "AllocatedResourceId", "AllocatedResourceName",
    "AllocatedTags", "BillingAccountType", "CapacityReservationId", "CapacityReservationStatus",
    "CommitmentDiscountQuantity", "CommitmentDiscountUnit", "ContractApplied", "HostProviderName",
    "InvoiceId", "PricingCurrency", "PricingCurrencyContractedUnitPrice",
    "PricingCurrencyEffectiveCost", "PricingCurrencyListUnitPrice", "ServiceProviderName",
    "ServiceSubcategory", "SkuMeter", "SkuPriceDetails", "SubAccountType",
)  # fmt: skip
COMMITMENT_KINDS: Mapping[str, tuple[str, str, str]] = {  # provider: category, type, unit
    "azure": ("Usage", "Reservation", "Hours"),
    "gcp": ("Usage", "Resource-based CUD", "hour"),
}
QUANTITIES = ("PricingQuantity", "ConsumedQuantity", "CommitmentDiscountQuantity")
AMOUNTS = (*MONEY, "ListUnitPrice", "ContractedUnitPrice", "PricingCurrencyListUnitPrice",
           "PricingCurrencyContractedUnitPrice", "PricingCurrencyEffectiveCost")  # fmt: skip
PERIODS = ("BillingPeriodStart", "BillingPeriodEnd", "ChargePeriodStart", "ChargePeriodEnd")


def write_azure(folder: Path, charges: pd.DataFrame, as_of: datetime) -> None:
    """One Parquet file a month, costs as decimals and times with their zone."""
    for month, rows in months(charges[charges["provider"] == "azure"]):
        frame = _focus(rows, as_of)
        is_resource = rows["ResourceId"].str.contains("/resourceGroups/", na=False)
        group = rows["ResourceId"].str.extract(r"/resourceGroups/([^/]+)/", expand=False)
        frame["x_ResourceGroupName"] = group.where(is_resource)
        frame["x_SkuMeterName"] = rows["SkuMeter"]
        frame["x_SkuDetails"] = _sku_details(rows)
        last = month + pd.DateOffset(months=1) - pd.Timedelta(days=1)
        path = folder / "focus-cost" / f"{month:%Y%m%d}-{last:%Y%m%d}" / "part_0_0001.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(_arrow(frame[[*FOCUS_1_0, *AZURE_OWN]]), path, compression="snappy")


def write_gcp(folder: Path, charges: pd.DataFrame, as_of: datetime) -> None:
    """One CSV file a month with all 65 columns of FOCUS 1.3, in alphabetical order."""
    folder.mkdir(parents=True, exist_ok=True)
    for month, rows in months(charges[charges["provider"] == "gcp"]):
        frame = _focus(rows, as_of)[sorted(FOCUS_1_3)]
        path = folder / f"focus_1_3_{month:%Y-%m}.csv"
        path.write_bytes(csv_bytes(_as_text(frame)))


def _focus(rows: pd.DataFrame, as_of: datetime) -> pd.DataFrame:
    """Charges under all FOCUS columns; money as units, times as times, absent things missing."""
    frame = rows.reindex(columns=list(FOCUS_1_3)).astype(
        {column: "str" for column in FOCUS_1_3 if column not in rows.columns}
    )
    provider = str(rows["provider"].iloc[0])
    name, publisher = ISSUER[provider]
    is_usage = (rows["ChargeCategory"] == "Usage") & (rows["CommitmentDiscountStatus"] != "Unused")
    is_committed = rows["CommitmentDiscountId"].notna()
    category, kind, unit = (pd.Series(text, index=rows.index).where(is_committed)
                            for text in COMMITMENT_KINDS[provider])  # fmt: skip
    sku_id = sku(rows)
    constants = {
        "BillingAccountId": PAYER[provider], "BillingAccountName": COMPANY,
        "BillingAccountType": "Billing Account", "BillingCurrency": "USD", "PricingCurrency": "USD",
        "ProviderName": name, "PublisherName": publisher, "InvoiceIssuerName": name,
        "ServiceProviderName": name, "HostProviderName": name, "SubAccountType": "Project",
    }  # fmt: skip
    return frame.assign(
        **constants,
        InvoiceId=invoice_ids(rows, as_of),
        CommitmentDiscountCategory=category,
        CommitmentDiscountType=kind,
        CommitmentDiscountUnit=unit,
        CommitmentDiscountName=rows["CommitmentDiscountId"].str.rsplit("/", n=1).str[-1],
        ConsumedQuantity=rows["PricingQuantity"].where(is_usage),
        ConsumedUnit=rows["PricingUnit"].where(is_usage & rows["PricingQuantity"].notna()),
        PricingCurrencyListUnitPrice=rows["ListUnitPrice"],
        PricingCurrencyContractedUnitPrice=rows["ContractedUnitPrice"],
        PricingCurrencyEffectiveCost=rows["EffectiveCost"],
        RegionName=rows["RegionId"].map(REGION_NAMES).astype("str"),
        SkuId=sku_id,
        SkuPriceId=sku_id + "-" + rows["PricingCategory"].fillna("").str[:1],
        SkuPriceDetails=_sku_details(rows),
    )


def _as_text(frame: pd.DataFrame) -> pd.DataFrame:
    """All columns as text; missing stays missing."""
    text = {column: frame[column].dt.strftime(TIME) for column in PERIODS}
    text |= {column: decimals(frame[column]) for column in AMOUNTS}
    text |= {column: decimals(frame[column], QUANTITY_SCALE) for column in QUANTITIES}
    return frame.assign(**text)


def _arrow(frame: pd.DataFrame) -> pa.Table:
    columns: dict[str, pa.Array] = {}
    for name in frame.columns:
        values = frame[name]
        if name in AMOUNTS or name in QUANTITIES:
            steps = UNITS_PER_USD // QUANTITY_SCALE if name in QUANTITIES else 1
            exact = [None if pd.isna(value) else usd(int(value) * steps) for value in values]
            columns[name] = pa.array(exact, pa.decimal128(38, 10))
        elif name in PERIODS:
            columns[name] = pa.array(values, pa.timestamp("us", tz="UTC"))
        else:
            texts = [None if pd.isna(value) else str(value) for value in values]
            columns[name] = pa.array(texts, pa.string())
    return pa.table(columns)


def _sku_details(rows: pd.DataFrame) -> pd.Series[str]:
    details = {kind: json.dumps({"InstanceType": kind, "OperatingSystem": "Linux"})
               for kind in rows["instance_type"].dropna().unique()}  # fmt: skip
    return rows["instance_type"].map(details).astype("str")
