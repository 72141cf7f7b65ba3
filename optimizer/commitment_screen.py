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
BOUGHT_TODAY = "Bought today and not renewed: USD a month over its term, after fees, against not buying it"
WORDS = (
    "  USD/h: to commit to; saves: mean over draws of demand; worst: mean of the worst draws",
    "  loses in: share of draws in which it costs more than it saves",
    "  pays from: share of the committed hours that must be used; use: that share in most draws",
)
IN_PARTS = (
    "At once or in parts: the same over the term and the year after it, each renewed when it ends and as "
    "large as is best for it; → is recommended"
)


def summary(plan: PlacementPlan, path: Path) -> dict[str, Any]:
    """The advice as it stands in the plan."""
    return {
        "plan": str(path),
        "hash": plan.hash,
        "as_of": plan.as_of.isoformat(),
        "commitments": [item.model_dump(mode="json") for item in plan.commitments],
    }


def show(plan: PlacementPlan) -> None:
    """What each commitment saves when bought today, then whether parts would be better."""
    if not plan.commitments:
        out.print(NONE)
        return
    out.print(BOUGHT_TODAY)
    table = Table(
        "commitment", "USD/h", "saves", "worst", "loses in", "pays from", "use", box=None, pad_edge=False
    )
    for item in plan.commitments:
        table.add_row(escape(item.commitment), f"{item.usd_per_hour:,.2f}", *numbers(item))
    out.print(table)
    for line in WORDS:
        out.print(line, highlight=False)
    out.print(f"\n{IN_PARTS}")
    for item in plan.commitments:
        show_ladders(item)
    out.print("\nadvice: no plan buys a commitment")


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
    """All at once and in parts over the same years, the recommended one marked."""
    out.print(f"{item.commitment}, over {item.term_years + 1} years", markup=False, highlight=False)
    for ladder in item.ladders:
        mark = "→" if ladder.is_recommended else " "
        saving, worst = (
            usd(value * DAYS_PER_MONTH)
            for value in (ladder.saving_usd_per_day, ladder.saving_usd_per_day_tail)
        )
        text = f"{mark} {rungs(ladder)}: saves {saving} a month, {worst} in the worst draws"
        out.print(text, markup=False, highlight=False, soft_wrap=True)
