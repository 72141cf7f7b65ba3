"""Shared nodes without whole numbers: a program to which ways to pack are added as they are found."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array

from optimizer.problem import Floats, Problem
from optimizer.solve.highs import Found, Growing
from optimizer.solve.program import Program
from optimizer.solve.ways import Ways, columns_of


@dataclass(frozen=True)
class Relaxed:
    """The model without whole numbers, with the ways to pack known.

    Attributes:
        found: its answer.
        packed: (I, T) price of a packed replica.
        nodes: (N, T) price of a node, beside that of the caps it counts in.
        caps: (K,) price of a USD in each cap.
        count: (I,) replicas over all periods.
        true_share: of these prices at which no way to pack is worth more than its node.
    """

    found: Found
    packed: Floats
    nodes: Floats
    caps: Floats
    count: Floats
    true_share: float


@dataclass
class Master:
    """A program without whole numbers, without and with ways to pack.

    Attributes:
        problem: whose.
        program: without.
        lp: with those known so far.
        known: how many these are.
    """

    problem: Problem
    program: Program
    lp: Growing
    known: int

    def run(self, ways: Ways) -> Found:
        """Its answer with these ways, the first of which are those known."""
        if len(ways) > self.known:
            new = ways.take(np.arange(self.known, len(ways)))
            row, column, value = columns_of(self.problem, self.program, new)
            shape = (self.program.matrix.shape[0], len(ways) - self.known)
            self.lp.add_columns(coo_array((value, (row, column)), shape=shape).tocsc())
            self.known = len(ways)
        return self.lp.run()
