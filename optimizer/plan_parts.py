"""Parts that plan documents of both kinds share, and those of `capacity-plan/1`.

The documents themselves, their hash, reading and writing are `optimizer.plan`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from optimizer.reactive import CONSTANT, Kind, Statistic


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
    themselves. `standby` more have booted and wait to be called; absent where the option has none.
    """

    workload: str
    option_id: str
    start: Time = Field(alias="from")
    end: Time = Field(alias="to")
    replicas: Count
    max_replicas: Count
    pods: Count | None = None
    standby: Count | None = Field(None, exclude_if=lambda count: count is None)


class Term(Part):
    """A statistic of the load of past minutes [requests/s] and its weight.

    `last` minute; `mean`, `max` or `quantile` (level `q`) of the last `window_s`; `constant` is `value`.
    """

    stat: Kind
    weight: Rounded
    window_s: int | None = Field(None, gt=0)
    q: float | None = Field(None, ge=0, le=1)
    value: Rounded | None = None

    @model_serializer(mode="wrap")
    def without_nothing(self, handler: SerializerFunctionWrapHandler) -> dict[str, object]:
        """Only what is said."""
        return {key: value for key, value in handler(self).items() if value is not None}

    @classmethod
    def of(cls, statistic: Statistic, weight: float) -> Term:
        """A statistic as it stands in a plan."""
        if statistic == CONSTANT:
            return cls(stat="constant", weight=1.0, value=round(weight, 6))
        window_s = statistic.window_s or None
        return cls(stat=statistic.stat, weight=round(weight, 6), window_s=window_s, q=statistic.q)

    @property
    def weighted(self) -> tuple[Statistic, float]:
        """The statistic and its weight, as the loop computes them."""
        if self.stat == "constant":
            return CONSTANT, self.weight * (self.value or 0.0)
        return Statistic(self.stat, self.window_s or 0, self.q), self.weight


class AutoscaleRule(Part):
    """The loop between plans: needed load = last load / target_utilization, or a weighted sum of terms.

    The largest need within scale_down_window_s counts.
    """

    target_utilization: float | None = Field(None, gt=0, le=1)
    terms: tuple[Term, ...] | None = None
    scale_down_window_s: Count

    @model_validator(mode="after")
    def one_of_both(self) -> Self:
        """A target or terms, not both."""
        if (self.target_utilization is None) == (self.terms is None):
            raise ValueError("expected either target_utilization or terms")
        return self

    @model_serializer(mode="wrap")
    def without_nothing(self, handler: SerializerFunctionWrapHandler) -> dict[str, object]:
        """Only what is said: others read a target or terms."""
        said = handler(self)
        return {key: value for key, value in said.items() if value is not None}


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
