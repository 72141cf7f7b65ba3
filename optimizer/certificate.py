"""What a placement keeps of what was asked, workload by workload: read off the placement, not off a model.

Everything here comes from the placement's own numbers and the checker's functions, so that it can be trusted
as far as the checker can, and shown to people who never saw the model.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from optimizer.check import check, steps
from optimizer.check_places import regions_in_use, without_regions, without_zones
from optimizer.placement_parts import Certificate, Loss
from optimizer.problem import Floats, Ints, Placement, Problem
from optimizer.violations import TOLERANCE, Violation

UNKNOWN = "unknown"
END_OF_NAME = re.compile(r",|/| from |$")  # what follows a workload's name where a violation says where


def certify(problem: Problem, placement: Placement) -> Iterator[Certificate]:
    """The certificate of every workload, in the order of the problem."""
    broken = by_workload(check(problem, placement), problem.workloads)
    ramps = steps(problem, placement)
    for w, name in enumerate(problem.workloads):
        options = problem.options_of(w)
        count = placement.replicas[options]
        used = options[count.max(axis=1, initial=0) > 0]
        yield Certificate(
            workload=name,
            **countries(problem, w, used),
            **latency(problem, placement, w, used),
            **spread(problem, w, options, count),
            **losses(problem, placement, w),
            **firmness(problem, placement, w),
            options=tuple(problem.option_id[i] for i in used),
            max_options=limit(problem.max_options[w]),
            **bounds(problem, placement, w),
            largest_ramp_replicas=round(float(ramps[w].max(initial=0.0))),
            max_ramp_replicas=limit(problem.ramp.max_replicas[w]),
            broken=tuple(broken.get(name, ())),
        )


def limit(value: float) -> float | None:
    """A limit; None where there is none."""
    return float(value) if np.isfinite(value) else None


def countries(problem: Problem, w: int, used: Ints) -> dict[str, Any]:
    """Where it runs, and where it may."""
    found = {problem.residency.option_country[i] or UNKNOWN for i in used}
    allowed = problem.residency.allowed.get(w, frozenset())
    return {"countries": tuple(sorted(found)), "residency": tuple(sorted(allowed))}


def latency(problem: Problem, placement: Placement, w: int, used: Ints) -> dict[str, Any]:
    """The slowest way in use; by service time alone where no origin is known, None where a way is unknown."""
    routes = problem.routes
    ways = routes.into(used)
    if routes.is_routed[w]:
        ways = ways[placement.routed[ways].max(axis=1, initial=0.0) > TOLERANCE]
        worst = float(routes.total_ms[ways].max(initial=0.0))
    else:
        worst = float(routes.latency_ms[used].max(initial=0.0))
    known = np.isfinite(worst) and (routes.is_routed[w] or worst > 0)
    return {
        "worst_latency_ms": worst if known else None,
        "is_latency_estimated": bool(known and routes.is_estimated[ways].any()),
        "max_latency_ms": limit(routes.max_latency_ms[w]),
    }


def spread(problem: Problem, w: int, options: Ints, count: Ints) -> dict[str, Any]:
    """Regions and zones in use, fewest in any period with replicas, and the largest share of capacity."""
    regions = regions_in_use(problem, w, count)
    runs = count.sum(axis=0) > 0
    zones = np.minimum(count, problem.survival.zones[options][:, None])
    room = problem.capacity[options][:, None] * count
    held = np.zeros((len(regions), int(runs.sum())))
    zoned = held.astype(np.int64)
    for k, here in enumerate(regions.values()):
        held[k], zoned[k] = room[here][:, runs].sum(axis=0), zones[here][:, runs].max(axis=0)
    return {
        "regions": tuple(regions),
        "fewest_regions": int((held > 0).sum(axis=0).min()) if runs.any() else 0,
        "min_regions": int(problem.min_regions[w]),
        "fewest_zones": int(zoned.sum(axis=0).min()) if runs.any() else 0,
        "largest_region_share": float((held / held.sum(axis=0)).max(initial=0.0)),
        "max_region_share": float(problem.max_region_share[w]),
    }


def losses(problem: Problem, placement: Placement, w: int) -> dict[str, Any]:
    """The region and the zone whose loss leaves least."""
    return {
        "after_region_loss": worst_loss(problem, w, without_regions(problem, placement, w)),
        "after_zone_loss": worst_loss(problem, w, without_zones(problem, placement, w)),
        "survive_region_loss": bool(problem.survive_region_loss[w]),
        "survive_zone_loss": bool(problem.survival.survive_zone_loss[w]),
        "headroom_share": float(problem.survival.headroom_share[w]),
    }


def worst_loss(problem: Problem, w: int, left: Mapping[str, Floats]) -> Loss | None:
    """The loss and the period with the least share of demand served; None where nothing can be lost."""
    wanted = np.flatnonzero(problem.demand[w] > 0)
    if not left or not wanted.size:
        return None
    shares = np.array(list(left.values()))[:, wanted] / problem.demand[w][wanted]
    k, t = np.unravel_index(int(shares.argmin()), shares.shape)
    served = min(float(shares[k, t]), 1.0)
    return Loss(lost=list(left)[k], period=problem.periods[wanted[t]], served_share=served)


def firmness(problem: Problem, placement: Placement, w: int) -> dict[str, Any]:
    """Replicas that no provider can reclaim, and the share of what is served that leans on spot."""
    options = problem.options_of(w)
    firm = placement.replicas[options] * ~problem.is_spot[options][:, None]
    carries = problem.capacity[options] @ firm
    served = placement.served[options].sum(axis=0)
    leans = np.divide(served - carries, served, out=np.zeros_like(served), where=served > 0)
    return {
        "fewest_on_demand_replicas": int(firm.sum(axis=0).min()),
        "min_on_demand_replicas": float(problem.min_on_demand_replicas[w]),
        "largest_spot_share": max(0.0, float(leans.max(initial=0.0))),
        "max_spot_share": float(problem.max_spot_share[w]),
    }


def bounds(problem: Problem, placement: Placement, w: int) -> dict[str, Any]:
    """How many bounds its options have, and how many of them are kept."""
    b = problem.bounds
    own = problem.option_workload[b.option] == w
    count = placement.replicas[b.option, b.period]
    kept = (count >= b.fewest - TOLERANCE) & (count <= b.most + TOLERANCE)
    return {"bounds": int(own.sum()), "bounds_kept": int((own & kept).sum())}


def by_workload(broken: Sequence[Violation], names: Sequence[str]) -> Mapping[str, list[str]]:
    """What is broken of each workload's own rules, in words; pools and commitments belong to nobody."""
    known, told = set(names), defaultdict(list)
    for violation in broken:
        ends = (violation.where[: end.start()] for end in END_OF_NAME.finditer(violation.where))
        owner = next((name for name in ends if name in known), None)
        if owner is not None:
            told[owner].append(str(violation))
    return told
