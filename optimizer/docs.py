"""The generated pages of the documentation: `python -m optimizer.docs [--check] [--into docs]`.

What code knows is not written twice: commands, settings, keys of workloads.yaml, tables, files of a workspace
and of a problem, equations of the model and JSON Schemas come from the code that uses them. `--check` writes
nothing and ends with 1 if a page differs.
"""

from __future__ import annotations

import argparse
import inspect
import json
import math
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import typer.main
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from data.tables import reference_markdown
from data.workloads import workloads_schema
from optimizer.alert_settings import Channel, Silence
from optimizer.cli import app
from optimizer.config import FILE_NAME, Settings
from optimizer.cost_settings import Alarm, Budget, CostChange, OwnerRule, SharedCost
from optimizer.docs_tables import problem_page, workspace_page
from optimizer.docs_text import NOTICE, code, table, wrapped
from optimizer.plan import json_schemas
from optimizer.solve import compact
from optimizer.whatif.scenario import scenarios_schema

LISTS: dict[str, type[BaseModel]] = {
    "allocation.rules": OwnerRule,
    "allocation.shared": SharedCost,
    "budgets": Budget,
    "budgets.alarms": Alarm,
    "costs.changes": CostChange,
    "alerts.channels": Channel,
    "alerts.silence": Silence,
}
UNITS = (  # ending of a setting's name, unit
    ("_usd", "USD"),
    ("_share", "share 0..1"),
    ("_quantile", "share 0..1"),
    ("_utilization", "share 0..1"),
    ("_factor", "ratio"),
    ("_minutes", "min"),
    ("_hours", "h"),
    ("_days", "days"),
    ("_per_day", "1/day"),
    ("_s", "s"),
)
COUNTS = ("max_options",)  # ends like seconds, is none


def pages() -> dict[str, str]:
    """Every generated file: path below docs, content."""
    schemas = {
        "workloads.schema.json": workloads_schema(),
        "scenarios.schema.json": scenarios_schema(),
        **json_schemas(),
    }
    return {
        "reference/cli.md": cli_page(),
        "reference/settings.md": settings_page(),
        "reference/workloads.md": workloads_page(),
        "reference/tables.md": reference_markdown(),
        "reference/workspace.md": workspace_page(),
        "reference/problem.md": problem_page(),
        "reference/model.md": model_page(),
        **{f"schemas/{name}": json_text(schema) for name, schema in schemas.items()},
    }


def json_text(schema: Mapping[str, Any]) -> str:
    """A schema as it stands in its file."""
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


# -- commands --------------------------------------------------------------------------------------------


def cli_page() -> str:
    """Every command with its arguments and options."""
    intro = (
        "Exit codes: 0 done, 1 failed, 2 bad input, 3 infeasible; see [errors](../errors.md). With `--json` "
        "a machine-readable summary goes to standard output and everything else to standard error. "
        "`trimtab --install-completion` completes commands in your shell, `trimtab --version` tells the "
        "version."
    )
    found = commands(typer.main.get_command(app))
    sections = [command_section(path, command) for path, command in found]
    return "\n\n".join(["# Commands", NOTICE, wrapped(intro), *sections]) + "\n"


