"""Who may plan: models compared over series by the cost of the plans they make, and the one that wins.

Costs of single series are heavy-tailed (measured: a twentieth of the points makes two thirds of the cost), so
no ratio stands here without its interval: series are drawn anew, with the same draws for every model
(percentile bootstrap, Efron 1979). Seasonal naive stays unless it is beaten beyond that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from models.frames import FloatArray, level_column
from models.peers import BASELINE, OURS
from models.scores import cost_column, level_of

DRAWS = 2_000
CHUNK_CELLS = 20_000_000  # draws × series at a time
CONFIDENCE = 0.95
TOLERANCE = 0.05  # dearer by less than this share is not worse; alone, cheaper by less is a tie
WORST = 0.1  # share of series that the worst decile is the edge of
ROUNDING = 1e-9


@dataclass(frozen=True)
class Ratio:
    """A model's mean plan cost over another's, with the interval that drawing other series gives.

    `low` and `high` are None where one series alone is no ground for an interval; `value` is None where the
    other cost is 0.
    """

    value: float | None
    low: float | None
    high: float | None

    @property
    def is_below(self) -> bool:
        """Whether the model is cheaper, beyond what other series would change."""
        if self.value is None:
            return False
        return self.value < 1 - TOLERANCE if self.high is None else self.value < 1 and self.high < 1

    @property
    def is_tie(self) -> bool:
        """Whether the two cannot be told apart."""
        if self.value is None:
            return False
        if self.low is None or self.high is None:
            return abs(self.value - 1) <= TOLERANCE
        return self.low <= 1 <= self.high


@dataclass(frozen=True)
class Champion:
    """The model that should plan, and how sure that is.

    Attributes:
        model: the champion.
        cost_ratio: what a unit short costs over one idle: the decision it is chosen for.
        against: its cost over that of seasonal naive.
        cheapest: the model of least cost; another one where it does not beat seasonal naive.
        better: models that beat seasonal naive, cheapest first.
        ties: models whose cost cannot be told from the champion's, cheapest first.
        ours: the cost of Trimtab's own model over that of seasonal naive; None where it was not judged.
    """

    model: str
    cost_ratio: float
    against: Ratio
    cheapest: str
    better: tuple[str, ...]
    ties: tuple[str, ...]
    ours: Ratio | None = None

    @property
    def planner(self) -> str:
        """Who makes plans from now on: the champion, or ours where it is as good for all that can be told.

        Ours never takes the place of seasonal naive without having been cheaper: choosing by a short backtest
        is dear (see `models.ensemble`), so chance alone does not depose it, but neither does it seat it. One
        series alone is no ground for another model as long as ours beats seasonal naive.
        """
        beats = self.ours is not None and self.ours.value is not None and self.ours.value < 1
        is_chance = OURS in self.ties or self.against.low is None
        return OURS if beats and is_chance else self.model


def champion(
    scores: pd.DataFrame, cost_ratio: float, *, baseline: str = BASELINE, seed: int = 0
) -> Champion | None:
    """The model of least plan cost among those that beat the baseline; the baseline where none does.

    None where no series has a plan cost: demand was zero, or nothing came true.
    """
    costs = costs_of(scores, cost_ratio)
    if costs.empty:
        return None
    ratios = compared(costs, baseline, seed=seed)
    order = list(costs.mean().sort_values(kind="stable").index)
    better = [name for name in order if name != baseline and ratios[name].is_below]
    best = better[0] if better else baseline
    to_best = ratios if best == baseline else compared(costs, best, seed=seed)
    ties = tuple(name for name in order if name != best and to_best[name].is_tie)
    return Champion(best, cost_ratio, ratios[best], order[0], tuple(better), ties, ratios.get(OURS))


def overall(
    scores: pd.DataFrame, ratios: Sequence[float], levels: Sequence[float], *, seed: int = 0
) -> pd.DataFrame:
    """One row per model over all series, cheapest first at the first ratio.

    Means over series weigh every series the same; `…_pooled` weighs by demand; coverage weighs every step
    the same. Per ratio c: `plan_cost_c`, `plan_cost_c_pooled`, `ratio_c` to seasonal naive with `_low` and
    `_high`, and `not_worse_share_c`: series at most a twentieth dearer than with seasonal naive.
    """
    by_model = scores.groupby("model", sort=True)
    table = by_model.agg(series=("unique_id", "size"), points=("points", "sum"))
    for cost_ratio in ratios:
        table = table.join(of_costs(scores, cost_ratio, seed))
    table = table.join(by_model[["wql", "mase"]].mean())
    for name in map(level_column, levels):
        held = f"coverage_{name}"
        steps = (scores[held] * scores["points"]).groupby(scores["model"]).sum() / table["points"]
        table = table.join(steps.rename(held)).join(
            by_model[held].quantile(WORST).rename(f"worst_decile_{name}")
        )
    return table.sort_values([cost_column(ratios[0]), "model"]).reset_index()


def of_costs(scores: pd.DataFrame, cost_ratio: float, seed: int) -> pd.DataFrame:
    """Columns of `overall` about one plan cost, by model."""
    column, name = cost_column(cost_ratio), f"{cost_ratio:g}"
    costs = costs_of(scores, cost_ratio)
    models = sorted(set(scores["model"]))
    can_compare = BASELINE in costs and len(costs) > 0
    found = compared(costs, BASELINE, seed=seed) if can_compare else {}
    unknown = Ratio(None, None, None)
    cost = (1 + cost_ratio) * scores[f"pinball_{level_column(level_of(cost_ratio))}"] * scores["points"]
    demand = (scores["mean_demand"] * scores["points"]).groupby(scores["model"]).sum()
    pooled = cost.groupby(scores["model"]).sum() / demand.where(demand > 0)
    rows = {
        model: {
            column: costs[model].mean() if model in costs else np.nan,
            f"{column}_pooled": pooled[model],
            f"ratio_{name}": found.get(model, unknown).value,
            f"ratio_{name}_low": found.get(model, unknown).low,
            f"ratio_{name}_high": found.get(model, unknown).high,
            f"not_worse_share_{name}": not_worse(costs, model),
        }
        for model in models
    }
    return pd.DataFrame.from_dict(rows, orient="index", dtype=float)


def not_worse(costs: pd.DataFrame, model: str) -> float:
    """Share of series where a model is at most `TOLERANCE` dearer than seasonal naive; NaN if not known."""
    if costs.empty or BASELINE not in costs or model not in costs:
        return float("nan")
    return float((costs[model] <= (1 + TOLERANCE) * costs[BASELINE] + ROUNDING).mean())


def costs_of(scores: pd.DataFrame, cost_ratio: float) -> pd.DataFrame:
    """(series, model) plan costs, of series where every model has one."""
    keyed = scores.set_index(["unique_id", "model"])[cost_column(cost_ratio)]
    return keyed.unstack("model").dropna()  # noqa: PD010 - keys are unique, nothing is to be added up


def compared(costs: pd.DataFrame, other: str, *, seed: int = 0, draws: int = DRAWS) -> dict[str, Ratio]:
    """Every model's mean cost over that of one model."""
    values, place = costs.to_numpy(dtype=float), costs.columns.get_loc(other)
    means = values.mean(axis=0)
    drawn = drawn_means(values, seed, draws) if len(values) > 1 else None
    found = {}
    for i, name in enumerate(costs.columns):
        if not means[place] > 0:
            found[name] = Ratio(None, None, None)
            continue
        low = high = None
        if drawn is not None:
            usable = drawn[:, place] > 0
            edges = [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2]
            low, high = np.quantile(drawn[usable, i] / drawn[usable, place], edges).tolist()
        found[name] = Ratio(float(means[i] / means[place]), low, high)
    return found


def drawn_means(values: FloatArray, seed: int, draws: int) -> FloatArray:
    """(draw, model) mean costs over series drawn with replacement."""
    random, series = np.random.default_rng(seed), len(values)
    chance = np.full(series, 1 / series)
    chunk = max(CHUNK_CELLS // series, 1)
    sizes = [min(chunk, draws - done) for done in range(0, draws, chunk)]
    return np.concatenate([random.multinomial(series, chance, size=size) @ values for size in sizes]) / series
