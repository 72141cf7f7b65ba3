"""Demand and utilisation from long tables in CSV or Parquet.

Demand: `ts, workload, requests, tokens_in, tokens_out`; or a trace with `series_id`, a time (`ts_utc`,
`ts_local`, `offset_s`), `requests` and perhaps tokens, as sums or as means per request; or a log with one row
per request. Utilisation: `resource_id, metric, ts, value`; or one column per metric beside a resource and a
time. A gap (`is_gap`) has unknown demand: its requests are missing, never zero.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from data.conform import conform
from data.convert import (
    Context,
    Converted,
    Reader,
    first_present,
    lower_names,
    moments,
    numbers,
    same_columns,
    texts,
)
from data.errors import Fault, InputError
from data.formats import Format, needs
from data.intervals import own_intervals
from data.tables import DEMAND, USAGE

_TIMES = "ts/ts_utc/ts_local/offset_s"
RESOURCES = ("resource_id", "vm_id", "pod_name", "vc", "series_id")
_SHORTEST_S, _LONGEST_S = 60, 3600
_LONGEST_LOG = pd.Timedelta(days=3660)
_LONGEST_SAMPLE_MS = 31 * 86_400_000
_NOT_METRICS = {
    *RESOURCES, "ts", "ts_utc", "ts_local", "offset_s", "interval_s", "interval_ms", "workload", "service",
    "group", "app", "day", "unit", "in_anomaly_window", "is_anomaly_label",
}  # fmt: skip
_UNITS = {
    "mhz": "MHz", "milli": "millicores", "mib": "MiB", "mb": "MB", "gib": "GiB", "gb": "GB", "pct": "%",
    "s": "s", "ms": "ms", "bytes": "bytes", "ops": "operations/s", "num": "count", "count": "count",
    "share": "share 0..1",
}  # fmt: skip


def _has_metrics(columns: frozenset[str]) -> bool:
    return bool(columns - _NOT_METRICS) and not {"start_utc", "benchmark"} & columns


FORMATS = (
    Format("demand", "demand", "demand history of a workspace", needs("ts", "workload", "requests")),
    Format(
        "demand-trace", "demand", "requests per series and interval", needs("series_id", _TIMES, "requests")
    ),
    Format(
        "request-log",
        "demand",
        "one row per request",
        needs("series_id", "ts_utc/offset_s", "input_tokens", "output_tokens"),
    ),
    Format("events", "events", "failures and preemptions", needs("ts", "workload", "event")),
    Format("spot-capacity", "spot_capacity", "capacity of spot pools", needs("ts", "pool", "capacity")),
    Format("utilisation", "usage", "one row per measurement", needs("resource_id", "metric", "ts", "value")),
    Format(
        "utilisation-wide",
        "usage",
        "one column per metric",
        needs("/".join(RESOURCES), _TIMES),
        accepts=_has_metrics,
    ),
)


def demand(table: pa.Table, context: Context) -> Converted:
    """Demand as a workspace keeps it; the interval is inferred where the file does not give it."""
    rows = lower_names(table)
    ts, _ = moments(rows.select(["ts"]), context)
    named = {name: texts(rows, name, context) for name in ("workload", "origin")}
    frame = pd.DataFrame({**named, "ts": ts})
    for name in ("requests", "tokens_in", "tokens_out"):
        frame[name] = numbers(rows, name, context) if name in rows.column_names else np.nan
    frame["is_gap"] = _flags(rows, len(frame))
    return _finished(frame, context, ())


def trace(table: pa.Table, context: Context) -> Converted:
    """A published trace: one series per workload. Rows of several clients are added up."""
    rows = lower_names(table)
    ts, notes = moments(rows, context)
    frame = pd.DataFrame(
        {
            "workload": texts(rows, "series_id", context),
            "ts": ts,
            "requests": numbers(rows, "requests", context),
        }
    )
    for ours, total, mean in (
        ("tokens_in", "input_tokens", "mean_input_tokens"),
        ("tokens_out", "output_tokens", "mean_output_tokens"),
    ):
        frame[ours] = numbers(rows, total, context) if total in rows.column_names else np.nan
        if mean in rows.column_names:
            tokens = frame["requests"] * _means(rows, mean, context)
            frame[ours] = tokens.mask(frame["requests"] == 0, 0.0)
    frame["is_gap"] = _flags(rows, len(frame))
    if "client" in rows.column_names:
        frame = _add_clients(frame)
    return _finished(frame, context, notes)


def _means(rows: pa.Table, name: str, context: Context) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Means per request, NaN where the source did not publish them. InputError for what is no number."""
    values = _measured(rows.column(name))
    return numbers(rows, name, context).to_numpy() if values is None else values


