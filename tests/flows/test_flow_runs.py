"""Flows against a real Prefect server, which is started once: this file only, whatever runs beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from prefect import flow
from prefect.settings import PREFECT_API_URL, PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings
from prefect.testing.utilities import prefect_test_harness

from data.ingest import Loads
from flows import steps
from flows.daily import daily
from flows.ingest import ingest
from flows.plan import forecast_demand, plan
from flows.report import ARTIFACT, report
from optimizer import pipeline
from optimizer.errors import BusyError, Fault, InputError, TransientError, TrimtabError
from optimizer.plan import CapacityPlan, PlacementPlan, read_plan
from tests.flows.api import artifact
from tests.flows.workspaces import AS_OF

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", autouse=True)
def server() -> Iterator[None]:
    """The server; the heartbeat of a flow run costs a second each and proves nothing here."""
    with (
        prefect_test_harness(server_startup_timeout=240),
        temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}),
    ):
        yield


def shown(key: str) -> Any:
    """What the newest artifact of a key shows."""
    return artifact(PREFECT_API_URL.value(), key)


def test_daily_plans_and_reports_a_real_workspace(workspace: Path) -> None:
    page = daily(workspace, as_of=AS_OF)

    assert page == workspace / "reports/report.html"
    assert page.is_file()
    for kind, made in (("capacity", CapacityPlan), ("placement", PlacementPlan)):
        written = read_plan(workspace / f"plans/{kind}.json")
        assert isinstance(written, made)
        assert written.as_of == AS_OF
    summary = shown(ARTIFACT)
    text = (workspace / "reports/report.md").read_text(encoding="utf-8")
    assert text.splitlines()[0] in summary
    assert "| Proven gap |" in summary
    assert "## What to do" in summary
    assert "## Demand" not in summary
    for name in ("forecast", "plan-capacity", "plan-placement", "report"):
        assert shown(f"trimtab-progress-{name}") == 100.0


class Failing:
    """A pipeline function that raises what it was given, then answers."""

    def __init__(self, *errors: Exception, answer: Any = None) -> None:
        self.errors, self.answer, self.calls = list(errors), answer, 0

    def __call__(self, *_: Any, **__: Any) -> Any:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return self.answer


def at_once(task: Any, *arguments: Any) -> Any:
    """Run a task in a flow without waiting between attempts."""

    @flow(name="at-once")
    def run() -> Any:
        return task.with_options(retry_delay_seconds=0)(*arguments)

    return run()


def test_a_transient_failure_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    failing = Failing(
        TransientError("the disk is slow"), BusyError("held"), answer=(pd.DataFrame({"q": [1, 2]}), ())
    )
    monkeypatch.setattr(pipeline, "forecast", failing)

    assert at_once(forecast_demand, Path(), AS_OF, 24.0) == 2
    assert failing.calls == 3


def test_a_transient_failure_is_not_tried_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    failing = Failing(*[BusyError("held")] * 9)
    monkeypatch.setattr(pipeline, "forecast", failing)

    with pytest.raises(BusyError):
        at_once(forecast_demand, Path(), AS_OF, 24.0)
    assert failing.calls == 1 + len(steps.RETRY_DELAYS_S)


@pytest.mark.parametrize(
    "error",
    [
        InputError([Fault("catalog.parquet", "a hole", "a table", "mend it")]),
        TrimtabError("no"),
        OSError("no"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_any_other_failure_is_final(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    failing = Failing(error)
    monkeypatch.setattr(pipeline, "forecast", failing)

    with pytest.raises(type(error)):
        at_once(forecast_demand, Path(), AS_OF, 24.0)
    assert failing.calls == 1


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[tuple[str, dict[str, Any]]]:
    """A pipeline that only writes down what it was asked; bills cannot be read."""
    calls: list[tuple[str, dict[str, Any]]] = []
    (tmp_path / "report.md").write_text("# head\n\n## What to do\n\n## Demand\n", encoding="utf-8")
    made = SimpleNamespace(
        hash="0" * 64, expected_cost_usd=1.0, proof=SimpleNamespace(gap_share=0.0), shortfalls=()
    )
    answers = {
        "ingest": Loads(()),
        "forecast": (pd.DataFrame(), ()),
        "plan": made,
        "anomalies": (None, ()),
        "budget": (None, ()),
        "report": SimpleNamespace(html=tmp_path / "report.html", markdown=tmp_path / "report.md"),
    }

    def remembering(name: str) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            calls.append((name, named | {"source": arguments[1] if len(arguments) > 1 else None}))
            if name == "ingest" and arguments[1].name == "bill.csv":
                raise InputError([Fault("bill.csv", "half a file", "a whole one", "copy it again")])
            return answers[name]

        return call

    for name in answers:
        monkeypatch.setattr(pipeline, name, remembering(name))
    return calls


def test_a_broken_source_fails_the_run_but_not_the_plans(told: list[Any], tmp_path: Path) -> None:
    (tmp_path / "trimtab.toml").write_text('[sources]\na = "bill.csv"\nb = "demand.csv"\n', encoding="utf-8")

    with pytest.raises(TrimtabError) as raised:
        daily(tmp_path, as_of=AS_OF)
    assert "1 of 2 sources and alerts failed:\nbill.csv: found half a file" in str(raised.value)

    assert [name for name, _ in told] == ["ingest", "ingest", "forecast", "plan", "plan", "report"]
    assert [asked["source"] for _, asked in told[:2]] == [tmp_path / "bill.csv", tmp_path / "demand.csv"]
    assert [asked["kind"] for name, asked in told if name == "plan"] == ["capacity", "placement"]
    assert {asked["as_of"] for name, asked in told if name in {"plan", "forecast"}} == {AS_OF}


def test_alerts_are_told_where_there_are_channels(told: list[Any], tmp_path: Path) -> None:
    daily(tmp_path, as_of=AS_OF)
    assert not {name for name, _ in told} & {"anomalies", "budget"}
    channel = '[[alerts.channels]]\nname = "ops"\nkind = "webhook"\nurl_env = "HOOK_URL"\n'
    budget = '[[budgets]]\nname = "ads"\nowner = "ads"\nmonthly_amount = 1000\n'
    (tmp_path / "trimtab.toml").write_text(channel + budget, encoding="utf-8")
    del told[:]
    daily(tmp_path, as_of=AS_OF)
    assert [name for name, _ in told][-3:] == ["report", "anomalies", "budget"]
    assert [asked["tell"] for _, asked in told[-2:]] == [True, True]


def test_bills_alone_are_read_reported_and_told_but_not_planned(told: list[Any], tmp_path: Path) -> None:
    (tmp_path / "lake").mkdir()
    (tmp_path / "lake/catalog.sqlite").touch()
    (tmp_path / "trimtab.toml").write_text('[sources]\na = "demand.csv"\n', encoding="utf-8")
    daily(tmp_path, as_of=AS_OF)
    assert [name for name, _ in told] == ["ingest", "report"]
    assert told[-1][1]["placement"] is None


def test_a_run_is_of_the_moment_it_was_due(told: list[Any], tmp_path: Path) -> None:
    before = datetime.now(UTC) - timedelta(seconds=1)
    plan(tmp_path, kind="placement", horizon_hours=6)

    asked = told[0][1]
    assert asked["horizon"] == pd.Timedelta(hours=6)
    assert asked["out"] == tmp_path / "plans/placement.json"
    assert before <= asked["as_of"] <= datetime.now(UTC)
    assert asked["as_of"].tzinfo is UTC
    assert asked["as_of"].microsecond == 0


def test_a_time_without_zone_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Exception, match="timezone"):
        plan(tmp_path, as_of=datetime(2026, 5, 12))  # noqa: DTZ001 - that is what is refused


def test_ingest_and_report_alone(told: list[Any], tmp_path: Path) -> None:
    ingest(tmp_path, source=tmp_path / "demand.csv")
    report(tmp_path)

    (_, loaded), (_, reported) = told
    assert loaded["source"] == tmp_path / "demand.csv"
    assert abs(datetime.now(UTC) - loaded["now"]) < timedelta(minutes=1)
    assert reported["placement"] is None
    assert abs(datetime.now(UTC) - reported["now"]) < timedelta(minutes=1)
    assert shown(ARTIFACT).startswith("# head")


def test_progress_that_cannot_be_shown_ends_nothing(told: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "create_progress_artifact", Failing(*[OSError("no server")] * 9))

    assert at_once(forecast_demand, Path(), AS_OF, 24.0) == 0
