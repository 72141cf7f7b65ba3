"""A legacy AWS Cost and Usage Report in the layout of its S3 bucket: manifests, versions, gzipped CSV."""

from __future__ import annotations

import gzip
import io
import json
import zlib
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import pandas as pd

from data.synthetic.fleet import PAYER
from data.synthetic.lines import TIME, csv_bytes, decimals, invoice_ids, months, sku
from data.synthetic.money import QUANTITY_SCALE

TAGS = ("team", "service", "env", "cost-center")
MANIFEST = "daily-Manifest.json"
DATA_FILE = "daily-00001.csv.gz"


def write_aws(folder: Path, charges: pd.DataFrame, as_of: datetime, assembly: Mapping[str, str]) -> None:
    """A Cost and Usage Report: per month a manifest and a folder named after the version of the report.

    Of the second month an older version lies beside the current one, as AWS leaves them.

    Args:
        folder: where the copy of the bucket begins.
        charges: all charges.
        as_of: months that end later are open and have no invoice yet.
        assembly: id of the version, by month "YYYYMM"; the older version under "YYYYMM-old".
    """
    for number, (month, rows) in enumerate(months(charges[charges["provider"] == "aws"])):
        root = folder / "cur" / "daily" / f"{month:%Y%m%d}-{month + pd.DateOffset(months=1):%Y%m%d}"
        current = assembly[f"{month:%Y%m}"]
        lines = _report_lines(rows, as_of)
        _write_report(root, current, lines, month)
        (root / MANIFEST).write_bytes((root / current / MANIFEST).read_bytes())
        if number == 1:
            early = lines[lines["lineItem/UsageStartDate"] < f"{month:%Y-%m}-21"]
            _write_report(root, assembly[f"{month:%Y%m}-old"], early, month)


def _report_lines(rows: pd.DataFrame, as_of: datetime) -> pd.DataFrame:
    """Line items of a Cost and Usage Report, all text.

    A covered hour is listed at its on-demand cost and taken back by a negation; the fee line tells how much
    of the plan was used that day. What FOCUS shows as unused is therefore not a line of its own.
    """
    is_unused = rows["CommitmentDiscountStatus"] == "Unused"
    day = rows["ChargePeriodStart"]
    is_used = rows["CommitmentDiscountStatus"] == "Used"
    used_by_day = rows[is_used].groupby("ChargePeriodStart")["EffectiveCost"].sum()
    rows = rows.assign(used=day.map(used_by_day))[~is_unused]
    covered = rows["line_type"] == "SavingsPlanCoveredUsage"
    rows = rows.assign(unblended=rows["BilledCost"].where(~covered, rows["ContractedCost"]))
    negation = rows[covered].assign(line_type="SavingsPlanNegation", unblended=-rows["ContractedCost"])
    lines = pd.concat([rows, negation], ignore_index=True)
    return _as_report(lines, as_of)


