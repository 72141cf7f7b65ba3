r"""A linear or integer program as arrays: what every model of this package is built into.

    minimise  cost · x    subject to    row_lower ≤ A x ≤ row_upper,   lower ≤ x ≤ upper,   some x whole

Variables and rows come in blocks. A block is a name and a grid of numbers: `n[i, t]` is the column of the
variable n of option i in period t, `NONE` where there is no such variable. Rules are then written with whole
arrays. A rule over workloads and periods, $\sum_i a_i n_{it} \ge D_{wt}$ where anything is wanted:

    row = numbered(p.demand > 0)                                    # (W, T) the rule's rows, NONE elsewhere
    mine = row[p.option_workload]                                   # (I, T) the row that n[i, t] is in
    yield Rows("meet_demand", row, [(mine, v["n"], p.capacity[:, None])], lower=p.demand)

A term is (rows, columns, coefficient); the three are broadcast against each other, and what names no row or
no column is left out. Terms of the same row and column add up.

Programs are handed to HiGHS by `optimizer.solve.highs`, to any other solver by `optimizer.solve.pulp_model`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeAlias

import numpy as np
from scipy.sparse import coo_array, csc_array, hstack, vstack

from optimizer.problem import Bools, Floats, Ints

NONE = -1  # number of a variable or row that does not exist
Numbers: TypeAlias = Floats | Ints | float
Term: TypeAlias = tuple[Ints, Ints, Numbers]  # rows, columns, coefficient; broadcast


def numbered(where: Bools, first: int = 0) -> Ints:
    """Numbers from `first` on, in the order of the indices, where there is something; NONE elsewhere."""
    place = np.full(where.shape, NONE, dtype=np.int64)
    place[where] = np.arange(first, first + np.count_nonzero(where))
    return place


def everywhere(*shape: int) -> Bools:
    """The condition that always holds, for variables and rows that every index has."""
    return np.ones(shape, dtype=bool)


def only(place: Ints, where: Bools) -> Ints:
    """The numbers where a condition holds, NONE elsewhere; the condition is broadcast."""
    return np.where(where, place, NONE)


def along(place: Ints, index: Ints) -> Ints:
    """`place[index]` for an index that is itself NONE in places."""
    found = place[index] if len(place) else np.full((len(index), *place.shape[1:]), NONE)
    return only(found, (index != NONE).reshape(-1, *[1] * (place.ndim - 1)))


@dataclass(frozen=True)
class Block:
    """Variables or rows of one name, by their indices; single names exist only when asked for."""

    name: str
    place: Ints

    @cached_property
    def index(self) -> Ints:
        """(size, indices) of the members, in the order of their numbers."""
        return np.argwhere(self.place != NONE).astype(np.int64)

    def names(self) -> Iterator[str]:
        """Such as `n_3_0`, in the order of the numbers."""
        for index in self.index.tolist():
            yield "_".join([self.name, *map(str, index)])


@dataclass(frozen=True)
class Rows:
    """What a rule yields: rows of one name, each a sum of terms between two bounds.

    Attributes:
        name: of the block; the single row is called by it and its indices.
        place: numbers of the rows by their indices, from `numbered`.
        terms: what stands in them.
        lower, upper: broadcast to the shape of `place`.
    """

    name: str
    place: Ints
    terms: Sequence[Term]
    lower: Numbers = -np.inf
    upper: Numbers = np.inf


class Blocks:
    """The variables of a program that is being built, by the names of their blocks."""

    def __init__(self, *, elastic: bool = False) -> None:
        self.elastic = elastic
        self.made: dict[str, Block] = {}
        self.size = 0
        self._lower: list[Floats] = []
        self._upper: list[Floats] = []
        self._whole: list[Bools] = []
        self._cost: dict[str, Floats] = {}

    def __getitem__(self, name: str) -> Ints:
        """The columns of a block by their indices, NONE where there is no variable."""
        return self.made[name].place

    def __contains__(self, name: str) -> bool:
        return name in self.made

    def most(self, name: str) -> Floats:
        """The upper bounds of a block's variables by their indices, 0 where there is none."""
        return taken(joined(self._upper), self[name])

    def add(
        self, name: str, where: Bools, *, lower: Numbers = 0.0, upper: Numbers = np.inf, whole: bool = False
    ) -> Ints:
        """Make a block of variables wherever `where` holds; returns their columns.

        Args:
            name: of the block; a single variable is called by it and its indices.
            where: which indices have a variable.
            lower: their bounds, broadcast to the shape of `where`.
            upper: likewise.
            whole: whether they are whole numbers.
        """
        if name in self.made:
            raise ValueError(f"variables {name} exist already")
        place = numbered(where, self.size)
        size = int(np.count_nonzero(where))
        self.made[name] = Block(name, place)
        self.size += size
        self._lower.append(at_members(lower, where))
        self._upper.append(at_members(upper, where))
        self._whole.append(np.full(size, whole))
        self._cost[name] = np.zeros(size)
        return place

    def missed(self, rule: str, where: Bools) -> Ints:
        """Columns of how far a rule is missed: none in the strict model, `s_<rule>` in the elastic one."""
        if not self.elastic:
            return np.full(where.shape, NONE, dtype=np.int64)
        name = f"s_{rule}"
        return self[name] if name in self else self.add(name, where)

    def pay(self, name: str, cost: Numbers) -> None:
        """Add to the cost of a block's variables; nothing to pay where no rule made the block."""
        if name in self.made:
            self._cost[name] += at_members(cost, self[name] != NONE)

    def program(self, rows: Iterable[Rows]) -> Program:
        """The program of these variables and rows. Rows that say nothing (0 ≤ 1) are left out."""
        kept = list(whole_rows(rows))  # before the columns are counted: rules may make variables
        names = [part.name for part in kept]
        if len(set(names)) < len(names):
            raise ValueError(f"two blocks of rows have one name: {', '.join(sorted(names))}")
        first = np.concatenate([[0], np.cumsum([len(part.lower) for part in kept])]).astype(np.int64)
        entries = [
            (part.row + begin, part.column, part.value) for part, begin in zip(kept, first, strict=False)
        ]
        row, column, value = (joined([e[k] for e in entries]) for k in range(3))
        shape = (int(first[-1]), self.size)
        matrix = coo_array((value, (row, column.astype(row.dtype))), shape=shape).tocsc()
        return Program(
            variables=tuple(self.made.values()),
            rows=tuple(
                Block(part.name, np.where(part.place != NONE, part.place + begin, NONE))
                for part, begin in zip(kept, first, strict=False)
            ),
            lower=joined(self._lower),
            upper=joined(self._upper),
            cost=joined(list(self._cost.values())),
            whole=joined(self._whole).astype(bool),
            matrix=matrix,
            row_lower=joined([part.lower for part in kept]),
            row_upper=joined([part.upper for part in kept]),
        )