def _add_clients(frame: pd.DataFrame) -> pd.DataFrame:
    """Sum over clients. Tokens of clients without token statistics are taken at the mean of the others."""
    for name in ("tokens_in", "tokens_out"):
        frame[f"known_{name}"] = frame["requests"].where(frame[name].notna(), 0.0)
    sums = frame.groupby(["workload", "ts"], as_index=False, observed=True).sum(min_count=1)
    for name in ("tokens_in", "tokens_out"):
        known = sums.pop(f"known_{name}")
        sums[name] = (sums[name] * sums["requests"] / known.where(known > 0)).where(sums["requests"] > 0, 0.0)
    sums["is_gap"] = sums["is_gap"] > 0
    return sums


def request_log(table: pa.Table, context: Context) -> Converted:
    """A log of single requests, counted per minute; minutes of a series without requests are zero."""
    rows = lower_names(table)
    ts, notes = moments(rows, context)
    names = texts(rows, "series_id", context)
    _refuse_gaps(names, ts, context)
    frame = pd.DataFrame({"workload": names, "ts": ts.dt.floor("min"), "requests": 1.0})
    frame["tokens_in"] = numbers(rows, "input_tokens", context)
    frame["tokens_out"] = numbers(rows, "output_tokens", context)
    parts = []
    for name, part in frame.groupby("workload"):
        counts = part.drop(columns="workload").groupby("ts").sum()
        grid = pd.date_range(counts.index[0], counts.index[-1], freq="min", name="ts", unit="us")
        parts.append(counts.reindex(grid, fill_value=0.0).reset_index().assign(workload=str(name)))
    counted = pd.concat(parts, ignore_index=True)
    counted["is_gap"] = False
    return _finished(
        counted, context, (*notes, "requests were counted per minute; a minute without any is zero")
    )


def _refuse_gaps(names: pd.Series[Any], ts: pd.Series[Any], context: Context) -> None:
    """Raise InputError for requests of no series, and for times that would make millions of empty minutes."""
    faults = [
        Fault(context.where, "nothing", "a series", "fill it in", int(i) + 1, "series_id")
        for i in np.flatnonzero(names.isna())[:5]
    ]
    if ts.max() - ts.min() > _LONGEST_LOG:
        found, expected = f"requests from {ts.min()} to {ts.max()}", f"at most {_LONGEST_LOG.days} days"
        faults.append(Fault(context.where, found, expected, "correct the times or split the log"))
    if faults:
        raise InputError(faults)


def _finished(frame: pd.DataFrame, context: Context, notes: tuple[str, ...]) -> Converted:
    """Blank the gaps, add the interval, check."""
    for name in ("requests", "tokens_in", "tokens_out"):
        frame[name] = frame[name].mask(frame["is_gap"])
    unknown = np.flatnonzero(frame["requests"].isna() & ~frame["is_gap"])
    expected, action = "a number, or is_gap = true", "leave the row out"
    faults = [Fault(context.where, "nothing", expected, action, int(i) + 1, "requests") for i in unknown[:5]]
    frame["interval_s"], wrong = _intervals(frame, context)
    try:
        checked = conform(DEMAND, frame, where=context.where)
    except InputError as error:
        raise InputError([*faults, *wrong, *error.faults]) from error
    if faults or wrong:
        raise InputError([*faults, *wrong])
    gaps = int(frame["is_gap"].sum())
    return Converted("demand", checked, (*notes, *([f"{gaps} intervals are gaps"] if gaps else [])))


