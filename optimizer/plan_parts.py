"""Parts that plan documents of both kinds share, and those of `capacity-plan/1`.

The documents themselves, their hash, reading and writing are `optimizer.plan`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainSerializer


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
    """Replicas wished of one option while `from` <= now < `to`; rows of one option add up.

    `pods` run on these replicas, which are then nodes of the workload's own; None where replicas serve
    themselves.
    """

    workload: str
    option_id: str
    start: Time = Field(alias="from")
    end: Time = Field(alias="to")
    replicas: Count
    max_replicas: Count
    pods: Count | None = None


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
    """What an action changes; workload is None for nodes that several share."""

    workload: str | None
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
    """A rule that a shortage of quota, pools or budget forces to be missed, and the same as a sentence."""

    rule: str
    workload: str
    period: str
    missing: float
    wanted: float
    text: str = ""


class Proof(Part):
    """What is proven: objective (with costs of change), its lower bound and the gap between them."""

    objective_usd: Usd
    bound_usd: Usd
    gap_share: float
    stopped_by: Literal["gap", "rounds", "nodes", "time"]
    method: str


class Reason(Part):
    """Why a workload gets what it gets."""

    workload: str
    text: str


class PlanBase(Part):
    """What both kinds of plan carry.

    `unpriced` are workloads that run what the catalogue has no price of: no present cost counts them.
    """

    as_of: Time
    demand_quantile: float = Field(gt=0, lt=1)
    expected_cost_usd: Usd
    current_cost_usd: Usd | None
    proof: Proof
    actions: tuple[Action, ...]
    shortfalls: tuple[Missing, ...]
    reasons: tuple[Reason, ...]
    notes: tuple[str, ...]
    unpriced: tuple[str, ...] = ()
    fingerprint: str
    hash: str = ""
