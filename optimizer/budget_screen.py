"""What the command line shows of budgets and alerts: tables for people, plain dictionaries for --json."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.table import Table

from optimizer.alert_screen import deliveries_summary, show_deliveries
from optimizer.cost_drivers import EFFECTS
from optimizer.rows import last_part
from optimizer.screen import out

if TYPE_CHECKING:
    from optimizer.alerts import Delivery
    from optimizer.budget_status import Status
    from optimizer.budgets import Outlook
    from optimizer.cost_drivers import Driver

DRIVERS_SHOWN = 5
MONTHS_SHOWN = 12


def budget_summary(found: Outlook, deliveries: Sequence[Delivery] = ()) -> dict[str, Any]:
    """The documented JSON of `budget`; amounts in the currency of each entry."""
    return {
        "period": found.period,
        "as_of": found.as_of.isoformat(),
        "settled_until": found.settled_until.isoformat(),
        "metric": found.metric,
        "budgets": [_status(status) for status in found.statuses],
        "expiries": [
            {**asdict(item), "ends": item.ends.isoformat(), "per_day": _money(item.per_day)}
            for item in found.expiries
        ],
        **deliveries_summary(deliveries),
        "notes": list(found.notes),
    }


def _money(amount: float | None) -> float | None:
    return None if amount is None else round(amount, 2)


def _status(status: Status) -> dict[str, Any]:
    subject = status.subject
    return {
        "key": subject.key,
        "name": subject.name,
        "owner": subject.owner,
        "currency": subject.currency,
        "monthly_amount": subject.budget.monthly_amount if subject.budget else None,
        "last_month": _money(status.last_month),
        "months": [
            {
                "month": month.month,
                "is_closed": month.is_closed,
                "known": f"{month.known:f}",
                "q0.1": _money(month.low),
                "q0.5": _money(month.middle),
                "q0.9": _money(month.high),
            }
            for month in status.months
        ],
        "drivers": [_driver(driver) for driver in status.drivers],
        "alarms": [
            {**asdict(alarm), "crossing": alarm.crossing.isoformat() if alarm.crossing else None}
            for alarm in status.alarms
        ],
        "model": status.model,
        "replayed": status.replayed,
        "notes": list(status.notes),
    }


def _driver(driver: Driver) -> dict[str, Any]:
    place = {"service": driver.service, "account": driver.account, "region": driver.region}
    return {**place, "change": _money(driver.change), **{n: _money(getattr(driver, n)) for n in EFFECTS}}


def show_budgets(found: Outlook, deliveries: Sequence[Delivery] = ()) -> None:
    """Month-end of everyone, the months after it, what drives budgets, alarms, commitments that end."""
    out.print(f"{found.period}, {found.metric} cost; days before {found.settled_until:%Y-%m-%d} are settled")
    out.print(_month_ends(found))
    if any(len(status.months) > 1 for status in found.statuses):
        out.print(_ahead(found))
    for status in found.statuses:
        _show_drivers(status)
    for line in [*_alarm_lines(found), *_expiry_lines(found)]:
        out.print(line, markup=False, soft_wrap=True)
    show_deliveries(deliveries)
    for note in found.notes:
        out.print(f"note: {note}", markup=False)


def _month_ends(found: Outlook) -> Table:
    table = Table("", "budget", "billed", "month end", "80 % band", "last month", "over budget", box=None)
    for status in found.statuses:
        name, budget = escape(status.subject.name), status.subject.budget
        if not status.months:
            table.add_row(name, *["-"] * 5, escape("; ".join(status.notes)))
            continue
        month, money = status.months[0], status.subject.currency
        chance = next((f"{a.probability:.0%}" for a in status.alarms if a.share == 1), "")
        table.add_row(
            name,
            f"{budget.monthly_amount:,.0f}" if budget else "",
            f"{month.known:,.0f}",
            f"{month.middle:,.0f} {money}",
            "" if month.is_closed else f"{month.low:,.0f} to {month.high:,.0f}",
            "-" if status.last_month is None else f"{status.last_month:,.0f}",
            chance,
        )
    return table


def _ahead(found: Outlook) -> Table:
    """Budgets by month, and everything where there are none."""
    shown = [s for s in found.statuses if s.months and s.subject.budget] or [
        s for s in found.statuses if s.months and s.subject.key.startswith("all/")
    ]
    table = Table("month", *(escape(f"{s.subject.name}, {s.subject.currency}") for s in shown), box=None)
    count = max((len(s.months) for s in shown), default=0)
    for place in range(min(count, MONTHS_SHOWN)):
        cells = [s.months[place] for s in shown]
        texts = [f"{m.middle:,.0f} ({m.low:,.0f} to {m.high:,.0f})" for m in cells]
        table.add_row(cells[0].month, *texts)
    return table


def _show_drivers(status: Status) -> None:
    if not (status.subject.budget or status.subject.key.startswith("all/")) or not status.drivers:
        return
    table = Table(f"{escape(status.subject.name)}: change since last month", "change", *EFFECTS, box=None)
    for driver in status.drivers[:DRIVERS_SHOWN]:
        parts = (driver.service, last_part(driver.account), driver.region)
        cells = [f"{getattr(driver, name):+,.0f}" if round(getattr(driver, name)) else "" for name in EFFECTS]
        table.add_row(escape(", ".join(p for p in parts if p)), f"{driver.change:+,.0f}", *cells)
    out.print(table)


def _alarm_lines(found: Outlook) -> Iterator[str]:
    for status in found.statuses:
        for alarm in status.alarms:
            if alarm.is_raised:
                when = f", on {alarm.crossing:%Y-%m-%d}" if alarm.crossing else ""
                limit = f"{alarm.share:.0%} of its budget ({alarm.limit:,.0f} {status.subject.currency})"
                chance = f"{alarm.probability:.0%} probability"
                yield f"alarm: {status.subject.name} passes {limit} with {chance}{when}"


def _expiry_lines(found: Outlook) -> Iterator[str]:
    for item in found.expiries:
        effect = "effect not known"
        if item.per_day is not None:
            effect = f"{item.per_day:+,.2f} {item.currency} a day"
        yield f"commitment ends {item.ends:%Y-%m-%d}: {item.description}: {effect}"
