"""FinOps' own validator on the FOCUS 1.2 view of every export: it finds nothing but what is allowed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from data.lake import Lake
from tests.demo_bills import DemoBills
from tests.validators import allowed
from tests.validators.environment import Environment
from tests.validators.samples import SAMPLES, write_view

HERE = Path(__file__).parent
ALLOWED = allowed.read(HERE / "allowed_1_2.toml")
# Rules that nobody can check by machine, that say MAY, or whose parts are all of these.
MAX_SKIPPED = 210
MODEL = "focus_validator/rules/model-1.2.0.1.json"


@dataclass(frozen=True)
class Verdict:
    """What the validator says of a sample.

    `failing` are rules with their details; `composites` those among them that only sum up others.
    """

    scopes: frozenset[str]
    failing: Mapping[str, Mapping[str, object]]
    composites: frozenset[str]
    errors: int
    skipped: int

    @property
    def leaves(self) -> set[str]:
        """Failing rules that look at the data themselves."""
        return set(self.failing) - self.composites


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, demo_bills: DemoBills) -> Path:
    """A folder for deliveries and results, with the demo's exports in it."""
    made = tmp_path_factory.mktemp("focus_1_2")
    shutil.copytree(demo_bills.files / "exports", made / "exports")
    return made


@pytest.fixture(scope="module")
def views(
    validators: Environment, real_samples: Path | None, folder: Path
) -> dict[str, tuple[Path, frozenset[str]]]:
    """Per sample its Parquet file and the names an allowance may call it by."""
    found: dict[str, tuple[Path, frozenset[str]]] = {}
    with Lake.open(folder / "lake") as lake:
        for number, sample in enumerate(SAMPLES):
            if sample.is_generated or real_samples is not None:
                target, shared = folder / f"{number}.parquet", real_samples or folder
                kinds = write_view(sample, target, lake=lake, shared=shared, scratch=folder)
                found[sample.name] = target, frozenset({sample.name, *kinds})
    return found


@pytest.fixture(scope="module")
def verdicts(
    validators: Environment, views: dict[str, tuple[Path, frozenset[str]]], folder: Path
) -> dict[str, Verdict]:
    validators.run(HERE / "focus_driver.py", folder, *(file for file, _ in views.values()))
    return {name: verdict(file.with_suffix(".xml"), scopes) for name, (file, scopes) in views.items()}


@pytest.fixture(scope="module")
def model(validators: Environment) -> dict[str, Any]:
    """The validator's rules by id."""
    text = (validators.site_packages / MODEL).read_text(encoding="utf-8")
    rules: dict[str, Any] = json.loads(text)["ModelRules"]
    return rules


def verdict(report: Path, scopes: frozenset[str]) -> Verdict:
    suites = ET.parse(report).getroot()
    details = json.loads(report.with_suffix(".json").read_text(encoding="utf-8"))
    failing = dict(failures(report))
    return Verdict(
        scopes,
        {rule: details[rule] for rule in failing},
        frozenset(rule for rule, function in failing.items() if function == "Composite"),
        int(suites.attrib["errors"]),
        int(suites.attrib["skipped"]),
    )


def failures(report: Path) -> dict[str, str]:
    """Failing rules of a JUnit report and what kind of check each is."""
    cases = [case for case in ET.parse(report).iter("testcase") if case.find("failure") is not None]
    pairs = (case.attrib["name"].split(" :: ") for case in cases)
    return dict(pairs)


@pytest.mark.parametrize("name", [sample.name for sample in SAMPLES])
def test_only_what_is_allowed_fails(verdicts: dict[str, Verdict], name: str) -> None:
    if name not in verdicts:
        pytest.skip("the real sample data is not beside the repository")
    found = verdicts[name]
    wrong = allowed.unexpected(ALLOWED, found.scopes, found.leaves)
    assert not wrong, {rule: found.failing[rule] for rule in sorted(wrong)}
    assert found.errors == 0
    assert found.skipped <= MAX_SKIPPED


def test_rules_that_sum_up_others_fail_for_them_alone(
    verdicts: dict[str, Verdict], model: dict[str, Any]
) -> None:
    """So the allow-list needs no word about these."""
    for name, found in verdicts.items():
        for rule in found.composites:
            parts = {
                part["ModelRuleId"] for part in model[rule]["ValidationCriteria"]["Requirement"]["Items"]
            }
            assert parts & set(found.failing), (name, rule, found.failing[rule])


def test_no_allowance_is_stale(verdicts: dict[str, Verdict], real_samples: Path | None) -> None:
    if real_samples is None:
        pytest.skip("the real sample data is not beside the repository: most allowances are for it")
    unused = allowed.stale(ALLOWED, {found.scopes: found.leaves for found in verdicts.values()})
    assert not sorted(unused)


def test_the_validator_finds_what_is_wrong(verdicts: dict[str, Verdict]) -> None:
    """Rules that it would pass over for every ordinary charge are read as they are meant."""
    assert "ListUnitPrice-C-005-C" in verdicts["cur line types"].leaves


def test_the_command_line_says_the_same(
    validators: Environment, views: dict[str, tuple[Path, frozenset[str]]], verdicts: dict[str, Verdict],
    model: dict[str, Any], tmp_path: Path,
) -> None:  # fmt: skip
    """What the command finds the driver finds; the driver alone finds what hangs on ChargeClass."""
    file, _ = views["cur line types"]
    validators.run(
        "-m", "focus_validator.main", "--data-file", file, "--validate-version", "1.2", "--block-download",
        "--applicability-criteria", "ALL", "--output-type", "unittest", "--output-destination",
        tmp_path / "report.xml",
    )  # fmt: skip
    command, driver = failures(tmp_path / "report.xml"), failures(file.with_suffix(".xml"))
    assert set(command) <= set(driver)
    for rule in {rule for rule, function in driver.items() if function != "Composite"} - set(command):
        assert "ChargeClass" in model[rule]["ValidationCriteria"]["MustSatisfy"], rule
