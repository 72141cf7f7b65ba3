"""What a rival is: a way people run their fleets, with the knobs they turn."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import product
from typing import Any, ClassVar, Self

from optimizer.replay.case import Case, Known
from optimizer.replay.wishes import Need, wished
from optimizer.simulate import Policy

Knobs = Mapping[str, tuple[Any, ...]]


@dataclass(frozen=True)
class Rival(ABC):
    """A maker of policies (`optimizer.replay.case.Maker`) with settings.

    Attributes:
        option_id: accelerator that a team is used to, where a workload may use it; None: the cheapest per
            request on demand.
    """

    KNOBS: ClassVar[Knobs] = {}  # values of each setting worth trying, in order

    option_id: str | None = None

    @abstractmethod
    def __call__(self, case: Case) -> Policy:
        """The policy; it may know the history, and of the replay only minutes that are over."""

    def sweep(self) -> tuple[Self, ...]:
        """Every setting worth trying; what is no knob stays."""
        settings = product(*self.KNOBS.values())
        return tuple(self.turned(dict(zip(self.KNOBS, setting, strict=True))) for setting in settings)

    def turned(self, knobs: Mapping[str, Any]) -> Self:
        """The same rival at other settings."""
        return replace(self, **knobs)


@dataclass(frozen=True)
class LoadRival(Rival):
    """A rival whose wishes depend on the load alone, each workload's on its own."""

    def __call__(self, case: Case) -> Policy:
        """Counts of the whole replay."""
        return Known(wished(case, [self.need(case, w) for w in range(len(case.whole.workloads))]))

    @abstractmethod
    def need(self, case: Case, workload: int) -> Need:
        """What a workload is to have."""
