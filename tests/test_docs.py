"""The documentation says what the code does: pages made from it, commands, keys, schemas and links."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import typer.main
from pydantic import BaseModel
from typer.testing import CliRunner

from data.history import EVENT, SPOT, USAGE
from data.sheet import ColumnRule
from data.workspace import CATALOG, PROFILE
from optimizer import docs, docs_tables, node_parts, placement_parts, plan, plan_parts, solution_rules
from optimizer.cli import app
from optimizer.config import known_keys
from optimizer.problem_rules import RULES
from tests.conftest import REPO

DOCS = REPO / "docs"
ROOT = typer.main.get_command(app)
OTHERS = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "benchmarks/README.md")
PAGES = sorted([*DOCS.rglob("*.md"), *(REPO / name for name in OTHERS)])
VERBS = dict(docs.commands(ROOT))
FENCE = re.compile(r"^```[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(?<!\!)\[[^\]]*\]\(([^)\s]+)\)")

page = pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(REPO).as_posix())


def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


# -- what is generated -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", docs.pages())
def test_generated_pages_are_what_the_code_makes(name: str) -> None:
    assert text_of(DOCS / name) == docs.pages()[name], "run `make docs`"


def test_writing_makes_every_page_and_checking_sees_one_that_differs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert docs.main(["--check", "--into", str(tmp_path)]) == 1
    assert docs.main(["--into", str(tmp_path)]) == 0
    assert docs.main(["--check", "--into", str(tmp_path)]) == 0
    (tmp_path / "reference" / "cli.md").write_text("old", encoding="utf-8")
    capsys.readouterr()
    assert docs.main(["--check", "--into", str(tmp_path)]) == 1
    assert capsys.readouterr().out == f"differs: {tmp_path / 'reference' / 'cli.md'}\n"
    assert text_of(tmp_path / "reference" / "cli.md") == "old"


def test_every_setting_is_on_its_page_with_default_and_meaning() -> None:
    text = text_of(DOCS / "reference/settings.md")
    for key in known_keys():
        table, _, name = key.rpartition(".")
        heads = (f"| `{name}` |", f"## [{key}]", f"## [[{key}]]")  # a key, a table, a list of tables
        assert any(head in text for head in heads), key
        assert not table or f"## [{table}]" in text, key


def named_on(page: str) -> dict[str, set[str]]:
    """Names in the first cell of the tables of a page, by the heading above them."""
    parts = re.split(r"^#+ (.+)$", text_of(DOCS / "reference" / page), flags=re.MULTILINE)
    return {
        head: set(re.findall(r"^\| `(\w+)` \|", body, re.MULTILINE))
        for head, body in zip(parts[1::2], parts[2::2], strict=True)
    }


def test_every_column_of_a_problem_and_of_its_answer_is_explained() -> None:
    found = named_on("problem.md")
    answers = found.pop("nodes.parquet")  # the answer's, which stands last
    for name, rules in RULES.items():
        if name != "nodes":
            assert found[f"{name}.parquet"] == {rule.name for rule in rules}
    assert answers == {"pattern", "node", "period", "nodes"}
    wanted = {*solution_rules.KEYS, *solution_rules.STATUS, *solution_rules.DUAL, *solution_rules.SHORTFALL}
    assert found["placement.json"] == wanted


def test_every_column_of_a_workspace_is_explained() -> None:
    found = named_on("workspace.md")
    for name, rules in {
        "catalog": CATALOG, "profiles": PROFILE, "history/usage": USAGE, "history/events": EVENT,
        "history/spot_capacity": SPOT,
    }.items():  # fmt: skip
        assert found[f"{name}.parquet"] == {rule.name for rule in rules}


@pytest.mark.parametrize(
    ("rule", "default", "holds"),
    [
        (RULES["options"][11], "its `pool`", ""),
        (RULES["demand"][2], "", "0 or > 1e-06"),
        (RULES["options"][8], "", "> 1e-06"),
        (RULES["workloads"][1], "1", "≥ 0, ≤ 1"),
        (RULES["workloads"][9], "false", ""),
        (RULES["workloads"][12], "no limit", "> 0"),
        (RULES["caps"][1], "", "`usd`, `kg_co2e`, `changed_replicas`"),
    ],
)
def test_defaults_and_ranges_in_words(rule: ColumnRule, default: str, holds: str) -> None:
    assert (docs_tables.default_of(rule), docs_tables.problem_range(rule)) == (default, holds)


def test_units_follow_the_names() -> None:
    assert docs.unit_of("scale_down_window_s") == "s"
    assert docs.unit_of("activation_cost_usd") == "USD"
    assert docs.unit_of("max_options") == ""


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ({"type": "number", "exclusiveMinimum": 0, "minimum": 0, "maximum": 1}, "number > 0, ≤ 1"),
        ({"anyOf": [{"type": "integer", "minimum": 1}, {"type": "null"}]}, "integer ≥ 1"),
        ({"type": "array", "items": {"type": "string"}}, "list of string"),
        ({"enum": ["a", "b"]}, "`a` or `b`"),
        ({"$ref": "#/$defs/Slo"}, "[Slo](#slo)"),
        ({"type": "string", "format": "date-time"}, "date-time"),
    ],
)
def test_types_in_words(spec: dict[str, Any], text: str) -> None:
    assert docs.type_text(spec) == text


# -- commands --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", VERBS)
def test_every_command_is_in_the_readme_and_has_help(verb: str) -> None:
    assert re.search(rf"\b{verb}\b", text_of(REPO / "README.md")), f"README.md does not show {verb}"
    assert VERBS[verb].help
    shown = CliRunner().invoke(app, [*verb.split()[1:], "--help"])
    assert shown.exit_code == 0
    unexplained = [p.name for p in VERBS[verb].params if not getattr(p, "help", None)]
    assert not unexplained


def commands_in(text: str) -> Iterator[list[str]]:
    """Arguments of every `trimtab …` line inside code fences; comments and prompts are taken off."""
    for block in FENCE.findall(text):
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line.strip().removeprefix("$ "), comments=True) if "trimtab " in line else []
            if words and words[0].split("/")[-1] == "trimtab":
                yield words[1:]


def parse(arguments: list[str]) -> list[str]:
    """The names of the command a line is for, parsed as typer would, without running anything.

    Raises on what typer refuses.
    """
    path: list[str] = []
    context = ROOT.make_context("trimtab", list(arguments))
    group: Any = ROOT
    rest = [*context._protected_args, *context.args]
    while rest and hasattr(group, "commands"):
        name, command, rest = group.resolve_command(context, rest)
        context = command.make_context(name, list(rest), parent=context)
        path.append(str(name))
        group, rest = command, [*getattr(context, "_protected_args", []), *context.args]
    return path


@page
def test_every_command_shown_parses(path: Path) -> None:
    for arguments in commands_in(text_of(path)):
        names = parse(arguments)
        assert names == arguments[: len(names)]
        assert names or arguments[0].startswith("-")


def test_a_command_that_does_not_exist_would_be_seen() -> None:
    shown = list(
        commands_in("```console\n$ trimtab plan --kind capacity  # why\n$ trimtab schedule start\n```\n")
    )
    assert shown == [["plan", "--kind", "capacity"], ["schedule", "start"]]
    for arguments in shown:
        parse(arguments)
    for wrong in (["plan", "--kidn", "capacity"], ["plann"], ["schedule", "stop"]):
        with pytest.raises(Exception, match="No such"):
            parse(wrong)


def test_make_targets_named_in_the_pages_exist() -> None:
    targets = set(re.findall(r"^([a-z]+):", text_of(REPO / "Makefile"), re.MULTILINE))
    named = {
        target
        for path in PAGES
        for words in re.findall(r"`make ([a-z ]+)`", text_of(path))
        for target in words.split()
    }
    assert {"demo", "test", "docs", "bench", "lint"} <= named
    assert named <= targets


# -- schemas ---------------------------------------------------------------------------------------------


SCHEMAS = sorted((DOCS / "schemas").glob("*.json"))


@pytest.mark.parametrize("path", SCHEMAS, ids=lambda path: path.name)
def test_schemas_are_valid_and_referenced(path: Path) -> None:
    schema = json.loads(text_of(path))
    jsonschema.validators.validator_for(schema).check_schema(schema)
    assert any(path.name in text_of(named) for named in PAGES)


def test_every_schema_of_the_code_is_published_and_nothing_else() -> None:
    published = {f"schemas/{path.name}" for path in SCHEMAS}
    assert published == {name for name in docs.pages() if name.startswith("schemas/")}


def fields(model: type[BaseModel]) -> Iterator[str]:
    """Names of a model's keys as they stand in a file."""
    for name, field in model.model_fields.items():
        yield field.alias or name


