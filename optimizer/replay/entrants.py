"""Who takes part in a backtest of capacity: Trimtab, and others at their usual settings, by name."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from optimizer.forms import TARGETS
from optimizer.replay.case import Case, Known, Maker
from optimizer.replay.hourly_rivals import Melange, SageServe
from optimizer.replay.levers import LEVERS, Without
from optimizer.replay.ours import minute_loop
from optimizer.replay.predictive_scaling import PredictiveScaling
from optimizer.replay.reactive_rivals import Autoscaler, CarefulOperator, StaticPeak
from optimizer.replay.spot_loop import SpotLoop
from optimizer.replay.spot_rivals import SpotHedge
from optimizer.replay.wishes import Need, firm_options

OURS, PLAIN, CLAIRVOYANT = "trimtab", "autoscaler", "clairvoyant"
OURS_ON_SPOT, SPOT = "trimtab-spot", "spothedge"
LABELS = {
    OURS: "Trimtab",
    "trimtab-target": "Trimtab for a plain autoscaler",
    OURS_ON_SPOT: "Trimtab with spot",
    "static-peak": "static peak on the usual hardware",
    "static-peak-best": "static peak on the cheapest hardware",
    PLAIN: "autoscaler at 70%",
    "careful-operator": "careful operator",
    "predictive-scaling": "predictive scaling",
    "melange": "Mélange",
    "sageserve": "SageServe",
    SPOT: "SpotHedge",
    CLAIRVOYANT: "clairvoyant optimum",
}
ON_SPOT = (OURS_ON_SPOT, SPOT)  # left out where no pool has history
NAMES = tuple(name for name in LABELS if name != CLAIRVOYANT)  # it is no choice: all are measured by it
SHOWN_TARGETS = (0.99, 0.995, 0.999, 0.9995)
CONSUMER = re.compile(r"geforce|gtx|titan|rtx[ -]?[2-5]0[5-9]0", re.IGNORECASE)


@dataclass(frozen=True)
class Entrant:
    """A policy under its name.

    Attributes:
        name: of `LABELS`, or of Trimtab at another target or without a lever.
        maker: of the policy; None for the clairvoyant optimum. Its text tells it from all others.
        target: that it aims at in place of the workload's.
        goal: (w) share in time that it is also scaled to in hindsight; none = it is not.
    """

    name: str
    maker: Maker | None
    target: float | None = None
    goal: tuple[float, ...] = ()


@dataclass(frozen=True)
class Ours:
    """Trimtab's own policy as a maker that other processes can be given."""

    is_for_target: bool = False

    def __call__(self, case: Case) -> Known:
        """The minute loop, or the target of a plain autoscaler in its place."""
        return minute_loop(case, TARGETS) if self.is_for_target else minute_loop(case)


@dataclass(frozen=True)
class UsualPeak(StaticPeak):
    """The static peak of each workload on the hardware that its team is used to.

    Attributes:
        usual: (w) option; None: the cheapest per request.
    """

    usual: tuple[str | None, ...] = ()

    def need(self, case: Case, workload: int) -> Need:
        """Of a workload."""
        return StaticPeak(self.usual[workload], self.headroom).need(case, workload)


def entrants(names: Sequence[str], usual: tuple[str | None, ...], *, has_spot: bool) -> list[Entrant]:
    """The clairvoyant optimum, the named policies, and Trimtab at other targets where it is among them.

    Args:
        names: of `NAMES`.
        usual: (w) option of the static peak on usual hardware.
        has_spot: whether spot pools have history; without, policies of spot are left out.
    """
    makers: dict[str, Maker] = {
        OURS: Ours(),
        "trimtab-target": Ours(is_for_target=True),
        OURS_ON_SPOT: SpotLoop(),
        "static-peak": UsualPeak(usual=usual),
        "static-peak-best": StaticPeak(),
        PLAIN: Autoscaler(),
        "careful-operator": CarefulOperator(),
        "predictive-scaling": PredictiveScaling(),
        "melange": Melange(),
        "sageserve": SageServe(),
        SPOT: SpotHedge(),
    }
    chosen = [name for name in NAMES if name in names and (has_spot or name not in ON_SPOT)]
    found = [Entrant(CLAIRVOYANT, None), *(Entrant(name, makers[name]) for name in chosen)]
    if OURS in chosen:
        found += [Entrant(at_target(target), makers[OURS], target) for target in SHOWN_TARGETS]
    return found


def without_levers(usual: tuple[str | None, ...], goal: tuple[float, ...]) -> list[Entrant]:
    """Trimtab as a whole and without each of its levers, scaled to a goal too."""
    makers = {lever: Without(lever, usual if lever == "option" else ()) for lever in LEVERS}
    return [Entrant(without(lever), maker, goal=goal) for lever, maker in makers.items()]


def without(lever: str) -> str:
    """Trimtab's name without one of its levers."""
    return f"{OURS}-without-{lever}"


def at_target(target: float) -> str:
    """Trimtab's name at a target of its own."""
    return f"{OURS}-at-{100 * target:g}"


@dataclass(frozen=True)
class Usual:
    """The hardware that a team is used to: an option of the workload, and why it is that one."""

    option_id: str | None
    why: str


def usual_of(case: Case, options: pd.DataFrame, fleet: pd.DataFrame) -> Usual:
    """What the workload runs most of now, else the most common data-centre hardware on offer on demand.

    Args:
        case: of one workload.
        options: the catalogue.
        fleet: `workload, option_id, desired` as last seen.
    """
    (name,) = case.whole.workloads
    usable = [case.whole.option_id[i] for i in firm_options(case, 0)]  # the cheapest per request first
    kind = kinds(options)
    now = fleet.loc[fleet["workload"].eq(name) & fleet["desired"].gt(0)].sort_values("desired", kind="stable")
    for running in reversed(now["option_id"].tolist()):
        alike = [each for each in usable if kind.get(each) == kind.get(running, "")]
        if alike:
            return Usual(running if running in usable else alike[0], "runs now")
    counts = pd.Series(kind)[options.loc[options["purchase"].eq("on_demand"), "option_id"]].value_counts()
    known = [each for each in usable if each in kind and not CONSUMER.search(kind[each])]
    if not known:
        return Usual(None, "the cheapest per request: nothing else is on offer")
    common = max(known, key=lambda each: (counts.get(kind[each], 0), -known.index(each)))
    return Usual(common, "the most common hardware on offer on demand")


def kinds(options: pd.DataFrame) -> dict[str, str]:
    """Accelerator of each option, or its instance type where it has none."""
    kind = options["accelerator"].where(options["accelerator"].notna(), options["instance_type"])
    return dict(zip(options["option_id"].astype(str), kind.astype(str), strict=True))
