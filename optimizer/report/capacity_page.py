"""A backtest of capacity as one HTML page that loads nothing, and in a plain sentence."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from markupsafe import Markup

from optimizer.backtest_capacity import CapacityBacktest
from optimizer.backtest_cases import WorkloadCase
from optimizer.replay.entrants import CLAIRVOYANT, LABELS, OURS, PLAIN, SHOWN_TARGETS, at_target
from optimizer.report.backtest_charts import PolicyPoint, frontier_chart, lever_chart, strip_chart
from optimizer.report.levers import levers, told
from optimizer.report.render import environment
from optimizer.report.text import clean, money, share

LEAST_MISSED = 1e-5  # less cannot be told from none in a drawing


@dataclass(frozen=True)
class Total:
    """A policy over the workloads it was replayed for.

    Attributes:
        workloads: how many.
        met: of them kept their target.
        attainment: of all their requests together.
        worst_hour: of any workload.
        regret: cost over that of the clairvoyant optimum for the same workloads, less 1; NaN where that is 0.
        over_bound: the same over the bound.
    """

    policy: str
    label: str
    workloads: int
    met: int
    cost_usd: float
    attainment: float
    worst_hour: float
    dropped: float
    launches: int
    actions: int
    preemptions: int
    regret: float
    over_bound: float


def totals(found: CapacityBacktest) -> list[Total]:
    """Policies that aim at the workloads' own targets, the cheapest first; the optimum stands on top."""
    groups = {str(name): rows for name, rows in found.rows.groupby("policy", sort=False) if name in LABELS}
    made = [total(found, name, rows) for name, rows in groups.items()]
    return sorted(made, key=lambda t: (t.policy != CLAIRVOYANT, t.cost_usd))


def total(found: CapacityBacktest, policy: str, rows: pd.DataFrame) -> Total:
    """One policy."""
    names = rows["workload"].tolist()
    best = [found.played[name, CLAIRVOYANT] for name in names]
    cost, requests = float(rows["cost_usd"].sum()), float(rows["requests"].sum())
    return Total(
        policy=policy,
        label=LABELS.get(policy, policy),
        workloads=len(rows),
        met=int((rows["attainment"] >= rows["target"]).sum()),
        cost_usd=cost,
        attainment=1.0 - float(rows["late"].sum()) / requests,
        worst_hour=float(rows["worst_hour"].min()),
        dropped=float(rows["dropped"].sum()),
        launches=int(rows["launches"].sum()),
        actions=int(rows["actions"].sum()),
        preemptions=int(rows["preemptions"].sum()),
        regret=over(cost, sum(one.cost_usd for one in best)),
        over_bound=over(cost, sum(one.bound_usd or 0.0 for one in best)),
    )


def over(cost: float, to: float) -> float:
    """By which share a cost is above another; NaN where that is nothing."""
    return cost / to - 1.0 if to > 0 else float("nan")


def verdict(found: CapacityBacktest) -> str:
    """What the days would have cost and kept under Trimtab, and under a plain autoscaler."""
    by_name = {each.policy: each for each in totals(found)}
    shown, plain = by_name[shown_policy(found)], by_name.get(PLAIN)
    if shown.policy == CLAIRVOYANT:
        return "No policy was replayed but the clairvoyant optimum."
    text = f"{days(found)} {shown.label} would have cost {paid(shown)} of requests in time; "
    text += f"{kept(shown, found)}."
    if plain is None or plain is shown:
        return text
    return f"{text} A plain autoscaler would have cost {paid(plain)}; {kept(plain, found)}."


def paid(each: Total) -> str:
    """Cost and what was had for it."""
    return f"{money(each.cost_usd, '$', decimals(each.cost_usd))} and kept {share(each.attainment)}"


def days(found: CapacityBacktest) -> str:
    """The window in words, as the beginning of a sentence."""
    count = (found.question.until - found.question.since) / pd.Timedelta(days=1)
    if count == 1:
        return "On this day"
    return f"On these {count:.3g} days" if count > 1 else f"In these {count * 24:.3g} hours"


def decimals(usd: float) -> int:
    """Cents are told of small amounts alone."""
    return 2 if usd < 100 else 0


