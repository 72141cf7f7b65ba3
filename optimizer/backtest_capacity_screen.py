"""What the command line shows of a backtest of capacity."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from optimizer.backtest_capacity import CapacityBacktest
from optimizer.bill_screen import columns, whole
from optimizer.report.capacity_page import decimals, totals, verdict
from optimizer.report.levers import levers, told
from optimizer.report.text import change, money, share
from optimizer.screen import out, show_files


def show(found: CapacityBacktest, files: Sequence[Path]) -> None:
    """One line per policy, what follows in a sentence, notes, and the files."""
    table = columns("policy", ">cost", ">regret", ">in time", ">worst hour", ">targets kept")
    for each in totals(found):
        paid = money(each.cost_usd, "$", decimals(each.cost_usd))
        kept = (share(each.attainment), share(each.worst_hour), f"{each.met} of {each.workloads}")
        table.add_row(each.label, paid, change(each.regret), *kept)
    whole(table)
    show_levers(found)
    for line in (*filter(None, (verdict(found), told(found))), *(f"note: {note}" for note in found.notes)):
        out.print(line, markup=False, highlight=False, soft_wrap=not out.is_terminal)
    show_files(files)


def show_levers(found: CapacityBacktest) -> None:
    """One line per lever, where they were taken away."""
    rows = levers(found)
    if not rows:
        return
    table = columns("taken away", ">cost", ">in time", ">at the same share", ">to the whole")
    for each in rows:
        costs = [money(usd, "$", decimals(usd)) for usd in (each.cost_usd, each.cost_at_goal_usd)]
        table.add_row(each.label, costs[0], share(each.attainment), costs[1], change(each.worth))
    whole(table)
