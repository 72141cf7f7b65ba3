"""What each lever of Trimtab's policy was worth in a backtest: as rows, in a sentence, as bars."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from optimizer.backtest_capacity import CapacityBacktest, ratio
from optimizer.replay.entrants import without
from optimizer.replay.levers import LEVERS, WHOLE
from optimizer.report.text import change, share

NOTHING = 0.005  # of the cost: less is not told apart in a sentence


@dataclass(frozen=True)
class LeverTotal:
    """Trimtab's policy without a lever, over all workloads.

    Attributes:
        lever, label: of `LEVERS`.
        workloads, met: replayed, and those that kept their target.
        cost_usd, attainment: as it was played.
        compared: workloads in which it and the whole policy can be scaled to the same share in time.
        cost_at_goal_usd: of these, so scaled.
        worth: that over the same of the whole policy, less 1; NaN where nothing is compared.
    """

    lever: str
    label: str
    workloads: int
    met: int
    cost_usd: float
    attainment: float
    compared: int
    cost_at_goal_usd: float
    worth: float


def levers(found: CapacityBacktest) -> list[LeverTotal]:
    """The whole policy, then what was worth most first; nothing where no lever was taken away."""
    if not found.question.ablation:
        return []
    whole, *others = (lever_total(found, lever) for lever in LEVERS)
    return [whole, *sorted(others, key=lambda t: -np.nan_to_num(t.worth))]


def lever_total(found: CapacityBacktest, lever: str) -> LeverTotal:
    """One lever."""
    rows, whole = (
        found.rows.loc[found.rows["policy"].eq(without(each))].set_index("workload")
        for each in (lever, WHOLE)
    )
    both = rows["cost_at_goal_usd"].notna() & whole["cost_at_goal_usd"].notna()
    cost, beside = (float(each.loc[both, "cost_at_goal_usd"].sum()) for each in (rows, whole))
    return LeverTotal(
        lever=lever,
        label=LEVERS[lever],
        workloads=len(rows),
        met=int((rows["attainment"] >= rows["target"]).sum()),
        cost_usd=float(rows["cost_usd"].sum()),
        attainment=1.0 - float(rows["late"].sum()) / float(rows["requests"].sum()),
        compared=int(both.sum()),
        cost_at_goal_usd=cost if both.any() else float("nan"),
        worth=ratio(cost, beside) - 1.0,
    )


def told(found: CapacityBacktest) -> str:
    """What was worth most, and what only cost, at the same share in time; "" without levers."""
    worth: dict[str, float] = {}
    for each in levers(found)[1:]:
        what = each.label.split(":")[0]  # of several settings of one lever, the best in hindsight
        if np.isfinite(each.worth):
            worth[what] = min(each.worth, worth.get(what, np.inf))
    ranked = sorted(worth, key=lambda what: -worth[what])
    helped = [what for what in ranked if worth[what] > NOTHING]
    cost = [f"{what} ({change(worth[what])})" for what in ranked if worth[what] < -NOTHING]
    if not worth:
        return ""
    text = "No lever of Trimtab made the same share in time cheaper here."
    if helped:
        most, *others = helped
        text = f"Without its {most}, the same share in time would have cost {share(worth[most])} more"
        text += f"; {listed(others, worth)}." if others else "."
    return f"{text} Here these only cost: {', '.join(cost)}." if cost else text


def listed(names: list[str], worth: dict[str, float]) -> str:
    """Levers and by how much cost is higher without them."""
    return "without " + ", ".join(f"its {name} {share(worth[name])}" for name in names)
