"""YAML as people mean it: one meaning per key, no silent guesses, and a line number for every value.

PyYAML reads YAML 1.1, in which a repeated key silently wins, `NO` (Norway) is false, `12:30` is 750 and
`1e3` is text. Here a repeated key is a fault, scalars resolve as in the core schema of YAML 1.2, and times
stay text, so whoever validates them sees whether the zone was written.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from data.errors import Fault

Key = tuple[str | int, ...]
# Aliases of aliases grow without end; a file of settings comes near neither.
MAX_NODES = 100_000
MAX_DEPTH = 100

_TAG = "tag:yaml.org,2002:"
_CORE_SCHEMA = (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("null", r"~|null|Null|NULL|", ("~", "n", "N", "")),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", "-+0123456789"),
    (
        "float",
        r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
        "-+0123456789.",
    ),
    ("merge", r"<<", "<"),
)


class StrictLoader(yaml.SafeLoader):
    """A SafeLoader with the scalars of YAML 1.2 and no implicit times."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - PyYAML's own


def _construct_int(loader: yaml.SafeLoader, node: ScalarNode) -> int:
    """Decimal unless it says 0o or 0x: `010` is ten, as in YAML 1.2."""
    text = str(loader.construct_scalar(node))
    return int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))


def _construct_float(loader: yaml.SafeLoader, node: ScalarNode) -> float:
    """`1e3`, `.inf` and `.nan` as YAML 1.2 writes them."""
    text = str(loader.construct_scalar(node)).lower()
    return float(re.sub(r"\.(inf|nan)$", r"\1", text))


for _name, _pattern, _first in _CORE_SCHEMA:
    StrictLoader.add_implicit_resolver(f"{_TAG}{_name}", re.compile(f"^(?:{_pattern})$"), list(_first))
StrictLoader.add_constructor(f"{_TAG}int", _construct_int)
StrictLoader.add_constructor(f"{_TAG}float", _construct_float)


@dataclass(frozen=True)
class YamlDocument:
    """A YAML text as plain values, the line each value starts on, and what is wrong with it as YAML."""

    value: object = None
    lines: Mapping[Key, int] = field(default_factory=dict)
    faults: tuple[Fault, ...] = ()

    def line(self, path: Key) -> int | None:
        """Line of a value, counted from 1; of what contains it where the value is absent or an alias."""
        for length in range(len(path), -1, -1):
            if path[:length] in self.lines:
                return self.lines[path[:length]]
        return None


def load_yaml(text: str, *, where: str) -> YamlDocument:
    """Read one YAML document. Faults are returned, not raised, so that others can be added to them.

    With faults there is still a value where one could be read (of a repeated key, the last).
    """
    try:
        return _load(StrictLoader(text), where)
    except yaml.MarkedYAMLError as error:
        return YamlDocument(faults=(_syntax_fault(error, where),))
    except (yaml.YAMLError, ValueError) as error:
        return YamlDocument(faults=(_unreadable(where, " ".join(str(error).split())),))
    except RecursionError:
        return YamlDocument(faults=(_unreadable(where, "values nested too deeply"),))


def _load(loader: StrictLoader, where: str) -> YamlDocument:
    root = loader.get_single_node()
    if root is None:
        return YamlDocument()
    lines, faults = _survey(root, where)
    if any(fault.column is None for fault in faults):  # too large or endless: do not build it
        return YamlDocument(None, lines, tuple(faults))
    return YamlDocument(loader.construct_document(root), lines, tuple(faults))


def _survey(root: Node, where: str) -> tuple[dict[Key, int], list[Fault]]:
    """Line of every value, and every repeated key, in the order of the file."""
    lines: dict[Key, int] = {}
    faults: list[Fault] = []
    pending: list[tuple[Key, Node]] = [((), root)]
    while pending:
        path, node = pending.pop()
        lines.setdefault(path, node.start_mark.line + 1)
        if len(lines) > MAX_NODES or len(path) > MAX_DEPTH:
            return lines, [_unreadable(where, f"over {MAX_NODES:,} values or {MAX_DEPTH} levels (aliases?)")]
        if isinstance(node, SequenceNode):
            pending.extend(reversed([((*path, index), item) for index, item in enumerate(node.value)]))
        elif isinstance(node, MappingNode):
            faults.extend(_repeated_keys(node, path, where))
            for key, value in reversed(node.value):
                lines[(*path, str(key.value))] = key.start_mark.line + 1
                pending.append(((*path, str(key.value)), value))
    return lines, sorted(faults, key=lambda fault: fault.row or 0)


def _repeated_keys(node: MappingNode, path: Key, where: str) -> Iterator[Fault]:
    first_line: dict[tuple[str, str], int] = {}
    for key, _ in node.value:
        name, line = (key.tag, str(key.value)), key.start_mark.line + 1
        if isinstance(key, ScalarNode) and name in first_line:
            yield Fault(
                where,
                f"the key {key.value!r} again (first in line {first_line[name]})",
                "each key once",
                "remove one of the two",
                row=line,
                column=dotted((*path, str(key.value))),
            )
        first_line.setdefault(name, line)


def dotted(path: Key) -> str:
    """A path as people write it: `workloads[0].slo.target`."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).removeprefix(".")


def _syntax_fault(error: yaml.MarkedYAMLError, where: str) -> Fault:
    mark = error.problem_mark or error.context_mark
    found = f"text that is not YAML ({error.problem or error.context})"
    return Fault(where, found, "YAML", "correct the syntax there", row=mark.line + 1 if mark else None)


def _unreadable(where: str, found: str) -> Fault:
    return Fault(where, found, "YAML of plain settings", "correct the file")
