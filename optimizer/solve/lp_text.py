"""A program as text in LP format: what people read, and what other solvers and golden files take.

Rule by rule in the order they were written: a change of the mathematics is a small difference of text.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

import numpy as np

from optimizer.problem import Floats, Ints
from optimizer.solve.program import Program

WIDTH = 110


def lp_text(program: Program) -> str:
    """The whole program; numbers have 15 digits."""
    return "\n".join(lines(program)) + "\n"


def lines(program: Program) -> Iterator[str]:
    """Objective, rows, bounds other than ≥ 0, and what is whole."""
    names = program.column_names()
    paid = np.flatnonzero(program.cost)
    yield "Minimize"
    yield from wrapped(f"cost: {terms(paid, program.cost[paid], names)}")
    yield "Subject To"
    matrix = program.matrix.tocsr()
    for k, name in enumerate(program.row_names()):
        own = slice(matrix.indptr[k], matrix.indptr[k + 1])
        left = terms(matrix.indices[own], matrix.data[own], names)
        for ending, sense, bound in sides(program.row_lower[k], program.row_upper[k]):
            yield from wrapped(f"{name}{ending}: {left} {sense} {number(bound)}")
    yield "Bounds"
    binary = program.whole & (program.lower == 0) & (program.upper == 1)
    for j in np.flatnonzero(~binary):
        yield from bounds(names[j], program.lower[j], program.upper[j])
    yield from listed("Generals", names, np.flatnonzero(program.whole & ~binary))
    yield from listed("Binaries", names, np.flatnonzero(binary))
    yield "End"


def sides(lower: float, upper: float) -> Iterator[tuple[str, str, float]]:
    """What a row's name ends with, its sense and its bound; two where it lies between two bounds."""
    if lower == upper:
        yield "", "=", lower
        return
    both = np.isfinite(lower) and np.isfinite(upper)
    if np.isfinite(lower):
        yield "_least" if both else "", ">=", lower
    if np.isfinite(upper):
        yield "_most" if both else "", "<=", upper


def terms(columns: Ints, values: Floats, names: Sequence[str]) -> str:
    """A sum such as `2 n_0_0 - n_1_0`; an empty one is written as nothing of the first variable."""
    if not len(columns):
        return f"0 {names[0]}" if len(names) else ""
    order = np.argsort(columns, kind="stable")
    pieces = []
    for j, value in zip(columns[order], values[order].tolist(), strict=True):
        size = "" if abs(value) == 1 else f"{number(abs(value))} "
        pieces.append(f"{'-' if value < 0 else '+'} {size}{names[j]}")
    return " ".join(pieces).removeprefix("+ ")


def bounds(name: str, lower: float, upper: float) -> Iterator[str]:
    """The bounds of a variable that are not those LP format takes for granted."""
    if lower == 0 and np.isfinite(upper):
        yield f" {name} <= {number(upper)}"
    elif lower != 0:
        yield f" {number(lower)} <= {name} <= {number(upper)}"


def listed(title: str, names: Sequence[str], columns: Ints) -> Iterator[str]:
    """A section that lists variables, if there are any."""
    if len(columns):
        yield title
        yield from wrapped(" ".join(names[j] for j in columns))


def number(value: float) -> str:
    """A number in as few digits as it needs, at most 15."""
    return f"{value:+.15g}" if np.isinf(value) else f"{value:.15g}"


def wrapped(text: str) -> list[str]:
    """Lines that any reader takes; names and numbers are never cut."""
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=" ",
        subsequent_indent="   ",
        break_long_words=False,
        break_on_hyphens=False,
    )
