"""A placement problem as a folder of Parquet files: read, checked, written; see `optimizer.problem_rules`.

Any problem can be saved, mailed and solved again. Every fault of every file is found in one go.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from data.sheet import ColumnRule, Sheet, shown
from data.tabular import read_sheet
from optimizer.errors import Fault, InputError
from optimizer.extent import check_files
from optimizer.problem import Problem
from optimizer.problem_clashes import check_clashes
from optimizer.problem_names import check_columns, check_slips, unknown_tables, without_effect
from optimizer.problem_nodes import check_nodes
from optimizer.problem_rules import (
    CAP_WORKLOADS,
    CAPS,
    COMMITMENT_POOLS,
    COMMITMENTS,
    DEMAND,
    ENDLESS,
    GROUPS,
    KEYS,
    LARGEST,
    NODES,
    OPTIONS,
    ORIGINS,
    PERIODS,
    PINS,
    POOLS,
    PRIORITIES,
    REQUIRED,
    RESIDENCY,
    RULES,
    SCENARIO_DEMAND,
    SCENARIOS,
    SET_ONCE,
    SHARES,
    SMALLEST,
    WHOLE,
    WORKLOADS,
)
from optimizer.problem_tables import arrays, frames


@dataclass(frozen=True)
class ProblemFiles:
    """A problem as its files say it.

    Attributes:
        whole_numbers: Names that are whole numbers in the files, to be written as such again.
        notes: What of the files has no effect, one sentence each.
    """

    problem: Problem
    whole_numbers: frozenset[str]
    notes: tuple[str, ...] = ()


def read_problem(folder: Path) -> ProblemFiles:
    """The problem in a folder.

    Raises:
        InputError: every fault of every file: tables and columns that are not known, values, rows twice,
            names that no other file knows.
    """
    check_tables(folder)
    check_files(folder)
    sheets = {name: read_table(folder, name) for name in RULES}
    check_across(sheets)
    faults = [*unknown_tables(folder), *(fault for sheet in sheets.values() for fault in sheet.faults)]
    if faults:
        raise InputError(faults)
    tables = {name: sheet.frame for name, sheet in sheets.items()}
    return ProblemFiles(arrays(tables), whole_numbers(folder), without_effect(sheets))


def check_tables(folder: Path) -> None:
    """The tables that no problem can do without are there; where they are not, misspelt ones are told too."""
    action = "write one with `trimtab plan --save-problem`"
    if not folder.is_dir():
        found = "a file" if folder.exists() else "no such folder"
        raise InputError([Fault(str(folder), found, "a folder of problem tables", action)])
    absent = [f"{name}.parquet" for name in REQUIRED if not (folder / f"{name}.parquet").is_file()]
    if absent:
        missing = [Fault(name, "no such file", "a table of the problem", action) for name in absent]
        raise InputError([*missing, *unknown_tables(folder)])


def read_table(folder: Path, name: str) -> Sheet:
    """One table, checked by itself; an optional one that is absent is empty."""
    path, rules = folder / f"{name}.parquet", RULES[name]
    if not path.exists():
        return Sheet(path.name, pd.DataFrame({rule.name: pd.Series(dtype="object") for rule in rules}))
    sheet = read_sheet(path, path.name, rules)
    check_columns(path, sheet, rules)
    for column in set(ENDLESS) & set(sheet.frame.columns):
        if column not in sheet.unusable:
            sheet.frame[column] = sheet.frame[column].replace(np.inf, np.nan)
    sheet.check(rules)
    check_flags(path, sheet, rules)
    for column in set(SHARES) & set(sheet.frame.columns):
        above = (sheet.frame[column] > 1).to_numpy(dtype=bool) & (sheet.frame[column] < np.inf)
        sheet.refuse(column, above, "a share from 0 to 1", "correct it")
    for column in set(WHOLE) & set(sheet.frame.columns):
        broken = (sheet.frame[column] % 1 > 0).to_numpy(dtype=bool)
        sheet.refuse(column, broken, "a whole number", "correct it")
    check_sizes(sheet, rules)
    sheet.unique(*KEYS[name])
    if name in SET_ONCE:
        check_general_rows(sheet, *KEYS[name])
    return sheet


def check_flags(path: Path, sheet: Sheet, rules: Sequence[ColumnRule]) -> None:
    """Flags are booleans: anything else would be read as no."""
    flags = {rule.name: rule for rule in rules if rule.kind == "flag"}
    if sheet.frame.empty or not flags:
        return
    for column in pq.read_schema(path):
        if column.name in flags and not (pa.types.is_boolean(column.type) or pa.types.is_null(column.type)):
            found = f"a column of {column.type}"
            sheet.reject(column.name, found, f"true or false: {flags[column.name].meaning}", "store booleans")


def check_general_rows(sheet: Sheet, *key: str) -> None:
    """Rows for all periods, or for all workloads, once: it would not be clear which of them counts."""
    if not sheet.usable(*key):
        return
    rows = sheet.frame[list(key)]
    optional = next(rule.name for rule in RULES[Path(sheet.where).stem] if not rule.required)
    again = (rows[optional].isna() & rows.duplicated()).to_numpy(dtype=bool)
    named = [name for name in key if name != optional]

    def found(position: int) -> str:
        return f"{' at '.join(shown(rows[name].iloc[position]) for name in named)} for every {optional} again"

    sheet.refuse(optional, again, f"each {' and '.join(named)} once", "remove one of the two", found)


def check_sizes(sheet: Sheet, rules: Sequence[ColumnRule]) -> None:
    """No number so large or so small that a solver would take it for infinite, or for nothing."""
    for rule in rules:
        if rule.kind != "number" or not sheet.usable(rule.name):
            continue
        values = sheet.frame[rule.name].to_numpy(dtype=float)
        if rule.name not in ENDLESS:
            huge = (values > LARGEST) & np.isfinite(values)
            sheet.refuse(rule.name, huge, f"{LARGEST:g} at most", "choose larger units")
        if rule.name in SMALLEST:
            tiny = (values > 0) & (values <= SMALLEST[rule.name])
            sheet.refuse(rule.name, tiny, f"more than {SMALLEST[rule.name]:g}", "choose smaller units")


def check_across(sheets: Mapping[str, Sheet]) -> None:
    """What no table can be judged by alone; faults go to the table that has to change."""
    for name, column, other in (
        (OPTIONS, "workload", WORKLOADS),
        (DEMAND, "workload", WORKLOADS),
        (DEMAND, "period", PERIODS),
        (POOLS, "period", PERIODS),
        (COMMITMENT_POOLS, "commitment", COMMITMENTS),
        (ORIGINS, "workload", WORKLOADS),
        (RESIDENCY, "workload", WORKLOADS),
        (PINS, "workload", WORKLOADS),
        (PINS, "period", PERIODS),
        (CAP_WORKLOADS, "cap", CAPS),
        (CAP_WORKLOADS, "workload", WORKLOADS),
        (PRIORITIES, "workload", WORKLOADS),
        (SCENARIOS, "period", PERIODS),
        (SCENARIO_DEMAND, "workload", WORKLOADS),
        (SCENARIO_DEMAND, "period", PERIODS),
        (OPTIONS, "node", NODES),
    ):
        check_known(sheets[name], column, sheets[other])
    check_slips(sheets)
    check_rows(sheets)
    check_complete(sheets)
    check_bounds(sheets[WORKLOADS])
    check_work(sheets)
    check_work_is_not_routed(sheets)
    check_currency(sheets[OPTIONS])
    check_nodes(sheets)
    check_caps(sheets[CAPS])
    check_clashes(sheets)


def check_known(sheet: Sheet, column: str, other: Sheet) -> None:
    """Names that another table lists."""
    if not other.usable(column) or not sheet.usable(column):
        return
    values = sheet.frame[column]
    unknown = (values.notna() & ~values.isin(other.frame[column])).to_numpy(dtype=bool)
    sheet.refuse(column, unknown, f"a {column} of {other.where}", "add it there or correct the name")


def check_rows(sheets: Mapping[str, Sheet]) -> None:
    """Something to place, and somewhen."""
    for name in (WORKLOADS, PERIODS):
        if not sheets[name].faults and sheets[name].frame.empty:
            sheets[name].faults.append(
                Fault(sheets[name].where, "no row", "one or more", "add what is missing")
            )


def check_complete(sheets: Mapping[str, Sheet]) -> None:
    """Demand of every workload in every period: what is missing is not zero."""
    demand, workloads, periods = sheets[DEMAND], sheets[WORKLOADS], sheets[PERIODS]
    if demand.faults or not (workloads.usable("workload") and periods.usable("period")):
        return
    wanted = pd.MultiIndex.from_product([workloads.frame["workload"], periods.frame["period"]])
    given = pd.MultiIndex.from_frame(demand.frame[["workload", "period"]])
    missing = wanted[~wanted.isin(given)]
    if len(missing):
        workload, period = missing[0]
        more = f" and {len(missing) - 1:,} more" if len(missing) > 1 else ""
        found = f"no row of {shown(workload)} at {shown(period)}{more}"
        action = "add the rows; write 0 where nothing is needed"
        demand.faults.append(Fault(demand.where, found, "demand of each workload in each period", action))


def check_bounds(workloads: Sheet) -> None:
    """Fewest replicas are not more than most."""
    if not workloads.usable("min_replicas", "max_replicas", "min_on_demand_replicas"):
        return
    frame = workloads.frame
    for fewest in ("min_replicas", "min_on_demand_replicas"):
        crossed = (frame[fewest] > frame["max_replicas"]).to_numpy(dtype=bool)
        workloads.refuse(fewest, crossed, "at most max_replicas", "lower one or raise the other")


def check_work(sheets: Mapping[str, Sheet]) -> None:
    """Windows of work begin and end with a period; a workload with work has no demand of its own."""
    workloads, periods, demand = sheets[WORKLOADS], sheets[PERIODS], sheets[DEMAND]
    if not (workloads.usable("workload", "work_amount") and periods.usable("period")):
        return
    if not periods.frame["period"].is_unique:  # told already
        return
    names, frame = pd.Index(periods.frame["period"]), workloads.frame
    for column in ("work_from", "work_until"):
        place = names.get_indexer(pd.Index(frame[column]))
        unknown = (frame[column].notna() & (place < 0)).to_numpy(dtype=bool)
        workloads.refuse(column, unknown, "a period of periods.parquet", "add it there or correct the name")
    if demand.usable("workload", "demand"):
        busy = frame.loc[frame["work_amount"].fillna(0) > 0, "workload"]
        both = (demand.frame["workload"].isin(busy) & (demand.frame["demand"] > 0)).to_numpy(dtype=bool)
        demand.refuse("demand", both, "0 where the workload has work_amount", "make two workloads of it")


def check_work_is_not_routed(sheets: Mapping[str, Sheet]) -> None:
    """Work that may shift is demanded from nowhere: it has no origins."""
    workloads, origins = sheets[WORKLOADS], sheets[ORIGINS]
    if not (workloads.usable("workload", "work_amount") and origins.usable("workload")):
        return
    frame = workloads.frame
    busy = frame.loc[frame["work_amount"].fillna(0) > 0, "workload"]
    both = origins.frame["workload"].isin(busy).to_numpy(dtype=bool)
    action = "drop its origins; egress_usd_per_unit and max_latency_ms of options still count"
    origins.refuse("workload", both, "a workload without work_amount", action)


def check_currency(options: Sheet) -> None:
    """All prices are in USD, as every figure that is written."""
    if options.usable("currency"):
        currency = options.frame["currency"]
        other = (currency.notna() & currency.ne("USD")).to_numpy(dtype=bool)
        options.refuse("currency", other, "USD", "convert the prices first")


def check_caps(caps: Sheet) -> None:
    """A cap is missed by priority or costs by the unit, not both."""
    if caps.usable("priority", "usd_per_unit"):
        both = (caps.frame["priority"].notna() & caps.frame["usd_per_unit"].notna()).to_numpy(dtype=bool)
        caps.refuse("priority", both, "nothing where usd_per_unit is given", "leave out one of the two")


def whole_numbers(folder: Path) -> frozenset[str]:
    """Names that the files hold as integers: workload, option_id or period."""
    schemas = {name: pq.read_schema(folder / f"{name}.parquet") for name in (OPTIONS, PERIODS)}
    places = {"workload": OPTIONS, "option_id": OPTIONS, "period": PERIODS}
    return frozenset(
        column
        for column, name in places.items()
        if column in schemas[name].names and pa.types.is_integer(schemas[name].field(column).type)
    )


def write_problem(problem: Problem, folder: Path) -> None:
    """The same tables of a problem; what is infinite is null, what is too little to be served is 0.

    Tables of groups that ask for nothing are not written, and not left over from another problem.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, frame in frames(problem):
        if name in GROUPS and frame.empty:
            (folder / f"{name}.parquet").unlink(missing_ok=True)
            continue
        columns = [rule.name for rule in RULES[name] if rule.name in frame.columns]
        frame[columns].replace(np.inf, np.nan).to_parquet(folder / f"{name}.parquet", index=False)
