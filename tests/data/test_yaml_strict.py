"""YAML keeps one meaning per key and per scalar, and knows the line of everything."""

from __future__ import annotations

import json
import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.yaml_strict import MAX_NODES, dotted, load_yaml


def told(text: str) -> list[str]:
    return [str(fault) for fault in load_yaml(text, where="settings.yaml").faults]


def value(text: str) -> Any:
    document = load_yaml(text, where="settings.yaml")
    assert document.faults == ()
    return document.value


@pytest.mark.parametrize(
    ("scalar", "meant"),
    [
        ("NO", "NO"),  # Norway
        ("yes", "yes"),
        ("on", "on"),
        ("true", True),
        ("False", False),
        ("12:30", "12:30"),
        ("1:30:00", "1:30:00"),
        ("010", 10),
        ("0o10", 8),
        ("0x1F", 31),
        ("-7", -7),
        ("1_000", "1_000"),
        ("1e3", 1000.0),
        ("1.5E-2", 0.015),
        (".5", 0.5),
        ("-.inf", float("-inf")),
        ("~", None),
        ("", None),
        ("null", None),
        ("2026-05-12T03:00:00+00:00", "2026-05-12T03:00:00+00:00"),
        ("2026-05-12", "2026-05-12"),
        ("2026-13-45", "2026-13-45"),
        ("'7'", "7"),
    ],
)
def test_scalars_resolve_as_in_yaml_1_2(scalar: str, meant: object) -> None:
    found = value(f"key: {scalar}")["key"]
    assert found == meant
    assert type(found) is type(meant)


def test_not_a_number_is_a_float() -> None:
    assert value("key: .nan")["key"] != value("key: .nan")["key"]


def test_every_repeated_key_is_told_with_both_lines() -> None:
    text = "a: 1\nb:\n  c: 1\n  d: 2\n  c: 3\na: 2\nlist:\n  - {x: 1, x: 2}\n"
    assert told(text) == [
        (
            "settings.yaml, row 5, column b.c: found the key 'c' again (first in line 3); "
            "expected each key once; remove one of the two"
        ),
        (
            "settings.yaml, row 6, column a: found the key 'a' again (first in line 1); "
            "expected each key once; remove one of the two"
        ),
        (
            "settings.yaml, row 8, column list[0].x: found the key 'x' again (first in line 8); "
            "expected each key once; remove one of the two"
        ),
    ]


def test_keys_that_only_look_alike_are_two() -> None:
    assert value("1: a\n'1': b\n") == {1: "a", "1": "b"}


def test_anchors_and_merges_work_and_an_override_is_no_repetition() -> None:
    assert value("base: &b {x: 1, y: 2}\nuse: {<<: *b, y: 3}\n")["use"] == {"x": 1, "y": 3}


def test_lines_of_values() -> None:
    document = load_yaml("a:\n  - b: 1\n    c:\n      d: 2\n  - e\n", where="settings.yaml")
    lines = {(): 1, ("a",): 1, ("a", 0): 2, ("a", 0, "b"): 2, ("a", 0, "c", "d"): 4, ("a", 1): 5}
    assert {path: document.line(path) for path in lines} == lines
    assert document.line(("a", 0, "c", "absent")) == 3
    assert document.line(("a", 7)) == 1


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a: [1, 2", "settings.yaml, row 1: found text that is not YAML ("),
        ("a: 1\n\tb: 2\n", "settings.yaml, row 2: found text that is not YAML ("),
        (
            "a: 1\n---\nb: 2\n",
            "settings.yaml, row 2: found text that is not YAML (but found another document)",
        ),
        (
            "a: !!python/object/apply:os.getcwd []",
            "settings.yaml, row 1: found text that is not YAML (could not",
        ),
        ("? [1, 2]\n: 3\n", "settings.yaml, row 1: found text that is not YAML (found unhashable key)"),
        ("a: !!float high", "settings.yaml: found could not convert string to float"),
        ("a: \x00", "settings.yaml: found unacceptable character #x0000"),
        ("[" * 5000, "settings.yaml: found values nested too deeply"),
        ("a: &a [*a]", "settings.yaml: found over 100,000 values or 100 levels"),
    ],
)
def test_what_cannot_be_read_is_one_fault(text: str, found: str) -> None:
    (line,) = told(text)
    assert line.startswith(found)
    assert "\n" not in line


def test_aliases_of_aliases_are_refused_before_they_grow() -> None:
    levels = [f"l{i}: &l{i} [{', '.join([f'*l{i - 1}'] * 10)}]" for i in range(1, 12)]
    (line,) = told("\n".join(["l0: &l0 [x]", *levels]))
    assert line.startswith(f"settings.yaml: found over {MAX_NODES:,} values")


def test_nothing_is_nothing() -> None:
    for text in ("", "# only a comment\n", "---\n"):
        assert value(text) is None


def test_dotted() -> None:
    assert dotted(("workloads", 0, "slo", "target")) == "workloads[0].slo.target"


KEYS = st.text(string.ascii_letters, min_size=1, max_size=6)
TEXTS = st.text(st.characters(categories=["L", "N", "P", "S", "Zs"]), max_size=12)
SCALARS = st.none() | st.booleans() | st.integers(-(10**6), 10**6) | st.floats(-1e6, 1e6) | TEXTS
TREES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4)
)


@given(TREES)
def test_json_is_yaml(tree: Any) -> None:
    """YAML 1.2 holds JSON, so another library's writer says what each value means."""
    assert value(json.dumps(tree, ensure_ascii=False)) == tree


@given(st.text())
def test_any_text_gives_a_value_or_faults(text: str) -> None:
    document = load_yaml(text, where="settings.yaml")
    assert all(fault.where == "settings.yaml" for fault in document.faults)
