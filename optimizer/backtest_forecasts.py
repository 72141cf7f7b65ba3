"""How good the forecasts of a workspace would have been: rolling origins, champion and challengers.

At each origin the demand is cut and laid on its grid as `trimtab forecast` would have done then, and goes
through the same function; nothing later reaches a model. What is found is shown and kept in the lake, where
the next plan finds who is to make it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from data.lake import Lake
from data.tables import QUANTILES, arrow_schema, conform
from models.backtest import (
    KNOWN_SEASONS,
    RATIOS,
    Backtest,
    Case,
    moments_between,
    run,
    usual_distance,
)
from models.champion import Champion, champion, overall
from models.forecaster import Forecaster, season
from models.frames import FrameError, Panel, check_series, level_column
from models.gaps import flag_outages
from models.known import Known
from models.peers import OURS, contenders
from models.scores import cost_ratio_of
from optimizer.demand import REQUESTS, slot_length, slot_of
from optimizer.errors import Fault, InputError
from optimizer.forecasts import request_series
from optimizer.inputs import Inputs
from optimizer.known import known_of

MOST_ORIGINS = 1_000
LEAST_ORIGINS = 4  # fewer past moments are no ground to plan with another model
MODELS = len(list(contenders(pd.Timedelta(1, unit="h"))))

Progress = Callable[[float], None]


@dataclass(frozen=True, eq=False)
class Judged:
    """A backtest and what follows from it.

    Attributes:
        subject: what was forecast, in words.
        unit: of what was forecast.
        horizon: how far each forecast looks.
        quantile: what plans cover; sets the cost ratio the champion is chosen by.
        test: scores and forecasts.
        table: one row per model, cheapest first; see `models.champion.overall`.
        champion: None where plans have no cost.
        example: the largest series, whose forecasts are drawn.
        history: `ds, y` of the example.
        run: fingerprint of what was asked and of the demand it was asked of.
        is_of_workspace: whether plans follow from it.
    """

    subject: str
    unit: str
    horizon: pd.Timedelta
    quantile: float
    test: Backtest
    table: pd.DataFrame
    champion: Champion | None
    example: str
    history: pd.DataFrame
    run: str
    is_of_workspace: bool = False

    @property
    def cost_ratio(self) -> float:
        """What a unit short costs over one idle, by the plan's quantile."""
        return cost_ratio_of(self.quantile)

    @property
    def planner(self) -> str | None:
        """The model that plans of the workspace follow; None where this run does not say."""
        if not self.is_of_workspace or self.champion is None or self.test.origins < LEAST_ORIGINS:
            return None
        return self.champion.planner

    @property
    def series(self) -> int:
        """Series that were scored."""
        return int(self.test.scores["unique_id"].nunique())

    @property
    def points(self) -> int:
        """Steps that counted, of all series."""
        return int(self.table["points"].max())


def ratios_for(quantile: float) -> tuple[float, ...]:
    """The cost ratios to score: the decision's own first."""
    own = cost_ratio_of(quantile)
    return (own, *(each for each in RATIOS if each != own))


def judged(test: Backtest, *, quantile: float, **about: Any) -> Judged:
    """Compare the models of a backtest."""
    ratios = ratios_for(quantile)
    table = overall(test.scores, ratios, test.levels)
    best = champion(test.scores, ratios[0])
    return Judged(quantile=quantile, test=test, table=table, champion=best, **about)


