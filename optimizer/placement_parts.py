"""Parts of `placement-plan/1`: rows of a typical day, advice on commitments, certificates, explanations."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from optimizer.plan_parts import Count, Part, Rounded, Time, Usd


class Period(Part):
    """A part of the typical day."""

    name: str
    hours: float = Field(gt=0)


class PlacementRow(Part):
    """Replicas of one option in one period of the typical day.

    Of workloads with resources replicas are pods, and `nodes` is how many nodes they pay: their parts of
    shared ones are added up. Else it is None. Prices are per instance, or node.
    """

    workload: str
    period: str
    option_id: str
    provider: str
    region: str
    instance_type: str
    purchase: str
    replicas: Count
    nodes: Rounded | None = None
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
    the planned one, at the planned price per unit; low is no less than the minimum of replicas costs. None
    where no present fleet is known, or no price of a part of it.
    """

    workload: str
    current_usd_per_day: Usd | None
    planned_usd_per_day: Usd
    planned_usd_per_day_low: Usd
    planned_usd_per_day_high: Usd


class WorkRun(Part):
    """Units of work done in one period of the typical day."""

    period: str
    units: Rounded


class WorkRow(Part):
    """When work with a deadline is done: all that is left of it, and what the typical day does of that."""

    workload: str
    deadline: Time
    work_units: Rounded
    units_per_day: Rounded
    runs: tuple[WorkRun, ...]


class MissCost(Part):
    """What misses are expected to cost a workload that says what one costs; not in other costs.

    Over levels of demand and losses as on past days; `_of_demand` is the part that would be without losses.
    `covered_quantile` is the highest level of demand that is served in every period while nothing is lost.
    """

    workload: str
    usd_per_1000_missed: Usd
    days: Count
    covered_quantile: float | None
    expected_usd_per_day: Usd
    expected_usd_per_day_of_demand: Usd


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
    both, "none" beside a shortage, or "shared_nodes", whose replicas have no price of their own. `no_repair`
    says why a shortage has no steps. The gap to the bound that prices prove is the regrets of workloads and
    what is left unused.
    """

    prices: str
    gap_usd_per_day: Usd
    unused_usd_per_day: Usd
    why_not: tuple[WhyNotRow, ...]
    scarce: tuple[ScarceRow, ...]
    repair: tuple[RepairRow, ...]
    no_repair: str | None = None
