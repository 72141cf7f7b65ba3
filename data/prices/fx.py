"""Exchange rates, which are given and never guessed: `date, base_currency, quote_currency, rate`."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

from data.conform import conform
from data.convert import Context, Converted, Reader, lower_names, texts
from data.errors import Fault, InputError
from data.formats import Format, needs
from data.tables import FX_RATES

LEAST_RATE = 1e-8  # no currency is worth so little of another
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_CURRENCY = re.compile(r"[A-Z]{3}")

FORMATS = (
    Format(
        "fx-rates",
        "fx_rates",
        "exchange rates",
        needs("date", "base_currency/base", "quote_currency/quote", "rate"),
        containers=("csv", "parquet"),
    ),
)


def rates(table: pa.Table, context: Context) -> Converted:
    """Rates as rows of fx_rates; a bare date is midnight UTC, for that is what the table means by a day."""
    named = lower_names(table)
    named = named.rename_columns(
        [{"base": "base_currency", "quote": "quote_currency"}.get(name, name) for name in named.column_names]
    )
    days = pc.utf8_slice_codeunits(pa.array(texts(named, "date", context), pa.string()), 0, 10)
    midnight = pc.binary_join_element_wise(days, pa.scalar("T00:00:00+00:00"), "")
    dated = named.set_column(named.column_names.index("date"), "date", midnight)
    faults = list(_faults(named, days, context.where))
    try:
        rows = conform(FX_RATES, dated, where=context.where)
    except InputError as error:
        raise InputError([*error.faults, *faults]) from error
    if faults:
        raise InputError(faults)
    return Converted("fx_rates", rows)


def _faults(named: pa.Table, days: pa.Array, where: str) -> Iterator[Fault]:
    """What no exchange rate is: a day in another order, a currency that is none, a rate of nothing."""
    columns = {name: named.column(name).to_pylist() for name in named.column_names}
    for row, day in enumerate(days.to_pylist(), start=1):
        if day is not None and not _DAY.fullmatch(day):
            yield Fault(where, repr(day), "a day as YYYY-MM-DD", "rewrite it", row, "date")
        pair = [columns[name][row - 1] for name in ("base_currency", "quote_currency")]
        for name, currency in zip(("base_currency", "quote_currency"), pair, strict=True):
            if currency is not None and not _CURRENCY.fullmatch(str(currency)):
                yield Fault(where, repr(currency), "an ISO 4217 code such as EUR", "correct it", row, name)
        if pair[0] is not None and pair[0] == pair[1]:
            yield Fault(where, f"{pair[0]} in {pair[1]}", "two currencies", "remove the row", row)
        rate = _number(columns["rate"][row - 1])
        if rate is not None and not LEAST_RATE <= rate <= 1 / LEAST_RATE:
            expected = f"a rate from {LEAST_RATE:g} to {1 / LEAST_RATE:g}"
            yield Fault(where, f"{columns['rate'][row - 1]}", expected, "correct it", row, "rate")


def _number(value: object) -> float | None:
    try:
        return None if value is None else float(str(value))
    except ValueError:
        return None  # told by `conform`


READERS: dict[str, Reader] = {"fx-rates": rates}
