"""Settings about money: who pays for what, budgets and their alarms, changes of cost known beforehand."""

from __future__ import annotations

from datetime import date
from typing import Literal, Self

from pydantic import Field, model_validator

from optimizer.section import Section

EXACT = 1e-9


class Match(Section):
    """Which charges a rule is for: every pattern given must fit (`*` and `?`; case does not count)."""

    source: str | None = Field(None, description="who bills: aws, azure, gcp, …")
    account: str | None = Field(None, description="id or name of the account, subscription or project")
    service: str | None = Field(None, description="name of the service")
    region: str | None = Field(None, description="id of the region")
    resource: str | None = Field(None, description="name of the resource")
    category: str | None = Field(None, description="FOCUS ChargeCategory, such as Tax")
    tag: dict[str, str] = Field(default_factory=dict, description="tag or label = pattern of its value")


class OwnerRule(Match):
    """A rule of `[[allocation.rules]]`; the first that matches names the owner."""

    owner: str | None = Field(None, description="who pays")
    owner_from: str | None = Field(
        None,
        pattern=r"^(tag:.+|account|service|region|resource|source)$",
        description="where the charge names who pays: tag:team, account, service, …",
    )

    @model_validator(mode="after")
    def has_one_owner(self) -> Self:
        """Either a name or where to find it."""
        if (self.owner is None) == (self.owner_from is None):
            raise ValueError("give owner or owner_from, and not both")
        return self


class SharedCost(Section):
    """A rule of `[[allocation.shared]]`: charges that several owners pay together."""

    match: Match = Field(description='which charges, with the keys of a rule: {category = "Tax"}')
    split: Literal["even", "proportional", "fixed"] = Field(
        "proportional", description="alike, by direct cost, or by `shares`"
    )
    shares: dict[str, float] = Field(default_factory=dict, description="owner = share; add up to 1")
    among: tuple[str, ...] = Field((), description="who shares; everyone with a direct cost where empty")

    @model_validator(mode="after")
    def shares_fit_the_split(self) -> Self:
        """Fixed shares are not negative and add up to 1; other splits have none."""
        if self.split != "fixed":
            if self.shares:
                raise ValueError("shares belong to split = 'fixed'")
            return self
        if any(share < 0 for share in self.shares.values()) or abs(sum(self.shares.values()) - 1) > EXACT:
            raise ValueError(f"shares must be at least 0 and add up to 1, not {sum(self.shares.values()):g}")
        return self


class Allocation(Section):
    """Who pays for what (`trimtab chargeback`)."""

    metric: Literal["effective", "billed"] = Field(
        "effective", description="amortised cost, or what the invoice asks in the month"
    )
    default_owner: str = Field("unallocated", description="owner of what no rule names")
    unused_commitments_to: str = Field(
        "", description="owner of what commitments cost unused; else the rules'"
    )
    rules: tuple[OwnerRule, ...] = Field((), description="tables [[allocation.rules]], tried in order")
    shared: tuple[SharedCost, ...] = Field((), description="tables [[allocation.shared]], tried before rules")


class Alarm(Section):
    """An entry of a budget's `alarms`: raised while there is still time to act."""

    share: float = Field(1.0, gt=0, description="of the budget's amount that must not be passed")
    probability: float = Field(
        0.5, gt=0, le=1, description="of ending the month above that share from which the alarm is raised"
    )


class Budget(Match):
    """A table of `[[budgets]]`: what a month may cost an owner, the charges of a filter, or all of them."""

    name: str = Field(min_length=1, description="name in tables and alerts")
    monthly_amount: float = Field(gt=0, description="what a month may cost, in `currency`")
    currency: str = Field("USD", pattern=r"^[A-Z]{3}$", description="ISO 4217; bills in others are converted")
    owner: str | None = Field(
        None, description="owner as `trimtab chargeback` names it, shared costs included"
    )
    alarms: tuple[Alarm, ...] = Field(
        (Alarm(share=1.0, probability=0.5),), description="list of {share, probability}"
    )

    @model_validator(mode="after")
    def is_of_an_owner_or_a_filter(self) -> Self:
        """An owner's cost has shared parts, which no filter of charges can see."""
        if self.owner is not None and has_filter(self):
            raise ValueError("give owner or a filter of charges, and not both")
        return self


class CostChange(Match):
    """A table of `[[costs.changes]]`: a change of cost that is known beforehand."""

    name: str = Field(min_length=1, description="what changes, for people")
    day: date = Field(description="first day it holds, UTC")
    until: date | None = Field(None, description="first day it does not hold any more; open where absent")
    factor: float | None = Field(
        None, ge=0, description="on the cost of the charges that match, such as 1.05"
    )
    amount_per_day: float | None = Field(
        None, description="added per day, in the currency of the bill; for an owner, or for everything"
    )
    owner: str | None = Field(None, description="only what this owner pays")

    @model_validator(mode="after")
    def has_one_effect(self) -> Self:
        """Either a factor on what is there, or an amount that comes on top."""
        if (self.factor is None) == (self.amount_per_day is None):
            raise ValueError("give factor or amount_per_day, and not both")
        if self.amount_per_day is not None and has_filter(self):
            raise ValueError("an amount_per_day is of an owner or of everything, not of a filter")
        if self.until is not None and self.until <= self.day:
            raise ValueError("until must be later than day")
        return self


class Costs(Section):
    """Which days of a bill count (`trimtab budget`, `trimtab anomalies`), and the forecast of cost."""

    settle_days: int = Field(
        2, ge=0, le=10, description="newest days of each bill that are not believed: charges arrive late"
    )
    commitments_end: bool = Field(
        default=True, description="what a commitment covers costs its contracted price after its end"
    )
    changes: tuple[CostChange, ...] = Field((), description="tables [[costs.changes]], known beforehand")


def has_filter(rule: Match) -> bool:
    """Whether any pattern narrows the charges down."""
    return any(getattr(rule, name) for name in Match.model_fields)
