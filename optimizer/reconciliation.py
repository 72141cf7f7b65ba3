"""The checks of `data.billing.reconcile` as rows for people: `trimtab check` and the report."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from data.billing.reconcile import Check, reconcile
from data.lake import Lake

SHOWN = 5
NOTES = ("savings", "list prices")  # oddities of the provider's data, not of the load


@dataclass(frozen=True)
class Reconciled:
    """One rule: how many things it looked at, a line for each of the first misses, and how many more."""

    name: str
    about: str
    checked: int
    misses: tuple[str, ...]
    more: int
    is_fault: bool

    @property
    def text(self) -> str:
        """One sentence."""
        if not self.checked:
            return f"{self.about}: nothing to check yet"
        if not self.misses:
            all_of_them = "the only one" if self.checked == 1 else f"all {self.checked}"
            return f"{self.about}: holds for {all_of_them}"
        return f"{self.about}: not so for {len(self.misses) + self.more} of {self.checked}"


def reconciled(lake: Lake) -> tuple[Reconciled, ...]:
    """Every rule over the charges of a lake."""
    return tuple(_of_check(check) for check in reconcile(lake))


def _of_check(check: Check) -> Reconciled:
    lines = tuple(
        ", ".join(f"{name} {_plain(value)}" for name, value in row.items() if value is not None)
        for row in check.misses.slice(0, SHOWN).to_pylist()
    )
    more = check.missed - len(lines)
    return Reconciled(check.name, check.about, check.checked, lines, more, check.name not in NOTES)


def _plain(value: object) -> str:
    if isinstance(value, Decimal):
        shown = f"{value:,f}"
        return (shown.rstrip("0").rstrip(".") if "." in shown else shown) or "0"
    return str(value)