def of_workspace(
    inputs: Inputs,
    *,
    since: datetime | None,
    horizon: pd.Timedelta,
    origins: int,
    levels: Sequence[float],
    quantile: float,
    members: Sequence[Forecaster] = (),
    progress: Progress,
) -> Judged:
    """Backtest the demand of every workload up to the inputs' as-of.

    What workloads.yaml says of demand, and further members of the ensemble, count at every origin.

    Raises:
        InputError: there is no demand, or too little before the first origin.
    """
    demand = declared(inputs)
    until = min(pd.Timestamp(inputs.as_of), newest(demand))
    moments = rolling_origins(demand, since, until, horizon, origins)
    names = sorted(demand["workload"].unique())
    example = str(demand.groupby("workload")["requests"].sum().idxmax())
    said = [workload.model_dump_json() for workload in inputs.workloads]
    asked = (moments, horizon, tuple(levels), quantile, said, [one.name for one in members])
    inputs = replace(inputs, demand=demand)
    models = partial(contenders, known=said_of(inputs, moments), members=members)
    try:
        test = run(
            cases(inputs, moments, horizon),
            names,
            levels=levels,
            models=models,
            ratios=ratios_for(quantile),
            keep=[example],
            progress=lambda done: progress(min(done / (len(moments) * MODELS), 1.0)),
        )
    except FrameError as error:
        raise InputError([Fault("demand", f.found, f.expected, f.action) for f in error.faults]) from error
    series = request_series(known_at(inputs, until))
    history = next((one[["ds", "y"]] for one in series if one["unique_id"].iloc[0] == example), None)
    return judged(
        test,
        quantile=quantile,
        subject=f"requests of {len(names)} workload{'' if len(names) == 1 else 's'}",
        unit="requests/s",
        horizon=horizon,
        example=example,
        history=pd.DataFrame({"ds": [], "y": []}) if history is None else history,
        run=fingerprint(demand.loc[ended(demand) <= until], asked),
        is_of_workspace=True,
    )


def said_of(inputs: Inputs, moments: Sequence[pd.Timestamp]) -> dict[str, Known]:
    """What workloads.yaml says of each workload, with the holidays of all years that come up."""
    said: dict[str, Known] = {}
    for moment in {moment.year: moment for moment in moments}.values():
        for name, fact in known_of(inputs.workloads, moment).items():
            before = said.get(name, fact)
            said[name] = replace(before, holidays=before.holidays | fact.holidays)
    return said


def declared(inputs: Inputs) -> pd.DataFrame:
    """Demand of the workloads in workloads.yaml."""
    rows = inputs.demand.loc[inputs.demand["workload"].isin([w.name for w in inputs.workloads])]
    if rows.empty:
        expected = "demand of a workload of workloads.yaml"
        action = "add history/usage.parquet, or `trimtab ingest` demand"
        raise InputError([Fault("demand", "no rows", expected, action)])
    return rows


def ended(demand: pd.DataFrame) -> pd.Series[pd.Timestamp]:
    """When each interval was over."""
    return demand["ts"] + pd.to_timedelta(demand["interval_s"], unit="s")


def newest(demand: pd.DataFrame) -> pd.Timestamp:
    """The end of the last interval that was counted."""
    return pd.Timestamp(ended(demand).max())


def rolling_origins(
    demand: pd.DataFrame,
    since: datetime | None,
    until: pd.Timestamp,
    horizon: pd.Timedelta,
    count: int,
) -> list[pd.Timestamp]:
    """Moments from which forecasts are made; the last horizon ends with what is known.

    Raises:
        InputError: no origin has two seasons before it and a horizon behind it.
    """
    slot = slot_length(float(demand["interval_s"].max()))
    first = pd.Timestamp(demand["ts"].min()) + KNOWN_SEASONS * season(slot)
    begin = first if since is None else max(first, pd.Timestamp(since))
    apart = usual_distance(slot) if since is None else None
    found = moments_between(begin, until - horizon, slot, count, apart)
    if not found:
        text = f"demand from {demand['ts'].min():%Y-%m-%d %H:%M} to {until:%Y-%m-%d %H:%M}"
        asked = "" if since is None else f" from {since:%Y-%m-%d %H:%M} on"
        expected = f"{KNOWN_SEASONS * season(slot)} of it before a forecast{asked} and {horizon} behind it"
        action = "shorten --horizon, take an earlier --from, or add history"
        raise InputError([Fault("demand", text, expected, action)])
    return found


