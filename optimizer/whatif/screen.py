"""What `trimtab whatif` shows: a table of differences for people, the same as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.markup import escape

from optimizer.bill_screen import columns, whole
from optimizer.replay.entrants import LABELS
from optimizer.report.text import change, share
from optimizer.screen import out, show_files
from optimizer.whatif.compare import LEFT, Answers, Compared, plain
from optimizer.whatif.outcome import missed
from optimizer.whatif.question import Asking, described

Row = Mapping[str, Any]
NONE = "-"
UNITS = {
    "placement": "USD per typical day",
    "capacity": "USD per day, as the plan expects it",
    "replay": "USD over the window",
}


def summary(found: Answers, asking: Asking, files: Sequence[Path] = ()) -> dict[str, Any]:
    """The documented JSON."""
    base = found.base
    return {
        "question": described(asking),
        "base": {
            "totals": [
                {"policy": policy or None, **{name: plain(value) for name, value in each.items()}}
                for policy, each in base.totals.items()
            ],
            "shortfalls": list(missed(base)),
            "notes": list(base.notes),
            "fingerprint": base.fingerprint,
        },
        "scenarios": [scenario_summary(each) for each in found.scenarios],
        "files": [str(path) for path in files],
    }


def scenario_summary(each: Compared) -> dict[str, Any]:
    """One scenario."""
    return {
        "name": each.name,
        "changes": list(each.words),
        "totals": list(each.totals),
        "workloads": list(each.rows),
        "infeasible": [{"workload": name, "text": why} for name, why in each.outcome.impossible.items()],
        "shortfalls": list(missed(each.outcome)),
        "notes": list(each.notes),
        "fingerprint": each.outcome.fingerprint,
    }


def show(found: Answers, asking: Asking, files: Sequence[Path]) -> None:
    """Scenarios beside each other where there are several, then each with its workloads."""
    question = described(asking)
    say(heading(question))
    if len(found.scenarios) > 1:
        show_overview(found)
    for each in found.scenarios:
        say("")
        say(f"{each.name}:")
        for text in each.words:
            say(f"  {text}")
        if question["kind"] == "replay":
            show_replay(each)
        else:
            show_plan(each)
        show_words(found, each)
    for note in found.base.notes:
        say(f"note: {note}")
    show_files(files)


def heading(question: Row) -> str:
    """What was asked, and in which unit costs are told."""
    unit = UNITS[question["kind"]]
    if question["kind"] == "replay":
        return f"replay from {question['from']} to {question['to']}, {unit}"
    reach = "" if question["horizon_hours"] is None else f" for {question['horizon_hours']:g} h"
    return f"{question['kind']} plan{reach} as of {question['as_of']}, {unit}"


def show_overview(found: Answers) -> None:
    """A row per scenario: cost of everything before and after."""
    is_replay = any(policy for policy in found.base.totals)
    kept = (">in time",) if is_replay else (">shortfalls",)
    table = columns("scenario", *(("policy",) if is_replay else ()), ">before", ">after", ">change", *kept)
    for each in found.scenarios:
        for row in each.totals:
            name = "cost_usd" if is_replay else "usd_per_day"
            label = (escape(LABELS.get(str(row["policy"]), str(row["policy"]))),) if is_replay else ()
            last = pair(row, "attainment", share) if is_replay else pair(row, "shortfalls", whole_number)
            table.add_row(escape(without(each.name, row)), *label, *costs(row, name), last)
    whole(table)


def without(name: str, total: Row) -> str:
    """A scenario's name, and whom its total leaves out."""
    return f"{name}, without {', '.join(total['without'])}" if total["without"] else name


