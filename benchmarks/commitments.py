"""Commitments: amounts from draws of demand, against one program that holds every hour, and a simple rule."""

from __future__ import annotations

import pickle
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import block_diag, coo_array, csr_array, eye_array, hstack, kron, vstack

from benchmarks.registry import Benchmark, Contender, Prepared
from optimizer.commitment_cover import Existing, groups_of, loads_of
from optimizer.commitment_demand import Demand, Steps, steps_until
from optimizer.commitment_lines import advice_of
from optimizer.commitment_offers import HOURS_PER_YEAR, Sale
from optimizer.commitment_purchase import Load, Risk, losses
from optimizer.commitments import Market, bought, lines_of
from optimizer.problem import Floats

BLOCKS, DRAWS = 24, 200
RISK = Risk(0.1, 0.05)
PROVIDERS = ("a", "b", "c")
DISCOUNTS = (0.2, 0.4)


@dataclass(frozen=True)
class Given:
    """Draws to be made, what runs already, what is on sale, and the planned spend (P, T)."""

    demand: Demand
    steps: Steps
    existing: Existing
    rate: Floats  # (C, P)
    planned: Floats


def prepare(folder: Path, pools: int) -> Prepared:
    """As many workloads as pools, on two pools each; three providers with a commitment that runs each."""
    random = np.random.default_rng(pools)
    steps = steps_until(2 * HOURS_PER_YEAR, [3000.0, 5000.0])
    day = 1.0 + 0.5 * np.sin(np.arange(BLOCKS) / BLOCKS * 2 * np.pi)
    spend = np.zeros((pools, pools, BLOCKS))
    for w in range(pools):
        for p in random.choice(pools, 2, replace=False):
            spend[w, p] = random.lognormal(1.0, 1.0) * day
    level = np.exp(np.cumsum(random.normal(0.0, 0.15, (DRAWS, len(steps.hours), pools)), axis=1))
    ratio = np.sort(random.lognormal(-0.2, 0.3, (pools, BLOCKS, 5)), axis=2)
    mine = np.arange(pools) % len(PROVIDERS) == np.arange(len(PROVIDERS))[:, None]
    rate = np.where(mine, 1.0 - random.uniform(*DISCOUNTS, pools), np.nan)
    held = Existing(
        np.where(mine, 0.7, np.nan), np.full(len(PROVIDERS), 0.5 * pools), np.array([3000.0, 5000.0, np.inf])
    )
    demand = Demand(spend, level, np.array([0.1, 0.5, 0.9, 0.95, 0.99]), ratio)
    made = Given(demand, steps, held, rate, spend.sum(axis=0))
    (folder / "given.pickle").write_bytes(pickle.dumps(made))
    return Prepared(f"generated: {pools} pools, {BLOCKS} blocks, {DRAWS} draws", float(pools), "pools")


def load(folder: Path) -> Given:
    """The same for everyone."""
    given: Given = pickle.loads((folder / "given.pickle").read_bytes())
    return given


def market(given: Given) -> Market:
    """Draws, what running commitments leave of them, and what is on sale."""
    groups = groups_of(given.rate, given.planned.sum(axis=1), alone=np.zeros(given.rate.shape[1], dtype=bool))
    loads = loads_of(given.demand, given.steps, given.existing, groups)
    sales = tuple(Sale(name, 1, "no upfront", {}) for name in PROVIDERS)
    hours = np.outer(given.steps.hours, np.full(BLOCKS, 1.0 / BLOCKS))
    return Market(sales, tuple(groups), tuple(loads), given.steps, hours, 0.0, RISK)


def year(of: Market, group: int) -> Load:
    """The first term of a group."""
    values = of.loads[group]
    whole = Load(values, of.groups[group].rate, of.hours, np.zeros(values.shape[:2]))
    return whole.first(of.steps.within(HOURS_PER_YEAR))