@dataclass(frozen=True)
class Program:
    """A program: blocks say what its columns and rows mean, arrays what it is."""

    variables: tuple[Block, ...]
    rows: tuple[Block, ...]
    lower: Floats  # (columns,)
    upper: Floats
    cost: Floats
    whole: Bools
    matrix: csc_array  # (rows, columns)
    row_lower: Floats  # (rows,)
    row_upper: Floats

    def columns_of(self, name: str) -> Ints:
        """Columns of a block of variables by their indices."""
        return next(block.place for block in self.variables if block.name == name)

    def rows_of(self, name: str) -> Ints:
        """Numbers of a block of rows by their indices; an empty grid if there is no such block."""
        return next((block.place for block in self.rows if block.name == name), np.zeros(0, dtype=np.int64))

    def column_names(self) -> list[str]:
        """Names of the variables, in the order of the columns."""
        return [name for block in self.variables for name in block.names()]

    def row_names(self) -> list[str]:
        """Names of the rows, in their order."""
        return [name for block in self.rows for name in block.names()]

    def spread(self, values: Floats, name: str) -> Floats:
        """A block's part of one value per variable, by its indices; 0 where there is no variable."""
        return taken(values, self.columns_of(name))

    def relaxed(self) -> Program:
        """The same without whole numbers."""
        return replace(self, whole=np.zeros_like(self.whole))

    def and_row(self, name: str, coefficient: Floats, upper: float) -> Program:
        """The same with one row more over all variables."""
        place = np.array(self.matrix.shape[0])
        return replace(
            self,
            rows=(*self.rows, Block(name, place)),
            matrix=csc_array(vstack([self.matrix, coo_array(coefficient[None, :])])),
            row_lower=np.append(self.row_lower, -np.inf),
            row_upper=np.append(self.row_upper, upper),
        )

    def and_columns(self, name: str, term: Term, *, cost: float = 0.0, whole: bool = False) -> Program:
        """The same with one block of variables more, from 0 on, in the rows of a term.

        The columns of the term are counted from 0; each must stand in a row.
        """
        row, column, value = flat(term)
        size, first = int(column.max(initial=-1)) + 1, len(self.cost)
        more = coo_array((value, (row, column)), shape=(self.matrix.shape[0], size))
        return replace(
            self,
            variables=(*self.variables, Block(name, np.arange(first, first + size))),
            lower=np.append(self.lower, np.zeros(size)),
            upper=np.append(self.upper, np.full(size, np.inf)),
            cost=np.append(self.cost, np.full(size, cost)),
            whole=np.append(self.whole, np.full(size, whole)),
            matrix=csc_array(hstack([self.matrix, more])),
        )

    def violation(self, values: Floats) -> float:
        """Most by which values break a bound, a row or wholeness, relative to the size of what is broken."""
        drawn = self.matrix @ values
        excess = [
            relative(self.lower - values, self.lower),
            relative(values - self.upper, self.upper),
            relative(self.row_lower - drawn, self.row_lower),
            relative(drawn - self.row_upper, self.row_upper),
            np.abs(values - np.round(values))[self.whole],
        ]
        return float(max((part.max(initial=0.0) for part in excess), default=0.0))


