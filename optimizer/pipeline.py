"""The product on one page. Each step runs alone: in a shell, a test, a notebook or a flow.

    files ──ingest──▶ lake ──forecast──▶ quantiles ──plan──▶ plan.json ──report──▶ report.html, report.md

Every step reads what the one before wrote and nothing flows back up. Times are arguments: the same files and
the same `as_of` give the same plan, byte for byte.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from data.billing.history import Restatement, restatement
from data.lake import Lake
from data.workloads_yaml import FILE as WORKLOADS_FILE
from data.workloads_yaml import read_workloads
from optimizer.beforehand import beforehand, stored_as
from optimizer.capacity import document
from optimizer.capacity import make as make_capacity
from optimizer.capacity_plan_rows import promised_rows
from optimizer.chargeback import Chargeback
from optimizer.chargeback import make as make_chargeback
from optimizer.checkup import Finding, findings
from optimizer.config import Settings, load_settings
from optimizer.demand import REQUESTS
from optimizer.forecasts import forecast_requests, old_demand, store_forecasts
from optimizer.inputs import read_inputs
from optimizer.lake_inputs import lake_tables
from optimizer.layout import Layout, alone, only_one, taking_place
from optimizer.marginal import Price, prices_of_type
from optimizer.members import members_of
from optimizer.plan import CapacityPlan, PlacementPlan, read_plan, write_plan
from optimizer.processes import HERE
from optimizer.promise_record import keep_promises, no_promises
from optimizer.reporting import record_plan, report_data

if TYPE_CHECKING:
    from data.ingest import Loads
    from optimizer.alerts import Alert, Delivery
    from optimizer.anomalies import Watched
    from optimizer.backtest_capacity import CapacityBacktest
    from optimizer.backtest_cases import Question
    from optimizer.backtest_forecasts import Judged
    from optimizer.budgets import Outlook
    from optimizer.report.data import Headline
    from optimizer.whatif.change import Asked
    from optimizer.whatif.compare import Answers
    from optimizer.whatif.question import Asking

Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class Report:
    """The two files of a report and the numbers on its top."""

    html: Path
    markdown: Path
    headline: Headline


def silent(_step: str, _share: float) -> None:
    """Progress that nobody watches."""


def ingest(
    workspace: Path,
    source: Path | None = None,
    *,
    now: datetime,
    is_truth: bool = False,
    progress: Progress = silent,
) -> Loads:
    """Bills, demand, utilisation, offers and state into the lake; the same content twice changes nothing.

    `is_truth` takes a bill as it is even where it looks older than what the lake has.
    """
    from data import ingest as loading  # noqa: PLC0415  no plan waits for it

    layout = Layout(workspace)
    paths = [source] if source else layout.sources(load_settings(workspace))
    with only_one(layout), Lake.open(layout.lake) as lake:
        done = [
            loading.ingest(lake, path, loaded_at=now, is_truth=is_truth, progress=progress) for path in paths
        ]
    loads, skipped = [part.loads for part in done], [part.skipped for part in done]
    return loading.Loads(tuple(chain(*loads)), tuple(chain(*skipped)))


def forecast(
    workspace: Path, *, as_of: datetime, horizon: pd.Timedelta, progress: Progress = silent
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Quantiles of every workload's demand from `as_of` on, kept with origin and model in the lake; notes."""
    layout = Layout(workspace)
    with only_one(layout):
        progress("reading", 0.0)
        inputs = read_inputs(workspace, as_of)
        progress("forecasting", 0.3)
        quantiles = forecast_requests(inputs, horizon, beforehand(inputs, load_settings(workspace), REQUESTS))
        progress("storing", 0.9)
        with Lake.open(layout.lake) as lake:
            store_forecasts(lake, quantiles, metric=REQUESTS, origin=as_of)
    return quantiles, tuple(old_demand(inputs))


def backtest_forecast(
    workspace: Path,
    *,
    until: datetime,
    since: datetime | None = None,
    horizon: pd.Timedelta,
    origins: int,
    levels: Sequence[float],
    out: Path | None = None,
    progress: Progress = silent,
) -> tuple[Judged, tuple[Path, ...]]:
    """How good forecasts of every workload's demand would have been; scores kept in the lake, pages in `out`.

    Nothing after `until` is read. Plans of later moments are made with the model that proved itself.
    """
    from optimizer.backtest_files import write as write_backtest  # noqa: PLC0415  charts: no plan waits
    from optimizer.backtest_forecasts import of_workspace, store_scores  # noqa: PLC0415

    layout, settings = Layout(workspace), load_settings(workspace)
    with only_one(layout):
        progress("reading", 0.0)
        found = of_workspace(
            read_inputs(workspace, until),
            since=since,
            horizon=horizon,
            origins=origins,
            levels=levels,
            quantile=settings.planning.demand_quantile,
            members=members_of(settings),
            progress=lambda done: progress("forecasting", 0.05 + 0.85 * done),
        )
        progress("drawing", 0.9)
        with Lake.open(layout.lake) as lake, lake.transaction("backtest forecast"):
            store_scores(lake, found)
            files = write_backtest(found, out or layout.reports / "backtest")
    return found, files


