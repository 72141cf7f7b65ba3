"""A change of what a workload runs, in words: machines and their counts, its kind, what may go wrong."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import pandas as pd

from optimizer.cpu import architecture
from optimizer.placement_parts import PlacementRow


def machine(instance_type: str, purchase: str, provider: str, region: str) -> str:
    """An option as people say it, such as "g6e.xlarge spot (aws us-east-2)"."""
    return f"{instance_type} {purchase.replace('_', '-')} ({provider} {region})"


def over_the_day(rows: list[PlacementRow], periods: Sequence[str]) -> Iterator[tuple[str, int]]:
    """Each machine with its count in every period, 0 included."""
    names = {r.option_id: of_row(r) for r in rows}
    counts = {(r.option_id, r.period): r.replicas for r in rows}
    for option, name in names.items():
        yield from ((name, counts.get((option, period), 0)) for period in periods)


def of_row(row: PlacementRow) -> str:
    """What replicas of a row are: machines, or pods on some."""
    name = machine(row.instance_type, row.purchase, row.provider, row.region)
    return name if row.nodes is None else f"pods on {name}"


def shape(counts: Iterable[tuple[str, int]]) -> str:
    """Machines with the range of their counts over the day: "2–5 × g6e.xlarge spot (aws us-east-2)"."""
    ranges: dict[str, tuple[int, int]] = {}
    for option, count in counts:
        low, high = ranges.get(option, (count, count))
        ranges[option] = (min(low, count), max(high, count))
    text = [
        f"{low if low == high else f'{low}–{high}'} × {option}"
        for option, (low, high) in sorted(ranges.items())
    ]
    return " + ".join(text) or "nothing"


def change_kind(now: pd.DataFrame, rows: list[PlacementRow]) -> tuple[str, str]:
    """Kind of a change and the effort it takes."""
    if regions(rows) - present_regions(now):
        return "placement", "days: deploy in another region, move traffic"
    if left_regions(now, rows):
        return "placement", "days: move traffic and data out of a region"
    if new_architecture(now, rows):
        return "rightsize", f"days: build and test images for {new_architecture(now, rows)}, same region"
    if not {row.instance_type for row in rows} <= set(now["instance_type"]):
        return "rightsize", "hours: new instance type, same region"
    if not {row.purchase for row in rows} <= set(now["purchase"]):
        return "rightsize", "hours: the same machines, bought another way"
    return "schedule", "minutes: change the replica schedule"


def change_risk(now: pd.DataFrame, rows: list[PlacementRow]) -> str:
    """What may go wrong, worst first."""
    left = left_regions(now, rows)
    other = new_architecture(now, rows)
    is_other = not {row.instance_type for row in rows} <= set(now["instance_type"])
    cautions = (
        (regions(rows) - present_regions(now), "data and dependencies may sit in the present region"),
        (left, f"nothing is left in {', '.join(sorted(region for _, region in left))}"),
        (other, f"another CPU architecture: rebuild for {other}"),
        (any(row.purchase == "spot" for row in rows), "spot capacity can be reclaimed at short notice"),
        (is_other, "measure the new instance type under load first"),
    )
    told = [text for holds, text in cautions if holds]
    if not told:
        return "low: same machines, fewer of them when they are not needed"
    return f"medium: {'; '.join(told)}"


def regions(rows: list[PlacementRow]) -> set[tuple[str, str]]:
    """Where a workload is planned, as (provider, region)."""
    return {(row.provider, row.region) for row in rows}


def present_regions(now: pd.DataFrame) -> set[tuple[str, str]]:
    """Where a workload runs now, as far as the catalogue knows its machines."""
    known = now.loc[now["region"].notna()]
    return set(zip(known["provider"], known["region"], strict=True))


def left_regions(now: pd.DataFrame, rows: list[PlacementRow]) -> set[tuple[str, str]]:
    """Regions in which a workload runs now and is no longer planned."""
    return present_regions(now) - regions(rows)


def new_architecture(now: pd.DataFrame, rows: list[PlacementRow]) -> str:
    """A CPU architecture that is planned and that nothing runs on now; empty where there is none."""
    present = {architecture(name) for name in now["instance_type"].dropna()}
    new = {architecture(row.instance_type) for row in rows} - present
    return "" if not present else " and ".join(sorted(new))
