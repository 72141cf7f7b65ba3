"""Offers, instance types, regions, throughput profiles and the live state, from files.

A price says where it comes from, from when it is and whether it was read from a list or derived by a rule;
all three go with it into the lake.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from data.conform import conform
from data.convert import Context, Converted, Reader, lower_names, numbers, texts
from data.errors import Fault, InputError
from data.formats import Format, needs
from data.tables import DEPLOYMENTS, INSTANCE_TYPES, OFFERS, PROFILES, REGIONS

FORMATS = (
    Format(
        "offers",
        "offers",
        "prices of instance types",
        needs(
            "provider/cloud",
            "region",
            "instance_type",
            "purchase/purchase_option",
            "price_hourly/usd_per_hour",
        ),
    ),
    Format(
        "profiles",
        "profiles",
        "throughput per model",
        needs("model", "accelerator/instance_type", "prefill_tps/rps"),
    ),
    Format(
        "instance-types",
        "instance_types",
        "sizes of instance types",
        needs("provider/cloud", "instance_type", "vcpu", "memory_gib"),
    ),
    Format(
        "regions",
        "regions",
        "where regions are",
        needs("provider/cloud", "region", "country", "lat/latitude_deg"),
    ),
    Format("state", "deployments", "live state, state.json", needs("as_of", "fleet"), containers=("json",)),
)

_OFFERS = {
    "cloud": "provider",
    "purchase_option": "purchase",
    "usd_per_hour": "price_hourly",
    "derived": "is_estimated",
}
_INSTANCE_TYPES = {"cloud": "provider", "gpu_name": "accelerator", "gpu_count": "accelerator_count"}
_MEMORY_EACH = ("accelerator_memory_gib", "gpu_memory_gib_each")
_SEVERAL_SIZES = ("A100",)
_REGIONS = {"cloud": "provider", "lat": "latitude_deg", "lon": "longitude_deg"}


def _renamed(table: pa.Table, names: Mapping[str, str]) -> pa.Table:
    """Columns under our names; one that is there under both keeps ours."""
    rows = lower_names(table)
    taken = set(rows.column_names)
    return rows.rename_columns(
        [names[n] if n in names and names[n] not in taken else n for n in rows.column_names]
    )


def _filled(rows: pa.Table, name: str, value: object) -> pa.Table:
    """The column with missing values filled in, or made."""
    if name not in rows.column_names:
        return rows.append_column(name, pa.array([value] * rows.num_rows))
    column = rows.column(name)
    if pa.types.is_null(column.type):
        return rows.set_column(rows.column_names.index(name), name, pa.array([value] * rows.num_rows))
    return rows.set_column(rows.column_names.index(name), name, pc.fill_null(column, value))


def offers(table: pa.Table, context: Context) -> Converted:
    """Prices per hour, over 0. Without a date they are dated with the load, and the note says so."""
    rows = _renamed(table, _OFFERS)
    notes: tuple[str, ...] = ()
    if "as_of" not in rows.column_names:
        notes = ("the file gives no date; its prices are dated with the load",)
        rows = rows.append_column(
            "as_of", pa.array([context.loaded_at] * rows.num_rows, pa.timestamp("us", tz="UTC"))
        )
    else:
        at = rows.column_names.index("as_of")
        rows = rows.set_column(at, "as_of", _dates(rows.column("as_of")))
    usd = "usd_per_hour" in {name.lower() for name in table.column_names}
    if "currency" not in rows.column_names and not usd:
        notes = (*notes, "the file gives no currency; its prices were taken as USD")
    rows = _filled(_filled(rows, "currency", "USD"), "source", context.where)
    if "is_estimated" not in rows.column_names:
        rows = _filled(rows, "is_estimated", value=False)
    checked = conform(OFFERS, rows, where=context.where)
    _refuse_free(checked, context)
    return Converted("offers", checked, notes)


def _dates(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Dates of sources are days: midnight UTC of that day. Times keep their zone and are judged later."""
    if pa.types.is_date(column.type):
        return column.cast(pa.timestamp("us")).cast(pa.timestamp("us", tz="UTC"))
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        text = column.cast(pa.string())
        day = pc.match_substring_regex(text, r"^\d{4}-\d{2}-\d{2}$")
        return pc.if_else(day, pc.binary_join_element_wise(text, "T00:00:00+00:00", ""), text)
    return column


