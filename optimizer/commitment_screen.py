"""What `trimtab commitments` shows: the advice of a placement plan, for people and as JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.markup import escape
from rich.table import Table

from optimizer.placement_parts import CommitmentAdvice
from optimizer.plan import PlacementPlan
from optimizer.recommend import DAYS_PER_MONTH, rungs
from optimizer.screen import out, usd

NONE = "no commitment pays for this plan, beside those that run"


def summary(plan: PlacementPlan, path: Path) -> dict[str, Any]:
    """The advice as it stands in the plan."""
    return {
        "plan": str(path),
        "hash": plan.hash,
        "as_of": plan.as_of.isoformat(),
        "commitments": [item.model_dump(mode="json") for item in plan.commitments],
    }


def show(plan: PlacementPlan) -> None:
    """One line per commitment with what it saves, then its ladders."""
    if not plan.commitments:
        out.print(NONE)
        return
    heads = ("commitment", "USD/h", "USD/month", "worst", "loses in", "even at", "use")
    table = Table(*heads, box=None, pad_edge=False)
    for item in plan.commitments:
        table.add_row(escape(item.commitment), f"{item.usd_per_hour:,.2f}", *numbers(item))
    out.print(table)
    for item in plan.commitments:
        show_ladders(item)
    out.print("\nworst: mean of the worst draws; loses in: share of draws; even at: use at which it pays")
    out.print("advice: no plan buys a commitment")


def numbers(item: CommitmentAdvice) -> tuple[str, ...]:
    """Saving, its tail, how often it loses, break-even and use."""
    return (
        f"{item.saving_usd_per_day * DAYS_PER_MONTH:,.0f}",
        f"{item.saving_usd_per_day_tail * DAYS_PER_MONTH:,.0f}",
        f"{item.loss_probability:.1%}",
        f"{item.break_even_utilization:.0%}",
        f"{item.utilization.p10:.0%}–{item.utilization.p90:.0%}",
    )


def show_ladders(item: CommitmentAdvice) -> None:
    """All at once and in parts, the recommended one marked."""
    out.print(f"\n{item.commitment}", markup=False, highlight=False)
    for ladder in item.ladders:
        mark = "→" if ladder.is_recommended else " "
        saving, worst = (
            usd(value * DAYS_PER_MONTH)
            for value in (ladder.saving_usd_per_day, ladder.saving_usd_per_day_tail)
        )
        text = f"{mark} {rungs(ladder)}: {saving} a month, {worst} in the worst draws"
        out.print(text, markup=False, highlight=False, soft_wrap=True)
