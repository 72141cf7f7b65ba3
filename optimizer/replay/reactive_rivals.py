"""Rivals without a forecast: a static peak, a horizontal autoscaler, a careful operator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from optimizer.problem import Floats
from optimizer.reactive import held
from optimizer.replay.case import Case
from optimizer.replay.rivals import Knobs, LoadRival
from optimizer.replay.wishes import Need, busy, firm_options, largest, last_busy, quantile

TARGETS = (0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9)
WINDOWS_S = (0, 300, 600, 900, 1800, 3600, 7200)


@dataclass(frozen=True)
class StaticPeak(LoadRival):
    """The highest minute of the history times a head-room, all the time.

    Attributes:
        headroom: on the highest minute.
    """

    KNOBS: ClassVar[Knobs] = {
        "headroom": (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.35, 1.5, 1.75, 2.0, 2.5)
    }

    headroom: float = 1.2

    def need(self, case: Case, workload: int) -> Need:
        """Of a workload."""
        options = firm_options(case, workload, self.option_id)
        peak = largest(busy(case, options[0])[: case.begin])
        return Need(options, np.full(case.world.minutes, peak * self.headroom))


@dataclass(frozen=True)
class CarefulOperator(LoadRival):
    """A floor from the history, and above it the autoscaler.

    Attributes:
        floor_q: quantile of the history's minutes that is served at any time.
        target: utilisation at which the floor and the last minute are to be served.
        window_s: scale-down window.
    """

    KNOBS: ClassVar[Knobs] = {
        "floor_q": (0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 1.0),
        "target": TARGETS,
        "window_s": WINDOWS_S,
    }

    floor_q: float = 0.5
    target: float = 0.7
    window_s: int = 300

    def need(self, case: Case, workload: int) -> Need:
        """Of a workload."""
        options = firm_options(case, workload, self.option_id)
        floor = quantile(busy(case, options[0])[: case.begin], self.floor_q)
        above = reactive(case, options[0], self.target, self.window_s)
        return Need(options, np.maximum(above, floor / self.target))


@dataclass(frozen=True)
class Autoscaler(LoadRival):
    """A horizontal autoscaler such as HPA or KEDA: last minute's load at a target utilisation.

    One replica stays when nothing comes. HPA's tolerance of 10 % is left out: without it fewer requests
    are late.

    Attributes:
        target: utilisation.
        window_s: scale-down stabilisation; 300 is the default of Kubernetes.
    """

    KNOBS: ClassVar[Knobs] = {"target": TARGETS, "window_s": WINDOWS_S}

    target: float = 0.7
    window_s: int = 300

    def need(self, case: Case, workload: int) -> Need:
        """Of a workload."""
        options = firm_options(case, workload, self.option_id)
        return Need(options, np.maximum(reactive(case, options[0], self.target, self.window_s), 1.0))


def reactive(case: Case, option: int, target: float, window_s: int) -> Floats:
    """(t) replicas that serve the last minute at a utilisation, the most within a scale-down window."""
    return held(last_busy(case, option) / target, window_s)[case.begin :]
