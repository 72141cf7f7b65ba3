"""`trimtab solve`: a folder of problem tables in; the placement, its certificate and explanation out."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from optimizer.certificate import certify
from optimizer.errors import Fault, InputError
from optimizer.explanation import explained
from optimizer.period_words import whole_of
from optimizer.placement_parts import Explanation
from optimizer.problem import Problem, sunk_usd
from optimizer.problem_files import ProblemFiles, read_problem
from optimizer.shortfalls import sentences
from optimizer.solution_rules import CERTIFICATE, CONTENTS, EXPLANATION, NODES, ROUTES, SUMMARY, TABLE
from optimizer.solve import ShadowPrice, Solution, solve
from optimizer.violations import TOLERANCE

LEAST_PRICE_USD = 1e-9  # shadow prices below are of what is not scarce


@dataclass(frozen=True)
class Solved:
    """What solving a folder gave, and where it was written."""

    summary: Mapping[str, Any]
    files: tuple[Path, ...]
    explanation: Explanation
    missed: tuple[str, ...]  # a sentence per workload and rule


def solve_folder(folder: Path, *, out: Path, gap_share: float, start: Path | None = None) -> Solved:
    """Place the problem of a folder of tables and write the answer.

    Args:
        folder: tables as in `optimizer.problem_rules`.
        out: folder for the answer; made where it is missing.
        gap_share: gap between cost and bound that is close enough.
        start: folder of an earlier answer; its shadow prices are where a large problem begins.

    Raises:
        InputError: the tables, the gap, the earlier answer or the folder for the answer are wrong.
        InfeasibleError: a workload, or an origin of one, has no admissible option.
    """
    begun = time.perf_counter()
    if not 0 <= gap_share < 1:
        raise InputError(
            [Fault("--gap", f"{gap_share:g}", "a share from 0 to 1, such as 0.005", "correct it")]
        )
    if out.resolve() == folder.resolve():  # nodes.parquet of the answer would replace that of the problem
        expected, action = "another folder than that of the problem", "choose another --out"
        raise InputError([Fault("--out", str(out), expected, action)])
    earlier = read_prices(start) if start else ()
    given = read_problem(folder)
    solution = solve(given.problem, gap_share=gap_share, priced=True, start=earlier)
    files = [out / TABLE, out / SUMMARY, out / CERTIFICATE, out / EXPLANATION]
    try:
        out.mkdir(parents=True, exist_ok=True)
        table_of(given, solution).to_parquet(files[0], index=False)
        summary = summary_of(given, solution, gap_share, time.perf_counter() - begun)
        files[1].write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")
        stated = [one.model_dump(mode="json") for one in certify(given.problem, solution.placement)]
        files[2].write_text(json.dumps({"workloads": stated}, indent=1) + "\n", encoding="utf-8")
        why = explained(given.problem, solution)
        files[3].write_text(why.model_dump_json(indent=1) + "\n", encoding="utf-8")
        if len(given.problem.routes):
            files.append(out / ROUTES)
            routes_of(given.problem, solution).to_parquet(files[-1], index=False)
        if len(given.problem.nodes):
            for name, frame in zip((NODES, CONTENTS), nodes_of(given.problem, solution), strict=True):
                files.append(out / name)
                frame.to_parquet(files[-1], index=False)
    except OSError as error:
        found = f"{type(error).__name__} ({error.strerror})"
        raise InputError(
            [Fault(str(out), found, "a folder that can be written", "choose another --out")]
        ) from error
    p = given.problem
    missed = tuple(sentences(solution.shortfalls, p.periods, whole_of(p.hours)))
    return Solved(summary, tuple(files), why, missed)


def read_prices(answer: Path) -> tuple[ShadowPrice, ...]:
    """Shadow prices of an earlier answer.

    Raises:
        InputError: no answer in the folder, or one that is not as it was written.
    """
    path, action = answer / SUMMARY, "name the --out of an earlier trimtab solve"
    try:
        duals = json.loads(path.read_text(encoding="utf-8"))["duals"]
        return tuple(ShadowPrice(**dual) for dual in duals)
    except OSError as error:
        found = error.strerror or type(error).__name__
        raise InputError([Fault(str(path), found, "the summary of an answer", action)]) from error
    except (ValueError, KeyError, TypeError) as error:
        expected = "duals, each with kind, name, period and usd_per_unit"
        raise InputError([Fault(str(path), "something else", expected, action)]) from error


def table_of(given: ProblemFiles, solution: Solution) -> pd.DataFrame:
    """What runs when: a row per option and period with replicas."""
    p, placed = given.problem, solution.placement
    i, t = np.nonzero(placed.replicas > 0)
    workloads, options, periods = (np.array(n, dtype=object) for n in (p.workloads, p.option_id, p.periods))
    names = {"workload": workloads[p.option_workload[i]], "period": periods[t], "option_id": options[i]}
    numbers = {"replicas": placed.replicas[i, t].astype(np.int64), "served": placed.served[i, t]}
    frame = pd.DataFrame({**names, **numbers})
    whole = dict.fromkeys(given.whole_numbers & set(frame.columns), "int64")
    return frame.astype({**dict.fromkeys(set(names) - set(whole), "str"), **whole})


def routes_of(p: Problem, solution: Solution) -> pd.DataFrame:
    """What each option serves of each origin: a row per route and period in use."""
    r, t = np.nonzero(solution.placement.routed > TOLERANCE)
    routes = p.routes
    workloads, origins, options, periods = (
        np.array(names, dtype=object) for names in (p.workloads, routes.origin, p.option_id, p.periods)
    )
    return pd.DataFrame({
        "workload": workloads[routes.workload[routes.source[r]]],
        "origin": origins[routes.source[r]],
        "period": periods[t],
        "option_id": options[routes.option[r]],
        "served": solution.placement.routed[r, t],
        "latency_ms": np.where(np.isfinite(routes.total_ms[r]), routes.total_ms[r], np.nan),
    })  # fmt: skip


def nodes_of(p: Problem, solution: Solution) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Which nodes run, a row per way they are packed; and what is on each of them, a row per option."""
    packing = solution.placement.packing
    nodes, workloads, options, periods = (
        np.array(names, dtype=object) for names in (p.nodes.name, p.workloads, p.option_id, p.periods)
    )
    kinds = {
        "pattern": np.arange(len(packing)),
        "node": nodes[packing.node],
        "period": periods[packing.period],
    }
    contents = {
        "pattern": packing.kind,
        "workload": workloads[p.option_workload[packing.option]],
        "option_id": options[packing.option],
        "replicas": packing.replicas,
    }
    return pd.DataFrame({**kinds, "nodes": packing.count}), pd.DataFrame(contents)


def summary_of(given: ProblemFiles, solution: Solution, gap_share: float, seconds: float) -> dict[str, Any]:
    """The documented `placement.json`; `seconds` are from the tables being read to the table written."""
    p, bought = given.problem, solution.placement.bought_usd_per_hour
    return {
        "status": status_of(solution, gap_share),
        "cost": solution.cost_usd,
        "bound": solution.bound_usd,
        "gap": solution.gap_share,
        "sunk_usd": sunk_usd(p),
        "bought": {name: float(usd) for name, usd in zip(p.commitments, bought, strict=True)},
        "seconds": seconds,
        "duals": [asdict(x) for x in solution.shadow_prices if x.usd_per_unit > LEAST_PRICE_USD],
        "shortfalls": [asdict(shortfall) for shortfall in solution.shortfalls],
        "notes": list(given.notes),
    }


def status_of(solution: Solution, gap_share: float) -> str:
    """How far the answer can be trusted to be the best."""
    if solution.shortfalls:
        return "shortfall"
    if solution.gap_share <= 1e-6:
        return "optimal"
    return "within_gap" if solution.gap_share <= gap_share else "gap_left"
