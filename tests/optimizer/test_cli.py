"""The command line: help of every verb, JSON alone on standard output, exit codes, the next step."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import pytest
import typer

from optimizer import cli as command_line
from optimizer import pipeline
from optimizer.cli.common import moment
from optimizer.errors import InfeasibleError, InputError, LakeError, TransientError
from tests.data.bills import focus_csv
from tests.e2e.workspaces import AS_OF, cli, make, process

VERBS = ("init", "demo", "ingest", "forecast", "plan", "commitments", "report", "check")


def test_help_names_every_verb_and_the_exit_codes() -> None:
    ran = cli("--help")
    assert ran.code == 0
    for verb in (*VERBS, "schedule", "--version", "--install-completion", "--show-completion"):
        assert verb in ran.out
    assert "0 done, 1 failed, 2 bad input, 3 infeasible" in ran.out


@pytest.mark.parametrize("verb", [*VERBS, "schedule", "schedule start", "backtest", "backtest forecast"])
def test_help_of_each_verb(verb: str) -> None:
    ran = cli(*verb.split(), "--help")
    assert ran.code == 0
    assert ran.err == ""
    assert "Usage" in ran.out
    if verb in {*VERBS, "backtest forecast"}:
        assert "--json" in ran.out


def test_no_arguments_shows_help() -> None:
    ran = cli()
    assert "Usage" in ran.out + ran.err


def test_version() -> None:
    ran = cli("--version")
    assert ran.code == 0
    assert ran.out == f"trimtab {version('trimtab')}\n"


def test_an_unknown_flag_is_bad_input() -> None:
    ran = cli("plan", "--horizont", "24h")
    assert ran.code == 2
    assert "--horizont" in ran.err
    assert cli("plant").code == 2


def test_help_imports_nothing_heavy() -> None:
    script = (
        "import sys; from optimizer.cli import main\n"
        "sys.argv = ['trimtab', '--help']\n"
        "try:\n    main()\nexcept SystemExit: pass\n"
        "heavy = {'pandas', 'numpy', 'duckdb', 'pulp', 'altair', 'scipy', 'pydantic'} & sys.modules.keys()\n"
        "print('heavy:', sorted(heavy), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stderr.strip() == "heavy: []"


def test_the_completion_of_a_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    # Else typer looks for the shell it was started from, which under make is sh.
    monkeypatch.setenv("_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION", "1")
    ran = process("--show-completion", "bash")
    assert ran.code == 0, ran.err
    assert "complete" in ran.out


def test_every_verb_speaks_json_alone(tmp_path: Path) -> None:
    root = make(tmp_path / "ws")
    bill = focus_csv(tmp_path / "bill.csv")
    plan = ("plan", "-w", root, "--as-of", AS_OF)
    seen = {}
    for name, arguments in {
        "init": ("init", root),
        "ingest": ("ingest", "-w", root, "--source", bill),
        "forecast": ("forecast", "-w", root, "--as-of", AS_OF),
        "plan": (*plan, "--horizon", "6h"),
        "placement": (*plan, "--kind", "placement"),
        "commitments": ("commitments", "-w", root),
        "report": ("report", "-w", root),
        "check": ("check", "-w", root),
    }.items():
        ran = cli(*arguments, "--json")
        assert ran.code == 0, (name, ran.err)
        assert ran.err == "", name
        seen[name] = ran.json
    assert [Path(path).name for path in seen["init"]["written"]] == ["trimtab.toml"]
    (load,) = seen["ingest"]["loads"]
    assert set(load) == {
        "source", "kind", "rows", "period_start", "period_end", "billed_cost", "effective_cost", "status",
        "notes"
    }  # fmt: skip
    assert load["status"] == "new"
    assert load["billed_cost"] == {"USD": "1.500000000000000000"}
    assert seen["forecast"]["series"] == 1
    assert seen["plan"]["schema"] == "capacity-plan/1"
    assert Path(seen["plan"]["plan"]) == root / "plans/capacity.json"
    assert seen["placement"]["schema"] == "placement-plan/1"
    assert seen["commitments"]["hash"] == seen["placement"]["hash"]
    assert all(Path(path).is_file() for path in seen["report"]["files"])
    assert {finding["level"] for finding in seen["check"]["findings"]} <= {"ok", "note"}


def test_a_report_after_a_forecast_of_a_few_hours(tmp_path: Path) -> None:
    root = make(tmp_path / "ws")
    assert cli("forecast", "-w", root, "--as-of", AS_OF, "--horizon", "6h").code == 0
    assert cli("plan", "-w", root, "--as-of", AS_OF, "--kind", "placement").code == 0
    assert cli("report", "-w", root, "--json").code == 0


def test_people_read_the_same_numbers(tmp_path: Path) -> None:
    root = make(tmp_path / "ws")
    ran = cli("plan", "-w", root, "--as-of", AS_OF)
    assert ran.code == 0
    for words in ("capacity-plan/1", "planned cost over 24 h", "99.0% quantile", "proven gap", "wrote "):
        assert words in ran.out
    bill = focus_csv(tmp_path / "bill.csv")
    assert "new" in cli("ingest", "-w", root, "--source", bill).out
    assert "unchanged" in cli("ingest", "-w", root, "--source", bill).out
    ran = cli("forecast", "-w", root, "--as-of", AS_OF, "--out", tmp_path / "f.csv")
    assert "chat" in ran.out
    assert (tmp_path / "f.csv").is_file()


def test_init_then_plan_gives_the_next_step(tmp_path: Path) -> None:
    root = tmp_path / "ws"
    ran = cli("init", root)
    assert ran.code == 0
    assert "workloads.yaml" in ran.out
    assert "trimtab plan" in ran.out
    ran = cli("plan", "-w", root)
    assert ran.code == 2
    assert ran.out == ""
    (line,) = ran.faults
    assert "profiles.parquet" in line
    assert "add the file" in line
    assert not (root / "plans/capacity.json").exists()


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (InputError([]), 2),
        (InfeasibleError("none fits"), 3),
        (LakeError("torn"), 1),
        (TransientError("soon"), 1),
    ],
)
def test_each_kind_of_error_has_its_exit_code(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, error: Exception, code: int
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(pipeline, "report", fail)
    ran = cli("report", "-w", tmp_path, "--json")
    assert ran.code == code
    assert ran.out == ""
    assert ran.err.rstrip("\n") == str(error)


def test_an_interruption_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(pipeline, "report", interrupt)
    ran = cli("report", "-w", tmp_path)
    assert ran.code == 1
    assert ran.faults == ["stopped; nothing half-done was kept"]


def test_moments() -> None:
    assert moment("2026-05-12T05:00:00+02:00") == datetime(2026, 5, 12, 3, tzinfo=UTC)
    assert moment("2026-05-12T03:00:00Z") == datetime(2026, 5, 12, 3, tzinfo=UTC)
    now = moment(None)
    assert now.tzinfo is UTC
    assert now.microsecond == 0


def test_a_schedule_without_prefect(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "prefect", None)
    for name in [name for name in sys.modules if name.startswith(("prefect.", "flows"))]:
        monkeypatch.delitem(sys.modules, name)
    ran = cli("schedule", "start", "-w", tmp_path)
    assert ran.code == 1
    assert ran.faults == ["schedules need Prefect: pip install 'trimtab[flows]'"]


def test_the_console_script_is_this_application() -> None:
    assert isinstance(command_line.app, typer.Typer)
    assert callable(command_line.main)


def test_the_problem_of_a_placement_is_saved_and_solved_again(tmp_path: Path) -> None:
    root = make(tmp_path / "ws")
    plan = ("plan", "-w", root, "--as-of", AS_OF)
    ran = cli(*plan, "--kind", "placement", "--save-problem", tmp_path / "problem", "--json")
    assert ran.code == 0, ran.err
    ran = cli("solve", tmp_path / "problem", "--out", tmp_path / "answer", "--json")
    assert ran.code == 0, ran.err
    assert '"status": "within_gap"' in ran.out or '"status": "optimal"' in ran.out
    ran = cli(*plan, "--save-problem", tmp_path / "other")
    assert ran.code == 2
    assert "--save-problem: found --kind capacity" in ran.err