def cases(inputs: Inputs, moments: Sequence[pd.Timestamp], horizon: pd.Timedelta) -> Iterator[Case]:
    """Every origin, a case per length of slot."""
    for moment in moments:
        for slot, known in panels(known_at(inputs, moment)).items():
            steps = int(np.ceil(horizon / slot))
            later = panels(known_at(inputs, moment + steps * slot)).get(slot)
            yield Case(known, came_true(known, later, steps))


def known_at(inputs: Inputs, moment: pd.Timestamp) -> Inputs:
    """The inputs with the demand whose intervals had ended by a moment."""
    rows = inputs.demand.loc[ended(inputs.demand) <= moment]
    return replace(inputs, as_of=moment.to_pydatetime(), demand=rows)


def panels(inputs: Inputs) -> dict[pd.Timedelta, Panel]:
    """Demand as `trimtab forecast` sees it at as-of, by length of slot."""
    by_slot: dict[pd.Timedelta, list[pd.DataFrame]] = {}
    for frame in request_series(inputs):
        by_slot.setdefault(slot_of(frame), []).append(frame)
    return {
        slot: check_series(pd.concat(frames, ignore_index=True), slot, non_negative=True)
        for slot, frames in sorted(by_slot.items())
    }


def came_true(known: Panel, later: Panel | None, steps: int) -> np.ndarray:
    """(series, step) what followed; NaN where nothing was counted on the same grid, or an outage."""
    found = np.full((len(known), steps), np.nan)
    if later is not None:
        rows = later.ids.get_indexer(known.ids)
        seen = later.masked(flag_outages(later)).y[:, -steps:]
        part = seen[rows[rows >= 0]]
        found[np.flatnonzero(rows >= 0), steps - part.shape[1] :] = part
    return found


def fingerprint(demand: pd.DataFrame, asked: object) -> str:
    """Equal for equal demand and an equal question."""
    columns = demand[["workload", "ts", "interval_s", "requests", "is_gap"]]
    digest = hashlib.sha256(repr(asked).encode())
    digest.update(pd.util.hash_pandas_object(columns, index=False).to_numpy().tobytes())
    return digest.hexdigest()[:16]


# -- the lake --------------------------------------------------------------------------------------------


def store_scores(lake: Lake, found: Judged) -> bool:
    """Keep the scores of a run in one transaction; whether that changed anything."""
    ordered = lake_rows(found).sort_values(["model", "unique_id"], ignore_index=True)
    rows = conform("forecast_scores", ordered)
    names = arrow_schema("forecast_scores").names
    if lake.arrow("forecast_scores_of_run", run=found.run).select(names).equals(rows):
        return False
    lake.replace("forecast_scores", {"run": found.run}, rows)
    return True


def lake_rows(found: Judged) -> pd.DataFrame:
    """Rows of the table `forecast_scores`."""
    scores = found.test.scores
    names = ["unique_id", "model", "points", "mean_demand", "plan_cost_99", "plan_cost_999", "wql", "mase"]
    levels = {
        f"{what}_{level_column(level)}": f"{what}_{name}"
        for what in ("pinball", "coverage")
        for name, level in QUANTILES.items()
    }
    rows = scores[[*names, *levels]].rename(columns=levels)
    winner = None if found.champion is None else found.champion.model
    return rows.assign(
        run=found.run,
        metric=REQUESTS,
        first_origin=found.test.first,
        last_origin=found.test.last,
        origins=found.test.origins,
        horizon_s=int(found.horizon.total_seconds()),
        demand_quantile=found.quantile,
        is_champion=rows["model"].eq(winner) if winner else False,
        is_planner=rows["model"].eq(found.planner) if found.planner else False,
    )


def shown_model(found: Judged) -> str:
    """The model whose forecasts are drawn."""
    return OURS if found.champion is None else found.champion.model