def advice(given: Given) -> Floats:
    """All of it: draws, amounts, ladders, curves."""
    found = market(given)
    amounts = bought(found)
    for line in lines_of(found, amounts):
        advice_of(line, found.steps, RISK)
    return amounts.sum(axis=0)


def one_program(given: Given) -> Floats:
    """The amounts alone, from a program per provider that holds every draw, block and part by itself."""
    found = market(given)
    amounts = np.zeros(len(PROVIDERS))
    for group, columns in enumerate(every_column(found)):
        for c in columns:
            amounts[c] += whole(year(found, group), RISK)
    return amounts


def whole(of: Load, risk: Risk) -> float:
    """One amount in force throughout; variables: x, used (S, Q, T, J), η, excess (S)."""
    draws, steps, blocks, parts = of.usd_per_hour.shape
    cells, each = draws * steps * blocks, steps * blocks * parts
    worth = -(of.hours[:, :, None] / of.rate).ravel()  # (Q, T, J) of one used USD/h
    paid = float(of.hours.sum())
    used = kron(eye_array(cells), csr_array(np.ones((1, parts))))
    within = hstack([coo_array(-np.ones((cells, 1))), used, coo_array((cells, 1 + draws))])
    gains = block_diag([csr_array(worth[None, :])] * draws)
    ones = coo_array(np.ones((draws, 1)))
    excess = hstack([paid * ones, gains, -ones, -eye_array(draws)])
    mean = (1.0 - risk.weight) / draws
    tail = np.full(draws, risk.weight / (risk.tail_share * draws))
    objective = np.concatenate(
        [[(1.0 - risk.weight) * paid], mean * np.tile(worth, draws), [risk.weight], tail]
    )
    upper = np.concatenate([[np.inf], of.needed.ravel(), [np.inf], np.full(draws, np.inf)])
    lower = np.zeros(2 + draws * each + draws)
    lower[1 + draws * each] = -np.inf
    best = linprog(
        objective,
        A_ub=vstack([within, excess]).tocsr(),
        b_ub=np.zeros(cells + draws),
        bounds=np.column_stack([lower, upper]),
        method="highs-ipm",
    )
    return float(best.x[0])


def planned_day(given: Given) -> Floats:
    """What is best for the planned day if that comes every day: no draws, the usual advice from the past."""
    still = replace(
        given.demand,
        level=np.ones((20, *given.demand.level.shape[1:])),
        ratio=np.ones_like(given.demand.ratio),
    )
    return bought(market(replace(given, demand=still))).sum(axis=0)


def every_column(of: Market) -> list[list[int]]:
    """The sales that reach each group."""
    return [list(of.columns(group, load)) for group, load in zip(of.groups, of.loads, strict=True)]


def judge(given: Given, amounts: Floats) -> dict[str, float]:
    """Risk-weighted cost of a year over that without any purchase."""
    found = market(given)
    cost, before = 0.0, 0.0
    for group, sales in enumerate(every_column(found)):
        load_of = year(found, group)
        listed = float(np.einsum("sqtj,qt->", load_of.usd_per_hour, load_of.hours)) / DRAWS
        columns = found.columns(found.groups[group], found.loads[group])
        cut = [replace(columns[c], active=np.ones(load_of.usd_per_hour.shape[:2])) for c in sales]
        before += listed
        cost += listed + RISK.of(losses(load_of, cut, amounts[sales]))
    return {"cost over no purchase": cost / before}


BENCHMARKS = (
    Benchmark(
        name="commitments",
        about="Advice on 1-year commitments of three providers; the peers find the amounts alone.",
        sizes={"small": 30, "medium": 300, "large": 600},
        prepare=prepare,
        load=load,
        judge=judge,
        subject=Contender("trimtab advice", advice),
        peers=(
            Contender("one program by HiGHS", one_program),
            Contender("best for the planned day", planned_day),
        ),
        most_repeats=3,
    ),
)
