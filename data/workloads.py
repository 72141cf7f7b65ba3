"""What runs and what it needs: the keys of `workloads.yaml` as types, and which of them go together.

The models are the documentation: every key has a description with its unit and its default, and the JSON
Schema made from them (docs/schemas/workloads.schema.json) completes and checks the file in an editor.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from data.workload_demand import HolidayCalendar, KnownEvent, Launch, TimeZone
from data.workload_types import Count, Country, Flag, Model, Number, Positive, Share, Text, Time
from data.yaml_strict import Key, dotted

SHARE_TOLERANCE = 1e-6


class Slo(Model):
    """What users are promised. LLMs: ttft_s, tpot_ms, target. Other services: latency_ms, target."""

    target: Annotated[Share, Field(gt=0)]
    """Share of requests that meet the objective (0..1), such as 0.999."""
    ttft_s: Positive | None = None
    """LLM: longest queueing + prefill of a request, in seconds."""
    tpot_ms: Positive | None = None
    """LLM: longest time per output token, in milliseconds; options slower than this are not used."""
    latency_ms: Positive | None = None
    """Services that are not LLMs: longest response time, in milliseconds."""
    usd_per_1000_missed: Positive | None = None
    """What 1,000 requests cost that are not served, in USD: placement plans weigh high demand and losses of
    past days by it. Default: misses do not count."""


class Placement(Model):
    """Where the workload may run; empty = anywhere."""

    regions: tuple[Text, ...] = ()
    """Regions it may run in, as the catalogue spells them. Default: any."""
    providers: tuple[Text, ...] = ()
    """Providers it may run on, as the catalogue spells them. Default: any."""
    dedicated_nodes: Flag = False
    """With resources: whether its pods get nodes of their own. Default: false, they share nodes."""
    max_per_node: Annotated[int, Field(strict=True, ge=1)] | None = None
    """With resources: most of its pods on one node. Default: as many as fit."""


class Resources(Model):
    """What one replica requests of a node, as a pod does in Kubernetes."""

    cpu: Positive
    """CPUs that one replica requests, such as 0.5."""
    memory_gib: Positive
    """Memory that one replica requests, in GiB."""
    gpu: Annotated[Number, Field(ge=0)] = 0.0
    """Accelerators that one replica requests, or a share of one, such as 0.25. Default: 0."""

    @property
    def requests(self) -> dict[str, float]:
        """By resource, in the names of the catalogue's columns."""
        return {"cpu": self.cpu, "memory_gib": self.memory_gib, "gpu": self.gpu}


class SpotPolicy(Model):
    """How much may run on capacity that the provider can reclaim."""

    max_share: Share = 1.0
    """Largest share of demand that spot capacity may carry (0..1). Default: 1, no limit of policy."""
    min_on_demand_replicas: Count = 0
    """Replicas that are never spot. Default: 0."""


class Binding(BaseModel):
    """One live target that carries this workload; further keys belong to the actuator."""

    model_config = ConfigDict(frozen=True, extra="allow", use_attribute_docstrings=True)

    actuator: Text
    """Name of the actuator that changes the target, such as kubernetes."""
    target: Text | dict[str, Any]
    """What the actuator changes, in its own words, such as a deployment's namespace and name."""


