"""One bill delivered twice at once: a native export and a FOCUS export of the same account and month.

Each is the whole invoice, so together they would be counted twice. Which one to keep is not ours to guess.
"""

from __future__ import annotations

from collections.abc import Iterator

from data.billing.staged_bills import Delivered
from data.errors import Fault, InputError


def refuse_two_exports(delivery: Delivered) -> None:
    """Raise InputError for every account and month of which the delivery has exports of two kinds."""
    faults = list(_faults(delivery))
    if faults:
        raise InputError(faults)


def _faults(delivery: Delivered) -> Iterator[Fault]:
    found: dict[tuple[str, str], dict[str, set[str]]] = {}
    for (account, month, _), rows in delivery.by_part.items():
        if account is None or month is None:
            continue  # a fault of its own
        exports = found.setdefault((account, month), {})
        for row in rows:
            bill = delivery.bills[row["bill"]]
            exports.setdefault(bill.format.name, set()).update(file.name for file in bill.staged.files)
    for (account, month), exports in sorted(found.items()):
        if len(exports) > 1:
            shown = " and ".join(f"{name} ({', '.join(sorted(exports[name]))})" for name in sorted(exports))
            action = "ingest one of them; each is the whole invoice"
            yield Fault(f"account {account}, {month}", shown, "one export of a bill", action)
