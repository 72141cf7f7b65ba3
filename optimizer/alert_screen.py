"""What the command line shows of messages to people: a line each, plain dictionaries for --json."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from optimizer.screen import out

if TYPE_CHECKING:
    from optimizer.alerts import Delivery


def deliveries_summary(deliveries: Sequence[Delivery]) -> dict[str, Any]:
    """The documented JSON of messages."""
    return {"deliveries": [asdict(delivery) for delivery in deliveries]}


def show_deliveries(deliveries: Sequence[Delivery]) -> None:
    """One line per message."""
    for item in deliveries:
        detail = f" ({item.detail})" if item.detail else ""
        out.print(f"alert {item.key} to {item.channel}: {item.status}{detail}", markup=False, soft_wrap=True)
