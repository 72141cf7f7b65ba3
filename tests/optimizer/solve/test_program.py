"""Programs as arrays: what is written is what solvers get, whichever door it leaves by.

Needs pulp, highspy and numpy only, so that it also runs alone under another version of PuLP.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import highspy
import numpy as np
import pulp
import pytest
from hypothesis import HealthCheck, given, settings

from optimizer.check import check
from optimizer.errors import SolverError
from optimizer.problem import Problem
from optimizer.solve import highs, pulp_model, small, solve
from optimizer.solve.compact import build, missed_levels
from optimizer.solve.highs import Limits
from optimizer.solve.lp_text import lp_text
from optimizer.solve.program import NONE, Blocks, Program, Rows, along, everywhere, numbered
from tests.optimizer.instances import tiny_problems
from tests.optimizer.problems import O, W, problem

REPO = Path(__file__).resolve().parents[3]
EXACT = Limits(gap_share=1e-9, nodes=100_000, seconds=60.0)
PAIR = (O("a", capacity=2, price=1.0), O("b", capacity=2, price=1.5))


def cbc() -> Any:
    """CBC as this version of PuLP finds it; PuLP 3 brings one."""
    path = getattr(getattr(pulp, "PULP_CBC_CMD", None), "pulp_cbc_path", None)
    solver = pulp.COIN_CMD(path=path, msg=False)
    if not solver.available():
        pytest.skip("PuLP finds no CBC")
    return solver


def small_program() -> Program:
    """Two blocks of variables, rows of every kind."""
    v = Blocks()
    n = v.add("n", np.array([[True, False], [True, True]]), upper=[[7.0, 7.0], [9.0, 8.0]], whole=True)
    v.add("x", everywhere(2))
    v.pay("n", np.array([[3.0], [2.0]]))
    v.pay("x", np.array([0.1, 0.25]))
    v.pay("absent", 1.0)
    row = numbered(everywhere(2))
    return v.program(
        [
            Rows("enough", row, [(row, n, 1.5), (row, v["x"], 1.0)], lower=[4.0, 5.0]),
            Rows("between", row, [(row, v["x"], 1.0)], lower=1.0, upper=[3.0, 2.5]),
            Rows("alike", numbered(everywhere()), [(np.array(0), v["x"], [1.0, -2.0])], lower=0.0, upper=0.0),
            Rows("holds_anyway", row, [(row, n, 0.0)], upper=1.0),
        ]
    )


def test_names_are_those_of_blocks_and_indices() -> None:
    program = small_program()
    assert program.column_names() == ["n_0_0", "n_1_0", "n_1_1", "x_0", "x_1"]
    assert program.row_names() == ["enough_0", "enough_1", "between_0", "between_1", "alike"]
    assert program.columns_of("n").tolist() == [[0, NONE], [1, 2]]
    assert program.rows_of("between").tolist() == [2, 3]
    assert program.rows_of("holds_anyway").size == 0


def test_the_arrays_of_a_program_by_hand() -> None:
    program = small_program()
    assert program.matrix.toarray().tolist() == [
        [1.5, 1.5, 0, 1, 0],
        [0, 0, 1.5, 0, 1],
        [0, 0, 0, 1, 0],
        [0, 0, 0, 0, 1],
        [0, 0, 0, 1, -2],
    ]
    assert program.cost.tolist() == [3, 2, 2, 0.1, 0.25]
    assert program.upper.tolist() == [7, 9, 8, np.inf, np.inf]
    assert program.whole.tolist() == [True, True, True, False, False]
    assert program.row_lower.tolist() == [4, 5, 1, 1, 0]
    assert program.row_upper.tolist() == [np.inf, np.inf, 3, 2.5, 0]


def test_terms_of_one_place_add_up_and_empty_rows_stay_only_where_they_cannot_hold() -> None:
    v = Blocks()
    x, row = v.add("x", everywhere(1)), numbered(everywhere(3))
    first = np.array([0])
    program = v.program([Rows("r", row, [(first, x, 2.0), (first, x, 0.5)], lower=[1.0, -1.0, 4.0])])
    assert program.matrix.toarray().tolist() == [[2.5], [0.0]]
    assert program.row_names() == ["r_0", "r_2"]
    assert program.rows_of("r").tolist() == [0, NONE, 1]
    assert highs.minimise(program, EXACT).values is None


def test_an_index_of_nothing_leads_nowhere() -> None:
    place = np.array([[0, 1], [2, 3]])
    assert along(place, np.array([1, NONE, 0])).tolist() == [[2, 3], [NONE, NONE], [0, 1]]
    assert along(place[:0], np.array([NONE, NONE])).tolist() == [[NONE, NONE]] * 2


def test_one_name_is_given_once() -> None:
    v = Blocks()
    x = v.add("x", everywhere(1))
    with pytest.raises(ValueError, match="variables x exist already"):
        v.add("x", everywhere(2))
    twice = Rows("r", x, [(x, x, 1.0)], lower=1.0)
    with pytest.raises(ValueError, match="two blocks of rows have one name"):
        v.program([twice, twice])


@pytest.mark.parametrize(
    ("values", "broken"),
    [
        ([2, 1, 2, 2, 1], 1 / 6),  # enough_1 is 4 where 5 is asked
        ([2, 1, 3, 2, 1], 0.0),
        ([2, 1.25, 3, 2, 1], 0.25),
        ([2, 1, 3, 2.5, 1], 0.5),
        ([8, 1, 3, 2, 1], 1 / 8),
        ([2, -1, 3, 2, 1], 1.0),
    ],
)
def test_what_breaks_a_program_is_measured(values: list[float], broken: float) -> None:
    assert small_program().violation(np.array(values, dtype=float)) == pytest.approx(broken)


def by_pulp(program: Program) -> float:
    return pulp_model.minimise(program, EXACT).objective


def by_lp_text(program: Program) -> float:
    return read_back(program, "program.lp", lambda path: path.write_text(lp_text(program)))


def by_mps_of_pulp(program: Program) -> float:
    model, _ = pulp_model.to_pulp(program)
    return read_back(program, "program.mps", lambda path: model.writeMPS(str(path)))


def read_back(program: Program, name: str, write: Callable[[Path], object]) -> float:
    """What HiGHS makes of a file; infinity where it has no answer."""
    solver = highspy.Highs()
    solver.setOptionValue("output_flag", False)
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder) / name)
        assert solver.readModel(str(Path(folder) / name)) == highspy.HighsStatus.kOk
    solver.setOptionValue("mip_rel_gap", 1e-9)
    solver.run()
    info = solver.getInfo()
    return info.objective_function_value if info.primal_solution_status == 2 else np.inf


DOORS = {"pulp": by_pulp, "lp text": by_lp_text, "mps of pulp": by_mps_of_pulp}


@pytest.mark.parametrize("door", DOORS)
def test_every_kind_of_row_leaves_by_every_door(door: str) -> None:
    assert DOORS[door](small_program()) == pytest.approx(highs.minimise(small_program(), EXACT).objective)


@pytest.mark.parametrize("door", DOORS)
def test_every_kind_of_bound_leaves_by_every_door(door: str) -> None:
    v, row = Blocks(), numbered(everywhere(4))
    whole = v.add("whole", everywhere(4), lower=[-2.5, 0, 0, 3], upper=[5, 1, np.inf, 3], whole=True)
    part = v.add("part", everywhere(4), lower=[-np.inf, -np.inf, 0.25, -1], upper=[np.inf, 4, 0.75, -1])
    v.pay("whole", np.ones(4))
    v.pay("part", np.full(4, 2.0))
    program = v.program([Rows("r", row, [(row, whole, 1.0), (row, part, 1.0)], lower=[-7.5, -6.0, 0.5, 0.0])])
    by_hand = (5 - 2 * 12.5) + (1 - 2 * 7) + (0 + 2 * 0.5) + (3 - 2)
    assert highs.minimise(program, EXACT).objective == pytest.approx(by_hand)
    assert DOORS[door](program) == pytest.approx(by_hand)


def programs(p: Problem) -> Iterator[Program]:
    """Strict, and missing as little as possible."""
    yield build(p)
    elastic = build(p, elastic=True)
    yield replace(elastic, cost=sum((w for _, w in missed_levels(p, elastic)), np.zeros(len(elastic.cost))))


@pytest.mark.parametrize("door", DOORS)
@settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(p=tiny_problems())
def test_every_door_has_the_same_optimum(door: str, p: Problem) -> None:
    for program in programs(p):
        found = highs.minimise(program, EXACT)
        assert DOORS[door](program) == pytest.approx(found.objective, rel=1e-6, abs=1e-6)
        if found.values is not None:
            assert program.violation(found.values) <= 1e-6
            assert found.objective == pytest.approx(float(program.cost @ found.values), abs=1e-6)


def test_the_bound_is_the_solvers_own_or_that_of_the_relaxation() -> None:
    program = build(problem(W(demand=[5.0]), [O("a", capacity=2)]))
    assert highs.minimise(program, EXACT).bound == pytest.approx(3.0)
    assert pulp_model.minimise(program, EXACT).bound == pytest.approx(3.0)
    untold, _ = pulp_model.to_pulp(program)
    assert pulp_model.proven(program, untold, None, EXACT) == pytest.approx(2.5)


def test_a_program_that_highs_refuses_is_an_error() -> None:
    v = Blocks()
    x, row = v.add("x", everywhere(1)), numbered(everywhere(1))
    with pytest.raises(SolverError, match="HiGHS refuses the program"):
        highs.minimise(v.program([Rows("r", row, [(row, x, np.inf)], lower=1.0)]), EXACT)


def test_a_start_is_taken_up() -> None:
    rng = np.random.default_rng(3)
    sizes = rng.integers(1000, 3000, 30).astype(float)
    prices = (sizes * rng.uniform(0.97, 1.03, 30)).tolist()
    options = [O(f"o{i}", capacity=sizes[i], price=prices[i]) for i in range(30)]
    program = build(problem(W(demand=[45_123.0], max_options=4), options))
    at_once = replace(EXACT, nodes=0)
    assert highs.minimise(program, at_once).values is None
    start = np.zeros(len(program.cost))
    start[program.columns_of("n")[0, 0]] = np.ceil(45_123.0 / sizes[0])
    start[program.columns_of("z")[0]] = 1.0
    assert highs.minimise(program, at_once, start).objective <= program.cost @ start + 1e-6


def keep_together(model: Any, variables: Any) -> None:
    for t in range(2):
        model += variables["n", 0, t] - variables["n", 1, t] == 0, f"keep_together_{t}"


def test_own_rows_hold_and_the_bound_with_them() -> None:
    p = problem(W(demand=[4.0, 7.0]), PAIR)
    assert solve(p, gap_share=1e-9).placement.replicas.tolist() == [[2, 4], [0, 0]]
    found = solve(p, gap_share=1e-9, rows=keep_together)
    assert found.placement.replicas.tolist() == [[1, 2], [1, 2]]
    assert found.cost_usd == pytest.approx(7.5)
    assert found.bound_usd == pytest.approx(7.5)
    assert check(p, found.placement) == ()


def test_own_rows_may_ask_for_more_than_could_pay_without_them() -> None:
    def many(model: Any, variables: Any) -> None:
        model += variables["n", 0, 0] >= 50, "many"

    found = solve(problem(W(demand=[4.0], max_options=1), PAIR), rows=many)
    assert found.placement.replicas.tolist() == [[50], [0]]


def test_own_rows_about_what_is_served_are_kept() -> None:
    options = [O("near", capacity=4, price=0.05), O("far", capacity=4, price=0.05, egress=0.1)]

    def half_far(model: Any, variables: Any) -> None:
        model += variables["x", 1, 0] >= 2, "half_far"

    found = solve(problem(W(demand=[4.0]), options), rows=half_far)
    assert found.placement.served.tolist() == [[2.0], [2.0]]


def test_own_variables_may_come_along() -> None:
    def evenly(model: Any, variables: Any) -> None:
        level = model.add_variable("level", 0, 100)
        for t in range(3):
            model += variables["n", 0, t] - level == 0, f"evenly_{t}"

    found = solve(problem(W(demand=[4.0, 9.0, 1.0]), PAIR[:1]), rows=evenly)
    assert found.placement.replicas.tolist() == [[5, 5, 5]]


def test_a_shortage_by_own_rows_is_told() -> None:
    def few(model: Any, variables: Any) -> None:
        model += variables["n", 0, 0] + variables["n", 1, 0] <= 1, "few"

    found = solve(problem(W(demand=[4.0]), PAIR), rows=few)
    assert [(s.rule, s.missing) for s in found.shortfalls] == [("meet_demand", pytest.approx(2.0))]


def test_own_rows_that_nothing_keeps_are_an_error() -> None:
    def never(model: Any, variables: Any) -> None:
        model += variables["n", 0, 0] <= -1, "never"

    with pytest.raises(SolverError, match="upper limits or own rows clash"):
        solve(problem(W(demand=[4.0]), PAIR), rows=never)


def test_any_solver_of_pulp_places_the_same() -> None:
    p = problem(W(demand=[4.0, 7.0], max_options=1), PAIR)
    found = solve(p, solver=cbc())
    assert found.placement.replicas.tolist() == solve(p).placement.replicas.tolist()
    assert found.bound_usd <= found.cost_usd


def test_a_solver_is_not_believed_that_it_has_an_answer() -> None:
    class Liar(pulp.HiGHS):
        told: float

        def actualSolve(self, lp: Any, **given: Any) -> Any:  # noqa: N802  PuLP's name
            status = super().actualSolve(lp, **given)
            for variable in lp.variables():
                variable.varValue = self.told
            return status

    def few(model: Any, variables: Any) -> None:
        model += variables["n", 0, 0] + variables["n", 1, 0] <= 3, "few"

    liar, p = Liar(msg=False), problem(W(demand=[4.0]), PAIR)
    liar.told = 2.0  # keeps the program's rows, but not the own one
    assert solve(p, solver=liar).placement.replicas.tolist() == [[2], [2]]
    for liar.told, rows in ((0.0, None), (2.0, few)):
        with pytest.raises(SolverError, match="the solver ended with 'Optimal' and without a placement"):
            solve(p, solver=liar, rows=rows)


def test_own_rows_are_refused_where_they_would_be_ignored() -> None:
    large = problem(W(demand=[1.0] * 750), PAIR)
    with pytest.raises(ValueError, match=r"fewer than 1500 options times periods, here are 1500"):
        solve(large, rows=keep_together)
    with pytest.raises(ValueError, match="shadow prices are those of the model without own rows"):
        solve(problem(W(demand=[4.0, 7.0]), PAIR), rows=keep_together, priced=True)


def test_the_example_of_the_documentation_runs() -> None:
    text = (REPO / "docs" / "how-it-plans.md").read_text(encoding="utf-8")
    (example,) = [code for code in re.findall(r"```python\n(.*?)```", text, re.DOTALL) if "rows=" in code]
    given = {"problem": problem(W(demand=[4.0, 7.0]), PAIR), "solve": solve}
    exec(example, given)
    assert given["solution"].placement.replicas.tolist() == [[1, 2], [1, 2]]


def hard() -> Problem:
    """Options so much alike that a second proves no gap."""
    rng = np.random.default_rng(3)
    sizes = rng.integers(1000, 3000, 40).astype(float)
    prices = (sizes * rng.uniform(0.97, 1.03, 40)).tolist()
    options = [O(f"o{i}", capacity=sizes[i], price=prices[i]) for i in range(40)]
    return problem(W(demand=[45_123.0, 30_011.0, 70_077.0], max_options=4), options)


def test_own_rows_stopped_by_the_clock_have_an_honest_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    def few(model: Any, variables: Any) -> None:
        model += variables["n", 0, 0] <= 1, "few"

    monkeypatch.setattr(small, "TIME_LIMIT_SECONDS", 0.2)
    p = hard()
    stopped = solve(p, gap_share=1e-9, rows=few)
    monkeypatch.undo()
    without = solve(p, gap_share=0.002)
    assert stopped.stopped_by == "time"
    assert stopped.gap_share > 1e-4
    # Below any answer with or without the row; an own row cannot make the optimum cheaper.
    assert stopped.bound_usd <= without.cost_usd + 1e-6
    assert stopped.cost_usd >= without.bound_usd - 1e-6
    assert stopped.placement.replicas[0, 0] <= 1
    assert check(p, stopped.placement) == ()