def show_plan(each: Compared) -> None:
    """Cost of each workload, and what it runs."""
    table = columns("workload", ">before", ">after", ">change", "runs before", "runs after")
    for row in each.rows:
        before, after = (row.get(f"runs_{when}") for when in ("before", "after"))
        runs = (running(before), "the same" if before == after else running(after))
        table.add_row(escape(row["workload"]), *costs(row, "usd_per_day"), *map(escape, runs))
    (total,) = each.totals
    if any(total.get(f"{LEFT}_{when}") for when in ("before", "after")):
        table.add_row("left as they are", *costs({**total, "change_share": None}, LEFT), "", "")
    table.add_row(of_all(total), *costs(total, "usd_per_day"), "", "")
    table.add_row(f"{of_all(total)}, a month", *costs(total, "usd_per_month"), "", "")
    whole(table)
    if not total["without"]:
        missed_rules = pair(total, "shortfalls", whole_number)
        say(f"proven gap {pair(total, 'gap_share', share)}, shortfalls {missed_rules}")


def of_all(total: Row) -> str:
    """Whom a total is of."""
    return escape(f"all but {', '.join(total['without'])}") if total["without"] else "all"


def show_replay(each: Compared) -> None:
    """Cost and requests in time of each workload under each policy."""
    heads = (">before", ">after", ">change", ">in time", ">worst hour", ">over optimum", ">launches")
    table = columns("workload", "policy", *heads)
    many = len({row["workload"] for row in each.rows}) > 1
    rows = [(escape(row["workload"]), row) for row in each.rows]
    rows += [(of_all(row), row) for row in each.totals if many]
    for name, row in rows:
        table.add_row(
            name,
            LABELS.get(row["policy"], row["policy"]),
            *costs(row, "cost_usd"),
            pair(row, "attainment", share),
            pair(row, "worst_hour", share),
            pair(row, "cost_over_clairvoyant", lambda value: f"{value:.2f}"),
            pair(row, "launches", whole_number),
        )
    whole(table)


def show_words(found: Answers, each: Compared) -> None:
    """What is impossible, missed or to be known in a scenario alone."""
    for why in each.outcome.impossible.values():
        say(f"infeasible: {why}")
    before, after = found.base.shortfalls, each.outcome.shortfalls
    for text in missed(each.outcome):
        if text not in missed(found.base):
            say(f"shortfall: {text}")
    for name, rule in before:
        if (name, rule) not in after and name not in each.outcome.impossible:
            for text in before[name, rule]:
                say(f"no longer: {text}")
    for note in each.notes:
        say(f"note: {note}")


def say(text: str) -> None:
    """A line, as long as it is where nobody reads it on a screen."""
    out.print(text, markup=False, highlight=False, soft_wrap=not out.is_terminal)


def costs(row: Row, name: str) -> tuple[str, str, str]:
    """A cost before and after, and its change."""
    before, after = row.get(f"{name}_before"), row.get(f"{name}_after")
    moved = (
        NONE
        if before is None or after is None or row["change_share"] is None
        else change(row["change_share"])
    )
    return usd(before), usd(after), moved


def usd(value: float | None) -> str:
    """Money without its unit, which stands above the table."""
    return NONE if value is None else f"{value:,.2f}"


def pair(row: Row, name: str, text: Any) -> str:
    """A measure before and after; once where it is the same."""
    told = [
        NONE if value is None else text(value)
        for value in (row.get(f"{name}_before"), row.get(f"{name}_after"))
    ]
    return told[0] if told[0] == told[1] else " → ".join(told)


def whole_number(value: float) -> str:
    """A count."""
    return f"{value:,.0f}"


def running(runs: Sequence[Row] | None) -> str:
    """Options and replicas, such as `3–5 × virginia (to 12)`, each on its line."""
    if runs is None:
        return NONE
    return "\n".join(one_option(run) for run in runs if run["reach"] > 0) or "nothing"


def one_option(run: Row) -> str:
    """Replicas of one option, and how far a loop may go beyond them."""
    count = f"{run['fewest']}" if run["fewest"] == run["most"] else f"{run['fewest']}–{run['most']}"
    beyond = f" (to {run['reach']})" if run["reach"] > run["most"] else ""
    return f"{count} × {run['option_id']}{beyond}"
