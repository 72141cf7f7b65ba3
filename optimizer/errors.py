"""The errors of the optimizer, below those of `data.errors`.

TrimtabError
├── SolverError              the solver failed, or its placement does not hold: a fault of ours   exit 1
├── DeliveryError            a channel refused a message, and would refuse it again               exit 1
└── TransientError
    └── RetryLaterError      a channel may take the message later; it may say when                exit 1
"""

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
    "DeliveryError",
    "Fault",
    "InfeasibleError",
    "InputError",
    "LakeError",
    "RetryLaterError",
    "SolverError",
    "TransientError",
    "TrimtabError",
]


class SolverError(TrimtabError):
    """The solver failed or gave a placement that the checker refuses: a fault of ours, not of the input."""


class DeliveryError(TrimtabError):
    """A channel refused a message: trying again will not help."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(str(fault))


class RetryLaterError(TransientError):
    """A channel may take the message later; `wait_s` is how long it asked to wait, where it did."""

    def __init__(self, fault: Fault, wait_s: float | None = None) -> None:
        self.wait_s = wait_s
        super().__init__(str(fault))
