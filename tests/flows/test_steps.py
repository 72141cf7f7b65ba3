"""What can be said of the flows without a Prefect server: tasks as plain functions, texts, names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from prefect import Flow
from prefect.flows import load_flow_from_entrypoint
from prefect.states import Failed

from flows.alerts import tell_anomalies, tell_budgets
from flows.ingest import configured_sources, ingest_source, raise_failures
from flows.plan import forecast_demand, make_plan
from flows.report import summary_of, write_report
from flows.serving import deployment_name, schedule_of
from flows.steps import is_transient
from optimizer.errors import BusyError, Fault, InputError, LakeError, TransientError
from optimizer.plan import read_plan
from tests.conftest import REPO
from tests.flows.workspaces import AS_OF

TASKS: tuple[Any, ...] = (
    ingest_source, forecast_demand, make_plan, write_report, tell_anomalies, tell_budgets
)  # fmt: skip


def test_tasks_are_plain_functions_underneath(workspace: Path) -> None:
    assert forecast_demand.fn(workspace, AS_OF, 24.0) == 24
    out = make_plan.fn(workspace, "placement", AS_OF, 24.0)
    assert read_plan(out).as_of == AS_OF
    made = write_report.fn(workspace, out, AS_OF)
    assert made.markdown.is_file()
    loads = ingest_source.fn(workspace, workspace / "history", AS_OF)
    assert [load.status for load in loads] == ["new"]


@pytest.mark.parametrize(
    ("error", "again"),
    [
        (TransientError("slow"), True),
        (BusyError("held"), True),
        (LakeError("broken"), False),
        (InputError([Fault("a", "b", "c", "d")]), False),
        (TimeoutError("not ours"), False),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else str(value),
)
def test_the_type_of_an_error_says_whether_to_try_again(error: Exception, again: bool) -> None:
    assert is_transient(make_plan, None, Failed(data=error)) is again  # type: ignore[arg-type]


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_every_step_is_tried_again_by_type_with_growing_waits(task: Any) -> None:
    assert task.retry_condition_fn is is_transient
    waits = task.retry_delay_seconds
    assert task.retries == len(waits)
    assert waits == sorted(waits)


def test_sources_come_from_the_settings(workspace: Path) -> None:
    assert configured_sources(workspace) == []
    (workspace / "trimtab.toml").write_text('[sources]\nbill = "exports/aws"\n', encoding="utf-8")
    assert configured_sources(workspace) == [workspace / "exports/aws"]
    raise_failures([])


REPORT = """\
# shop: capacity and cost

| Headline | Value | |
|:--|--:|:--|
| Proven gap | 1% | |

## What to do

| # | Action | Target |
|--:|:--|:--|
| 1 | one | a |
| 2 | two | b |
| 3 | three | c |

Source: a bill.

## Demand: forecast and what came true

| 4 | not a recommendation | x |
"""


def test_the_summary_is_the_head_and_the_first_recommendations() -> None:
    assert summary_of(REPORT, top=2).splitlines() == [
        "# shop: capacity and cost",
        "",
        "| Headline | Value | |",
        "|:--|--:|:--|",
        "| Proven gap | 1% | |",
        "",
        "## What to do",
        "",
        "| # | Action | Target |",
        "|--:|:--|:--|",
        "| 1 | one | a |",
        "| 2 | two | b |",
        "",
        "Source: a bill.",
        "",
        "1 more in the whole report.",
    ]


def test_a_summary_that_leaves_nothing_out_says_so_by_silence() -> None:
    assert "more in the whole report" not in summary_of(REPORT, top=3)


@pytest.mark.parametrize("cron", ["0 5 * * *", "*/15 * * * *", "0 6 1 * 1-5"])
def test_a_cron_expression_is_taken_in_utc(cron: str) -> None:
    schedule = schedule_of(cron)
    assert (schedule.cron, schedule.timezone) == (cron, "UTC")


@pytest.mark.parametrize("cron", ["", "daily", "61 * * * *", "0 5 * *", "R R * * *"])
def test_anything_else_is_refused(cron: str) -> None:
    with pytest.raises(InputError, match=r"--cron: found .*; expected five cron fields"):
        schedule_of(cron)


@pytest.mark.parametrize(
    ("folder", "name"), [("/srv/shop", "shop"), ("/srv/a & b", "a-b"), ("/", "workspace"), ("/x/é%>", "é-")]
)
def test_a_deployment_is_named_after_its_workspace(folder: str, name: str) -> None:
    assert deployment_name(Path(folder)) == name


def test_prefect_yaml_names_a_flow_that_takes_its_parameters() -> None:
    declared = yaml.safe_load((REPO / "prefect.yaml").read_text(encoding="utf-8"))
    (deployment,) = declared["deployments"]
    flow: Flow[..., Any] = load_flow_from_entrypoint(deployment["entrypoint"])
    assert flow.name == "trimtab-daily"
    assert flow.validate_parameters(deployment["parameters"])["workspace"] == Path()
    for schedule in deployment["schedules"]:
        schedule_of(schedule["cron"])
