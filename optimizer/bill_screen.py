"""What the command line shows of bills and prices: tables for people, plain dictionaries for --json."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal

from rich.markup import escape
from rich.table import Column, Table

from optimizer.rows import last_part
from optimizer.screen import PlainConsole, out

if TYPE_CHECKING:
    from pathlib import Path

    from data.billing.history import Restatement
    from optimizer.chargeback import Chargeback
    from optimizer.marginal import Price

ROWS_SHOWN = 40
CENT = Decimal("0.01")
wide = PlainConsole(width=1000)


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
    history = columns("load", "when", "account", "format", ">rows", ">billed", ">effective", "status")
    for row in found.loads.to_pylist():
        when = f"{row['loaded_at']:%Y-%m-%d %H:%M}"
        names = (escape(last_part(row["account"])), row["kind"], f"{row['row_count']:,}")
        costs = (f"{row[name]:,.2f} {row['currency']}" for name in ("billed_cost", "effective_cost"))
        history.add_row(str(row["load_id"]), when, *names, *costs, row["status"])
    whole(history)
    rows = found.rows.to_pylist()
    sums = "1 sum" if len(rows) == 1 else f"{len(rows)} sums"
    out.print(f"\nload {found.load_id} changed {sums} of {found.month}" + (":" if rows else ""))
    if rows:
        whole(changes(rows[:ROWS_SHOWN]))
    if len(rows) > ROWS_SHOWN:
        out.print(f"and {len(rows) - ROWS_SHOWN} smaller ones: see --json")
    for currency in sorted({row["currency"] for row in rows}):
        mine = [row for row in rows if row["currency"] == currency]
        billed, effective = (sum(row[f"{name}_change"] for row in mine) for name in ("billed", "effective"))
        out.print(f"in all {change(billed)} {currency} billed, {change(effective)} {currency} effective")


def changes(rows: Sequence[dict[str, Any]]) -> Table:
    """Sums by service and account that a load changed; effective cost where it moved otherwise."""
    apart = any(row["effective_change"] != row["billed_change"] for row in rows)
    more = (">effective",) if apart else ()
    table = columns("service", "account", ">before", ">after", ">change", *more, ">rows")
    for row in rows:
        money = (f"{row[name]:,.2f}" for name in ("billed_before", "billed_after"))
        moved = [f"{change(row['billed_change'])} {row['currency']}"]
        moved += [f"{change(row['effective_change'])} {row['currency']}"] if apart else []
        counts = f"{row['rows_before']:,} → {row['rows_after']:,}"
        table.add_row(escape(row["service"]), escape(last_part(row["sub_account"])), *money, *moved, counts)
    return table


def change(amount: Decimal) -> str:
    """An amount with its sign; one below a cent with the digits that tell it from nothing."""
    return f"{amount:+,.2f}" if not amount or abs(amount) >= CENT else f"{amount.normalize():+.2g}"


def columns(*names: str) -> Table:
    """A table without lines; a name that begins with > is a column of numbers."""
    sides: dict[bool, Literal["left", "right"]] = {False: "left", True: "right"}
    heads = (Column(name.removeprefix(">"), justify=sides[name[0] == ">"], overflow="fold") for name in names)
    return Table(*heads, box=None, pad_edge=False)


def whole(table: Table) -> None:
    """Print a table; off a terminal it is as wide as it must be, so that no name is cut."""
    (out if out.is_terminal else wide).print(table)


def show_chargeback(made: Chargeback, path: Path) -> None:
    """One line per owner, unit costs, notes."""
    table = Table(f"{made.period}, {made.metric} cost", "total", "share", box=None)
    for owner, currency, cost, share in made.by_owner():
        table.add_row(escape(owner), f"{cost:,.2f} {currency}", f"{share:.1%}")
    for currency, total in made.totals.items():
        table.add_row(f"all {made.metric} cost of the bill", f"{total:,.2f} {currency}", "")
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
                        "as_of": None if step.as_of is None else plain(step.as_of),
                        "age_days": step.age_days,
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
        name = f"{price.option_id}: {price.marginal_usd_per_hour:.4f} USD for one more hour"
        out.print(name, style="bold", markup=False, highlight=False, soft_wrap=True)
        for step in price.steps:
            age = "" if step.age_days is None else f", {step.age_days:.0f} days old"
            when = "" if step.as_of is None else f", {step.as_of:%Y-%m-%d}{age}"
            text = f"  {step.usd_per_hour:9.4f}  {step.what} ({step.source}{when})"
            out.print(text, markup=False, highlight=False, soft_wrap=True)
