"""Ways to pack nodes, and the columns of a program that they are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from optimizer.problem import Bools, Floats, Ints, Problem
from optimizer.solve.program import Program


@dataclass(frozen=True)
class Ways:
    """Ways to pack a node, each of one node pool in one period."""

    node: Ints  # (K,)
    period: Ints  # (K,)
    contents: Ints  # (K, I)

    def __len__(self) -> int:
        return len(self.node)

    def and_also(self, other: Ways) -> Ways:
        """These and others."""
        return Ways(
            np.append(self.node, other.node),
            np.append(self.period, other.period),
            np.concatenate([self.contents, other.contents]),
        )

    def usd(self, p: Problem) -> Floats:
        """(K,) what a node packed in each way costs in its period."""
        return np.asarray(p.nodes.price_hourly[self.node] * p.hours[self.period])

    def caps(self, p: Problem) -> Bools:
        """(caps, K) caps of money that a node packed in each way counts in."""
        held = np.zeros((len(self), len(p.workloads)), dtype=bool)
        way, option = np.nonzero(self.contents)
        held[way, p.option_workload[option]] = True
        return p.caps.counts_nodes(held)

    def take(self, which: Ints) -> Ways:
        """Some of them."""
        return Ways(self.node[which], self.period[which], self.contents[which])


def columns_of(p: Problem, program: Program, ways: Ways) -> tuple[Ints, Ints, Floats]:
    """Rows, columns from 0 on and coefficients of ways to pack."""
    way, option = np.nonzero(ways.contents)
    cap, counted = np.nonzero(ways.caps(p))
    row = np.concatenate(
        [
            program.rows_of("nodes_used")[ways.node, ways.period],
            program.rows_of("packed")[option, ways.period[way]],
            program.rows_of("nodes_in_cap")[cap],
        ]
    )
    value = np.concatenate(
        [np.ones(len(ways)), -ways.contents[way, option].astype(float), ways.usd(p)[counted]]
    )
    return row, np.concatenate([np.arange(len(ways)), way, counted]), value