def kept(each: Total, found: CapacityBacktest) -> str:
    """Whether it kept what was asked."""
    if each.workloads == 1 and len(found.served) == 1:
        asked = share(found.served[0].target)
        return f"it {'kept' if each.met else 'missed'} the target of {asked}"
    if each.met == each.workloads:
        return f"it kept the targets of all {each.workloads} workloads"
    return f"it missed the target of {each.workloads - each.met} of {each.workloads} workloads"


def shown_policy(found: CapacityBacktest) -> str:
    """The policy that sentence and strip are about: Trimtab, or else the first that took part."""
    replayed = {policy for _, policy in found.played}
    return next((name for name in found.question.names if name in replayed), CLAIRVOYANT)


def shown_workload(found: CapacityBacktest) -> WorkloadCase:
    """The dearest workload that the policy was replayed for."""
    policy = shown_policy(found)
    mine = [one for one in found.served if (one.name, policy) in found.played]
    return max(mine, key=lambda one: found.played[one.name, CLAIRVOYANT].cost_usd)


def render(found: CapacityBacktest) -> str:
    """Draw the charts and fill the template."""
    shown = totals(found)
    numbers = {each.policy: str(number) for number, each in enumerate(shown, 1)}
    template = environment(in_html=True).get_template("capacity_backtest.html.j2")
    best = next(each for each in shown if each.policy == CLAIRVOYANT)
    ours = next((each for each in shown if each.policy == shown_policy(found)), best)
    return template.render(
        found=found,
        verdict=verdict(found),
        totals=[(numbers[each.policy], each) for each in shown],
        ours=ours,
        best=best,
        labels=LABELS,
        rows=[row for row in found.rows.to_dict("records") if row["policy"] in LABELS],
        example=shown_workload(found),
        targets=[share(target) for target in SHOWN_TARGETS],
        has_frontier=OURS in found.question.names,
        history=max(one.history_days for one in found.served),
        levers=levers(found),
        told=told(found),
        charts={"frontier": _frontier(found, numbers), "strip": _strip(found), "levers": _levers(found)},
    )


def _frontier(found: CapacityBacktest, numbers: dict[str, str]) -> Markup:
    points = [
        PolicyPoint(numbers[each.policy], each.cost_usd, 1.0 - each.attainment, _kind(each.policy))
        for each in totals(found)
        if each.workloads == len(found.served)  # costs of fewer workloads are no costs of all
    ]
    if OURS in found.question.names:
        for target in SHOWN_TARGETS:
            name = at_target(target)
            each = total(found, name, found.rows.loc[found.rows["policy"].eq(name)])
            points.append(PolicyPoint("", each.cost_usd, 1.0 - each.attainment, "ours"))
    title = "Cost of each policy, and the share of requests that it kept in time"
    return _safe(frontier_chart(points, least=LEAST_MISSED, name="frontier", title=title))


def _kind(policy: str) -> str:
    return {OURS: "ours", CLAIRVOYANT: "best"}.get(policy, "others")


def _strip(found: CapacityBacktest) -> Markup:
    one, policy = shown_workload(found), shown_policy(found)
    strip = found.played[one.name, policy].strip
    begin = found.question.since + pd.to_timedelta(np.arange(len(strip.demand)) * strip.minutes, unit="min")
    last = begin.max()
    frame = pd.DataFrame(
        {
            "ds": begin,
            "until": (begin + pd.Timedelta(minutes=strip.minutes)).where(begin < last, found.question.until),
            "demand": np.array([np.nan if value is None else value for value in strip.demand]),
            "capacity": strip.capacity,
            "is_missed": np.array(strip.late_share) > 1.0 - one.target,
        }
    )
    title = f"{clean(one.name)}: requests/s that came, and what was ready under {LABELS[policy]}"
    return _safe(strip_chart(frame, name="strip", title=title))


def _levers(found: CapacityBacktest) -> Markup:
    known = [(each.label, each.worth) for each in levers(found)[1:] if np.isfinite(each.worth)]
    title = "What cost would change by without each lever, at the same share in time"
    return _safe(lever_chart(known, name="levers", title=title)) if known else Markup()


def _safe(svg: str) -> Markup:
    return Markup(svg)  # noqa: S704 - by an XML serialiser