def backtest_capacity(
    workspace: Path,
    asked: Question,
    *,
    now: datetime,
    jobs: int,
    out: Path | None = None,
    progress: Progress = silent,
) -> tuple[CapacityBacktest, tuple[Path, ...]]:
    """What the workspace's own days would have cost and kept under Trimtab and others; pages in `out`.

    Nothing after the window is read, but for what runs `now` where nobody saw what ran then. Replays take
    minutes, in which others may use the workspace.
    """
    from optimizer.backtest_capacity import backtest  # noqa: PLC0415  no plan waits for it
    from optimizer.backtest_capacity_files import write as write_backtest  # noqa: PLC0415

    layout = Layout(workspace)
    with only_one(layout):
        progress("reading", 0.0)
        inputs = read_inputs(workspace, asked.until.to_pydatetime())
        seen = inputs if len(inputs.fleet) else read_inputs(workspace, now)
    with alone(layout.replays):
        found = backtest(
            inputs, seen.fleet, asked, layout.replays, jobs=jobs,
            progress=lambda done: progress("replaying", 0.05 + 0.9 * done),
        )  # fmt: skip
    progress("drawing", 0.95)
    return found, write_backtest(found, out or layout.reports / "backtest")


def plan(
    workspace: Path,
    *,
    as_of: datetime,
    horizon: pd.Timedelta,
    kind: str,
    out: Path,
    save_problem: Path | None = None,
    beside: Executor = HERE,
    progress: Progress = silent,
) -> CapacityPlan | PlacementPlan:
    """A checked plan with its proven gap, written to `out`; nothing later than `as_of` is read.

    The problem of a placement is also written, as tables, to `save_problem`. Forecasts may be made
    `beside` this process; the plan is the same.
    """
    layout, settings = Layout(workspace), load_settings(workspace)
    made: CapacityPlan | PlacementPlan
    promised = no_promises()
    with only_one(layout):
        progress("reading", 0.0)
        inputs = read_inputs(workspace, as_of)
        progress("forecasting and solving", 0.2)
        if kind == "placement":
            from optimizer.placement import plan_placement  # noqa: PLC0415  no plan for machines waits for it

            made, outlook = plan_placement(inputs, settings, save_problem=save_problem, beside=beside)
        else:
            capacity = make_capacity(inputs, horizon, settings, beside=beside)
            made, outlook, promised = document(capacity), capacity.outlook, promised_rows(capacity)
        progress("writing", 0.9)
        with taking_place(out) as draft, Lake.open(layout.lake) as lake, lake.transaction():
            write_plan(made, draft)
            store_forecasts(lake, outlook.forecasts, metric=stored_as(kind), origin=as_of)
            record_plan(lake, made, out)
        keep_promises(layout.memory, promised)
    return made


def whatif(
    workspace: Path,
    asking: Asking,
    scenarios: Sequence[Asked],
    *,
    now: datetime,
    jobs: int = 1,
    progress: Progress = silent,
) -> Answers:
    """The same plan or replay as things are and in each scenario; the workspace stays as it is.

    Nothing later than the question's moment is read, but for what runs `now` where a replay cannot know.
    """
    from optimizer.whatif.compare import read_changes  # noqa: PLC0415  no plan waits for it
    from optimizer.whatif.question import PlanQuestion, answers, moment_of  # noqa: PLC0415

    layout, settings = Layout(workspace), load_settings(workspace)
    with only_one(layout):
        progress("reading", 0.0)
        inputs = read_inputs(workspace, moment_of(asking))
        knows = len(inputs.fleet) or isinstance(asking, PlanQuestion)
        seen = inputs if knows else read_inputs(workspace, now)
    changes = read_changes(inputs, scenarios)
    return answers(
        asking, inputs, seen.fleet, changes, settings=settings, layout=layout, jobs=jobs, progress=progress
    )


