"""Columns of problem tables as arrays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from optimizer.problem import Floats, Ints, Problem
from optimizer.problem_rules import DEFAULTS, NODES, OPTIONS, SMALLEST


def filled(frame: pd.DataFrame, column: str) -> Floats:
    """(rows,) a column with its default where a row does not say."""
    return np.asarray(frame[column].astype(float).fillna(DEFAULTS[column]), dtype=np.float64)


def served(values: Floats, column: str) -> Floats:
    """Amounts to be served, 0 where they are so small that nothing would be served of them."""
    return np.where(values > SMALLEST[column], values, 0.0)


def places(names: pd.Index, column: pd.Series[Any]) -> Ints:
    """(rows,) position of each name; -1 where there is none."""
    return np.asarray(names.get_indexer(pd.Index(column)), dtype=np.int64)


def pool_names(tables: Mapping[str, pd.DataFrame]) -> pd.Index:
    """Every pool that an option or a node draws on, sorted."""
    drawing = [tables[name][column] for name in (OPTIONS, NODES) for column in ("pool", "quota_pool")]
    names: pd.Index[Any] = pd.Index(
        sorted({name for column in drawing for name in column.dropna()}), dtype="object"
    )
    return names


def is_drawn_on(p: Problem) -> NDArray[np.bool_]:
    """(P,) pools that any option or node draws on: rows of others would have no effect."""
    drawing = np.concatenate([p.pool, p.quota_pool, p.nodes.pool, p.nodes.quota_pool])
    found = np.zeros(len(p.pools), dtype=bool)
    found[drawing[drawing >= 0]] = True
    return found