class Workload(Model):
    """One thing that runs: what it needs, where it may run and what may be done with it."""

    name: Text
    """Unique name; history and state refer to it."""
    model: Text
    """Key into profiles: whose throughput applies."""
    tier: Literal["interactive", "batch"] = "interactive"
    """interactive: requests that wait for an answer. batch: work with a deadline. Default: interactive."""
    slo: Slo | None = None
    """Service level objective; interactive workloads need one, batch ignores it."""
    timeout_s: Positive = 30.0
    """Requests that wait longer are dropped, in seconds. Default: 30."""
    burstiness: Annotated[Number, Field(ge=0)] = 1.0
    """Variance / mean of per-minute request counts. Default: 1 (independent arrivals)."""
    time_zone: TimeZone = "UTC"
    """IANA time zone whose wall clock its demand follows, such as Europe/Berlin. Default: UTC."""
    holidays: HolidayCalendar | None = None
    """Country whose public holidays its users have, such as DE, DE-BY or US-CA. Default: none matter."""
    known_events: tuple[KnownEvent, ...] = ()
    """What multiplies its demand for a while, past and to come. Default: nothing known."""
    launch: Launch | None = None
    """What is expected of it while it has no history. Default: without history it is left as it is."""
    resources: Resources | None = None
    """What one replica requests of a node that it shares; replicas are then pods, in profiles and counts too.
    Default: a replica is an instance."""
    placement: Placement = Placement()
    """Regions and providers it may run in, and whether it shares nodes. Default: anywhere."""
    owner: Text | None = None
    """Team or person that answers for it. Default: nobody named."""
    origins: dict[Text, Share] = Field(default_factory=dict)
    """Where its requests come from: ISO country or region → share; shares sum to 1. Default: unknown."""
    residency: tuple[Country, ...] = ()
    """Countries its data may be in, ISO 3166 alpha-2, such as [DE, FR]. Default: any."""
    max_rtt_ms: Positive | None = None
    """Longest round trip between origin and region, in milliseconds. Default: no limit."""
    geo_routing: Flag = True
    """Whether each origin may be served from regions of its own; else every region is near to every origin.
    Default: true."""
    min_regions: Annotated[int, Field(strict=True, ge=1)] = 1
    """Regions it must be spread over. Default: 1."""
    max_region_share: Annotated[Share, Field(gt=0)] = 1.0
    """Largest share of its capacity in one region (0..1). Default: 1."""
    survive_region_loss: Flag = False
    """Whether demand must still be met with any one region gone. Default: false."""
    survive_zone_loss: Flag = False
    """Whether demand must still be met with any one zone gone; catalog.parquet says zones. Default: false."""
    headroom_share: Annotated[Share, Field(gt=0)] = 1.0
    """Share of demand that must still be met with a region or zone gone (0..1). Default: 1."""
    max_ramp_replicas: Annotated[int, Field(strict=True, ge=1)] | None = None
    """Most by which replicas change between blocks of a placement plan's typical day. Default: no limit."""
    min_replicas: Count = 0
    """Fewest replicas at any time. Default: 0."""
    max_replicas: Annotated[int, Field(strict=True, ge=1)] | None = None
    """Most replicas at any time. Default: no limit."""
    spot: SpotPolicy = SpotPolicy()
    """Use of spot capacity. Default: no limit."""
    budget_usd_per_day: Positive | None = None
    """Most it may cost in a day, in USD. Default: no limit."""
    action_cost_usd: Annotated[Number, Field(ge=0)] = 0.0
    """What it costs to change the count of one option once, up or down by any number, beside the capacity, in
    USD: risk, churn, attention. Capacity plans scale in later for it. Default: 0."""
    pinned: tuple[Text, ...] = ()
    """Options it must use: option_id or pattern (* and ?). Default: any."""
    excluded: tuple[Text, ...] = ()
    """Options it must not use: option_id or pattern (* and ?). Default: none."""
    do_not_touch: Flag = False
    """Plan around it, never change it. Default: false."""
    bindings: tuple[Binding, ...] = ()
    """Live targets that a plan is applied to. Default: none, plans are for reading."""
    work_units: Positive | None = None
    """Batch: work to be done, in the units that the profile serves per second."""
    deadline: Time | None = None
    """Batch: when the work must be done, ISO 8601 with offset."""
    preemptible: Flag = False
    """Batch: whether the work can be stopped and resumed without loss. Default: false."""

    @property
    def is_llm(self) -> bool:
        """Whether its objective is in tokens: its demand then needs token counts."""
        return self.slo is not None and self.slo.ttft_s is not None

    @property
    def shares_nodes(self) -> bool:
        """Whether its pods may be on nodes with those of others."""
        return self.resources is not None and not self.placement.dedicated_nodes

    @model_validator(mode="after")
    def _keys_agree(self) -> Self:
        clashes = [clash for rule in RULES for clash in rule(self)]
        if clashes:
            raise ClashError(clashes)
        return self


@dataclass(frozen=True)
class Clash:
    """Keys of one workload that do not go together, told at the key to change."""

    key: Key
    found: str
    expected: str
    action: str


class ClashError(ValueError):
    """Every clash of one workload."""

    def __init__(self, clashes: list[Clash]) -> None:
        self.clashes = tuple(clashes)
        super().__init__("; ".join(f"{dotted(c.key)}: {c.found}; expected {c.expected}" for c in clashes))


