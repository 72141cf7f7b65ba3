"""Incidents as alerts for the notifier.

An incident grows while it lasts: days and money are added, and what began a day later may join it. So it is
known by its episodes. It is told once, and again only when its money has grown into a higher class.
"""

from __future__ import annotations

from collections.abc import Iterator

from optimizer.alert_settings import Anomalies
from optimizer.alerts import Alert, Severity
from optimizer.anomalies import Watched
from optimizer.incidents import Episode, Incident, money

CONTRIBUTIONS_TOLD = 3


def alerts_of(found: Watched, limits: Anomalies) -> tuple[Alert, ...]:
    """One alert per incident; its key is anomaly/ and that of its largest contribution."""
    return tuple(_alert(incident, limits) for incident in found.incidents)


def _alert(incident: Incident, limits: Anomalies) -> Alert:
    largest, cost = incident.contributions[0], incident.severity
    return Alert(
        key=key_of(largest),
        severity=severity_of(cost, limits),
        title=f"unusual {largest.kind} from {incident.first:%Y-%m-%d}: {incident.where}",
        lines=tuple(_lines(incident)),
        money=None if cost is None or incident.currency is None else (cost, incident.currency),
        parts=tuple(sorted(key_of(one) for one in incident.contributions)),
        is_told_once=True,
    )


def key_of(episode: Episode) -> str:
    """What silences match."""
    return f"anomaly/{episode.key}"


def severity_of(amount: float | None, limits: Anomalies) -> Severity:
    """The class of an incident by its money, more or less than expected; info where that is not known."""
    if amount is None or abs(amount) < limits.warning_amount:
        return "info"
    return "critical" if abs(amount) >= limits.critical_amount else "warning"


def _lines(incident: Incident) -> Iterator[str]:
    yield f"{incident.when}: {money(incident.severity, incident.currency)}; cause: {incident.cause}"
    for one in incident.contributions[:CONTRIBUTIONS_TOLD]:
        share = incident.share(one)
        part = "" if share is None else f" ({share:.0%})"
        usual = f"{one.actual:,.2f} a day, {one.expected:,.2f} expected"
        yield f"{money(one.excess, one.currency)}{part}: {one.name}: {usual}; {one.cause}"
    more = len(incident.contributions) - CONTRIBUTIONS_TOLD
    if more > 0:
        yield f"and {more} more"