def report(
    workspace: Path, *, placement: Path | None = None, now: datetime, progress: Progress = silent
) -> Report:
    """report.html and report.md from the lake and a placement plan, as of that plan.

    By default of plans/placement.json. A workspace for its bills alone has none: then of the bills, as of
    `now`.
    """
    from optimizer.report.render import write as write_report  # noqa: PLC0415  charts: no plan waits for them

    layout = Layout(workspace)
    path = placement or (None if layout.is_for_bills_alone else layout.plans / "placement.json")
    made = read_plan(path, PlacementPlan) if path else None
    progress("reading", 0.0)
    inputs = read_inputs(workspace, made.as_of if made else now, needs_workloads=made is not None)
    data = report_data(layout, inputs, made)
    progress("drawing", 0.4)
    return Report(*write_report(data, layout.reports), data.headline)


def anomalies(
    workspace: Path,
    *,
    now: datetime,
    since: datetime | None = None,
    tell: bool = False,
    progress: Progress = silent,
) -> tuple[Watched, tuple[Delivery, ...]]:
    """Incidents that began on or after `since`, by default in the last 30 days; told where `tell`."""
    from optimizer.anomalies import find  # noqa: PLC0415  no plan waits for it
    from optimizer.anomaly_alerts import alerts_of  # noqa: PLC0415

    layout, settings = Layout(workspace), load_settings(workspace)
    progress("looking", 0.0)
    with Lake.open(layout.lake, read_only=True) as lake:
        found = find(lake, settle_days=settings.costs.settle_days, since=since)
    progress("telling", 0.9)
    alerts = alerts_of(found, settings.anomalies)
    return found, tell_people(layout, settings, alerts, now=now) if tell else ()


def bill_diff(workspace: Path, *, period: str, load_id: int | None = None) -> Restatement:
    """What a restatement of a month (YYYY-MM) changed, by service and account."""
    with Lake.open(Layout(workspace).lake, read_only=True) as lake:
        return restatement(lake, period, load_id)


def chargeback(workspace: Path, *, period: str, currency: str | None = None) -> Chargeback:
    """Every charge of a month (YYYY-MM) given to an owner, by the rules of [allocation]."""
    layout, rules = Layout(workspace), load_settings(workspace).allocation
    declared = workspace / WORKLOADS_FILE  # a bill can be charged back without any workload
    workloads = read_workloads(declared.read_text(encoding="utf-8")) if declared.is_file() else ()
    with Lake.open(layout.lake, read_only=True) as lake:
        return make_chargeback(lake, rules, workloads, period=period, currency=currency)


def budget(
    workspace: Path,
    *,
    as_of: datetime,
    period: str | None = None,
    months: int = 12,
    tell: bool = False,
    progress: Progress = silent,
) -> tuple[Outlook, tuple[Delivery, ...]]:
    """Month-end and the months after it for budgets and owners; raised alarms are told where `tell`."""
    from optimizer.budget_alerts import alerts_of  # noqa: PLC0415  statsmodels: no plan waits for it
    from optimizer.budgets import outlook  # noqa: PLC0415

    layout, settings = Layout(workspace), load_settings(workspace)
    progress("reading and forecasting", 0.0)
    with Lake.open(layout.lake, read_only=True) as lake:
        found = outlook(lake, settings, as_of=as_of, period=period, months=months)
    progress("telling", 0.9)
    return found, tell_people(layout, settings, alerts_of(found), now=as_of) if tell else ()


def tell_people(
    layout: Layout, settings: Settings, alerts: Sequence[Alert], *, now: datetime
) -> tuple[Delivery, ...]:
    """Send alerts of any kind through [alerts]; what was told is remembered in the workspace."""
    from optimizer.alert_memory import remembering  # noqa: PLC0415  no plan waits for it
    from optimizer.notify import send as send_alerts  # noqa: PLC0415

    with remembering(layout.memory) as memory:
        return send_alerts(alerts, settings.alerts, now=now, memory=memory)


def alert_test(workspace: Path, *, channel: str, now: datetime) -> tuple[Delivery, ...]:
    """Send a test message to one channel, whatever was told before."""
    from optimizer.notify import send_test  # noqa: PLC0415  no plan waits for it

    return send_test(load_settings(workspace).alerts, channel, now=now)


def prices(workspace: Path, *, instance_type: str, region: str | None, as_of: datetime) -> tuple[Price, ...]:
    """What one more hour of an instance type costs, for each offer of it, step by step."""
    inputs = read_inputs(workspace, as_of, needs_workloads=False)
    with lake_tables(Layout(workspace).lake, as_of) as tables:
        unused = tables.unused()
    return prices_of_type(inputs, unused, instance_type, region)


def check(workspace: Path, *, now: datetime) -> tuple[Finding, ...]:
    """What is wrong, old or missing in a workspace, without changing it."""
    return findings(Layout(workspace), now)
