"""Reconciliation for people: a sentence and a line per miss, and what makes `trimtab check` fail."""

from __future__ import annotations

from pathlib import Path

import pytest

from data.ingest import ingest
from data.lake import Lake
from optimizer.reconciliation import SHOWN, Reconciled, reconciled
from tests.data.bills import NOW, focus_csv
from tests.e2e.workspaces import cli, make

DEAR = 8  # services that cost more than their list price
LISTED = {"BilledCost": "1234569.75", "EffectiveCost": "1234569.75", "ListCost": "2.25", "ContractedCost": ""}


@pytest.mark.parametrize(
    ("checked", "lines", "more", "words"),
    [
        (0, 0, 0, "a rule: nothing to check yet"),
        (1, 0, 0, "a rule: holds for the only one"),
        (9, 0, 0, "a rule: holds for all 9"),
        (9, 2, 0, "a rule: not so for 2 of 9"),
        (900, 5, 115, "a rule: not so for 120 of 900"),
    ],
)
def test_a_rule_in_one_sentence(checked: int, lines: int, more: int, words: str) -> None:
    assert Reconciled("x", "a rule", checked, ("a line",) * lines, more, is_fault=True).text == words


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A workspace with a bill that is its invoice and has services above their list price."""
    workspace = make(tmp_path / "ws")
    rows = [{**LISTED, "ServiceName": f"service {n}"} for n in range(DEAR)]
    with Lake.open(workspace / "lake") as lake:
        ingest(lake, focus_csv(tmp_path / "bill.csv", [{}, *rows]), loaded_at=NOW)
    return workspace


def checked(root: Path) -> tuple[int, list[tuple[str, str, str]]]:
    """Exit code of `trimtab check`, and what it finds of bills: level, rule and text."""
    ran = cli("check", "-w", root, "--json")
    found = [item for item in ran.json["findings"] if item["what"].startswith("bill, ")]
    return ran.code, [(f["level"], f["what"].removeprefix("bill, "), f["text"]) for f in found]


def test_oddities_are_notes_and_a_wrong_sum_is_a_fault(root: Path) -> None:
    code, before = checked(root)
    assert code == 0
    assert {rule for level, rule, _ in before if level == "note"} == {"savings"}
    first, *lines, last = [text for _, rule, text in before if rule == "savings"]
    assert first.endswith(f"not so for {DEAR} of {DEAR + 1}")
    assert lines == [
        f"source aws, account 123456789012, month 2026-05, currency USD, service service {n}, charges 1, "
        "above_list 1,234,567.5"
        for n in range(SHOWN)
    ]
    assert last == f"and {DEAR - SHOWN} more"

    with Lake.open(root / "lake") as lake:
        lake.sql("UPDATE loads SET native_cost = native_cost - 0.01")
        (rule,) = (rule for rule in reconciled(lake) if rule.name == "invoice")
    assert (rule.is_fault, rule.checked, rule.more) == (True, 1, 0)
    code, after = checked(root)
    assert code == 2
    assert [text for level, _, text in after if level == "fault"] == [rule.text, *rule.misses]
    assert "loaded_cost 9,876,559.5" in rule.misses[0]
    assert "native_cost 9,876,559.49" in rule.misses[0]
    assert [row for row in after if row[1] != "invoice"] == [row for row in before if row[1] != "invoice"]