def _refuse_free(rows: pa.Table, context: Context) -> None:
    """A price of zero or less would win every comparison."""
    prices = rows.column("price_hourly")
    wrong = [i for i, bad in enumerate(pc.less_equal(prices, pa.scalar(0, prices.type)).to_pylist()) if bad]
    faults = [
        Fault(
            context.where,
            str(prices[i].as_py()),
            "a price over 0",
            "correct it or leave it out",
            i + 1,
            "price_hourly",
        )
        for i in wrong[:5]
    ]
    if len(wrong) > 5:
        faults.append(
            Fault(context.where, f"{len(wrong) - 5} more such prices", "prices over 0", "correct them too")
        )
    if faults:
        raise InputError(faults)


def instance_types(table: pa.Table, context: Context) -> Converted:
    """Sizes of instance types; the accelerator is a GPU or TPU model."""
    rows = _filled(_named_by_memory(_renamed(table, _INSTANCE_TYPES), context), "source", context.where)
    return Converted("instance_types", conform(INSTANCE_TYPES, rows, where=context.where))


def _named_by_memory(rows: pa.Table, context: Context) -> pa.Table:
    """An accelerator sold with several memory sizes is named with its own, as profiles name it: A100-80GB."""
    sizes = [name for name in _MEMORY_EACH if name in rows.column_names]
    if "accelerator" not in rows.column_names or not sizes:
        return rows
    names = pa.array(texts(rows, "accelerator", context), pa.string())
    memory = numbers(rows, sizes[0], context)
    label = pa.array(memory.map("{:.0f}".format), pa.string())
    sized = pc.binary_join_element_wise(names, "-", label, "GB", "")
    several = pc.and_(pc.is_in(names, value_set=pa.array(_SEVERAL_SIZES)), pa.array(memory.notna()))
    at = rows.column_names.index("accelerator")
    return rows.set_column(at, "accelerator", pc.if_else(pc.fill_null(several, False), sized, names))  # noqa: FBT003


def regions(table: pa.Table, context: Context) -> Converted:
    """Where regions are."""
    rows = _filled(_renamed(table, _REGIONS), "source", context.where)
    return Converted("regions", conform(REGIONS, rows, where=context.where))


def profiles(table: pa.Table, context: Context) -> Converted:
    """Throughput per model and accelerator, or per model and instance type."""
    checked = conform(PROFILES, lower_names(table), where=context.where)
    by_accelerator = ("accelerator", "prefill_tps", "decode_tps")
    faults = []
    for row, profile in enumerate(checked.to_pylist(), start=1):
        wanted = by_accelerator if profile["accelerator"] is not None else ("instance_type", "rps")
        faults += [
            Fault(
                context.where,
                "nothing",
                f"a value, since {wanted[0]} rules this row",
                "fill it in",
                row,
                name,
            )
            for name in wanted
            if profile[name] is None
        ]
    if faults:
        raise InputError(faults)
    return Converted("profiles", checked)


def state(value: Mapping[str, Any], context: Context) -> Converted:
    """The live state: `{"as_of": time, "fleet": [{workload, option_id, desired, ready, pending}]}`."""
    fleet = value.get("fleet")
    if not isinstance(fleet, list) or not all(isinstance(row, dict) for row in fleet):
        raise InputError(
            [Fault(context.where, repr(fleet)[:60], "a list of objects", "correct it", column="fleet")]
        )
    rows = [{**row, "as_of": value.get("as_of")} for row in fleet]
    checked = conform(DEPLOYMENTS, rows, where=context.where)
    return Converted("deployments", checked)


READERS: dict[str, Reader] = {
    "offers": offers,
    "instance-types": instance_types,
    "regions": regions,
    "profiles": profiles,
}
