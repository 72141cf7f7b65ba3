"""The services of the demo: what each one needs, what it runs on today and how much is asked of it.

An invented company with eleven services of seven teams on three clouds. The fleets are what such companies
have: sized for a peak that seldom comes, on demand where spot would do, with a GPU node nobody remembers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import yaml


@dataclass(frozen=True)
class Slot:
    """Equal instances of one service: where they run, how they are bought, how many there are."""

    provider: str
    region: str
    instance_type: str
    purchase: str  # on_demand | spot | commitment-1y
    replicas: int
    newest: int = 0  # how many of them were added lately
    is_idle: bool = False  # runs and is paid for, but serves nothing

    @property
    def option_id(self) -> str:
        """The id Trimtab derives for an offer of the lake."""
        return f"{self.provider}:{self.region}:{self.instance_type}:{self.purchase}"


@dataclass(frozen=True)
class Demand:
    """Shape of a service's demand; times are UTC hours, shares are of the mean."""

    mean_rps: float
    peak_hour: float = 15.0
    day_swing_share: float = 0.5
    weekend_share: float = 0.7
    growth_share_per_week: float = 0.01
    noise_share: float = 0.05
    bursts_per_day: float = 0.0
    night_window: tuple[float, float] | None = None  # work that arrives between these hours only
    tokens: tuple[float, float] | None = None  # mean prompt and generated tokens of a request


@dataclass(frozen=True)
class Service:
    """One workload of the demo; `needs` holds its further keys of workloads.yaml as they stand there."""

    name: str
    model: str
    owner: str
    fleet: tuple[Slot, ...]
    demand: Demand
    needs: Mapping[str, Any] = field(default_factory=dict)
    tier: str = "interactive"
    is_oversized: bool = False  # never busier than a quarter
    memory_share: float = 0.4  # of the instances' memory, at rest


EU_COUNTRIES = ["BE", "DE", "FR", "IE", "NL"]

