"""Episodes of single series, and incidents: episodes that are one thing, for they share days and place."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from optimizer.anomaly_causes import UNKNOWN
from optimizer.rows import last_part

DAY = pd.Timedelta(1, unit="D")
COST, UTILISATION = "cost", "utilisation"
PLACE = ("provider", "sub_account", "service", "region", "team")
SHARED_LEAST = 2  # of account, service, region and team must be common to what is one incident


@dataclass(frozen=True)
class Episode:
    """Some days on which one series was out of its band.

    `excess` is money, None where it is not known; `place` holds what is known of PLACE.
    """

    kind: str
    place: Mapping[str, str]
    currency: str | None
    first: pd.Timestamp
    last: pd.Timestamp
    score: float
    actual: float
    expected: float
    excess: float | None
    resource: str | None = None
    metric: str | None = None
    cause: str = UNKNOWN
    effects: Mapping[str, float] | None = None

    @property
    def days(self) -> int:
        """Days from first to last."""
        return (self.last - self.first) // DAY + 1

    @property
    def name(self) -> str:
        """The series in words."""
        if self.resource is not None:
            return f"{self.metric} of {last_part(self.resource)}"
        return " / ".join(last_part(part) for part in self.place.values())

    @property
    def key(self) -> str:
        """The series and the day on which it left its band: the same in every run that sees it."""
        of_cost = [self.place.get(name, "-") for name in PLACE]
        series = [self.resource, self.metric] if self.resource is not None else [*of_cost, self.currency]
        return "/".join([self.kind, *(part or "-" for part in series), f"{self.first:%Y-%m-%d}"])


@dataclass(frozen=True)
class Incident:
    """Episodes of the same days that share where they are; the largest contribution first."""

    first: pd.Timestamp
    last: pd.Timestamp
    shared: Mapping[str, str]
    currency: str | None
    severity: float | None
    cause: str
    contributions: tuple[Episode, ...]

    @property
    def where(self) -> str:
        """What its episodes share, in words."""
        return ", ".join(self.shared.values()) or "several places"

    @property
    def when(self) -> str:
        """Its days."""
        only = f"{self.first:%Y-%m-%d}"
        return only if self.last == self.first else f"{only} to {self.last:%Y-%m-%d}"

    def share(self, of: Episode) -> float | None:
        """Contribution of an episode to the money of the incident, 0..1."""
        known = sum(abs(episode.excess or 0.0) for episode in self.contributions)
        return None if of.excess is None or not known else abs(of.excess) / known


def money(amount: float | None, currency: str | None) -> str:
    """Money with its sign; what is not known says so."""
    return "not known" if amount is None else f"{amount:+,.2f} {currency}"


def grouped(episodes: Iterable[Episode]) -> tuple[Incident, ...]:
    """Incidents of these episodes, newest first, then the dearest.

    Cost comes first, so that of a rise and a fall that one episode of utilisation belongs to it joins one:
    together their money would hide each other's.
    """
    groups: list[list[Episode]] = []
    for episode in sorted(episodes, key=lambda one: (one.kind, one.first, one.key)):
        alike = one_way([group for group in groups if any(belong(episode, other) for other in group)])
        merged = [one for group in alike for one in group] + [episode]
        groups = [group for group in groups if group not in alike] + [merged]
    found = [incident(group) for group in groups]
    return tuple(sorted(found, key=lambda one: (one.first, abs(one.severity or 0.0)), reverse=True))


def one_way(groups: Sequence[list[Episode]]) -> list[list[Episode]]:
    """Of groups that would be merged, the dearest and those whose cost does not go the other way."""
    costs = [[one.excess or 0.0 for one in group if one.kind == COST] for group in groups]
    dearest = sum(max(costs, key=lambda amounts: abs(sum(amounts)), default=[]))
    return [group for group, amounts in zip(groups, costs, strict=True) if sum(amounts) * dearest >= 0]


def belong(one: Episode, other: Episode) -> bool:
    """Whether two episodes are the same incident: begun within a day, one bill, a shared place."""
    near = abs(one.first - other.first) <= DAY
    same_bill = one.currency == other.currency and one.place.get("provider") == other.place.get("provider")
    common = sum(name in one.place and one.place[name] == other.place.get(name) for name in PLACE[1:])
    opposed = one.kind == other.kind and (one.actual > one.expected) != (other.actual > other.expected)
    return near and same_bill and common >= SHARED_LEAST and not opposed


def incident(episodes: Sequence[Episode]) -> Incident:
    """One incident of these episodes. Its money is that of cost, of utilisation only without it."""
    ranked = tuple(sorted(episodes, key=lambda one: (one.kind != COST, -abs(one.excess or 0.0))))
    counted = [one.excess for one in ranked if one.kind == ranked[0].kind and one.excess is not None]
    first_place = ranked[0].place
    shared = {
        name: first_place[name]
        for name in PLACE
        if name in first_place and all(one.place.get(name) == first_place[name] for one in ranked)
    }
    return Incident(
        first=min(one.first for one in ranked),
        last=max(one.last for one in ranked),
        shared=shared,
        currency=ranked[0].currency,
        severity=sum(counted) if counted else None,
        cause=ranked[0].cause,
        contributions=ranked,
    )
