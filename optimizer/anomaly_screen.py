"""What the command line shows of anomalies: tables for people, plain dictionaries for --json."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.table import Table

from optimizer.alert_screen import deliveries_summary, show_deliveries
from optimizer.bill_screen import columns, plain, whole
from optimizer.incidents import money
from optimizer.screen import err, out

if TYPE_CHECKING:
    import pandas as pd

    from optimizer.alerts import Delivery
    from optimizer.anomalies import Watched
    from optimizer.anomaly_file import Marked
    from optimizer.incidents import Incident


def summary(found: Watched, deliveries: Sequence[Delivery] = ()) -> dict[str, Any]:
    """The documented JSON of `anomalies --workspace`."""
    return {
        "since": None if found.since is None else plain(found.since),
        "settled_until": {name: plain(day) for name, day in sorted(found.settled.items())},
        "series": dict(found.series),
        "incidents": [as_json(one) for one in found.incidents],
        **deliveries_summary(deliveries),
    }


def as_json(incident: Incident) -> dict[str, Any]:
    """One incident."""
    return {
        "from": f"{incident.first:%Y-%m-%d}",
        "to": f"{incident.last:%Y-%m-%d}",
        "shared": dict(incident.shared),
        "severity": incident.severity,
        "currency": incident.currency,
        "cause": incident.cause,
        "contributions": [
            {
                "kind": one.kind,
                **one.place,
                **({} if one.resource is None else {"resource": one.resource, "metric": one.metric}),
                "from": f"{one.first:%Y-%m-%d}",
                "to": f"{one.last:%Y-%m-%d}",
                "score": one.score,
                "actual_per_day": one.actual,
                "expected_per_day": one.expected,
                "excess": one.excess,
                "share": incident.share(one),
                "cause": one.cause,
                "effects_per_day": None if one.effects is None else dict(one.effects),
            }
            for one in incident.contributions
        ],
    }


def show(found: Watched, deliveries: Sequence[Delivery] = ()) -> None:
    """One block per incident: what, when, how much, why, and who contributed; then who was told."""
    for incident in found.incidents:
        cost = money(incident.severity, incident.currency)
        out.print(f"{incident.when}  {cost}  {incident.cause}  {incident.where}",
                  style="bold", markup=False, highlight=False, soft_wrap=True)  # fmt: skip
        whole(contributions(incident))
    watched = ", ".join(f"{count} series of {kind}" for kind, count in found.series.items())
    since = "" if found.since is None else f" since {found.since:%Y-%m-%d}"
    count = len(found.incidents)
    out.print(f"{count} incident{'' if count == 1 else 's'}{since}; watched: {watched}", highlight=False)
    for provider, day in sorted(found.settled.items()):
        text = f"{provider}: days from {day:%Y-%m-%d} on are not settled and not judged"
        out.print(text, markup=False, highlight=False)
    show_deliveries(deliveries)


def contributions(incident: Incident) -> Table:
    """The series of an incident, the largest first."""
    table = columns("  series", ">per day", ">expected", ">excess", ">share", "cause")
    for one in incident.contributions:
        share = incident.share(one)
        table.add_row(
            f"  {escape(one.name)}",
            f"{one.actual:,.2f}",
            f"{one.expected:,.2f}",
            money(one.excess, one.currency),
            "" if share is None else f"{share:.0%}",
            one.cause,
        )
    return table


def file_summary(marked: Marked) -> dict[str, Any]:
    """The documented JSON of `anomalies --series`."""
    frame: pd.DataFrame = marked.frame
    return {
        "series": int(frame["unique_id"].nunique()),
        "rows": len(frame),
        "anomalies": int(frame["is_anomaly"].sum()),
        "repeated_times": marked.repeated,
    }


def show_file(marked: Marked) -> None:
    """Alerts per series, and a note where times repeat."""
    alerts = marked.frame.loc[marked.frame["is_anomaly"]]
    table = columns("series", ">alerts", "newest, UTC")
    for name, rows in alerts.groupby("unique_id", sort=True):
        table.add_row(escape(str(name)), f"{len(rows):,}", f"{rows['ds'].max():%Y-%m-%d %H:%M}")
    if len(alerts):
        whole(table)
    count = "1 alert" if len(alerts) == 1 else f"{len(alerts):,} alerts"
    out.print(f"{count} in {len(marked.frame):,} rows", highlight=False)


def tell_repeated(marked: Marked) -> None:
    """A note on standard error where a series has two rows at one time."""
    if marked.first_repeated is not None:
        err.print(f"note: {marked.first_repeated}", markup=False, highlight=False, soft_wrap=True)
