"""Replays as outcomes: what days would have cost and kept under each policy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from optimizer.admissible import Context
from optimizer.backtest_capacity import Question, backtest
from optimizer.inputs import Inputs
from optimizer.replay.entrants import CLAIRVOYANT
from optimizer.whatif.outcome import Outcome, possible, without_option

MEASURES = ("cost_usd", "attainment", "target", "worst_hour", "dropped", "launches", "actions", "preemptions")


def replayed(
    inputs: Inputs,
    fleet: pd.DataFrame,
    asked: Question,
    folder: Path,
    *,
    jobs: int,
    progress: Callable[[float], None],
) -> Outcome:
    """Interactive workloads replayed; those that nothing may serve are left out, and told."""
    seen = {str(pool): 1.0 for pool in inputs.spot_history["pool"].unique()}
    context = Context(inputs.country, inputs.rtt_ms, seen)
    interactive = [w for w in inputs.workloads if w.tier == "interactive"]
    impossible = without_option(inputs, interactive, context)
    left = [w for w in interactive if w.name not in impossible]
    firm = replace(inputs, options=inputs.options.loc[inputs.options["purchase"].ne("spot")])
    on_spot = without_option(firm, left, context)
    if len(on_spot) == len(left) and interactive:  # a replay of nothing is no question of its own
        told = {name: f"{name} is not replayed: nothing on demand may serve it" for name in on_spot}
        return Outcome({}, {}, inputs.fingerprint, impossible | told)
    found = backtest(possible(inputs, impossible), fleet, asked, folder, jobs=jobs, progress=progress)
    rows = found.rows.loc[found.rows["policy"].isin([CLAIRVOYANT, *asked.names])]
    return Outcome(
        rows={(str(row["workload"]), str(row["policy"])): measures(row) for row in rows.to_dict("records")},
        totals={str(policy): total(mine, rows) for policy, mine in rows.groupby("policy", sort=False)},
        fingerprint=inputs.fingerprint,
        impossible=impossible,
        notes=found.notes,
    )


def measures(row: dict[Any, Any]) -> dict[str, Any]:
    """One workload under one policy."""
    return {name: row[name] for name in (*MEASURES, "cost_over_clairvoyant")}


def total(mine: pd.DataFrame, rows: pd.DataFrame) -> dict[str, Any]:
    """One policy over all its workloads, beside the clairvoyant optimum of the same ones."""
    requests = float(mine["requests"].sum())
    best = rows.loc[
        rows["policy"].eq(CLAIRVOYANT) & rows["workload"].isin(mine["workload"]), "cost_usd"
    ].sum()
    return {
        "cost_usd": float(mine["cost_usd"].sum()),
        "attainment": 1.0 - float(mine["late"].sum()) / requests if requests > 0 else 1.0,
        "targets_kept": int((mine["attainment"] >= mine["target"]).sum()),
        "worst_hour": float(mine["worst_hour"].min()),
        "dropped": float(mine["dropped"].sum()),
        **{name: int(mine[name].sum()) for name in ("launches", "actions", "preemptions")},
        "cost_over_clairvoyant": float(mine["cost_usd"].sum() / best) if best > 0 else None,
    }