def _intervals(frame: pd.DataFrame, context: Context) -> tuple[pd.Series[Any], list[Fault]]:
    """Each workload's usual distance between rows, in seconds; an hour where there is one row only.

    Rows that stand farther apart at first were counted in longer intervals: `data.intervals`.
    """
    faults: list[Fault] = []
    found = pd.Series(_LONGEST_S, index=frame.index, dtype="int64")
    for name, part in frame.groupby("workload", dropna=False):
        starts = part["ts"].drop_duplicates().sort_values()
        steps = starts.diff().dropna().dt.total_seconds()
        seconds = int(steps.mode().iloc[0]) if len(steps) else _LONGEST_S
        known = starts.dropna()
        moments = ((known - known.min()) // pd.Timedelta(seconds=1)).to_numpy(dtype=np.int64)
        lengths = dict(zip(known, own_intervals(moments, seconds, _LONGEST_S), strict=True))
        found[part.index] = part["ts"].map(lengths).fillna(seconds).astype("int64")
        if not _SHORTEST_S <= seconds <= _LONGEST_S:
            action = "add up or split the rows"
            faults.append(
                Fault(context.where, f"{name}: a row every {seconds} s", "one every 1 to 60 minutes", action)
            )
    return found, faults


def utilisation(table: pa.Table, context: Context) -> Converted:
    """Measurements that already have one row each."""
    return Converted("usage", conform(USAGE, lower_names(table), where=context.where))


def utilisation_wide(table: pa.Table, context: Context) -> Converted:
    """One row per resource and moment with a column per metric; columns that hold no numbers are left out.

    Where the source gives `interval_ms`, the sample ends at its time: it is moved to the start.
    """
    rows = lower_names(table)
    resource = first_present(RESOURCES, rows.column_names) or RESOURCES[0]
    ts, notes = moments(rows, context)
    length_ms = _lengths(rows, context) if "interval_ms" in rows.column_names else None
    base = pd.DataFrame({"resource_id": texts(rows, resource, context), "ts": ts})
    service = first_present(("workload", "service"), rows.column_names) or "workload"
    base["workload"] = texts(rows, service, context)
    if length_ms is not None:
        base["ts"] = (base["ts"] - pd.to_timedelta(length_ms, unit="ms")).dt.as_unit("us")
        base["interval_s"] = (length_ms / 1000).round().astype("int64")
    parts, left_out = [], []
    for name in [n for n in rows.column_names if n not in _NOT_METRICS]:
        values = _measured(rows.column(name))
        if values is None:
            left_out.append(name)
            continue
        parts.append(
            base.assign(metric=name, value=values, unit=_UNITS.get(name.rsplit("_", maxsplit=1)[-1]))
        )
    if not parts:
        found = "no column of numbers"
        raise InputError([Fault(context.where, found, "at least one metric", "add it")])
    frame = pd.concat(parts, ignore_index=True).dropna(subset=["value"])
    frame, repeated = _averaged(frame)
    words = list(notes)
    words += [f"{repeated} measurements of one moment were averaged with others"] if repeated else []
    words += [f"columns without numbers were left out: {', '.join(left_out)}"] if left_out else []
    return Converted("usage", conform(USAGE, frame, where=context.where), tuple(words))


def _lengths(rows: pa.Table, context: Context) -> pd.Series[Any]:
    """How long each sample is, in milliseconds. Raises InputError where it is not said or cannot be."""
    length_ms = numbers(rows, "interval_ms", context)
    wrong = np.flatnonzero(~length_ms.between(0, _LONGEST_SAMPLE_MS))
    expected = f"milliseconds, at most {_LONGEST_SAMPLE_MS}"
    if wrong.size:
        raise InputError(
            [
                Fault(context.where, f"{length_ms[i]:g}", expected, "correct it", int(i) + 1, "interval_ms")
                for i in wrong[:5]
            ]
        )
    return length_ms


def _averaged(frame: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    """One row per resource, metric and moment: clocks set back make sources repeat themselves."""
    again = frame.duplicated(list(USAGE.key))
    if not again.any():
        return frame, 0
    rest = {name: "first" for name in frame.columns if name not in (*USAGE.key, "value")}
    means = frame.groupby(list(USAGE.key), as_index=False, sort=False).agg({"value": "mean", **rest})
    return means, int(again.sum())


def _measured(column: pa.ChunkedArray) -> np.ndarray[Any, np.dtype[np.float64]] | None:
    """The column as floats, or None where it is not one of numbers. NaN is a measurement that is missing."""
    if pa.types.is_boolean(column.type):
        return None
    try:
        return np.asarray(column.cast(pa.float64()).to_numpy(), dtype=np.float64)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return None


def _flags(rows: pa.Table, length: int) -> pd.Series[Any]:
    if "is_gap" not in rows.column_names:
        return pd.Series(np.zeros(length, dtype=bool))
    column = rows.column("is_gap")
    if pa.types.is_boolean(column.type):
        return pd.Series(column.fill_null(False).to_numpy())  # noqa: FBT003 - pyarrow's signature
    return pd.Series([str(value).lower() in ("true", "1") for value in column.to_pylist()], dtype="bool")


READERS: dict[str, Reader] = {
    "demand": demand,
    "demand-trace": trace,
    "request-log": request_log,
    "events": same_columns("events"),
    "spot-capacity": same_columns("spot_capacity"),
    "utilisation": utilisation,
    "utilisation-wide": utilisation_wide,
}
