"""Alarms of budgets as alerts for the notifier."""

from __future__ import annotations

from collections.abc import Iterator

from optimizer.alerts import Alert, Severity
from optimizer.budget_alarms import AlarmState
from optimizer.budget_status import Status
from optimizer.budgets import Outlook
from optimizer.rows import last_part

SURE = 0.9  # probability of passing the whole budget that is as bad as having passed it
DRIVERS_TOLD = 3


def alerts_of(outlook: Outlook) -> tuple[Alert, ...]:
    """One alert per raised alarm; its key is budget/<name>/<month>/<share>, so a new month is told anew."""
    return tuple(
        _alert(outlook, status, alarm)
        for status in outlook.statuses
        for alarm in status.alarms
        if alarm.is_raised
    )


def _alert(outlook: Outlook, status: Status, alarm: AlarmState) -> Alert:
    month, currency = status.months[0], status.subject.currency
    name = status.subject.name
    is_passed = float(month.known) > alarm.limit
    verb = "has passed" if is_passed else "will probably pass"
    title = f"{name} {verb} {alarm.share:.0%} of its budget for {month.month}"
    return Alert(
        key=f"{status.subject.key}/{month.month}/{alarm.share:g}",
        severity=severity_of(alarm, is_passed=is_passed),
        title=title,
        lines=tuple(_lines(outlook, status, alarm)),
        money=(month.middle - alarm.limit, currency),
    )


def severity_of(alarm: AlarmState, *, is_passed: bool) -> Severity:
    """Critical: the whole budget is passed, or as good as; warning: it may be; info: a part of it."""
    if alarm.share < 1:
        return "info"
    return "critical" if is_passed or alarm.probability >= SURE else "warning"


def _lines(outlook: Outlook, status: Status, alarm: AlarmState) -> Iterator[str]:
    month, currency = status.months[0], status.subject.currency
    billed = f"billed until {outlook.settled_until:%Y-%m-%d}: {month.known:,.0f}"
    yield f"limit {alarm.limit:,.0f} {currency}; {billed}"
    if not month.is_closed:
        yield (
            f"expected at the end of the month: {month.middle:,.0f} {currency} "
            f"({month.low:,.0f} to {month.high:,.0f} with 80 % probability)"
        )
        yield f"probability of passing the limit: {alarm.probability:.0%}"
    if alarm.crossing is not None:
        yield f"day of passing it: {alarm.crossing:%Y-%m-%d}"
    for driver in status.drivers[:DRIVERS_TOLD]:
        place = ", ".join(part for part in (driver.service, last_part(driver.account), driver.region) if part)
        yield f"{driver.change:+,.0f} {currency} since last month: {place}"