SERVICES: tuple[Service, ...] = (
    Service(
        "chat", "llm-8b", "assistants",
        (Slot("azure", "eastus", "Standard_NC24ads_A100_v4", "on_demand", 4),),
        Demand(14.0, 17, 0.55, 0.65, 0.02, 0.08, bursts_per_day=0.5, tokens=(800, 150)),
        {
            "slo": {"ttft_s": 2.0, "tpot_ms": 60, "target": 0.999}, "timeout_s": 30, "burstiness": 4.0,
            "origins": {"US": 0.6, "CA": 0.1, "GB": 0.15, "DE": 0.15}, "min_replicas": 2,
            "spot": {"max_share": 0.4, "min_on_demand_replicas": 2},
        },
    ),
    Service(
        "code-assistant", "llm-70b", "assistants",
        (Slot("gcp", "us-central1", "a2-ultragpu-1g", "on_demand", 5, newest=2),),
        Demand(0.40, 16, 0.6, 0.3, 0.03, 0.08, bursts_per_day=0.3, tokens=(3000, 400)),
        {
            "slo": {"ttft_s": 6.0, "tpot_ms": 60, "target": 0.99}, "timeout_s": 60, "burstiness": 2.0,
            "origins": {"US": 0.7, "CA": 0.1, "IN": 0.2}, "min_replicas": 1,
            "placement": {"regions": [], "providers": ["gcp"]},
            "spot": {"max_share": 0.3, "min_on_demand_replicas": 1}, "budget_usd_per_day": 700,
        },
    ),
    Service(
        "embeddings", "text-embedding", "knowledge",
        (Slot("gcp", "europe-west4", "g2-standard-4", "on_demand", 6),),
        Demand(470, 10, 0.5, 0.45, 0.01, 0.05, bursts_per_day=0.2),
        {
            "slo": {"latency_ms": 150, "target": 0.995}, "timeout_s": 5, "burstiness": 3.0,
            "origins": {"DE": 0.5, "FR": 0.3, "NL": 0.2}, "residency": EU_COUNTRIES, "max_rtt_ms": 40,
            "placement": {"regions": [], "providers": ["gcp"]},
            "min_replicas": 2, "spot": {"max_share": 0.6, "min_on_demand_replicas": 1},
        },
    ),
    Service(
        "image-captions", "image-captioning", "media",
        (
            Slot("azure", "westeurope", "Standard_NC4as_T4_v3", "on_demand", 3),
            Slot("azure", "westeurope", "Standard_NC4as_T4_v3", "spot", 2),
            Slot("aws", "us-east-1", "g5.2xlarge", "on_demand", 1, is_idle=True),
        ),
        Demand(26, 18, 0.6, 1.15, 0.01, 0.1, bursts_per_day=0.4),
        {
            "slo": {"latency_ms": 900, "target": 0.99}, "timeout_s": 20, "burstiness": 6.0,
            "origins": {"US": 0.4, "DE": 0.35, "GB": 0.25}, "min_replicas": 1, "spot": {"max_share": 0.8},
        },
    ),
    Service(
        "model-training", "ranker-training", "research",
        (Slot("aws", "us-east-1", "p4d.24xlarge", "on_demand", 1),),
        Demand(0.36, 20, 0.1, 0.8, 0.0, 0.1),
        {"spot": {"max_share": 1.0}},
        tier="batch",
    ),
    Service(
        "nightly-etl", "etl", "data-platform",
        (Slot("aws", "us-east-1", "m6i.4xlarge", "on_demand", 6),),
        Demand(0.75, night_window=(1, 4), weekend_share=0.9, noise_share=0.1, growth_share_per_week=0.005),
        {"spot": {"max_share": 0.9}, "placement": {"regions": [], "providers": ["aws"]}},
        tier="batch",
    ),
    Service(
        "web", "web-frontend", "storefront",
        (
            Slot("aws", "us-east-1", "m6i.xlarge", "on_demand", 10),
            Slot("aws", "eu-west-1", "m6i.xlarge", "on_demand", 8, newest=2),
        ),
        Demand(360, 17, 0.55, 1.1, 0.005, 0.02),
        {
            "slo": {"latency_ms": 60, "target": 0.999}, "timeout_s": 5, "burstiness": 2.0,
            "origins": {"US": 0.5, "GB": 0.2, "DE": 0.2, "FR": 0.1}, "max_rtt_ms": 130,
            "placement": {"regions": [], "providers": ["aws"]},
            "min_regions": 2, "max_region_share": 0.7, "min_replicas": 4,
            "spot": {"max_share": 0.3, "min_on_demand_replicas": 2},
        },
        is_oversized=True,
    ),
    Service(
        "orders-api", "orders-api", "storefront",
        (
            Slot("gcp", "us-central1", "n2-standard-8", "commitment-1y", 4),
            Slot("gcp", "us-central1", "n2-standard-8", "on_demand", 6),
            Slot("gcp", "us-east4", "n2-standard-8", "on_demand", 4),
        ),
        Demand(1150, 18, 0.55, 1.05, 0.01, 0.04),
        {
            "slo": {"latency_ms": 120, "target": 0.9995}, "timeout_s": 10, "burstiness": 2.5,
            "origins": {"US": 0.85, "CA": 0.15}, "max_rtt_ms": 60, "min_replicas": 6,
            "placement": {"regions": [], "providers": ["gcp"]},
            "spot": {"max_share": 0.0},
        },
    ),
    Service(
        "search", "product-search", "discovery",
        (
            Slot("azure", "eastus", "Standard_E16s_v5", "commitment-1y", 4),
            Slot("azure", "westus2", "Standard_E16s_v5", "on_demand", 3),
        ),
        Demand(70, 18, 0.5, 1.1, 0.01, 0.02),
        {
            "slo": {"latency_ms": 250, "target": 0.995}, "timeout_s": 10, "burstiness": 2.0,
            "origins": {"US": 0.9, "CA": 0.1}, "max_rtt_ms": 90, "min_replicas": 2,
            "placement": {"regions": [], "providers": ["azure"]},
            "spot": {"max_share": 0.25},
        },
        is_oversized=True, memory_share=0.5,
    ),
    Service(
        "orders-db", "postgresql", "data-platform",
        (Slot("aws", "us-east-1", "r6i.4xlarge", "commitment-1y", 3),),
        Demand(2300, 18, 0.5, 1.05, 0.01, 0.04),
        {
            "slo": {"latency_ms": 20, "target": 0.999}, "timeout_s": 5, "burstiness": 2.0,
            "residency": ["US"], "min_replicas": 3, "spot": {"max_share": 0.0}, "do_not_touch": True,
        },
        memory_share=0.75,
    ),
    Service(
        "session-cache", "redis", "storefront",
        (Slot("aws", "us-east-1", "r7g.2xlarge", "commitment-1y", 4),),
        Demand(34000, 18, 0.55, 1.1, 0.01, 0.04),
        {
            "slo": {"latency_ms": 5, "target": 0.999}, "timeout_s": 1, "burstiness": 3.0,
            "placement": {"regions": ["us-east-1"], "providers": ["aws"]}, "min_replicas": 2,
            "spot": {"max_share": 0.0},
        },
        memory_share=0.6,
    ),
)  # fmt: skip

BATCH: Mapping[str, tuple[float, timedelta]] = {
    "model-training": (40_000, timedelta(hours=22)),  # work units, time left for them
    "nightly-etl": (60_000, timedelta(hours=6)),
}

HEADER = """\
# What runs and what it needs. Written by `trimtab demo`: the services are invented.
"""


def workloads_yaml(as_of: datetime) -> str:
    """The demo's workloads.yaml; deadlines of batch work count from `as_of`."""
    workloads: list[dict[str, Any]] = []
    for service in SERVICES:
        entry: dict[str, Any] = {"name": service.name, "model": service.model}
        entry |= {"tier": service.tier, "owner": service.owner}
        if service.tier == "batch":
            units, time_left = BATCH[service.name]
            entry |= {"work_units": units, "deadline": (as_of + time_left).isoformat(), "preemptible": True}
        workloads.append(entry | dict(service.needs))
    text: str = yaml.safe_dump({"workloads": workloads}, sort_keys=False, default_flow_style=None, width=110)
    return HEADER + text


def state(as_of: datetime) -> dict[str, Any]:
    """The fleet as it is now, in the form of state.json."""
    fleet = [
        {"workload": service.name, "option_id": slot.option_id, "desired": slot.replicas,
         "ready": slot.replicas, "pending": 0}
        for service in SERVICES
        for slot in service.fleet
    ]  # fmt: skip
    return {"as_of": as_of.isoformat(), "fleet": fleet}