def commands(group: Any, path: str = "trimtab") -> Iterator[tuple[str, Any]]:
    """Every command that does something, in the order of `--help`, with the words that call it."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            if command.params:  # a group that does something by itself
                yield f"{path} {name}", command
            yield from commands(command, f"{path} {name}")
        else:
            yield f"{path} {name}", command


def command_section(path: str, command: Any) -> str:
    """One command: what it does, how it is called, what it takes."""
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    usage = " ".join([path, *(p.name.upper() for p in arguments), "[OPTIONS]"])
    rows = (
        (code(", ".join(names(p))), code(default_text(p.default)), str(getattr(p, "help", "") or ""))
        for p in command.params
    )
    parts = [f"## {path}", str(command.help), f"    {usage}", table(("option", "default", "meaning"), rows)]
    return "\n\n".join(parts)


def names(parameter: Any) -> list[str]:
    """How a parameter is spelled on the command line."""
    if parameter.param_type_name == "argument":
        return [parameter.name.upper()]
    return sorted(parameter.opts, key=len, reverse=True)


def default_text(default: object) -> str:
    """A default as one would type it; flags and what has none show nothing."""
    return "" if default is None or default is False else str(default)


# -- settings --------------------------------------------------------------------------------------------


def settings_page() -> str:
    """Every key of trimtab.toml with its default, unit and range."""
    intro = (
        f"Settings stand in `{FILE_NAME}` in the workspace; `TRIMTAB_*` in the environment wins over it. "
        "There a key is spelled in capitals with two underscores between its parts: "
        "`TRIMTAB_PLANNING__DEMAND_QUANTILE=0.95`. What is absent has its default. An unknown key is "
        "refused, and the nearest known one is named. `trimtab init` writes every key with its default, as a "
        "comment."
    )
    sections = [settings_section(path, model) for path, model in tables_of(Settings)]
    sections += [settings_section(f"[{path}]", model) for path, model in LISTS.items()]
    sources = (
        "## [sources]\n\nWhat `trimtab ingest` reads without `--source`: any name = a path, relative to the "
        'workspace.\n\n```toml\n[sources]\nbill = "exports/aws"\n```'
    )
    return "\n\n".join(["# Settings", NOTICE, wrapped(intro), *sections, sources]) + "\n"


def tables_of(model: type[BaseModel], path: str = "") -> Iterator[tuple[str, type[BaseModel]]]:
    """Every table of the file that has a model, outer before inner."""
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield f"{path}{name}", kind
            yield from tables_of(kind, f"{path}{name}.")


def settings_section(path: str, model: type[BaseModel]) -> str:
    """The keys of one table."""
    keys = {name: field for name, field in model.model_fields.items() if field.description}
    rows = (
        (
            code(name),
            code(toml_text(field.default)) if toml_text(field.default) else "",
            unit_of(name),
            limits(field),
            str(field.description),
        )
        for name, field in keys.items()
    )
    body = table(("key", "default", "unit", "range", "meaning"), rows)
    return f"## [{path}]\n\n{model.__doc__}\n\n{body}"


def toml_text(value: object) -> str:
    """A default as TOML spells it; nothing where there is none."""
    if value in (None, "", (), PydanticUndefined):
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def unit_of(name: str) -> str:
    """Unit of a setting, which its name ends with; counts and flags have none."""
    if name in COUNTS:
        return ""
    return next((unit for ending, unit in UNITS if name.endswith(ending)), "")


def limits(field: FieldInfo) -> str:
    """Legal values, such as "> 0, ≤ 1"."""
    signs = (("gt", ">"), ("ge", "≥"), ("lt", "<"), ("le", "≤"))
    found = [
        f"{sign} {getattr(item, name):g}"
        for item in field.metadata
        for name, sign in signs
        if hasattr(item, name)
    ]
    return ", ".join(found)


# -- workloads.yaml --------------------------------------------------------------------------------------


def workloads_page() -> str:
    """Every key of workloads.yaml."""
    schema = workloads_schema()
    intro = (
        "`workloads.yaml` lists what runs and what it needs; it is the only file a workspace must have. "
        "Unknown and repeated keys are refused. Editors complete and check it with the JSON Schema "
        "[workloads.schema.json](../schemas/workloads.schema.json)."
    )
    kinds = schema["$defs"]
    order = ["Workload", *sorted(set(kinds) - {"Workload"})]
    sections = [object_section(name, kinds[name]) for name in order]
    return "\n\n".join(["# workloads.yaml", NOTICE, wrapped(intro), *sections]) + "\n"


def object_section(name: str, schema: Mapping[str, Any]) -> str:
    """One object: its keys with type and meaning."""
    required = schema.get("required", [])
    rows = (
        (code(key), type_text(spec), "yes" if key in required else "", " ".join(spec["description"].split()))
        for key, spec in schema["properties"].items()
    )
    body = table(("key", "type", "required", "meaning"), rows)
    return f"## {name}\n\n{' '.join(schema['description'].split())}\n\n{body}"


def type_text(spec: Mapping[str, Any]) -> str:
    """A JSON Schema type in few words, such as "number > 0" or "list of string"."""
    if "$ref" in spec:
        name = spec["$ref"].rsplit("/", 1)[-1]
        return f"[{name}](#{name.lower()})"
    for key, text in TYPE_TEXTS.items():
        if key in spec:
            return text(spec)
    return str(spec.get("format") or spec["type"]) + range_text(spec)


def range_text(spec: Mapping[str, Any]) -> str:
    """Bounds of a number, as " > 0, ≤ 1"; nothing where there are none."""
    signs = {"exclusiveMinimum": ">", "minimum": "≥", "exclusiveMaximum": "<", "maximum": "≤"}
    bounds = {key: spec[key] for key in signs if key in spec}
    if bounds.get("exclusiveMinimum", -math.inf) >= bounds.get("minimum", math.inf):
        del bounds["minimum"]
    found = [f"{signs[key]} {value:g}" for key, value in bounds.items()]
    return " " + ", ".join(found) if found else ""


def any_of(spec: Mapping[str, Any]) -> str:
    """One of several types; null is what an absent key is."""
    return " or ".join(type_text(part) for part in spec["anyOf"] if part.get("type") != "null")


TYPE_TEXTS: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "anyOf": any_of,
    "enum": lambda spec: " or ".join(code(value) for value in spec["enum"]),
    "items": lambda spec: "list of " + type_text(spec["items"]),
    "patternProperties": lambda spec: "name → " + type_text(next(iter(spec["patternProperties"].values()))),
}


# -- model -----------------------------------------------------------------------------------------------


def model_page() -> str:
    """Variables, rules and costs of the compact model, in the words of the code."""
    rules = (f"### {rule.__name__}\n\n{documentation(rule)}" for rule in compact.RULES)
    costs = (f"### {cost.__name__}\n\n{documentation(cost)}" for cost in compact.COSTS)
    shown = "Every rule on a tiny problem, as LP text: [tests/golden/lp](../../tests/golden/lp)."
    parts = [
        "# The placement model",
        NOTICE,
        documentation(compact),
        shown,
        "## Rules",
        *rules,
        "## Costs",
        *costs,
    ]
    return "\n\n".join(parts) + "\n"


def documentation(of: object) -> str:
    """What an object says about itself."""
    return inspect.getdoc(of) or ""


# -- writing ---------------------------------------------------------------------------------------------


def outdated(folder: Path) -> dict[Path, str]:
    """Pages whose file is absent or differs, with what they should be."""
    wanted = {folder / name: text for name, text in pages().items()}
    return {
        path: text
        for path, text in wanted.items()
        if not path.is_file() or path.read_text(encoding="utf-8") != text
    }


def main(arguments: list[str] | None = None) -> int:
    """Write or check the pages; 1 if a check finds one that differs."""
    parser = argparse.ArgumentParser(prog="python -m optimizer.docs", description="Generated documentation.")
    parser.add_argument("--check", action="store_true", help="write nothing; end with 1 if a page differs")
    parser.add_argument("--into", type=Path, default=Path("docs"), help="folder of the documentation")
    asked = parser.parse_args(arguments)
    differing = outdated(asked.into)
    for path, text in differing.items():
        if not asked.check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8", newline="\n")
        sys.stdout.write(f"{'differs' if asked.check else 'wrote'}: {path}\n")
    return 1 if asked.check and differing else 0


if __name__ == "__main__":
    sys.exit(main())
