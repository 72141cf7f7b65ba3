"""The one door to compiled code: functions of arrays and numbers, compiled once and kept on disk."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba as nb

F = TypeVar("F", bound=Callable[..., Any])


def compiled(function: F) -> F:
    """Compiled on first use, kept on disk, without the interpreter's lock; divisions by 0 give infinity."""
    return cast("F", nb.njit(nogil=True, cache=True, error_model="numpy")(function))


def in_any_order(function: F) -> F:
    """The same, sums in the order that is quickest; only for bounds, which need not be exact to the bit."""
    return cast("F", nb.njit(nogil=True, cache=True, fastmath={"reassoc", "contract", "nsz"})(function))


def inlined(function: F) -> F:
    """The same, as part of its callers: an array handed over costs more than a few sums."""
    return cast("F", nb.njit(nogil=True, cache=True, inline="always")(function))
