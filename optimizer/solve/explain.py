r"""Why a placement is as it is: why this option and not that one, and where its gap sits.

At the prices of what workloads share, the cheapest plan of a workload costs $V_w$, and the cheapest that must
run option B costs $V_w(B)$. The difference is why B was not taken. What the chosen plan costs above $V_w$ is
the workload's regret: with what is left unused of priced things, regrets are the whole gap between the cost
and the bound that the prices prove.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from optimizer.problem import Bools, Floats, Ints, Placement, Problem, cost
from optimizer.solve.choices import Choices, Forced
from optimizer.solve.components import Part, groups
from optimizer.solve.prices import PLANS, Parts, Plan, Priced, Prices, Relaxation, part_of, relax
from optimizer.solve.solution import Solution

MOST_TOLD = 50  # workloads with alternatives: half of them those of most regret, half those that cost most
MOST_PRICED = 100_000  # options times periods up to which prices are found anew, more precisely
SEARCHED_EACH = 2  # options of each kind for which the exact cost is found
Other = Literal["purchase", "region", "family"]
OTHERS: tuple[Other, ...] = ("purchase", "region", "family")
LEAST_USD = 0.005  # less is not told


@dataclass(frozen=True)
class Alternative:
    """An option that was not taken.

    Attributes:
        option: its name.
        other: what is another with it: "purchase", "region" or "family".
        partner: the option it would best run beside; None where it is best alone.
        more_usd: what the best plan that runs it costs above the best plan, over all periods.
        parts: the same, by what it is paid for.
        alone_usd: what it costs more if nothing else runs; None where it cannot serve alone.
    """

    option: str
    other: Other
    partner: str | None
    more_usd: float
    parts: Parts
    alone_usd: float | None


@dataclass(frozen=True)
class WhyNot:
    """One workload: what runs, what it costs at the prices, and the nearest alternatives, cheapest first."""

    workload: str
    runs: tuple[str, ...]
    usd: float
    best_usd: float
    alternatives: tuple[Alternative, ...]

    @property
    def regret_usd(self) -> float:
        """What its plan costs above its cheapest: its share of the gap."""
        return max(0.0, self.usd - self.best_usd)


@dataclass(frozen=True)
class Explanation:
    """What is known about a placement beside its cost.

    Attributes:
        source: prices are of "plans" (decomposition), "relaxed" (the model without whole numbers), both, or
            "none" where a shortage leaves nothing with a price, "shared_nodes" where sharing does.
        gap_usd: cost less the bound that the prices prove.
        unused_usd: the part of it that is no workload's: priced limits and commitments that are not used up.
        workloads: those told of, most regret first.
        unpriced: workloads beside a shortage, where nothing has a price.
        relaxation: prices and bound of the others.
        part: the problem of the others.
        best_usd: (W,) what their cheapest plans cost at the prices.
    """

    source: str
    gap_usd: float
    unused_usd: float
    workloads: tuple[WhyNot, ...]
    unpriced: tuple[str, ...] = ()
    relaxation: Relaxation | None = field(default=None, repr=False)
    part: Problem | None = field(default=None, repr=False)
    best_usd: Floats | None = field(default=None, repr=False)


def explain(p: Problem, solution: Solution, *, most: int = MOST_TOLD) -> Explanation:
    """Why-not and regrets of a placement, most regret first.

    Args:
        p: the problem solved.
        solution: its solution.
        most: workloads to tell of.
    """
    short = is_short(p, solution)
    unpriced = tuple(p.workloads[w] for w in np.flatnonzero(short))
    if short.all():
        return Explanation("none" if solution.shortfalls else "shared_nodes", 0.0, 0.0, (), unpriced)
    part = part_of(p, np.flatnonzero(~short))
    placement = placement_of(part, solution.placement)
    relaxation = relaxed(part.problem, solution, anew=len(part.options) * len(p.periods) <= MOST_PRICED)
    if relaxation is None:
        return Explanation("none", 0.0, 0.0, (), p.workloads)
    priced = Priced(part.problem, relaxation.prices)
    choices = Choices(priced)
    value, best = priced.values(placement), choices.values()
    is_known = np.isfinite(best) & ~part.problem.scenarios.is_paid  # prices know nothing of losses
    bound = float(best.sum()) + priced.constant() if is_known.all() else relaxation.bound_usd
    gap = max(0.0, cost(part.problem, placement) - bound)
    best = np.where(is_known, best, value)
    regret = np.maximum(value - best, 0.0)
    told = worth_telling(regret, value, most)
    found = alternatives(choices, placement, [w for w in told if is_known[w]])
    lines = (
        WhyNot(part.problem.workloads[w], names(part.problem, running(part.problem, placement, w)),
               float(value[w]), float(best[w]), found.get(w, ()))
        for w in told
    )  # fmt: skip
    unused = max(0.0, gap - float(regret.sum()))
    return Explanation(relaxation.source, gap, unused, tuple(lines), unpriced, relaxation, part.problem, best)


def is_short(p: Problem, solution: Solution) -> Bools:
    """(W,) workloads of a part in which a rule is missed or nodes are shared: prices know neither."""
    missed = {shortfall.workload for shortfall in solution.shortfalls}
    short = on_nodes(p)
    if missed:
        for group in groups(p):
            short[group] |= any(p.workloads[w] in missed for w in group)
    return short


def on_nodes(p: Problem) -> Bools:
    """(W,) workloads of a part in which some may share nodes."""
    found = np.zeros(len(p.workloads), dtype=bool)
    sharing = np.unique(p.option_workload[p.nodes.of_option >= 0])
    if sharing.size:
        for group in groups(p):
            found[group] = bool(np.isin(group, sharing).any())
    return found


def placement_of(part: Part, whole: Placement) -> Placement:
    """What a placement says of a part."""
    covered = whole.covered[np.ix_(part.commitments, part.pools, part.periods)]
    rows = np.ix_(part.options, part.periods)
    bought = whole.bought_usd_per_hour[part.commitments]
    routed = whole.routed[np.ix_(part.routes, part.periods)] if len(part.routes) else whole.routed[:0]
    return Placement(whole.replicas[rows], whole.served[rows], covered, bought, routed)


def relaxed(p: Problem, solution: Solution, *, anew: bool) -> Relaxation | None:
    """Prices of a part: found anew, or as the solution of a large problem has them."""
    if anew:
        return relax(p)
    known = [x for x in solution.shadow_prices if x.name in p.pools or x.name in p.commitments]
    return Relaxation(solution.bound_usd, Prices.read(p, known), PLANS) if known else None


def worth_telling(regret: Floats, value: Floats, most: int) -> list[int]:
    """Workloads to tell of: half of them those of most regret, half those that cost most."""
    if len(value) <= most:
        told = np.arange(len(value))
    else:
        half = most // 2
        dearest = np.argsort(-value, kind="stable")
        sorry = np.argsort(-regret, kind="stable")[:half]
        told = np.concatenate([sorry, dearest[~np.isin(dearest, sorry)][: most - half]])
    return [int(w) for w in told[np.lexsort((told, -regret[told]))]]


def alternatives(
    choices: Choices, placement: Placement, told: Sequence[int]
) -> dict[int, tuple[Alternative, ...]]:
    """The cheapest other purchase, region and family of each workload, cheapest first."""
    p, best = choices.priced.problem, choices.best(told)
    kinds = {
        (w, i): other
        for w in told
        if w in best
        for i, other in nearest(choices, w, taken(p, placement, w, best[w])).items()
    }
    found: dict[int, dict[str, Alternative]] = {}
    for forced in choices.forced(sorted(kinds)):
        w = int(p.option_workload[forced.option])
        told_as = alternative(choices.priced, best[w], forced, kinds[w, forced.option])
        known = found.setdefault(w, {})
        if told_as.other not in known or told_as.more_usd < known[told_as.other].more_usd:
            known[told_as.other] = told_as
    return {
        w: tuple(sorted(each.values(), key=lambda x: (x.more_usd, x.option))) for w, each in found.items()
    }


def alternative(priced: Priced, best: Plan, forced: Forced, other: Other) -> Alternative:
    """A forced plan beside the best one."""
    p, w = priced.problem, int(priced.problem.option_workload[forced.option])
    least = priced.parts(w, best)
    parts = priced.parts(w, forced.plan).minus(least)
    partner = next((p.option_id[i] for i in forced.plan.option if i != forced.option), None)
    alone = forced.alone_usd - least.total
    return Alternative(
        p.option_id[forced.option], other, partner, parts.total, parts, alone if np.isfinite(alone) else None
    )


def taken(p: Problem, placement: Placement, w: int, best: Plan) -> Ints:
    """Options that need no alternative: those that run and those of the best plan."""
    return np.union1d(running(p, placement, w), best.option)


def running(p: Problem, placement: Placement, w: int) -> Ints:
    """Options of a workload that run at all."""
    options = p.options_of(w)
    return np.asarray(options[placement.replicas[options].max(axis=1, initial=0) > 0])


def names(p: Problem, options: Ints) -> tuple[str, ...]:
    """Names of options."""
    return tuple(p.option_id[i] for i in options)


def nearest(choices: Choices, w: int, taken: Ints) -> dict[int, Other]:
    """The cheapest options, per unit at the prices, that differ from all taken ones in one way."""
    priced, p = choices.priced, choices.priced.problem
    options, searched = p.options_of(w), 1 if w in choices.others else SEARCHED_EACH
    rent, saved = priced.per_unit(options)
    usd = p.price_hourly[options][:, None] * p.hours + p.pool_units[options][:, None] * (rent - saved)
    per_unit = usd / p.capacity[options][:, None] + p.egress_usd_per_unit[options][:, None] * p.hours
    order = options[np.argsort(per_unit @ p.demand[w], kind="stable")]
    known = {other: {kind_of(p, i, other) for i in taken} for other in OTHERS}
    found: dict[int, Other] = {}
    for other in OTHERS:
        differing = (int(i) for i in order if kind_of(p, i, other) not in known[other] and i not in found)
        found |= {i: other for i, _ in zip(differing, range(searched), strict=False)}
    return {i: other for i, other in found.items() if i not in taken}


def kind_of(p: Problem, option: int | np.integer, other: Other) -> str:
    """What an option is in one respect."""
    if other == "region":
        return f"{p.provider[option]}/{p.region[option]}"
    return family(p.instance_type[option]) if other == "family" else p.purchase[option]


def family(instance_type: str) -> str:
    """An instance type without its size: c7g.xlarge is of c7g, n2-standard-8 of n2-standard."""
    if "." in instance_type:
        return instance_type.split(".", 1)[0]
    if re.search(r"-\d+g?$", instance_type):
        return instance_type.rsplit("-", 1)[0]
    return re.sub(r"^(Standard_[A-Z]+)\d+", r"\1", instance_type)


def sentence(each: Alternative, span: float = 1.0) -> str:
    """Why an option was not taken, per day if all periods stand for `span` days."""
    beside = f" beside {each.partner}" if each.partner else ""
    parts = Parts(*(usd / span for usd in each.parts.each))
    text = f"{each.option}{beside} would cost {parts.total:,.2f} USD more: {told_parts(parts)}"
    if each.partner is None or each.alone_usd is None:
        return text
    return f"{text}; alone {each.alone_usd / span:,.2f} more"


PART_WORDS = {
    "instances": "instances", "quota_rent": "scarce quota", "lost_cover": "commitments",
    "egress": "egress", "churn": "change",
}  # fmt: skip


def told_parts(parts: Parts) -> str:
    """The parts that are something, in words."""
    known = {word: getattr(parts, name) for name, word in PART_WORDS.items()}
    said = [f"{word} {usd:+,.2f}" for word, usd in known.items() if abs(usd) >= LEAST_USD]
    return ", ".join(said) or "no difference"
