"""Every instance of the demo: who pays for it, what it is called, what it costs and how busy it is."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import cache

import numpy as np
import pandas as pd

from data import catalogue
from data.synthetic.profiles import capacity_rps, profiles
from data.synthetic.services import SERVICES, Service, Slot
from data.synthetic.traffic import busy_share, rng

COMPANY = "Meridian Outdoor"
PAYER = {
    "aws": "111122223333",
    "azure": "/providers/Microsoft.Billing/billingAccounts/7a1c2f5e-0000-4d00-8000-000000000001",
    "gcp": "01D4EE-7B4A2C-9F3E10",
}
ACCOUNTS: Mapping[str, Mapping[str, tuple[str, str]]] = {  # provider → team → id and name; "" = everyone else
    "aws": {
        "storefront": ("222233334444", "shop-prod"), "data-platform": ("333344445555", "data-prod"),
        "research": ("444455556666", "research"), "": ("555566667777", "sandbox"),
    },
    "azure": {
        "assistants": ("/subscriptions/3f0a51d6-1111-4c00-9000-000000000011", "assistants-prod"),
        "discovery": ("/subscriptions/3f0a51d6-2222-4c00-9000-000000000012", "discovery-prod"),
        "": ("/subscriptions/3f0a51d6-3333-4c00-9000-000000000013", "research-sandbox"),
    },
    "gcp": {
        "storefront": ("meridian-orders-prod", "orders-prod"),
        "knowledge": ("meridian-knowledge", "knowledge"),
        "assistants": ("meridian-assistants", "assistants"), "": ("meridian-dev", "dev"),
    },
}  # fmt: skip
COST_CENTRES = {"assistants": "cc-2100", "knowledge": "cc-2200", "media": "cc-2300", "research": "cc-2400",
                "data-platform": "cc-3100", "storefront": "cc-1100", "discovery": "cc-1200"}  # fmt: skip
EARLY_DAYS = 400  # what is not new was there long before the first bill
NEWEST_DAYS = 40
UTILISATION_DAYS = 15
NAME_SUFFIX = {"on_demand": "", "spot": "-spot", "commitment-1y": "-base"}


@dataclass(frozen=True)
class Extra:
    """Instances that no workload claims: development machines and forgotten ones.

    `labels` is what people wrote on them; empty = untagged.
    """

    slot: Slot
    name: str
    labels: Mapping[str, str]


EXTRAS = (
    Extra(Slot("azure", "westeurope", "Standard_NC24ads_A100_v4", "on_demand", 1, is_idle=True),
          "gpu-notebook", {}),
    Extra(Slot("aws", "us-east-1", "m6i.large", "on_demand", 3), "dev-storefront",
          {"team": "storefront", "env": "dev"}),
    Extra(Slot("aws", "us-east-1", "m6i.2xlarge", "on_demand", 1), "build-agent", {}),
    Extra(Slot("aws", "eu-west-1", "m6i.large", "on_demand", 1), "markup-test",
          {"team": "<b>team</b>", "env": "<script>alert(1)</script>"}),
    Extra(Slot("aws", "us-east-1", "m7i.xlarge", "on_demand", 1), "formula-test",
          {"team": "=1+1", "env": "@SUM(A1:A9)"}),
    Extra(Slot("azure", "eastus", "Standard_D4s_v5", "on_demand", 2), "dev-search",
          {"Team": "discovery", "env": "dev"}),
    Extra(Slot("azure", "westeurope", "Standard_D8s_v5", "on_demand", 1), "dev-analyse",
          {"team": 'équipe "données", R&D', "env": "dev", "note": "'; DROP TABLE charges;--"}),
    Extra(Slot("gcp", "us-central1", "e2-standard-4", "on_demand", 3), "dev-orders",
          {"team": "storefront", "env": "dev"}),
    Extra(Slot("gcp", "europe-west1", "e2-standard-8", "on_demand", 1), "ci-runner", {}),
)  # fmt: skip


def prices(slot: Slot) -> tuple[Decimal, Decimal]:
    """On-demand price and the price paid, USD per instance-hour, of the list."""
    table = _price_table()
    key = (slot.provider, slot.region, slot.instance_type)
    return table[*key, "on_demand"], table[*key, slot.purchase.split("-")[0]]


def resources(seed: int) -> pd.DataFrame:
    """One row per instance.

    Columns: resource_id (as in the bill), name, workload (missing: nobody claims it), provider, region, zone,
    instance_type, purchase, account_id, account_name, list_price and paid_price (Decimal USD/h), tags (JSON
    text or missing), days_old, is_idle, is_oversized.
    """
    rows = [
        *(row for service in SERVICES for slot in service.fleet for row in _serving(seed, service, slot)),
        *(row for extra in EXTRAS for row in _unclaimed(seed, extra)),
    ]
    frame = pd.DataFrame(rows)
    texts = ["resource_id", "name", "workload", "provider", "region", "zone", "instance_type", "purchase",
             "account_id", "account_name", "tags"]  # fmt: skip
    return frame.astype(dict.fromkeys(texts, "str"))


def utilisation(seed: int, as_of: datetime, complete: pd.DataFrame, fleet: pd.DataFrame) -> pd.DataFrame:
    """Hourly utilisation of every instance over the last fifteen days.

    Columns: resource_id, workload, metric, ts, interval_s, value (share 0..1), unit. GPU instances are busy
    with the GPU and little else.
    """
    table = profiles()
    capacity = {
        service.name: sum(capacity_rps(service, slot, table) * slot.replicas
                          for slot in service.fleet if not slot.is_idle)
        for service in SERVICES
    }  # fmt: skip
    start = pd.Timestamp(as_of) - pd.Timedelta(days=UTILISATION_DAYS)
    busy = busy_share(complete, capacity).loc[start:]
    memory = {service.name: service.memory_share for service in SERVICES}
    gpus = catalogue.instance_types().set_index("instance_type")["accelerator_count"] > 0
    frames = [
        _one_utilisation(seed, {str(key): value for key, value in row.items()}, busy, memory,
                         has_gpu=bool(gpus[row["instance_type"]]))
        for row in fleet.to_dict("records")
    ]  # fmt: skip
    return pd.concat(frames, ignore_index=True).astype({"workload": "str"})


def _one_utilisation(
    seed: int, row: Mapping[str, object], busy: pd.DataFrame, memory: Mapping[str, float], *, has_gpu: bool
) -> pd.DataFrame:
    random = rng(seed, "utilisation", str(row["name"]))
    hours = len(busy)
    if row["is_idle"]:
        share, at_rest = random.uniform(0.002, 0.03, hours), 0.08
    elif isinstance(row["workload"], str):
        share = busy[row["workload"]].to_numpy() * np.exp(0.04 * random.standard_normal(hours))
        at_rest = memory[row["workload"]]
    else:  # development: office hours
        when = pd.DatetimeIndex(busy.index)
        office = (when.hour.to_numpy() % 17 >= 8) & (when.day_of_week.to_numpy() < 5)
        share, at_rest = np.where(office, 0.35, 0.06) * random.uniform(0.7, 1.3, hours), 0.3
    metrics = {"memory_utilisation_share": at_rest + 0.1 * share}
    if has_gpu:
        metrics |= {"gpu_utilisation_share": share, "cpu_utilisation_share": 0.01 + 0.3 * share}
    else:
        metrics |= {"cpu_utilisation_share": share}
    return pd.concat(
        [
            pd.DataFrame(
                {"resource_id": row["resource_id"], "workload": row["workload"], "metric": metric,
                 "ts": busy.index, "interval_s": 3600, "value": np.clip(value, 0, 1).round(4),
                 "unit": "share"}
            )
            for metric, value in sorted(metrics.items())
        ],
        ignore_index=True,
    )  # fmt: skip


def _serving(seed: int, service: Service, slot: Slot) -> Iterator[dict[str, object]]:
    labels = {"team": service.owner, "service": service.name, "env": "prod",
              "cost-center": COST_CENTRES[service.owner]}  # fmt: skip
    stem = f"{service.name}-{slot.region}{'-old' if slot.is_idle else NAME_SUFFIX[slot.purchase]}"
    for row in _instances(seed, slot, stem, service.owner, labels):
        yield row | {"workload": service.name, "is_oversized": service.is_oversized and not slot.is_idle}


def _unclaimed(seed: int, extra: Extra) -> Iterator[dict[str, object]]:
    for row in _instances(seed, extra.slot, extra.name, "", extra.labels):
        yield row | {"workload": None, "is_oversized": False}


def _instances(
    seed: int, slot: Slot, stem: str, owner: str, labels: Mapping[str, str]
) -> Iterator[dict[str, object]]:
    accounts = ACCOUNTS[slot.provider]
    account_id, account_name = accounts.get(owner, accounts[""])
    list_price, paid_price = prices(slot)
    for number in range(1, slot.replicas + 1):
        name, zone = f"{stem}-{number:02d}", _zone(slot, number)
        yield {
            "resource_id": _resource_id(seed, slot, name, account_id, zone), "name": name,
            "provider": slot.provider, "region": slot.region, "zone": zone,
            "instance_type": slot.instance_type, "purchase": slot.purchase,
            "account_id": account_id, "account_name": account_name,
            "list_price": list_price, "paid_price": paid_price,
            "tags": json.dumps(dict(labels), ensure_ascii=False) if labels else None,
            "days_old": NEWEST_DAYS if number > slot.replicas - slot.newest else EARLY_DAYS,
            "is_idle": slot.is_idle,
        }  # fmt: skip


def _zone(slot: Slot, number: int) -> str:
    letter = "abc"[number % 3]
    return {"aws": f"{slot.region}{letter}", "gcp": f"{slot.region}-{letter}"}.get(
        slot.provider, f"{slot.region}-{number % 3 + 1}"
    )


def _resource_id(seed: int, slot: Slot, name: str, account_id: str, zone: str) -> str:
    """The id as the provider's own bill writes it."""
    if slot.provider == "aws":
        return f"i-{stable_uuid(seed, name).hex[:17]}"
    if slot.provider == "azure":
        group = f"rg-{name.rsplit('-', 1)[0]}"
        return f"{account_id}/resourceGroups/{group}/providers/Microsoft.Compute/virtualMachines/{name}"
    return f"//compute.googleapis.com/projects/{account_id}/zones/{zone}/instances/{name}"


def stable_uuid(seed: int, name: str) -> uuid.UUID:
    """The same id for the same seed and name."""
    return uuid.uuid5(uuid.NAMESPACE_URL, f"https://trimtab.example/{seed}/{name}")


@cache
def _price_table() -> dict[tuple[str, str, str, str], Decimal]:
    table = catalogue.list_prices()
    keys = zip(table["provider"], table["region"], table["instance_type"], table["purchase"], strict=True)
    return {key: Decimal(str(price)) for key, price in zip(keys, table["price_hourly"], strict=True)}
