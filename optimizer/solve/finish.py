"""The integer program over few plans of the workloads that are not sure, everything else fixed.

Column generation leaves most workloads with one plan. For the rest, the cheapest plans of different options
near the proof's prices enter a restricted master with whole shares; HiGHS picks one each, the limits and the
commitments exact. It starts from the plans there are, so that it never ends dearer.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import highspy
import numpy as np
from scipy.sparse import coo_array, csc_array

from optimizer.problem import Floats, Ints
from optimizer.solve.columns import Columns, drawn_by
from optimizer.solve.duals import Shared
from optimizer.solve.generation import Proof
from optimizer.solve.plans import Plans, Pricing
from optimizer.solve.quiet import silent_stdout

MOST_CHOICES = 12_000  # plans of all workloads together
PLANS_EACH = (8, 60)  # least and most of a workload
NEAR_SHARE = 0.02  # of the bound: a plan so much dearer than the workload's best is not worth a choice
MAX_NODES = 400
TIME_LIMIT_SECONDS = 60.0  # a safety net: nodes end it
GAP_SHARE = 1e-4


@dataclass(frozen=True)
class Program:
    """A restricted master with whole shares, as arrays: minimise cost · x, rows within bounds."""

    cost: Floats
    upper: Floats
    whole: Ints  # places of variables that are 0 or 1
    rows: csc_array
    row_lower: Floats
    row_upper: Floats


def finished(pricing: Pricing, shared: Shared, proof: Proof, plans: Plans, unsure: Ints) -> Plans:
    """Plans at least as cheap as those given: workloads placed anew together, all or the unsure ones.

    The plans as they are where even those are too many, and where there are several periods: measured on 100
    and 1,000 workloads over 24 periods, a minute of HiGHS gains less than a tenth of the gap.
    """
    terms = pricing.terms
    room = MOST_CHOICES // PLANS_EACH[0] if len(shared.hours) == 1 else 0
    free = np.arange(len(terms.demand)) if len(terms.demand) <= room else unsure
    if not 0 < len(free) <= room:
        return plans
    is_free = np.isin(plans.workload, free)
    fixed, now = plans.take(np.flatnonzero(~is_free)), plans.take(np.flatnonzero(is_free))
    on_limits, under_cover = drawn_by(pricing, fixed)
    left = shared.limit - on_limits
    near = nearby(pricing, shared, proof, now.workload, left)
    columns = Columns.of(terms, now.and_also(near))
    program = restricted_program(pricing, shared, columns, left, under_cover)
    start = starting(columns, now, program)
    chosen = pick(program, start)
    if chosen is None:
        return plans
    taken = columns.plans.take(np.flatnonzero(chosen[: len(columns.usd)] > 0.5))
    whole = fixed.and_also(taken)
    return whole.take(np.argsort(whole.workload, kind="stable").astype(np.int64))


def nearby(pricing: Pricing, shared: Shared, proof: Proof, among: Ints, left: Floats) -> Plans:
    """Plans worth a choice: the cheapest at the proof's prices, and what column generation found."""
    most = int(np.clip(MOST_CHOICES // len(among), *PLANS_EACH))
    slack = NEAR_SHARE * abs(proof.bound_usd)
    near = pricing.near(shared.added(proof.prices), among=among, left=left, most=most, slack=slack)
    found = proof.columns.plans
    return near.and_also(found.take(np.flatnonzero(np.isin(found.workload, among))))


def restricted_program(
    pricing: Pricing, shared: Shared, columns: Columns, left: Floats, covered_anyway: Floats
) -> Program:
    """One plan for each workload; limits, cover and commitments exact.

    Args:
        pricing: with the kinds of options.
        shared: limits and commitments.
        columns: plans to choose from.
        left: (L, T) units that fixed plans leave of limits.
        covered_anyway: (O, T) on-demand units of fixed plans.
    """
    kinds, periods = pricing.kinds, len(shared.hours)
    plans, limits = len(columns.usd), len(left)
    c, o = np.nonzero(shared.rate > 0)
    covers, bought = len(c) * periods, len(shared.held)
    workloads, of = np.unique(columns.plans.workload, return_inverse=True)
    cover_row = len(workloads) + limits * periods
    money_row = cover_row + len(covered_anyway) * periods
    time = np.tile(np.arange(periods), len(c))
    parts = [(of, np.arange(plans), np.ones(plans))]
    draws = (
        (kinds.limit, len(workloads), 1.0),
        (kinds.quota, len(workloads), 1.0),
        (kinds.cover, cover_row, -1.0),
    )
    for (rows, first, sign), j in product(draws, range(2)):
        row = np.where(columns.kind[:, j] >= 0, rows[columns.kind[:, j]], -1)
        n = np.flatnonzero(row >= 0)
        at = first + row[n, None] * periods + np.arange(periods)
        parts.append((at.ravel(), n.repeat(periods), sign * columns.units[n, :, j].ravel()))
    cover = plans + np.arange(covers)
    parts.append((cover_row + np.repeat(o, periods) * periods + time, cover, np.ones(covers)))
    parts.append(
        (money_row + np.repeat(c, periods) * periods + time, cover, np.repeat(shared.rate[c, o], periods))
    )
    every = np.arange(bought * periods)
    parts.append((money_row + every, plans + covers + every // periods, -np.ones(bought * periods)))
    row, column, value = (np.concatenate(part) for part in zip(*parts, strict=True))
    size = (money_row + bought * periods, plans + covers + bought)
    saved = -(shared.listed[c, o][:, None] * shared.hours).ravel()
    endless = np.full(size[0], np.inf)
    held = np.repeat(shared.held, periods)
    upper = np.concatenate([np.ones(len(workloads)), left.ravel(), covered_anyway.ravel(), held])
    lower = np.where(np.arange(size[0]) < len(workloads), 1.0, -endless)
    return Program(
        cost=np.concatenate([columns.usd, saved, shared.fee * shared.hours.sum()]),
        upper=np.concatenate([np.ones(plans), np.full(covers, np.inf), shared.offered]),
        whole=np.arange(plans),
        rows=csc_array(coo_array((value, (row, column)), shape=size)),
        row_lower=lower,
        row_upper=upper,
    )


def starting(columns: Columns, now: Plans, program: Program) -> Floats:
    """The plans there are, as values of the program's variables; HiGHS fills in the rest."""
    start = np.zeros(len(program.cost))
    for w, option, count in zip(now.workload, now.option, now.count, strict=True):
        places = np.arange(columns.begin[w], columns.begin[w + 1])
        same = (columns.plans.option[places] == option).all(axis=1)
        same &= (columns.plans.count[places] == count).all(axis=(1, 2))
        start[places[same][0]] = 1.0
    return start


def pick(program: Program, start: Floats) -> Floats | None:
    """(variables,) values of the best choice found; None where HiGHS found none."""
    highs = highspy.Highs()  # type: ignore[no-untyped-call]
    for name, value in {
        "output_flag": False, "threads": 1, "random_seed": 0, "mip_rel_gap": GAP_SHARE,
        "mip_max_nodes": MAX_NODES, "time_limit": TIME_LIMIT_SECONDS,
    }.items():  # fmt: skip
        highs.setOptionValue(name, value)
    given = highspy.HighsSolution()
    given.col_value = start.tolist()
    with silent_stdout():
        highs.passModel(as_model(program))
        highs.setSolution(given)
        highs.run()
    if highs.getInfo().primal_solution_status != highspy.SolutionStatus.kSolutionStatusFeasible:
        return None
    return np.asarray(highs.getSolution().col_value)


def as_model(program: Program) -> highspy.HighsLp:
    """The program in the solver's own form."""
    model = highspy.HighsLp()
    model.num_row_, model.num_col_ = program.rows.shape
    model.col_cost_, model.col_upper_ = program.cost, program.upper
    model.col_lower_ = np.zeros(len(program.cost))
    model.row_lower_, model.row_upper_ = program.row_lower, program.row_upper
    model.a_matrix_.format_ = highspy.MatrixFormat.kColwise
    model.a_matrix_.start_ = program.rows.indptr
    model.a_matrix_.index_ = program.rows.indices
    model.a_matrix_.value_ = program.rows.data
    kinds = np.full(len(program.cost), highspy.HighsVarType.kContinuous)
    kinds[program.whole] = highspy.HighsVarType.kInteger
    model.integrality_ = kinds.tolist()
    return model