def test_every_key_of_a_plan_is_explained() -> None:
    found = {**vars(plan_parts), **vars(placement_parts), **vars(node_parts), **vars(plan)}.values()
    base = plan_parts.Part
    parts = {
        value for value in found if isinstance(value, type) and issubclass(value, base) and value is not base
    }
    assert plan.CapacityPlan in parts
    text = text_of(DOCS / "reference/plans.md")
    missing = {name for part in parts for name in fields(part) if f"`{name}`" not in text}
    assert not missing


# -- links -----------------------------------------------------------------------------------------------


def anchors(path: Path) -> set[str]:
    """What the headings of a page are called in links."""
    heads = re.findall(r"^#+ (.+)$", text_of(path), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@page
def test_links_lead_somewhere(path: Path) -> None:
    broken = []
    for target in LINK.findall(FENCE.sub("", text_of(path))):
        file, _, anchor = target.partition("#")
        if file.startswith(("https://", "http://", "mailto:")):
            continue
        found = (path.parent / file).resolve() if file else path
        if not found.exists() or (anchor and anchor not in anchors(found)):
            broken.append(target)
    assert not broken


def test_every_page_can_be_reached_from_the_readme() -> None:
    seen, todo = set(), [REPO / "README.md"]
    while todo:
        path = todo.pop()
        if path in seen or not path.is_file() or path.suffix != ".md":
            continue
        seen.add(path)
        links = LINK.findall(text_of(path))
        todo += [(path.parent / link.partition("#")[0]).resolve() for link in links if "://" not in link]
    assert not set(DOCS.rglob("*.md")) - seen