def _as_report(lines: pd.DataFrame, as_of: datetime) -> pd.DataFrame:
    def always(text: str) -> pd.Series[str]:
        return pd.Series(text, index=lines.index)

    kind = lines["line_type"]
    is_fee, is_covered = kind == "SavingsPlanRecurringFee", kind == "SavingsPlanCoveredUsage"
    has_list_price = is_covered | (kind == "Usage")
    start, end = (lines[f"ChargePeriod{edge}"].dt.strftime(TIME) for edge in ("Start", "End"))
    tags = {tag: lines["Tags"].map(lambda text, tag=tag: _tag(text, tag)) for tag in TAGS}
    ids = (lines["ResourceId"].fillna("") + kind + lines["SkuMeter"].fillna("") + start).map(
        lambda text: f"{zlib.crc32(text.encode()):08x}{zlib.adler32(text.encode()):08x}"
    )
    columns: dict[str, object] = {
        "identity/LineItemId": ids,
        "identity/TimeInterval": start + "/" + end,
        "bill/InvoiceId": invoice_ids(lines, as_of),
        "bill/InvoicingEntity": "Amazon Web Services, Inc.",
        "bill/BillingEntity": "AWS",
        "bill/BillType": "Anniversary",
        "bill/PayerAccountId": PAYER["aws"],
        "bill/BillingPeriodStartDate": lines["BillingPeriodStart"].dt.strftime(TIME),
        "bill/BillingPeriodEndDate": lines["BillingPeriodEnd"].dt.strftime(TIME),
        "lineItem/UsageAccountId": lines["SubAccountId"],
        "lineItem/LineItemType": kind,
        "lineItem/UsageStartDate": start,
        "lineItem/UsageEndDate": end,
        "lineItem/ProductCode": lines["code"].map(_product_code),
        "lineItem/UsageType": lines["SkuMeter"],
        "lineItem/Operation": always("RunInstances").where(lines["instance_type"].notna()),
        "lineItem/AvailabilityZone": lines["AvailabilityZone"],
        "lineItem/ResourceId": lines["ResourceId"],
        "lineItem/UsageAmount": decimals(lines["PricingQuantity"], QUANTITY_SCALE),
        "lineItem/CurrencyCode": "USD",
        "lineItem/UnblendedRate": decimals(lines["ContractedUnitPrice"].where(has_list_price)),
        "lineItem/UnblendedCost": decimals(lines["unblended"]),
        "lineItem/LineItemDescription": lines["ChargeDescription"],
        "lineItem/TaxType": always("Tax").where(kind == "Tax"),
        "product/ProductName": lines["ServiceName"],
        "product/instanceType": lines["instance_type"],
        "product/productFamily": lines["ResourceType"],
        "product/region": lines["RegionId"],
        "product/servicecode": lines["code"].map(_product_code),
        "product/sku": sku(lines),
        "pricing/currency": "USD",
        "pricing/publicOnDemandCost": decimals(lines["ListCost"].astype("Int64").where(has_list_price)),
        "pricing/publicOnDemandRate": decimals(lines["ListUnitPrice"].where(has_list_price)),
        "pricing/term": always("OnDemand").where(kind == "Usage"),
        "pricing/unit": lines["PricingUnit"],
        "savingsPlan/SavingsPlanARN": lines["CommitmentDiscountId"],
        "savingsPlan/SavingsPlanEffectiveCost": decimals(
            lines["EffectiveCost"].astype("Int64").where(is_covered)),
        "savingsPlan/TotalCommitmentToDate": decimals(lines["BilledCost"].astype("Int64").where(is_fee)),
        "savingsPlan/UsedCommitment": decimals(lines["used"].astype("Int64").where(is_fee)),
        **{f"resourceTags/user:{tag}": values for tag, values in tags.items()},
    }  # fmt: skip
    return pd.DataFrame(columns, index=lines.index)


def _product_code(code: str) -> str:
    return {"AWS Support (Business)": "AWSSupportBusiness"}.get(code, code.replace(" ", ""))


def _tag(tags: object, name: str) -> str | None:
    return json.loads(tags).get(name) if isinstance(tags, str) else None


def _write_report(root: Path, assembly_id: str, lines: pd.DataFrame, month: pd.Timestamp) -> None:
    folder = root / assembly_id
    folder.mkdir(parents=True, exist_ok=True)
    (folder / DATA_FILE).write_bytes(_gzip(csv_bytes(lines)))
    end = month + pd.DateOffset(months=1)
    manifest = {
        "assemblyId": assembly_id,
        "account": PAYER["aws"],
        "columns": [dict(zip(("category", "name"), str(name).split("/", 1), strict=True)) for name in lines],
        "charset": "UTF-8",
        "compression": "GZIP",
        "contentType": "text/csv",
        "reportName": "daily",
        "billingPeriod": {"start": f"{month:%Y%m%dT%H%M%S}.000Z", "end": f"{end:%Y%m%dT%H%M%S}.000Z"},
        "bucket": "meridian-billing",
        "reportKeys": [f"cur/daily/{root.name}/{assembly_id}/{DATA_FILE}"],
    }
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")


def _gzip(content: bytes) -> bytes:
    """Compressed without the time of day or a file name: equal content, equal bytes."""
    buffer = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", fileobj=buffer, mtime=0) as file:
        file.write(content)
    return buffer.getvalue()
