"""The generated pages about files that are read and written: of a workspace, and of a placement problem."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from data.history import EVENT, EVENTS_FILE, SPOT, SPOT_FILE, USAGE, USAGE_FILE
from data.live_state import COUNTS, NODES_SHAPE, SHAPE, STATE_FILE
from data.sheet import ColumnRule
from data.workspace import (
    ABSENT,
    BOOT_SECONDS,
    BY_ACCELERATOR,
    BY_INSTANCE_TYPE,
    CATALOG,
    CATALOG_FILE,
    PROFILE,
    PROFILES_FILE,
)
from optimizer.docs_text import NOTICE, code, table, wrapped
from optimizer.problem_rules import DEFAULTS, KEYS, LARGEST, REQUIRED, ROWS, RULES, SHARES, SMALLEST, WHOLE
from optimizer.solution_rules import CERTIFICATE, DUAL, EXPLANATION, SHORTFALL, STATUS, SUMMARY
from optimizer.solution_rules import KEYS as SUMMARY_KEYS
from optimizer.solution_rules import TABLES as ANSWERS

NULL = re.compile(r" \(null = (?P<default>[^)]*)\)")
WORDS = {"quota_pool": "its `pool`", "currency": "USD", "country": "unknown", "instance_type": "unknown"}
KINDS = {"key": "name", "text": "text", "number": "number", "time": "time", "flag": "true or false"}
HEAD = ("column", "holds", "required", "default", "range", "meaning")


# -- a placement problem ---------------------------------------------------------------------------------


def problem_page() -> str:
    """Every table of a problem, and every file of its answer."""
    intro = (
        "`trimtab solve` reads these tables from one folder and writes its answer to another; `trimtab plan` "
        "writes them with `--save-problem`. Names are text or whole numbers. Other tables and columns are "
        "refused. What is not required may be absent, as a table, a column or a cell (null): it then stands "
        "for the default. Prices are USD; a unit is whatever `capacity` and `demand` count. No number is "
        f"above {LARGEST:,.0f} but what may be unlimited."
    )
    sections = [problem_section(name) for name in RULES]
    return "\n\n".join(["# Problem tables", NOTICE, wrapped(intro), *sections, *answer_sections()]) + "\n"


def problem_section(name: str) -> str:
    """One table of a problem."""
    required = "Required. " if name in REQUIRED else ""
    told = f"{required}A row is {ROWS[name]}. Unique by {', '.join(code(key) for key in KEYS[name])}."
    defaults = {rule.name: default_of(rule) for rule in RULES[name]}
    body = columns(RULES[name], defaults, whole=WHOLE, ranges=problem_range)
    return f"## {name}.parquet\n\n{wrapped(told)}\n\n{body}"


def default_of(rule: ColumnRule) -> str:
    """What a column of a problem stands for where it says nothing."""
    if rule.required:
        return ""
    if rule.name not in DEFAULTS:
        return "false" if rule.kind == "flag" else WORDS.get(rule.name, "")
    return "no limit" if math.isinf(DEFAULTS[rule.name]) else f"{DEFAULTS[rule.name]:g}"


def problem_range(rule: ColumnRule) -> str:
    """What values a column of a problem may have; shares end at 1, and what is tiny is refused."""
    if rule.name in SMALLEST:
        return f"{'' if rule.above >= 0 else '0 or '}> {SMALLEST[rule.name]:g}"
    return f"{plain_range(rule)}{', ≤ 1' if rule.name in SHARES else ''}"


def plain_range(rule: ColumnRule) -> str:
    """What values a column may have, as its rule says."""
    if rule.allowed:
        return ", ".join(code(value) for value in rule.allowed)
    if rule.above > -math.inf:
        return f"> {rule.above:g}"
    return f"≥ {rule.minimum:g}" if rule.minimum > -math.inf else ""


def columns(
    rules: Sequence[ColumnRule],
    defaults: Mapping[str, str],
    *,
    whole: Collection[str],
    ranges: Callable[[ColumnRule], str] = plain_range,
) -> str:
    """The columns of a table; what a rule says of null is its default."""
    rows = []
    for rule in rules:
        null = NULL.search(rule.meaning)
        default = null["default"] if null else defaults.get(rule.name, "")
        holds = "whole number" if rule.kind == "number" and rule.name in whole else KINDS[rule.kind]
        required, meaning = "yes" if rule.required else "", NULL.sub("", rule.meaning)
        rows.append((code(rule.name), holds, required, default, ranges(rule), meaning))
    return table(HEAD, rows)


# -- its answer ------------------------------------------------------------------------------------------


def answer_sections() -> list[str]:
    """What `trimtab solve` writes."""
    intro = "Names are written as they were read: whole numbers stay whole numbers."
    tables = [
        f"### {name}\n\nA row is {row}.\n\n{keys(own, 'column')}" for name, (row, own) in ANSWERS.items()
    ]
    return [
        f"## The answer\n\n{intro}",
        *tables,
        f"### {SUMMARY}\n\nThe same as `--json` prints.\n\n{keys(SUMMARY_KEYS)}",
        f"Values of `status`, the first that is so:\n\n{keys(STATUS, 'status')}",
        f"Each of `duals`; prices hold near the placement:\n\n{keys(DUAL)}",
        f"Each of `shortfalls`:\n\n{keys(SHORTFALL)}",
        f"### {CERTIFICATE}\n\n`workloads`: the [certificate](plans.md#certificate) of each.",
        f"### {EXPLANATION}\n\nKeys as in [plans](plans.md#explanation), in USD per 24 hours of the periods.",
    ]


def keys(meanings: Mapping[str, str], head: str = "key") -> str:
    """Keys with their meanings."""
    return table((head, "meaning"), ((code(key), meaning) for key, meaning in meanings.items()))


# -- a workspace -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class File:
    """A table of a workspace: its columns, and what is to be said of them."""

    rules: Sequence[ColumnRule]
    told: str
    defaults: Mapping[str, str] = field(default_factory=dict)


FILES: dict[str, File] = {
    CATALOG_FILE: File(
        CATALOG,
        "What can be had, a row per option. Unique by `option_id`. `quota` limits the instances of the "
        "option over all workloads. Where there is an `accelerator`, `accelerator_count` is at least 1. "
        "Workloads with `resources` run as pods on options with `cpu` and `memory_gib`: what is allocatable "
        "to pods on one node, less than what the instance has.",
        {
            "boot_seconds": f"{BOOT_SECONDS:g}",
            "failures_per_1000h": "from the risk model",
            "standby_price_hourly": "no standby",
            "standby_boot_seconds": "no standby",
            "zones": "unknown",
        },
    ),
    PROFILES_FILE: File(
        PROFILE,
        "The throughput of each model that workloads.yaml names. A row is for an `accelerator`, which "
        f"language models need, and then has {', '.join(map(code, BY_ACCELERATOR))}; or for an "
        f"`instance_type`, and then has {', '.join(map(code, BY_INSTANCE_TYPE))}. Unique by `model` and "
        "either. A replica is an instance; of a workload with `resources` it is a pod: `rps` is what one pod "
        "serves, and a row of neither kind says it for every node that no row names.",
    ),
    USAGE_FILE: File(
        USAGE,
        "Demand that was seen, a row per workload and interval; intervals are of one even length from 1 to "
        "60 minutes, or of longer ones for the first 24 rows and more. Unique by `workload` and `ts`. An "
        "interval without a row is unknown, not zero. Tokens are for language models.",
        {"is_gap": "false"},
    ),
    EVENTS_FILE: File(EVENT, "What happened to replicas, a row per event."),
    SPOT_FILE: File(
        SPOT,
        f"What spot pools, named as in {CATALOG_FILE}, would grant: a row per observation. Unique by `pool` "
        "and `ts`.",
    ),
}
COUNTED = ("accelerator_count",)  # whole where it counts


def workspace_page() -> str:
    """Every file that people or their tools put into a workspace."""
    intro = (
        "What is planned from, beside [workloads.yaml](workloads.md), the only file that a workspace must "
        "have to be planned, and [trimtab.toml](settings.md). Tables are Parquet; columns that are not "
        "listed are not read. Times have their zone. Nothing later than `--as-of` is used."
    )
    sections = [workspace_section(name, file) for name, file in FILES.items()]
    body = [NOTICE, wrapped(intro), *sections, state_section()]
    return "\n\n".join(["# Files of a workspace", *body]) + "\n"


def workspace_section(name: str, file: File) -> str:
    """One table of a workspace."""
    told = f"{file.told} Absent: {ABSENT[name]}."
    return f"## {name}\n\n{wrapped(told)}\n\n{columns(file.rules, file.defaults, whole=COUNTED)}"


def state_section() -> str:
    """The live fleet."""
    told = (
        f"What runs now, as JSON: `as_of` is its moment, ISO 8601 with offset; `fleet` has an entry per "
        f"workload and option, with whole numbers of replicas: {', '.join(map(code, COUNTS))}. "
        f"Of workloads with `resources` these are nodes of their own; `nodes`, which may be left out, has an "
        f"entry per option with the nodes that they share. Absent: {ABSENT[STATE_FILE]}."
    )
    shape = f"{SHAPE[:-1]}, {NODES_SHAPE}}}"
    return f"## {STATE_FILE}\n\n{wrapped(told)}\n\n    {shape}"