def relative(excess: Floats, bound: Floats) -> Floats:
    """An excess over a bound relative to 1 + its size; none where the bound is infinite."""
    finite = np.isfinite(bound)
    return np.asarray(excess[finite] / (1.0 + np.abs(bound[finite])))


def taken(values: Floats, place: Ints) -> Floats:
    """Values by the numbers of a grid, 0 where it holds none."""
    there = place != NONE
    spread = np.zeros(place.shape)
    spread[there] = values[place[there]]
    return spread


def at_members(values: Numbers, where: Bools) -> Floats:
    """Values broadcast to a grid, one for each member."""
    return np.asarray(np.broadcast_to(values, where.shape)[where], dtype=float)


@dataclass(frozen=True)
class FlatRows:
    """Rows of one block, their terms as entries of a matrix."""

    name: str
    place: Ints
    row: Ints
    column: Ints
    value: Floats
    lower: Floats
    upper: Floats


def whole_rows(rows: Iterable[Rows]) -> Iterator[FlatRows]:
    """Each block with its terms flattened; rows without terms stay only where they cannot hold."""
    for part in rows:
        there = part.place != NONE
        lower, upper = at_members(part.lower, there), at_members(part.upper, there)
        entries = [flat(term) for term in part.terms]
        row, column, value = (joined([e[k] for e in entries]) for k in range(3))
        place = part.place
        says = (lower > 0) | (upper < 0)
        says[row] = True
        if not says.all():
            number = numbered(says)
            place = along(number, place.ravel()).reshape(place.shape)
            row, lower, upper = number[row], lower[says], upper[says]
        if len(lower):
            yield FlatRows(part.name, place, row, column, value, lower, upper)


def flat(term: Term) -> tuple[Ints, Ints, Floats]:
    """The entries of a term that have a row, a column and a coefficient."""
    row, column, value = np.broadcast_arrays(*term)
    there = (row != NONE) & (column != NONE) & (value != 0)
    return row[there].astype(np.int32), column[there].astype(np.int32), value[there].astype(float)


def joined(parts: Sequence[np.ndarray]) -> np.ndarray:
    """The parts one after another; empty if there are none."""
    return np.concatenate(parts) if parts else np.zeros(0)
