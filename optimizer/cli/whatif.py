"""The command that asks the same question again with something changed."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from optimizer.cli.common import HERE, Json, Workspace, app, ends_with_code, moment, show, window

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from optimizer.errors import Fault
    from optimizer.whatif.question import Asking

T = TypeVar("T")
V = TypeVar("V")
Many = list[str] | None
Demand = Annotated[
    Many, typer.Option(help="Factor on demand: 1.3 of all, chat=1.3 of a workload or pattern.")
]
Price = Annotated[
    Many, typer.Option(help="Factor on prices: 0.8 of all, 'aws-*=0.8' of an option or pattern.")
]
PriceList = Annotated[str | None, typer.Option(help="Table of option_id and price_hourly; Parquet or CSV.")]
Quota = Annotated[Many, typer.Option(help="Quota of an option or pattern: aws-use1-g6e-od=20, or =none.")]
Objective = Annotated[Many, typer.Option(help="Objective: chat.ttft_s=1, or target=0.99 of all workloads.")]
Residency = Annotated[Many, typer.Option(help="Countries that data may be in: chat=DE,FR, or chat=any.")]
WithoutRegion = Annotated[
    Many, typer.Option(help="Region that is gone: us-east-1, aws/us-east-1 or 'aws/*'.")
]
Catalog = Annotated[
    str | None, typer.Option(help="Rows as in catalog.parquet: options that come, or are otherwise.")
]
Profiles = Annotated[
    str | None, typer.Option(help="Rows as in profiles.parquet: throughput that comes, or is otherwise.")
]
Scenarios = Annotated[
    Path | None, typer.Option(help="YAML of several scenarios, in place of the changes above.")
]
Kind = Annotated[str | None, typer.Option(help="Plan: capacity or placement. Default: capacity.")]
Moment = Annotated[str | None, typer.Option(help="Moment of the plan, ISO 8601 with offset. Default: now.")]
Horizon = Annotated[str | None, typer.Option(help="How far a capacity plan reaches. Default: 24h.")]
Since = Annotated[
    str | None, typer.Option("--from", help="Replay these days in place of a plan: their begin.")
]
Until = Annotated[str | None, typer.Option("--to", help="Their end; nothing later is read.")]
Policy = Annotated[Many, typer.Option(help="Policy to replay, as often as wanted. Default: trimtab.")]
Seed = Annotated[
    int | None, typer.Option(help="Of bursts, failures and reclaims of a replay. Default: 0.", min=0)
]
Jobs = Annotated[int | None, typer.Option(help="Replays at once. Default: one per core.", min=1)]
Out = Annotated[Path | None, typer.Option(help="File for the differences, JSON.")]


@app.command()
@ends_with_code
def whatif(
    workspace: Workspace = HERE,
    demand: Demand = None,
    price: Price = None,
    price_list: PriceList = None,
    quota: Quota = None,
    slo: Objective = None,
    residency: Residency = None,
    without_region: WithoutRegion = None,
    catalog: Catalog = None,
    profiles: Profiles = None,
    scenarios: Scenarios = None,
    kind: Kind = None,
    as_of: Moment = None,
    horizon: Horizon = None,
    since: Since = None,
    until: Until = None,
    policy: Policy = None,
    seed: Seed = None,
    jobs: Jobs = None,
    out: Out = None,
    as_json: Json = False,
) -> None:
    """Ask for the same plan, or replay the same days, with something changed: what differs, by workload."""
    from optimizer import pipeline, screen
    from optimizer.whatif import screen as answer_screen
    from optimizer.whatif.files import scenarios_of, write
    from optimizer.whatif.question import stray_flags, wrong_changes

    texts = {
        "demand": demand, "price": price, "price_list": price_list, "quota": quota, "slo": slo,
        "residency": residency, "without_region": without_region, "catalog": catalog, "profiles": profiles,
    }  # fmt: skip
    is_replay = since is not None or until is not None
    plans = {"--kind": kind, "--as-of": as_of, "--horizon": horizon}
    replays = {"--policy": policy, "--seed": seed, "--jobs": jobs}
    wrong = [
        *wrong_changes([key for key, text in texts.items() if text], has_file=scenarios is not None),
        *stray_flags(
            is_replay=is_replay,
            of_plans=[name for name, value in plans.items() if value is not None],
            of_replays=[name for name, value in replays.items() if value is not None],
        ),
    ]
    asked, faults = scenarios_of(texts, scenarios, wrong)
    if is_replay:
        asking = replay_question(since, until, policy or ["trimtab"], seed or 0, faults)
    else:
        asking = plan_question(kind or "capacity", as_of, horizon or "24h", faults)
    with screen.progress("whatif") as progress:
        found = pipeline.whatif(
            workspace, asking, asked, now=datetime.now(UTC), jobs=jobs or os.cpu_count() or 1,
            progress=progress,
        )  # fmt: skip
    files = () if out is None else (out,)
    summary = answer_screen.summary(found, asking, files)
    if out is not None:
        write(summary, out)
    show(as_json, summary, lambda: answer_screen.show(found, asking, files))


def plan_question(kind: str, as_of: str | None, horizon: str, faults: list[Fault]) -> Asking:
    """The plan that flags ask for, or all their faults and those so far."""
    from optimizer import screen
    from optimizer.errors import InputError
    from optimizer.whatif.question import PlanQuestion

    known = attempt(screen.plan_kind, kind, faults)
    at = attempt(moment, as_of, faults)
    span = attempt(screen.duration, horizon, faults)
    if known is None or at is None or span is None or faults:
        raise InputError(faults)
    return PlanQuestion(known, at, span)


def replay_question(
    since: str | None, until: str | None, policies: Sequence[str], seed: int, faults: list[Fault]
) -> Asking:
    """The replay that flags ask for, or all their faults and those so far."""
    from optimizer import backtest_capacity
    from optimizer.errors import InputError

    faults += backtest_capacity.unknown_policies(policies)
    begin, end = window(since, until, faults)
    if faults:
        raise InputError(faults)
    return backtest_capacity.question(begin, end, policies, seed)


def attempt(read: Callable[[T], V], text: T, faults: list[Fault]) -> V | None:
    """What a text says; None where it is wrong, its faults added to the others."""
    from optimizer.errors import InputError

    try:
        return read(text)
    except InputError as error:
        faults += error.faults
        return None
