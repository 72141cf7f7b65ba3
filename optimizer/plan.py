"""Plans as values: the documents `capacity-plan/1` and `placement-plan/1`, their hash, reading and writing.

The models are the schema: docs/schemas/*.schema.json are made from them, and a plan is validated whenever
it is written or read. A plan holds no time of its making, so equal inputs give equal bytes.
"""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, overload

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainSerializer, ValidationError

from optimizer.errors import Fault, InputError


def aware(value: datetime) -> datetime:
    """Only times with a zone; kept as UTC."""
    if value.tzinfo is None:
        raise ValueError("a time without zone")
    return value.astimezone(UTC)


Time = Annotated[datetime, AfterValidator(aware), PlainSerializer(lambda t: t.isoformat(), when_used="json")]
Count = Annotated[int, Field(ge=0)]
Usd = Annotated[float, PlainSerializer(lambda x: round(x, 6))]
Rounded = Annotated[float, PlainSerializer(lambda x: round(x, 6))]


class Part(BaseModel):
    """A part of a plan document."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, allow_inf_nan=False)


class Allocation(Part):
    """Replicas wished of one option while `from` <= now < `to`; rows of one option add up."""

    workload: str
    option_id: str
    start: Time = Field(alias="from")
    end: Time = Field(alias="to")
    replicas: Count
    max_replicas: Count


class AutoscaleRule(Part):
    """The reactive rule between plans: load / target_utilization, held for a window."""

    target_utilization: float = Field(gt=0, le=1)
    scale_down_window_s: Count


class ForecastRow(Part):
    """Requests of a workload in an interval, as quantiles."""

    workload: str
    start: Time = Field(alias="from")
    end: Time = Field(alias="to")
    requests_p10: float
    requests_p50: float
    requests_p90: float


class Replicas(Part):
    """A count, before or after an action."""

    replicas: Count


class Target(Part):
    """What an action changes."""

    workload: str
    option_id: str


class Action(Part):
    """One change: from what to what, how to undo it, what must still hold, why, and what may go wrong."""

    id: str
    target: Target
    before: Replicas
    after: Replicas
    inverse: Replicas
    preconditions: tuple[str, ...]
    saving_usd_per_hour: Usd
    reason: str
    risk: str


class Missing(Part):
    """A rule that quota or pool shortage forces to be missed."""

    rule: str
    workload: str
    period: str
    missing: float
    wanted: float


class Proof(Part):
    """What is proven: objective (with costs of change), its lower bound and the gap between them."""

    objective_usd: Usd
    bound_usd: Usd
    gap_share: float
    stopped_by: Literal["gap", "nodes", "time"]
    method: str


class Reason(Part):
    """Why a workload gets what it gets."""

    workload: str
    text: str


class PlanBase(Part):
    """What both kinds of plan carry."""

    as_of: Time
    demand_quantile: float = Field(gt=0, lt=1)
    expected_cost_usd: Usd
    current_cost_usd: Usd | None
    proof: Proof
    actions: tuple[Action, ...]
    shortfalls: tuple[Missing, ...]
    reasons: tuple[Reason, ...]
    notes: tuple[str, ...]
    fingerprint: str
    hash: str = ""


class CapacityPlan(PlanBase):
    """Replicas per option and interval over the next horizon, for machines."""

    plan_schema: Literal["capacity-plan/1"] = Field("capacity-plan/1", alias="schema")
    horizon_hours: float = Field(gt=0)
    allocations: tuple[Allocation, ...]
    autoscale: dict[str, AutoscaleRule]
    forecast: tuple[ForecastRow, ...]


class Period(Part):
    """A part of the typical day."""

    name: str
    hours: float = Field(gt=0)


class PlacementRow(Part):
    """Replicas of one option in one period of the typical day."""

    workload: str
    period: str
    option_id: str
    provider: str
    region: str
    instance_type: str
    purchase: str
    replicas: Count
    price_hourly_usd: Usd
    price_as_of: Time | None
    is_estimated_price: bool


class RouteRow(Part):
    """What share of the demand from an origin a region serves in one period of the typical day."""

    workload: str
    origin: str
    period: str
    provider: str
    region: str
    served_share: Rounded


class Spread(Part):
    """The 10 %, 50 % and 90 % quantile over the draws, as shares."""

    p10: float
    p50: float
    p90: float


class CurvePoint(Part):
    """What another amount would save per day: on average, and in the worst draws."""

    usd_per_hour: Usd
    saving_usd_per_day: Usd
    saving_usd_per_day_tail: Usd


class Tranche(Part):
    """One part of a ladder: in how many months, and USD per hour at the demand that is expected then."""

    month: Count
    usd_per_hour: Usd


class LadderAdvice(Part):
    """A way of splitting the purchase over the first year, and what it saves over the term and a year."""

    tranches: tuple[Tranche, ...]
    is_recommended: bool
    saving_usd_per_day: Usd
    saving_usd_per_day_tail: Usd
    saving_usd_per_day_worst: Usd


class CommitmentAdvice(Part):
    """A commitment worth weighing, from draws of demand over its term; never bought by a machine.

    Savings are after fees, against not buying it, all other advice kept. `tail` is the mean of the worst
    draws, `high` the 95 % quantile.
    """

    commitment: str
    provider: str
    term_years: int = Field(gt=0)
    payment: str
    usd_per_hour: Usd
    upfront_usd: Usd
    saving_usd_per_day: Usd
    saving_usd_per_day_tail: Usd
    saving_usd_per_day_worst: Usd
    saving_usd_per_day_high: Usd
    loss_probability: float = Field(ge=0, le=1)
    break_even_utilization: float
    payback_months: float | None
    utilization: Spread
    coverage_share: float
    curve: tuple[CurvePoint, ...]
    ladders: tuple[LadderAdvice, ...]
    is_estimated_price: bool


class WorkloadCost(Part):
    """What one workload costs per typical day, now and as planned, after what commitments cover.

    Low and high are the planned cost if demand needs the 10 % and the 99 % quantile of capacity instead of
    the planned one, at the planned price per unit. None where no present fleet is known.
    """

    workload: str
    current_usd_per_day: Usd | None
    planned_usd_per_day: Usd
    planned_usd_per_day_low: Usd
    planned_usd_per_day_high: Usd


class Loss(Part):
    """The loss that leaves least: what is lost, in which period, and the share of demand still served."""

    lost: str
    period: str
    served_share: Rounded


class Certificate(Part):
    """What the checker states of one workload's placement, each found value beside what is asked for.

    None where nothing is asked for, or where nothing is known. Latency is round trip and service time;
    losses are tried one by one, whether or not any has to be survived.
    """

    workload: str
    countries: tuple[str, ...]
    residency: tuple[str, ...]
    worst_latency_ms: Rounded | None
    is_latency_estimated: bool
    max_latency_ms: float | None
    regions: tuple[str, ...]
    fewest_regions: Count
    min_regions: Count
    fewest_zones: Count
    largest_region_share: Rounded
    max_region_share: float
    after_region_loss: Loss | None
    after_zone_loss: Loss | None
    survive_region_loss: bool
    survive_zone_loss: bool
    headroom_share: float
    fewest_on_demand_replicas: Count
    min_on_demand_replicas: float
    largest_spot_share: Rounded
    max_spot_share: float
    options: tuple[str, ...]
    max_options: float | None
    bounds: Count
    bounds_kept: Count
    largest_ramp_replicas: Count
    max_ramp_replicas: float | None
    broken: tuple[str, ...]


class CostParts(Part):
    """What a difference in cost is made of, USD per typical day; the parts add up to it."""

    instances: Usd
    scarce_quota: Usd
    lost_cover: Usd
    egress: Usd
    change: Usd


class AlternativeRow(Part):
    """An option not taken: what the best plan of its workload costs more that runs it at all.

    Alone: if nothing else runs; None where it cannot serve alone. `other` is what differs from what runs.
    """

    option_id: str
    other: Literal["purchase", "region", "family"]
    beside: str | None
    more_usd_per_day: Usd
    alone_more_usd_per_day: Usd | None
    parts: CostParts
    text: str


class WhyNotRow(Part):
    """A workload at the prices of what is scarce: its cost, its share of the gap, what else it could run."""

    workload: str
    runs: tuple[str, ...]
    usd_per_day: Usd
    regret_usd_per_day: Usd
    alternatives: tuple[AlternativeRow, ...]


class ScarceRow(Part):
    """What one more unit of a limit, one more committed USD/h, or one rule less saves per day.

    `usd_per_day` is the price at the plan; `confirmed_usd_per_day` that of solving again with `tried` more
    (without whole numbers), per unit; None where that was not done.
    """

    kind: Literal["pool", "commitment", "rule"]
    name: str
    rule: str | None
    usd_per_day: Usd
    confirmed_usd_per_day: Usd | None
    tried: float
    periods: tuple[str, ...]
    text: str


class RepairRow(Part):
    """One step of the cheapest way out of the shortfalls; all steps together are one."""

    rule: str
    where: str
    periods: tuple[str, ...]
    found: float | None
    needed: float | None
    option_id: str | None
    text: str


class Explanation(Part):
    """Why the placement is as it is, USD per typical day.

    `prices` says what they are of: "plans" (decomposition), "relaxed" (the model without whole numbers),
    both, or "none". The gap to the bound that they prove is the regrets of workloads and what is left unused.
    """

    prices: str
    gap_usd_per_day: Usd
    unused_usd_per_day: Usd
    why_not: tuple[WhyNotRow, ...]
    scarce: tuple[ScarceRow, ...]
    repair: tuple[RepairRow, ...]


class PlacementPlan(PlanBase):
    """The joint plan over a typical day, for people. Costs are USD per typical day."""

    plan_schema: Literal["placement-plan/1"] = Field("placement-plan/1", alias="schema")
    periods: tuple[Period, ...]
    placements: tuple[PlacementRow, ...]
    workload_costs: tuple[WorkloadCost, ...]
    commitments: tuple[CommitmentAdvice, ...]
    sunk_usd: Usd
    routes: tuple[RouteRow, ...] = ()
    certificate: tuple[Certificate, ...] = ()
    explanation: Explanation | None = None


MAKE_ONE = "make one with `trimtab plan`"
KINDS: dict[str, type[CapacityPlan] | type[PlacementPlan]] = {
    "capacity-plan/1": CapacityPlan,
    "placement-plan/1": PlacementPlan,
}


P = TypeVar("P", CapacityPlan, PlacementPlan)


def sealed(plan: P) -> P:
    """The plan with its hash: SHA-256 of its canonical JSON without the hash."""
    return plan.model_copy(update={"hash": content_hash(document(plan))})


def content_hash(body: dict[str, Any]) -> str:
    """SHA-256 of a plan document, whatever its own `hash` says."""
    content = {key: value for key, value in body.items() if key != "hash"}
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode()).hexdigest()


def document(plan: CapacityPlan | PlacementPlan) -> dict[str, Any]:
    """The plan as it stands in a file; `schema` comes first."""
    body = plan.model_dump(mode="json", by_alias=True)
    return {"schema": body.pop("schema"), **body}


def write_plan(plan: CapacityPlan | PlacementPlan, path: Path) -> None:
    """Validate and write, whole or not at all.

    Raises:
        InputError: the path cannot be written.
    """
    type(plan).model_validate(document(plan))
    text = json.dumps(document(plan), indent=1, ensure_ascii=False) + "\n"
    draft = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.write_text(text, encoding="utf-8")
        draft.replace(path)
    except OSError as error:
        with suppress(OSError):
            draft.unlink()
        found = f"{type(error).__name__} ({error.strerror})"
        fault = Fault(
            str(path), found, "a file that can be written", "choose another --out or free the place"
        )
        raise InputError([fault]) from error


@overload
def read_plan(path: Path) -> CapacityPlan | PlacementPlan: ...
@overload
def read_plan(path: Path, wanted: type[PlacementPlan]) -> PlacementPlan: ...
def read_plan(
    path: Path, wanted: type[CapacityPlan] | type[PlacementPlan] | None = None
) -> CapacityPlan | PlacementPlan:
    """Read, validate and check the hash.

    Args:
        path: a plan file.
        wanted: the only kind that will do; either by default.

    Raises:
        InputError: unreadable, not such a plan, not valid, or changed after it was made.
    """
    kinds = {name: kind for name, kind in KINDS.items() if wanted in (None, kind)}
    body = read_json(path)
    name = body.get("schema") if isinstance(body, dict) else None
    if name not in kinds:
        raise InputError([Fault(str(path), f"schema {name!r}", " or ".join(kinds), MAKE_ONE)])
    try:
        plan = kinds[name].model_validate(body)
    except ValidationError as error:
        raise InputError([plan_fault(path, item) for item in error.errors()]) from error
    if plan.hash != content_hash(body):
        found, expected = f"hash {plan.hash[:12]}", f"{content_hash(body)[:12]} for this content"
        raise InputError([Fault(str(path), found, expected, "the plan was edited: make it anew")])
    return plan


def read_json(path: Path) -> Any:
    """The content of a JSON file."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError([Fault(str(path), str(error.strerror), "a plan file", MAKE_ONE)]) from error
    except ValueError as error:
        raise InputError([Fault(str(path), f"no JSON ({error})", "a plan file", MAKE_ONE)]) from error


def plan_fault(path: Path, item: Any) -> Fault:
    """One finding of the schema as a fault."""
    where = ".".join(str(part) for part in item["loc"])
    return Fault(str(path), f"{where} = {item.get('input')!r}"[:120], item["msg"], "make the plan anew")


def json_schemas() -> dict[str, dict[str, Any]]:
    """The published JSON Schemas by file name."""
    schemas = {}
    for name, kind in KINDS.items():
        file = name.replace("/", "-") + ".schema.json"
        head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": file}
        schemas[file] = head | kind.model_json_schema(by_alias=True, mode="serialization")
    return schemas
