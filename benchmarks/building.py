"""Building a model: a million variables with two terms each, from numbers to a model that HiGHS holds."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import highspy
import numpy as np
import pulp

from benchmarks.registry import Benchmark, Contender, Prepared, Unavailable
from optimizer.solve import highs
from optimizer.solve.program import Blocks, Rows, everywhere, numbered

WIDTH = 1000  # variables x[i, j] of a row sum; every variable is in a row and in a column sum


def prepare(folder: Path, variables: int) -> Prepared:
    """Only the number of rows: the model follows from it."""
    (folder / "rows").write_text(str(variables // WIDTH), encoding="utf-8")
    return Prepared(f"generated: {variables:,} variables, {2 * variables:,} nonzeros", variables, "variables")


def load(folder: Path) -> int:
    """Number of rows."""
    return int((folder / "rows").read_text(encoding="utf-8"))


def by_blocks(rows: int) -> highspy.Highs:
    """Our blocks, handed over as arrays."""
    v = Blocks()
    x = v.add("x", everywhere(rows, WIDTH))
    v.pay("x", 1.0)
    each_row, each_column = numbered(everywhere(rows)), numbered(everywhere(WIDTH))
    sums = [
        Rows("row_sum", each_row, [(each_row[:, None], x, 1.0)], lower=1.0),
        Rows("column_sum", each_column, [(each_column, x, 1.0)], lower=1.0),
    ]
    model = quiet()
    highs.hand_over(v.program(sums), model)
    return model


def by_linopy(rows: int) -> highspy.Highs:
    """The same by linopy, through its own way to HiGHS."""
    if find_spec("linopy") is None:
        raise Unavailable("linopy is not installed")
    linopy = import_module("linopy")  # not installed everywhere

    model = linopy.Model()
    x = model.add_variables(lower=0.0, coords=[range(rows), range(WIDTH)], dims=["i", "j"], name="x")
    model.add_constraints(x.sum("j") >= 1.0, name="row_sum")
    model.add_constraints(x.sum("i") >= 1.0, name="column_sum")
    model.add_objective(x.sum())
    made: highspy.Highs = linopy.io.to_highspy(model)
    return made


def by_pulp(rows: int) -> highspy.Highs:
    """The same by PuLP, which builds the model of HiGHS before it would solve."""
    model = pulp.LpProblem("sums", pulp.LpMinimize)
    x = [[model.add_variable(f"x_{i}_{j}", lowBound=0) for j in range(WIDTH)] for i in range(rows)]
    model += pulp.lpSum(one for row in x for one in row)
    for i in range(rows):
        model += pulp.lpSum(x[i]) >= 1, f"row_sum_{i}"
    for j in range(WIDTH):
        model += pulp.lpSum(row[j] for row in x) >= 1, f"column_sum_{j}"
    solver = pulp.HiGHS(msg=False)
    solver.createAndConfigureSolver(model)
    solver.buildSolverModel(model)
    made: highspy.Highs = model.solverModel
    return made


def quiet() -> highspy.Highs:
    """HiGHS that prints nothing."""
    model = highspy.Highs()  # type: ignore[no-untyped-call]
    model.setOptionValue("output_flag", False)  # noqa: FBT003 - HiGHS names its options by text
    return model


def judge(rows: int, made: highspy.Highs) -> Mapping[str, float]:
    """How far the model that HiGHS holds is from the one that was meant."""
    size = np.array([made.getNumCol(), made.getNumNz(), made.getNumRow()])
    meant = np.array([rows * WIDTH, 2 * rows * WIDTH, rows + WIDTH])
    return {"size error": float(np.abs(size - meant).sum())}


BUILD = Benchmark(
    name="placement-build",
    about="A model of row and column sums, from numbers to the arrays of HiGHS; nothing is solved.",
    sizes={"small": 100_000, "medium": 1_000_000, "large": 1_000_000},
    prepare=prepare,
    load=load,
    judge=judge,
    subject=Contender("our blocks", by_blocks),
    peers=(Contender("linopy", by_linopy), Contender("PuLP", by_pulp)),
)
