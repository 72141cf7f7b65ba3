"""Small loads and columns for the tests of commitments, and a second way to the best purchase."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.optimize import linprog

from optimizer.commitment_purchase import Column, Load, Risk
from optimizer.placement_parts import CommitmentAdvice, CurvePoint, LadderAdvice, Spread, Tranche
from optimizer.problem import Floats


def load(
    usd_per_hour: Floats | Sequence[float],
    *,
    rate: Sequence[float] = (0.6,),
    hours: Floats | None = None,
    beside: Floats | None = None,
) -> Load:
    """A load from (S,), (S, Q, T) or (S, Q, T, J) values; an hour for each step and block by default."""
    values = np.asarray(usd_per_hour, dtype=float)
    shape = {1: (-1, 1, 1, 1), 3: (*values.shape, 1), 4: values.shape}[values.ndim]
    values = values.reshape(shape)
    steps, blocks = values.shape[1:3]
    return Load(
        values,
        np.asarray(rate, dtype=float),
        np.ones((steps, blocks)) if hours is None else hours,
        np.zeros(values.shape[:2]) if beside is None else beside,
    )


def always(of: Load, *, scale: float = 1.0, fee: float = 1.0) -> Column:
    """A commitment that is in force in every step."""
    return Column(scale, fee, np.ones(of.usd_per_hour.shape[:2]))


def whole_program(of: Load, columns: Sequence[Column], risk: Risk) -> float:
    """The least risk-weighted loss, from one linear program that holds every covered part by itself.

    Variables: x (K), used (S, Q, T, J), η, excess (S). No tangents and nothing shared with `buy`.
    """
    draws, steps, blocks, parts = of.usd_per_hour.shape
    count, cells = len(columns), draws * steps * blocks * parts
    width = count + cells + 1 + draws
    hours = of.hours.sum(axis=1)
    idle = of.covered().sum(axis=1)  # what is covered without buying anything
    rows, limits = [], []
    loss = np.zeros((draws, width))
    for s in range(draws):
        for k, column in enumerate(columns):
            loss[s, k] = column.fee * float(column.active[s] @ hours)
        for q, t, j in np.ndindex(steps, blocks, parts):
            cell = count + ((s * steps + q) * blocks + t) * parts + j
            loss[s, cell] = -of.hours[q, t] / of.rate[j]
        for q, t in np.ndindex(steps, blocks):
            row = np.zeros(width)
            first = count + ((s * steps + q) * blocks + t) * parts
            row[first : first + parts] = 1.0
            for k, column in enumerate(columns):
                row[k] = -column.active[s, q] / column.scale
            rows.append(row)
            limits.append(of.beside[s, q])
        excess = loss[s].copy()
        excess[count + cells] = -1.0
        excess[count + cells + 1 + s] = -1.0
        rows.append(excess)
        limits.append(-idle[s])
    objective = (1.0 - risk.weight) * loss.mean(axis=0)
    objective[count + cells] = risk.weight
    objective[count + cells + 1 :] = risk.weight / (risk.tail_share * draws)
    upper = (of.usd_per_hour * of.rate).ravel()
    bounds = [(0, None)] * count + [(0, u) for u in upper] + [(None, None)] + [(0, None)] * draws
    best = linprog(objective, A_ub=np.array(rows), b_ub=np.array(limits), bounds=bounds)
    return float(best.fun + (1.0 - risk.weight) * idle.mean())


def advised(**changes: object) -> CommitmentAdvice:
    """A line of advice as a plan holds it."""
    whole = LadderAdvice(
        tranches=(Tranche(month=0, usd_per_hour=2.0),),
        is_recommended=False,
        saving_usd_per_day=10.0,
        saving_usd_per_day_tail=1.0,
        saving_usd_per_day_worst=-3.0,
    )
    parts = (Tranche(month=0, usd_per_hour=1.0), Tranche(month=6, usd_per_hour=1.25))
    item = CommitmentAdvice(
        commitment="aws 1-year commitment",
        provider="aws",
        term_years=1,
        payment="no upfront",
        usd_per_hour=2.0,
        upfront_usd=0.0,
        saving_usd_per_day=12.0,
        saving_usd_per_day_tail=-4.0,
        saving_usd_per_day_worst=-9.0,
        saving_usd_per_day_high=17.0,
        loss_probability=0.08,
        break_even_utilization=0.68,
        payback_months=None,
        utilization=Spread(p10=0.7, p50=0.9, p90=1.0),
        coverage_share=0.5,
        curve=(
            CurvePoint(usd_per_hour=1.0, saving_usd_per_day=7.0, saving_usd_per_day_tail=2.0),
            CurvePoint(usd_per_hour=2.0, saving_usd_per_day=12.0, saving_usd_per_day_tail=-4.0),
            CurvePoint(usd_per_hour=4.0, saving_usd_per_day=-1.0, saving_usd_per_day_tail=-40.0),
        ),
        ladders=(
            whole,
            whole.model_copy(update={"tranches": parts, "is_recommended": True, "saving_usd_per_day": 11.0}),
        ),
        is_estimated_price=True,
    )
    return item.model_copy(update=changes)
