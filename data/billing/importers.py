"""Every bill we know: its format, and the function that puts its rules on a file's columns."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from data.billing import azure, cur, focus, google, mapping, oci
from data.billing.mapping import Mapping
from data.formats import Format

RULES: dict[str, Callable[[Sequence[str]], Mapping]] = {
    "focus": focus.cost_and_usage,
    "aws-cur": cur.line_items,
    "azure-cost": azure.cost_details,
    "google-billing": google.usage_cost,
    "oci-cost": oci.cost_report,
}
FORMATS: tuple[Format, ...] = (
    *focus.FORMATS,
    *cur.FORMATS,
    *azure.FORMATS,
    *google.FORMATS,
    *oci.FORMATS,
)
MACROS = (*mapping.MACROS, *google.MACROS)
