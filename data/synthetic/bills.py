"""The bills of the demo: one row per charge, under FOCUS names, before they take a provider's form.

Money and unit prices are whole numbers of 1e-10 USD, quantities of 0.001 (see `money`). Bills cover the two
full months before the month of `as_of`, and that month up to `as_of`. Each invoice ends in whole cents, with
its tax.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

import numpy as np
import pandas as pd

from data.synthetic.commitments import Commitment, commitments
from data.synthetic.fleet import ACCOUNTS, COST_CENTRES
from data.synthetic.meters import DISK, METERS, TRAFFIC, Meter
from data.synthetic.money import QUANTITY_SCALE, UNITS_PER_CENT, UNITS_PER_USD, Calendar, Ints, priced, units
from data.synthetic.traffic import rng

NEGOTIATED_PERMILLE = {"aws": 1000, "azure": 950, "gcp": 1000}  # price after the enterprise discount
TAX_RATE = {"aws": Decimal("0.03"), "azure": Decimal("0.021"), "gcp": Decimal("0.025")}
COMPUTE_SERVICE = {"aws": "Amazon Elastic Compute Cloud", "azure": "Virtual Machines",
                   "gcp": "Compute Engine"}  # fmt: skip
COMPUTE_UNIT = {"aws": "Hrs", "azure": "Hours", "gcp": "hour"}
SUPPORT = {"aws": ("AWS Support (Business)", 780), "azure": ("Azure Standard Support", 100),
           "gcp": ("Google Cloud Standard Support", 500)}  # fmt: skip
CREDITS = {"aws": ("Migration Acceleration Program credit", -900), "gcp": ("Startup programme credit", -400)}
CORRECTION_PROVIDER = "gcp"
CORRECTED_UNITS = -4_123_700_000_000  # 412.37 USD billed too much a month earlier

MONEY = ("BilledCost", "EffectiveCost", "ListCost", "ContractedCost")
OPTIONAL_NUMBERS = ("ListUnitPrice", "ContractedUnitPrice", "PricingQuantity", "CommitmentDiscountQuantity")
TEXTS = (
    "provider", "line_type", "code", "SubAccountId", "SubAccountName", "ChargeCategory", "ChargeClass",
    "ChargeFrequency", "ChargeDescription", "PricingCategory", "PricingUnit", "ServiceName",
    "ServiceCategory", "ServiceSubcategory", "SkuMeter", "instance_type", "ResourceId", "ResourceName",
    "ResourceType", "RegionId", "AvailabilityZone", "CommitmentDiscountId", "CommitmentDiscountStatus",
    "Tags",
)  # fmt: skip
TIMES = ("ChargePeriodStart", "ChargePeriodEnd", "BillingPeriodStart", "BillingPeriodEnd")


def charges(seed: int, as_of: datetime, fleet: pd.DataFrame) -> pd.DataFrame:
    """All charges of all providers, sorted as bills are: by provider, month, day, resource."""
    calendar = Calendar.until(as_of)
    contracts = commitments(as_of)
    instance_days = _instance_days(fleet, calendar, as_of)
    parts = [
        _compute(seed, instance_days, contracts),
        _per_instance(seed, instance_days, DISK, "Storage", "Block Storage"),
        _per_instance(seed, instance_days, TRAFFIC, "Networking", "Network Connectivity"),
        _metered(seed, calendar),
        *(part for contract in contracts for part in _commitment_rows(contract, fleet, calendar)),
        _monthly(calendar),
    ]
    rows = _complete(pd.concat(parts, ignore_index=True))
    rows = pd.concat([rows, _complete(_taxes(rows))], ignore_index=True)
    return rows.sort_values(
        ["provider", "BillingPeriodStart", "ChargePeriodStart", "ResourceId", "SkuMeter", "line_type"],
        ignore_index=True, kind="stable", na_position="last",
    )  # fmt: skip


def _instance_days(fleet: pd.DataFrame, calendar: Calendar, as_of: datetime) -> pd.DataFrame:
    """One row per instance and day it existed."""
    rows = fleet.merge(pd.DataFrame({"day": calendar.days}), how="cross")
    since = pd.Timestamp(as_of) - pd.to_timedelta(rows["days_old"], unit="D")
    return rows[rows["day"] >= since].reset_index(drop=True)


def _compute(seed: int, rows: pd.DataFrame, contracts: tuple[Commitment, ...]) -> pd.DataFrame:
    """Instance hours: on demand at the negotiated price, spot at its own, committed ones not billed again."""
    is_spot, is_committed = rows["purchase"] == "spot", rows["purchase"] == "commitment-1y"
    hours = np.full(len(rows), 24, dtype=np.int64)
    hours[is_spot] -= rng(seed, "spot hours").integers(0, 5, int(is_spot.sum()))  # time lost to preemptions
    list_price, paid = _price_units(rows["list_price"]), _price_units(rows["paid_price"])
    contracted = np.where(is_spot, paid, _negotiated(list_price, rows["provider"]))
    effective = np.where(is_committed, paid, contracted)
    contract_of = {contract.provider: contract for contract in contracts}
    return _daily(rows).assign(
        line_type=np.where(is_committed, "SavingsPlanCoveredUsage", "Usage"),
        code="AmazonEC2",
        ServiceName=rows["provider"].map(COMPUTE_SERVICE),
        ServiceCategory="Compute",
        ServiceSubcategory="Virtual Machines",
        SkuMeter=np.where(is_spot, "SpotUsage:", "BoxUsage:") + rows["instance_type"],
        ChargeDescription=rows["instance_type"] + " Linux instance",
        instance_type=rows["instance_type"],
        PricingCategory=np.select([is_spot, is_committed], ["Dynamic", "Committed"], "Standard"),
        PricingQuantity=hours * QUANTITY_SCALE,
        PricingUnit=rows["provider"].map(COMPUTE_UNIT),
        ListUnitPrice=list_price,
        ContractedUnitPrice=contracted,
        ListCost=list_price * hours,
        ContractedCost=contracted * hours,
        BilledCost=np.where(is_committed, 0, contracted * hours),
        EffectiveCost=effective * hours,
        CommitmentDiscountId=rows["provider"].map({p: c.commitment_id for p, c in contract_of.items()})
        .where(is_committed),
        CommitmentDiscountStatus=pd.Series("Used", index=rows.index).where(is_committed),
        CommitmentDiscountQuantity=_committed_quantity(rows, is_committed, paid, contract_of),
    )  # fmt: skip


def _committed_quantity(
    rows: pd.DataFrame, is_committed: pd.Series[bool], paid: Ints, contract_of: Mapping[str, Commitment]
) -> pd.Series[Any]:
    """What a day of each committed instance uses of its commitment; missing for the others."""
    quantity = [
        contract_of[provider].quantity(price, 24) if committed else None
        for provider, price, committed in zip(rows["provider"], paid.tolist(), is_committed, strict=True)
    ]
    return pd.Series(quantity, index=rows.index, dtype="Int64")


def _per_instance(
    seed: int, rows: pd.DataFrame, meters: Mapping[str, tuple[str, str, str, str, float]],
    category: str, subcategory: str,
) -> pd.DataFrame:  # fmt: skip
    """Something every instance uses each day; traffic varies, disks do not."""
    random = rng(seed, "per instance", category)
    service, meter, unit, price, per_day = (rows["provider"].map({p: m[i] for p, m in meters.items()})
                                            for i in range(5))  # fmt: skip
    swing = random.lognormal(0, 0.4, len(rows)) if category == "Networking" else np.ones(len(rows))
    quantity = np.round(per_day.to_numpy(np.float64) * swing * QUANTITY_SCALE).astype(np.int64)
    return _daily(rows).assign(
        line_type="Usage", code="AmazonEC2", ServiceName=service, ServiceCategory=category,
        ServiceSubcategory=subcategory, SkuMeter=meter, ChargeDescription=meter, PricingUnit=unit,
        PricingCategory="Standard", **_priced(rows["provider"], _price_units(price), quantity),
    )  # fmt: skip


def _metered(seed: int, calendar: Calendar) -> pd.DataFrame:
    """The daily rows of the metered services: weekly shape, slow growth, noise."""
    days = calendar.days
    week = np.where(days.day_of_week >= 5, 0.85, 1.06)
    growth = np.linspace(0.96, 1.04, len(days))
    frames = []
    for meter in METERS:
        noise = rng(seed, "meter", meter.resource, meter.meter).lognormal(0, 0.06, len(days))
        quantity = np.round(meter.per_day * week * growth * noise * QUANTITY_SCALE).astype(np.int64)
        account_id, account_name = ACCOUNTS[meter.provider].get(meter.team, ACCOUNTS[meter.provider][""])
        provider = pd.Series(meter.provider, index=range(len(days)))
        price = np.full(len(days), units(Decimal(meter.list_price)), dtype=np.int64)
        frames.append(
            pd.DataFrame({"ChargePeriodStart": days, "ChargePeriodEnd": days + pd.Timedelta(days=1)}).assign(
                provider=meter.provider, line_type="Usage", code=meter.code, SubAccountId=account_id,
                SubAccountName=account_name, ServiceName=meter.service, ServiceCategory=meter.category,
                ServiceSubcategory=meter.subcategory, SkuMeter=meter.meter, ChargeDescription=meter.meter,
                PricingUnit=meter.unit, PricingCategory="Standard", RegionId=meter.region,
                ResourceId=_metered_id(meter, account_id), ResourceName=meter.resource,
                ResourceType=meter.subcategory, Tags=_team_tags(meter.team),
                **_priced(provider, price, quantity),
            )
        )  # fmt: skip
    return pd.concat(frames, ignore_index=True)


def _commitment_rows(contract: Commitment, fleet: pd.DataFrame, calendar: Calendar) -> list[pd.DataFrame]:
    """Fee of a commitment, billed as the provider does, and every day's part that nothing used."""
    fee, unused = units(contract.fee_per_hour), units(contract.unused_per_hour(fleet))
    common = {
        "provider": contract.provider, "line_type": "SavingsPlanRecurringFee", "code": contract.code,
        "SubAccountId": contract.account_id, "SubAccountName": contract.account_name,
        "ServiceName": contract.service, "ServiceCategory": "Compute",
        "ServiceSubcategory": "Virtual Machines", "SkuMeter": contract.kind,
        "ChargeDescription": contract.name, "RegionId": contract.region,
        "ResourceId": contract.commitment_id, "ResourceName": contract.name, "ResourceType": contract.kind,
        "CommitmentDiscountId": contract.commitment_id, "PricingUnit": contract.unit,
    }  # fmt: skip
    starts = calendar.months if contract.is_billed_monthly else calendar.days
    ends = starts + (pd.DateOffset(months=1) if contract.is_billed_monthly else pd.Timedelta(days=1))
    hours = np.asarray((ends - starts) // pd.Timedelta(hours=1), dtype=np.int64)
    purchase = pd.DataFrame({"ChargePeriodStart": starts, "ChargePeriodEnd": ends}).assign(
        **common, ChargeCategory="Purchase", ChargeFrequency="Recurring", PricingCategory="Standard",
        ListUnitPrice=units(contract.unit_price), ContractedUnitPrice=units(contract.unit_price),
        PricingQuantity=[contract.bought(n) for n in hours.tolist()],
        CommitmentDiscountQuantity=[contract.bought(n) for n in hours.tolist()],
        BilledCost=fee * hours, EffectiveCost=0, ListCost=fee * hours, ContractedCost=fee * hours,
    )  # fmt: skip
    if not unused:
        return [purchase]
    days, quantity = calendar.days, contract.quantity(unused, 24)
    left = pd.DataFrame({"ChargePeriodStart": days, "ChargePeriodEnd": days + pd.Timedelta(days=1)}).assign(
        **common, ChargeCategory="Usage", ChargeFrequency="Usage-Based", PricingCategory="Committed",
        CommitmentDiscountStatus="Unused", PricingQuantity=quantity, CommitmentDiscountQuantity=quantity,
        BilledCost=0, EffectiveCost=unused * 24, ListCost=0, ContractedCost=0,
    )  # fmt: skip
    return [purchase, left]


def _monthly(calendar: Calendar) -> pd.DataFrame:
    """Support fees and credits of every month, and the correction of one month in the next."""
    rows: list[dict[str, object]] = []
    for month in calendar.months:
        for provider, (name, usd) in SUPPORT.items():
            rows.append(
                _account_row(provider, month, "Fee", name, usd * UNITS_PER_USD)
                | {"ChargeCategory": "Purchase", "ChargeFrequency": "Recurring", "ServiceName": name}
            )
        for provider, (name, usd) in CREDITS.items():
            rows.append(
                _account_row(provider, month, "Credit", name, usd * UNITS_PER_USD)
                | {"ChargeCategory": "Credit", "ChargeFrequency": "One-Time"}
            )
    wrong, later = calendar.months[0], calendar.months[1]
    rows.append(
        _account_row(CORRECTION_PROVIDER, wrong, "Refund", "Correction of BigQuery analysis", CORRECTED_UNITS)
        | {"ChargeCategory": "Usage", "ChargeClass": "Correction", "ChargeFrequency": "Usage-Based",
           "ServiceName": "BigQuery", "ServiceCategory": "Analytics", "ServiceSubcategory": "Data Warehouses",
           "BillingPeriodStart": later}
    )  # fmt: skip
    return pd.DataFrame(rows)


def _taxes(rows: pd.DataFrame) -> pd.DataFrame:
    """One tax row per provider and month that brings the invoice to whole cents."""
    net = rows.groupby(["provider", "BillingPeriodStart"])["BilledCost"].sum()
    taxes = []
    for (provider, month), billed in zip(net.index, net.tolist(), strict=True):
        gross = Decimal(billed) * (1 + TAX_RATE[provider]) / UNITS_PER_CENT
        tax = int(gross.to_integral_value(ROUND_HALF_EVEN)) * UNITS_PER_CENT - billed
        taxes.append(_account_row(provider, month, "Tax", "Sales tax", tax)
                     | {"ChargeCategory": "Tax", "ChargeFrequency": "One-Time"})  # fmt: skip
    return pd.DataFrame(taxes)


def _account_row(
    provider: str, month: pd.Timestamp, line_type: str, text: str, cost: int
) -> dict[str, object]:
    """A charge of the whole account for one month."""
    account_id, account_name = ACCOUNTS[provider][""]
    return {
        "provider": provider, "line_type": line_type, "code": text, "SubAccountId": account_id,
        "SubAccountName": account_name, "ChargeDescription": text, "ServiceName": text,
        "ServiceCategory": "Other", "ServiceSubcategory": "Other (Other)", "ChargePeriodStart": month,
        "ChargePeriodEnd": month + pd.DateOffset(months=1), **dict.fromkeys(MONEY, cost),
    }  # fmt: skip


def _daily(rows: pd.DataFrame) -> pd.DataFrame:
    """What all charges of an instance's day have in common."""
    return pd.DataFrame(
        {
            "provider": rows["provider"], "SubAccountId": rows["account_id"],
            "SubAccountName": rows["account_name"], "ResourceId": rows["resource_id"],
            "ResourceName": rows["name"], "ResourceType": "Virtual Machine", "RegionId": rows["region"],
            "AvailabilityZone": rows["zone"], "Tags": rows["tags"], "ChargePeriodStart": rows["day"],
            "ChargePeriodEnd": rows["day"] + pd.Timedelta(days=1),
        }
    )  # fmt: skip


def _priced(provider: pd.Series[str], list_price: Ints, quantity: Ints) -> dict[str, Ints]:
    """Unit prices and costs of a quantity at the list and at the negotiated price."""
    return priced(list_price, _negotiated(list_price, provider), quantity)


def _negotiated(list_price: Ints, provider: pd.Series[str]) -> Ints:
    return list_price * provider.map(NEGOTIATED_PERMILLE).to_numpy(np.int64) // 1000


def _price_units(prices: pd.Series[Any]) -> Ints:
    table = {price: units(Decimal(price)) for price in prices.unique()}
    return prices.map(table).to_numpy(np.int64)


def _metered_id(meter: Meter, account_id: str) -> str:
    if meter.provider == "aws":
        return f"arn:aws:{meter.code.lower()}:{meter.region}:{account_id}:{meter.resource}"
    if meter.provider == "azure":
        return f"{account_id}/resourceGroups/rg-shared/providers/Microsoft.Resources/{meter.resource}"
    return f"//googleapis.com/projects/{account_id}/{meter.resource}"


def _team_tags(team: str) -> str | None:
    return json.dumps({"team": team, "env": "prod", "cost-center": COST_CENTRES[team]}) if team else None


def _complete(rows: pd.DataFrame) -> pd.DataFrame:
    """All columns with their types; what a part did not say is usage, in the month its period begins."""
    rows = rows.reindex(columns=[*TEXTS, *TIMES, *MONEY, *OPTIONAL_NUMBERS])
    rows = rows.astype({**dict.fromkeys(TEXTS, "str"), **dict.fromkeys(MONEY, "int64"),
                        **dict.fromkeys(OPTIONAL_NUMBERS, "Int64"),
                        **dict.fromkeys(TIMES, "datetime64[us, UTC]")})  # fmt: skip
    rows["ChargeCategory"] = rows["ChargeCategory"].fillna("Usage")
    rows["ChargeFrequency"] = rows["ChargeFrequency"].fillna("Usage-Based")
    own_month = rows["ChargePeriodStart"] - pd.to_timedelta(rows["ChargePeriodStart"].dt.day - 1, unit="D")
    rows["BillingPeriodStart"] = rows["BillingPeriodStart"].fillna(own_month)
    rows["BillingPeriodEnd"] = rows["BillingPeriodStart"] + pd.DateOffset(months=1)
    return rows
