"""The page of a backtest: the champion in plain words, charts, names that mean harm."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from markdown_it import MarkdownIt

from models.backtest import rolling, run
from models.champion import Champion, Ratio
from models.frames import check_series
from models.peers import BASELINE, OURS, forecasters, of
from optimizer.backtest_file import history_of
from optimizer.backtest_forecasts import Judged, judged, ratios_for
from optimizer.report.backtest_page import label, planning, render, ties, verdict
from tests.models.frames_of import demand, long_frame
from tests.optimizer.report.test_render import ALLOWED, GOLDEN, HOSTILE, Page

SURE = Ratio(0.72, 0.61, 0.85)


def sample(
    names: tuple[str, ...] = ("chat", "rank"), *, scale: float = 1.0, quantile: float = 0.99
) -> Judged:
    """Seasonal naive and the last value, the latter under our name; the first series is the largest."""
    rows = {
        name: [v * scale * (2 if i == 0 else 1) for v in demand(6, seed=i)] for i, name in enumerate(names)
    }
    panel = check_series(long_frame(rows), "1h")
    naive, value = (of(one) for one in forecasters(panel.freq) if one.name in {BASELINE, "last_value"})
    cases, _ = rolling(panel, 24, 2)
    models = [naive, replace(value, name=OURS)]
    test = run(cases, panel.ids, ratios=ratios_for(quantile), keep=[names[0]], models=lambda _: models)
    return judged(
        test, quantile=quantile, subject=f"requests of {len(names)} workloads", unit="requests/s",
        horizon=pd.Timedelta(24, unit="h"), example=names[0], history=history_of(panel, names[0], None),
        run="0123456789abcdef",
    )  # fmt: skip


def won(**changes: object) -> Judged:
    base = Champion(OURS, 99.0, SURE, OURS, (OURS,), ())
    return replace(sample(), champion=replace(base, **changes))  # type: ignore[arg-type]


def test_the_champion_in_plain_words() -> None:
    assert verdict(won()) == (
        "Trimtab is the champion: where a unit short costs 99 idle ones, its plans cost 0.72 (0.61 to 0.85) "
        "of what they cost with seasonal naive."
    )
    assert ties(won(ties=("season_max+conformal", "window_7d"))) == (
        "Not told apart from it on these series: highest of the last season, calibrated; "
        "quantile of the last 7 days."
    )
    assert ties(won()) == ""
    assert "Last value costs less on average, but not beyond chance." in verdict(won(cheapest="last_value"))
    assert "its plans cost 0.90 of what" in verdict(won(against=Ratio(0.9, None, None)))


@pytest.mark.parametrize(
    ("origins", "of_workspace", "changes", "said"),
    [
        (4, False, {}, ""),
        (4, True, {}, "Plans are made with Trimtab's model."),
        (3, True, {}, "Plans go on as before: 3 origins are too few to change that; 4 are needed."),
        (1, True, {}, "Plans go on as before: one origin is too few to change that; 4 are needed."),
        (4, True, {"model": BASELINE, "ours": Ratio(1.1, 1.0, 1.2)},
         "From now on plans are made with seasonal naive, until a newer backtest says otherwise."),
    ],
)  # fmt: skip
def test_who_plans_from_now_on(
    origins: int, of_workspace: bool, changes: dict[str, object], said: str
) -> None:
    found = won(**changes)
    found = replace(found, is_of_workspace=of_workspace, test=replace(found.test, origins=origins))
    assert planning(found) == said


def test_seasonal_naive_stays_in_plain_words() -> None:
    one = Ratio(1.0, 1.0, 1.0)
    stays = {"model": BASELINE, "against": one, "better": ()}
    start = "Seasonal naive stays. Where a unit short costs 99 idle ones, "
    assert verdict(won(**stays, cheapest=BASELINE)) == f"{start}it makes the cheapest plans."
    chance = verdict(won(**stays, cheapest=OURS, ties=(OURS,)))
    assert chance == f"{start}Trimtab is cheaper, but by no more than chance explains."
    assert verdict(won(**stays, cheapest=OURS)) == f"{start}Trimtab does not beat it."
    nobody = replace(sample(), champion=None)
    assert verdict(nobody) == "No champion: no series has demand to compare plans by."


def test_labels_of_models() -> None:
    assert label("trimtab") == "Trimtab"
    assert label("persistence+conformal") == "last value and its usual changes, calibrated"
    assert label("a_plugin") == "a_plugin"


def test_the_page_shows_every_model_series_and_chart() -> None:
    found = sample()
    rendered = render(found)
    page = Page(rendered.html)
    assert page.tags["svg"] == 3
    assert set(page.tags) <= ALLOWED
    text = " ".join(" ".join(page.text).split())
    for words in ("Trimtab", "seasonal naive", "chat", "rank", "Plan cost 99:1", "Plan cost 999:1", "24 h"):
        assert words in text, words
    assert verdict(found) in text
    assert "| Plan cost 99:1 |" in rendered.markdown
    assert not re.search(r"&#46;|\bnan\b|None", rendered.markdown)
    assert not re.search(r">\s*(nan|None)\s*<", rendered.html)


def test_the_markdown_reads_as_agreed() -> None:
    assert render(sample()).markdown == (GOLDEN / "backtest.md").read_text(encoding="utf-8")


def test_the_same_backtest_gives_the_same_bytes() -> None:
    assert render(sample()) == render(sample())


def test_a_numbers_table_is_the_scores() -> None:
    found = sample()
    table = found.table.set_index("model")
    line = next(line for line in render(found).markdown.splitlines() if line.startswith("| Trimtab"))
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    assert float(cells[1].replace(",", "")) == pytest.approx(table["plan_cost_99"][OURS], rel=0.01)
    against = [float(part) for part in re.findall(r"[\d.]+", cells[2])]
    names = ["ratio_99", "ratio_99_low", "ratio_99_high"]
    np.testing.assert_allclose(against, table.loc[OURS, names].astype(float), atol=0.006)
    assert float(cells[7]) == pytest.approx(table["mase"][OURS], rel=0.01)


@pytest.mark.parametrize("name", [name.replace("\ud800", "") for name in HOSTILE])  # Arrow holds no surrogate
def test_names_that_mean_harm_are_shown_as_they_are(name: str) -> None:
    found = sample((name, "rank"))
    rendered = render(replace(found, subject=name))
    page = Page(rendered.html)
    assert set(page.tags) <= ALLOWED
    assert not [key for key, _ in page.attributes if key.startswith("on")]
    tokens = MarkdownIt("commonmark").enable("table").parse(rendered.markdown)
    kinds = {child.type for token in tokens for child in token.children or ()}
    assert not kinds & {"html_inline", "link_open", "image"}
    assert not {token.type for token in tokens} & {"html_block"}
    heads = [token for token in tokens if token.type == "heading_open"]
    assert len(heads) == 3


def test_zero_demand_and_a_quantile_of_ones_own_can_be_drawn() -> None:
    idle = render(sample(scale=0.0))
    assert "No champion" in idle.html
    assert "not known" in idle.markdown
    assert "Plan cost 19:1" in render(sample(quantile=0.95)).markdown
