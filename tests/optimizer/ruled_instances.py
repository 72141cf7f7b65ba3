"""Hypothesis strategies for tiny problems with rules about places, losses, own bounds and ramps."""

from __future__ import annotations

from hypothesis import strategies as st

from optimizer.problem import Problem
from tests.optimizer.instances import NAMES, mostly
from tests.optimizer.problems import UNLIMITED, O, W, problem

ORIGINS = ("DE", "US")
PLACES = ("eu", "us")
RULES = ("routes", "residency", "zones", "regions", "bounds", "ramp")


@st.composite
def ruled_problems(draw: st.DrawFn, *, rules: tuple[str, ...] = RULES) -> Problem:
    """One workload, two or three options, one or two periods; each of the rules in most problems."""
    asked = {rule for rule in rules if len(rules) == 1 or draw(st.booleans())}
    periods = draw(st.integers(1, 2))
    names = NAMES[: draw(st.integers(2, 3))]
    ways = [(origin, place) for origin in ORIGINS for place in PLACES]
    rtt = {way: draw(st.sampled_from([10.0, 40.0, 90.0])) for way in ways if draw(mostly(True, False))}
    egress = {way: draw(st.sampled_from([0.1, 0.7, 3.0])) for way in ways if draw(st.booleans())}
    pools = {"p": draw(st.sampled_from([2.0, 4.0]))} if draw(mostly(False, True)) else {}
    return problem(
        draw(workloads(asked, periods)),
        [draw(options(name, asked, periods, pooled=bool(pools))) for name in names],
        pools=pools,
        hours=[1.0, 3.0][:periods],
        rtt=rtt,
        egress=egress,
    )


@st.composite
def workloads(draw: st.DrawFn, asked: set[str], periods: int) -> W:
    share = draw(st.sampled_from([0.5, 0.8, 1.0]))
    return W(
        demand=draw(st.lists(st.sampled_from([0.0, 1.0, 2.0, 2.5]), min_size=periods, max_size=periods)),
        max_spot_share=draw(mostly(1.0, 0.5)),
        max_options=draw(mostly(UNLIMITED, 2)),
        activation_cost_usd=draw(mostly(0.0, 0.5)),
        max_replicas=draw(mostly(UNLIMITED, 3)),
        survive_region_loss="regions" in asked,
        survive_zone_loss="zones" in asked,
        headroom_share=draw(st.sampled_from([1.0, 0.5, 0.8])),
        origins={"DE": share, "US": 1 - share} if "routes" in asked else {},
        max_latency_ms=draw(st.sampled_from([UNLIMITED, 95.0, 50.0])) if "routes" in asked else UNLIMITED,
        residency=("DE",) if "residency" in asked else (),
        max_ramp_replicas=draw(st.sampled_from([0, 1, 2])) if "ramp" in asked else UNLIMITED,
        ramp_from_current=draw(mostly(False, True)),
    )


@st.composite
def options(draw: st.DrawFn, name: str, asked: set[str], periods: int, *, pooled: bool) -> O:
    low = draw(st.lists(mostly(0, 1, 2), min_size=periods, max_size=periods)) if "bounds" in asked else [0.0]
    more = draw(st.sampled_from([0, 1, UNLIMITED])) if "bounds" in asked else UNLIMITED
    return O(
        name,
        price=draw(st.sampled_from([1.0, 1.3, 2.1, 3.0])),
        capacity=draw(st.sampled_from([1.0, 1.5, 2.0])),
        region=draw(st.sampled_from(PLACES)),
        country=draw(mostly("DE", "FR", "")),
        purchase=draw(mostly("on_demand", "spot")),
        pool="p" if pooled and draw(st.booleans()) else None,
        egress=draw(mostly(0.0, 0.1, 0.4)),
        current=draw(mostly(0, 1, 2)),
        migration=draw(mostly(0.0, 0.3)),
        zones=draw(st.sampled_from([1, 2, 3])),
        latency_ms=draw(mostly(5.0, 50.0)),
        fewest=low if len(low) == periods else 0.0,
        most=[n + more for n in low] if len(low) == periods else UNLIMITED,
    )
