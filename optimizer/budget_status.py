"""One subject's months, what drives them, and its alarms."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal

import pandas as pd

from models.monthly import Paths
from optimizer.budget_alarms import AlarmState, alarm_states
from optimizer.budget_costs import DAY, Known
from optimizer.budget_months import MonthCost, month_cost, month_totals
from optimizer.budget_subjects import Subject
from optimizer.chargeback import bounds
from optimizer.cost_drivers import Driver, drivers
from optimizer.cost_settings import has_filter
from optimizer.team_costs import TeamCosts, rows_for

Metered = Callable[[TeamCosts, pd.Timestamp, pd.Timestamp], pd.DataFrame]


@dataclass(frozen=True)
class Status:
    """A subject's months from the asked one on; none where it has no charges at all.

    Attributes:
        subject: whose.
        months: from the asked month on.
        last_month: total of the month before the asked one; None where no bill covers it.
        drivers: what changed since the month before, in money of this month.
        alarms: of the budget, for the asked month.
        model: what the history carried.
        replayed: past forecasts behind the band.
        notes: sentences a reader should see.
    """

    subject: Subject
    months: tuple[MonthCost, ...]
    last_month: float | None
    drivers: tuple[Driver, ...]
    alarms: tuple[AlarmState, ...]
    model: str
    replayed: int
    notes: tuple[str, ...] = ()


def status_of(
    subject: Subject,
    known: Known,
    costs: TeamCosts,
    *,
    paths: Paths | None,
    wanted: Sequence[str],
    metered: Metered,
) -> Status:
    """The subject's months as its rows and drawn futures make them.

    Args:
        subject: whose.
        known: what is known of its cost.
        costs: of all, in the subject's currency.
        paths: futures of all subjects; None where all is settled.
        wanted: months, YYYY-MM; drivers and alarms are of the first.
        metered: reads quantities and costs between two moments.
    """
    if not len(known.rows):
        return Status(subject, (), None, (), (), "", 0, ("no charge matches so far: nothing to forecast",))
    row = list(paths.ids).index(subject.key) if paths is not None and subject.key in paths.ids else None
    rest = paths.of(subject.key) if paths is not None and row is not None else None
    days = paths.days if paths is not None else pd.DatetimeIndex([], tz="UTC")
    totals = {month: month_totals(known, month, rest, days) for month in wanted}
    before = f"{pd.Timestamp(bounds(wanted[0])[0]) - DAY:%Y-%m}"
    is_before_known = known.is_closed(before)
    return Status(
        subject,
        tuple(month_cost(name, totals[name], known, _exact(costs, subject, name)) for name in wanted),
        float(known.closed_total(before)) if is_before_known else None,
        _drivers(subject, known, costs, month=wanted[0], before=before, metered=metered)
        if is_before_known
        else (),
        alarm_states(subject.budget, known, wanted[0], totals[wanted[0]], rest=rest, days=days),
        paths.models[row] if paths is not None and row is not None else "settled",
        paths.replayed[row] if paths is not None and row is not None else 0,
    )


def _exact(costs: TeamCosts, subject: Subject, month: str) -> Decimal | None:
    """The chargeback's total, where the subject is one it knows."""
    if has_filter(subject.rule):
        return None
    return costs.total(month, subject.currency, subject.owner)


def _drivers(
    subject: Subject, known: Known, costs: TeamCosts, *, month: str, before: str, metered: Metered
) -> tuple[Driver, ...]:
    """What changed per settled day since the month before, in money of the whole month."""
    start, end = (pd.Timestamp(moment) for moment in bounds(month))
    stop = min(end, known.settled_until)
    if stop <= start:
        return ()
    length = (end - start) / DAY
    spans = ((pd.Timestamp(bounds(before)[0]), start), (start, stop))
    scaled = []
    for since, until in spans:
        first = max(since, known.first_day)
        factor = length / max((until - first) / DAY, 1.0)
        mine = rows_for(metered(costs, since, until), subject.owner, subject.rule)
        mine = mine.loc[mine["currency"].eq(subject.currency)]
        scaled.append(mine.assign(quantity=mine["quantity"] * factor, cost=mine["cost"] * factor))
    return drivers(scaled[0], scaled[1], known.fees_between(before, month))
