"""What is asked under every scenario: a plan of either kind, or a replay of days that were."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pandas as pd

from optimizer.backtest_capacity import Question
from optimizer.config import Settings
from optimizer.errors import Fault
from optimizer.inputs import Inputs
from optimizer.layout import Layout, alone
from optimizer.whatif.change import Change, flag
from optimizer.whatif.compare import Answers, Progress, compare
from optimizer.whatif.plans import placed, scheduled
from optimizer.whatif.replays import replayed
from optimizer.whatif.scenario import CHANGES


@dataclass(frozen=True)
class PlanQuestion:
    """A plan: its kind, its moment, and how far it reaches if it is one of capacity."""

    kind: str
    as_of: datetime
    horizon: pd.Timedelta


Asking = PlanQuestion | Question


def moment_of(asking: Asking) -> datetime:
    """The latest moment that anything may be known of."""
    return asking.as_of if isinstance(asking, PlanQuestion) else asking.until.to_pydatetime()


def described(asking: Asking) -> dict[str, Any]:
    """The question as the documented JSON has it."""
    if isinstance(asking, PlanQuestion):
        hours = asking.horizon / pd.Timedelta(hours=1) if asking.kind == "capacity" else None
        return {"kind": asking.kind, "as_of": asking.as_of.isoformat(), "horizon_hours": hours}
    window = {"from": asking.since.isoformat(), "to": asking.until.isoformat()}
    return {"kind": "replay", **window, "policies": list(asking.names), "seed": asking.seed}


def answers(
    asking: Asking,
    inputs: Inputs,
    fleet: pd.DataFrame,
    changes: Sequence[Change],
    *,
    settings: Settings,
    layout: Layout,
    jobs: int,
    progress: Progress,
) -> Answers:
    """The question as things are and in each scenario. Nothing is kept but finished replays.

    Args:
        asking: the question.
        inputs: as known at its moment.
        fleet: what runs now, for replays.
        changes: the scenarios.
        settings: of the workspace.
        layout: of the workspace.
        jobs: replays at once.
        progress: told what is done, and how far it is (0..1).
    """
    if isinstance(asking, Question):
        with alone(layout.replays):
            return compare(
                inputs,
                changes,
                lambda known, part: replayed(known, fleet, asking, layout.replays, jobs=jobs, progress=part),
                progress=progress,
            )
    if asking.kind == "placement":
        return compare(inputs, changes, lambda known, _: placed(known, settings), progress=progress)
    horizon = asking.horizon
    return compare(inputs, changes, lambda known, _: scheduled(known, settings, horizon), progress=progress)


def stray_flags(*, is_replay: bool, of_plans: Sequence[str], of_replays: Sequence[str]) -> Iterator[Fault]:
    """Flags that belong to the other question."""
    names, beside = (
        (of_plans, "--from and --to beside it") if is_replay else (of_replays, "no --from and --to")
    )
    expected = "a question that it is about: " + ("a plan" if is_replay else "a replay")
    action = "leave it out" if is_replay else "add --from and --to, or leave it out"
    for name in names:
        yield Fault(name, beside, expected, action)


def wrong_changes(texts: Sequence[str], *, has_file: bool) -> Iterator[Fault]:
    """No change at all, or changes both as flags and in a file; `texts` are keys that flags give."""
    if not texts and not has_file:
        known = ", ".join(flag(key) for key in CHANGES)
        yield Fault(
            "whatif", "nothing that is otherwise", f"one or more of {known}", "add one, or --scenarios"
        )
    if texts and has_file:
        given = ", ".join(flag(key) for key in texts)
        action = "write them into its scenarios, or leave the file out"
        yield Fault("--scenarios", f"{given} beside it", "changes in the file alone", action)
