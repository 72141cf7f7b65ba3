"""What the command line shows of bills and prices: tables for people, plain dictionaries for --json."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.table import Table

from optimizer.screen import out

if TYPE_CHECKING:
    from pathlib import Path

    from data.billing.history import Restatement
    from optimizer.chargeback import Chargeback
    from optimizer.marginal import Price

ROWS_SHOWN = 40


def plain(value: Any) -> Any:
    """A value as JSON holds it; amounts as exact text."""
    if isinstance(value, Decimal):
        return f"{value:f}"
    return value.isoformat() if hasattr(value, "isoformat") else value


def diff_summary(found: Restatement) -> dict[str, Any]:
    """The documented JSON of `bill diff`."""
    return {
        "period": found.month,
        "load": found.load_id,
        "loads": [{name: plain(value) for name, value in row.items()} for row in found.loads.to_pylist()],
        "changes": [{name: plain(value) for name, value in row.items()} for row in found.rows.to_pylist()],
    }


def show_diff(found: Restatement) -> None:
    """The history of the month's totals, then what one load changed."""
    history = Table("load", "when", "account", "format", "billed", "status", box=None)
    for row in found.loads.to_pylist():
        billed = f"{row['billed_cost']:,.2f} {row['currency']}"
        when = f"{row['loaded_at']:%Y-%m-%d %H:%M}"
        names = (escape(short(row["account"])), row["kind"])
        history.add_row(str(row["load_id"]), when, *names, billed, row["status"])
    out.print(history)
    rows = found.rows.to_pylist()
    out.print(f"\nload {found.load_id} changed {len(rows)} sums of {found.month}:")
    table = Table("service", "account", "before", "after", "change", "rows", box=None)
    for row in rows[:ROWS_SHOWN]:
        money = (f"{row[name]:,.2f}" for name in ("billed_before", "billed_after"))
        change = f"{row['billed_change']:+,.2f} {row['currency']}"
        counts = f"{row['rows_before']:,} → {row['rows_after']:,}"
        table.add_row(escape(row["service"]), escape(short(row["sub_account"])), *money, change, counts)
    out.print(table)
    if len(rows) > ROWS_SHOWN:
        out.print(f"and {len(rows) - ROWS_SHOWN} smaller ones: see --json")


def short(account: str) -> str:
    """The last part of an account's path."""
    return account.rsplit("/", 1)[-1]


def show_chargeback(made: Chargeback, path: Path) -> None:
    """One line per owner, unit costs, notes."""
    table = Table(f"{made.period}, {made.metric} cost", "total", "share", box=None)
    for owner, currency, cost, share in made.by_owner():
        table.add_row(escape(owner), f"{cost:,.2f} {currency}", f"{share:.1%}")
    for currency, total in made.totals.items():
        table.add_row("all, equal to the bill", f"{total:,.2f} {currency}", "")
    out.print(table)
    for unit in made.unit_costs:
        tokens = "" if unit.per_1000_tokens is None else f", {unit.per_1000_tokens:.6f} per 1,000 tokens"
        text = f"{unit.owner}: {unit.per_1000_requests:.4f} {unit.currency} per 1,000 requests{tokens}"
        out.print(text, markup=False)
    for note in made.notes:
        out.print(f"note: {note}", markup=False)
    out.print(f"wrote {path}", markup=False, soft_wrap=True)


def prices_summary(found: Sequence[Price]) -> dict[str, Any]:
    """The documented JSON of `prices show`."""
    return {
        "prices": [
            {
                "option_id": price.option_id,
                "purchase": price.purchase,
                "marginal_usd_per_hour": price.marginal_usd_per_hour,
                "steps": [
                    {
                        "what": step.what,
                        "usd_per_hour": step.usd_per_hour,
                        "source": step.source,
                        "as_of": plain(step.as_of) if step.as_of is not None else None,
                    }
                    for step in price.steps
                ],
            }
            for price in found
        ]
    }


def show_prices(found: Sequence[Price]) -> None:
    """The steps of every offer, cheapest first."""
    for price in found:
        out.print(
            f"[bold]{escape(price.option_id)}[/bold]: {price.marginal_usd_per_hour:.4f} USD for one more hour"
        )
        table = Table("", "USD/h", "source", "as of", box=None, show_header=False)
        for step in price.steps:
            when = f"{step.as_of:%Y-%m-%d}" if step.as_of is not None else "-"
            table.add_row(f"  {escape(step.what)}", f"{step.usd_per_hour:.4f}", escape(step.source), when)
        out.print(table)
