"""The errors of the optimizer; the tree they belong to is drawn in `data.errors`."""

from __future__ import annotations

from data.errors import (
    BusyError,
    Fault,
    InfeasibleError,
    InputError,
    LakeError,
    TransientError,
    TrimtabError,
)

__all__ = [
    "BusyError",
    "Fault",
    "InfeasibleError",
    "InputError",
    "LakeError",
    "SolverError",
    "TransientError",
    "TrimtabError",
]


class SolverError(TrimtabError):
    """The solver failed or gave a placement that the checker refuses: a fault of ours, not of the input."""
