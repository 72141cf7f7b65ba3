"""A chargeback as one page that loads nothing, in the look of the report."""

from __future__ import annotations

from decimal import Decimal

from optimizer.chargeback import Chargeback
from optimizer.report.render import environment


def page(made: Chargeback) -> str:
    """The whole HTML page."""
    filled = environment(in_html=True).get_template("chargeback.html.j2")
    return filled.render(made=made, owners=made.by_owner(), money=money)


def money(amount: Decimal | None) -> str:
    """An amount in whole cents; a dash where it is not known."""
    return "–" if amount is None else f"{amount:,.2f}"
