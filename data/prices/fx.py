"""Exchange rates, which are given and never guessed: `date, base_currency, quote_currency, rate`."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from data.conform import conform
from data.convert import Context, Converted, Reader, lower_names, texts
from data.formats import Format, needs
from data.tables import FX_RATES

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
    return Converted("fx_rates", conform(FX_RATES, dated, where=context.where))


READERS: dict[str, Reader] = {"fx-rates": rates}