def _interactive_has_slo(w: Workload) -> Iterator[Clash]:
    if w.tier != "interactive":
        return
    if w.slo is None:
        kinds = "{ttft_s, tpot_ms, target} for an LLM or {latency_ms, target} for another service"
        yield Clash(("slo",), "nothing", kinds, "say what its users are promised")
        return
    given = {key for key in ("ttft_s", "tpot_ms", "latency_ms") if getattr(w.slo, key) is not None}
    if given not in ({"ttft_s", "tpot_ms"}, {"latency_ms"}):
        found = " and ".join(sorted(given)) + " without the rest" if given else "target alone"
        if "latency_ms" in given:
            found = "latency_ms together with " + " and ".join(sorted(given - {"latency_ms"}))
        kinds = "ttft_s and tpot_ms for an LLM, or latency_ms for another service"
        yield Clash(("slo",), found, kinds, "give one of the two kinds in full")


def _batch_has_work(w: Workload) -> Iterator[Clash]:
    batch_only = {"work_units": w.work_units, "deadline": w.deadline, "preemptible": w.preemptible or None}
    if w.tier == "batch":
        for key, why in (("work_units", "how much work there is"), ("deadline", "when it must be done")):
            if batch_only[key] is None:
                yield Clash((key,), "nothing", f"{why} (tier: batch)", "add it")
        return
    for key, value in batch_only.items():
        if value is not None:
            yield Clash((key,), "a key of batch work", "tier: batch", f"remove {key} or change the tier")


def _replicas_in_order(w: Workload) -> Iterator[Clash]:
    if w.max_replicas is None:
        return
    floors = {
        "min_replicas": w.min_replicas,
        "min_regions": w.min_regions,
        "spot.min_on_demand_replicas": w.spot.min_on_demand_replicas,
    }
    for name, floor in floors.items():
        if floor > w.max_replicas:
            found = f"{w.max_replicas} with {name} {floor}"
            yield Clash(("max_replicas",), found, f"at least {name}", "raise the one or lower the other")


def _pods_are_declared(w: Workload) -> Iterator[Clash]:
    if w.resources is None:
        for key in ("dedicated_nodes", "max_per_node"):
            if getattr(w.placement, key):
                found, action = "a key of pods", f"say what a replica requests, or remove {key}"
                yield Clash(("placement", key), found, "resources beside it", action)
    elif w.is_llm and w.resources.gpu <= 0:
        expected = "accelerators per replica, which say what it serves"
        yield Clash(("resources",), "an LLM without gpu", expected, "add gpu, a share of one may do")


def _regions_suffice(w: Workload) -> Iterator[Clash]:
    allowed = len(set(w.placement.regions))
    if not allowed:
        return
    needs = {
        "min_regions": w.min_regions,
        "max_region_share": math.ceil(1 / w.max_region_share - SHARE_TOLERANCE),
        "survive_region_loss": 2 if w.survive_region_loss else 1,
    }
    for key, needed in needs.items():
        if needed > allowed:
            value = str(getattr(w, key)).lower()
            found = f"{value} with {allowed} in placement.regions"
            yield Clash((key,), found, f"at least {needed} regions", f"allow more regions or relax {key}")


def _origins_sum_to_one(w: Workload) -> Iterator[Clash]:
    total = math.fsum(w.origins.values())
    if w.origins and abs(total - 1) > SHARE_TOLERANCE:
        yield Clash(("origins",), f"shares that sum to {total:.9g}", "a sum of 1", "correct the shares")


def _pinned_not_excluded(w: Workload) -> Iterator[Clash]:
    for option in sorted(set(w.pinned) & set(w.excluded)):
        yield Clash(("excluded",), f"{option!r}, which is pinned too", "one or the other", "remove one")


RULES: tuple[Callable[[Workload], Iterator[Clash]], ...] = (
    _interactive_has_slo,
    _batch_has_work,
    _replicas_in_order,
    _pods_are_declared,
    _regions_suffice,
    _origins_sum_to_one,
    _pinned_not_excluded,
)


class WorkloadsFile(Model):
    """Trimtab workloads: what runs and what it needs."""

    workloads: Annotated[tuple[Workload, ...], Field(min_length=1)]
    """Every workload, in any order."""


def workloads_schema() -> dict[str, Any]:
    """JSON Schema of `workloads.yaml`, as published in docs/schemas."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "workloads.schema.json",
        **WorkloadsFile.model_json_schema(),
    }
