"""Shortfalls in words: one sentence per workload and rule, over all the periods in which it is missed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from optimizer.caps import CHANGED, KG_CO2E, RULE, USD
from optimizer.period_words import when
from optimizer.plan_parts import Missing

if TYPE_CHECKING:
    from optimizer.solve.solution import Shortfall

WORDS = {
    "meet_demand": "nothing serves {missing} of {wanted} units/s",
    "survive_region_loss": "the loss of a region would leave {missing} of {wanted} units/s unserved",
    "survive_zone_loss": "the loss of a zone would leave {missing} of {wanted} units/s unserved",
    "min_replicas": "{left} replicas run, min_replicas asks for {wanted}",
    "option_min_replicas": "{left} pinned replicas run, min_replicas of the pin asks for {wanted}",
    "min_on_demand_replicas": "{left} on-demand replicas run, min_on_demand_replicas asks for {wanted}",
    "min_regions": "it runs in {left} regions, min_regions asks for {wanted}",
    "max_region_share": "one region holds {reached} units/s, {missing} more than max_region_share allows",
    "max_ramp_replicas": "{reached} replicas change at once, {missing} more than max_ramp_replicas allows",
}
CAPS = {
    RULE[USD]: "{reached:,.2f} USD at list price, {missing:,.2f} above its cap of {wanted:,.2f}",
    RULE[KG_CO2E]: "{reached:,.4g} kg of CO2e, {missing:,.4g} above its cap of {wanted:,.4g}",
    RULE[CHANGED]: "{reached:,.0f} replicas changed, {missing:,.0f} above its cap of {wanted:,.0f}",
}


def sentence(s: Shortfall | Missing) -> str:
    """One shortfall in words."""
    return next(sentences([s]))


def sentences(
    found: Iterable[Shortfall | Missing], periods: Sequence[str] = (), whole: str = "all day"
) -> Iterator[str]:
    """Each workload and rule once, told of the period in which most is missed.

    Args:
        found: in the order in which they are told.
        periods: all there are; empty where that is not known.
        whole: what all of them together are.
    """
    groups: dict[tuple[str, str], list[Shortfall | Missing]] = {}
    for each in found:
        groups.setdefault((each.workload, each.rule), []).append(each)
    for (workload, rule), rows in groups.items():
        if rule in CAPS:
            yield f"{workload}: {CAPS[rule].format(**amounts(rows[0]))}"
        elif rule == "finish_work":
            yield from map(of_work, rows)
        elif rule in WORDS:
            yield f"{workload}{of_rule(rule, rows, periods, whole)}"
        else:
            yield from map(in_general, rows)


def in_general(s: Shortfall | Missing) -> str:
    """A rule that has no words here, by its name."""
    if isinstance(s, Missing):
        return s.text
    return f"{s.workload} at {s.period}: {s.rule} misses {number(s.missing)} of {number(s.wanted)}"


def of_rule(rule: str, rows: Sequence[Shortfall | Missing], periods: Sequence[str], whole: str) -> str:
    """When and by how much one rule of one workload is missed."""
    worst = max(rows, key=lambda row: row.missing)
    told = {name: number(value) for name, value in amounts(worst).items()}
    at = when([row.period for row in rows], periods, whole)
    is_even = all(amounts(row) == amounts(worst) for row in rows)
    more = "" if is_even else f" at {worst.period}, the worst"
    comma = "" if at.startswith("at ") else ","
    return f"{comma} {at}: {WORDS[rule].format(**told)}{more}"


def of_work(s: Shortfall | Missing) -> str:
    """Work that is not done."""
    done_not = f"{s.missing * 3600.0:,.6g} of {s.wanted * 3600.0:,.6g} units of work"
    return f"{s.workload}: {done_not} find no room until the end of {s.period}"


def amounts(s: Shortfall | Missing) -> dict[str, float]:
    """What is missed and asked for, what is left of the latter, and what a limit is overrun to."""
    return {
        "missing": s.missing,
        "wanted": s.wanted,
        "left": s.wanted - s.missing,
        "reached": s.wanted + s.missing,
    }


def number(value: float) -> str:
    """Four digits, or all of a larger whole number."""
    return f"{value:,.0f}" if abs(value) >= 10_000 else f"{round(value, 9):.4g}"
