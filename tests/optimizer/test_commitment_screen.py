"""What `trimtab commitments` shows, for people and as JSON, and what it says without a plan."""

from __future__ import annotations

from pathlib import Path

from optimizer.plan import sealed, write_plan
from tests.e2e.workspaces import cli
from tests.optimizer.commitment_cases import advised
from tests.optimizer.test_plan import placement_plan


def written(tmp_path: Path, *items: object) -> Path:
    """A workspace with a placement plan of this advice."""
    plan = placement_plan().model_copy(update={"commitments": items})
    write_plan(sealed(plan), tmp_path / "plans" / "placement.json")
    return tmp_path


def test_people_see_amount_saving_tail_and_ladders(tmp_path: Path) -> None:
    ran = cli("commitments", "-w", written(tmp_path, advised(commitment="[b]x[/b]")))
    assert ran.code == 0, ran.err
    shown = " ".join(ran.out.split())
    for words in ("[b]x[/b]", "365 -122 8.0%", "68%", "70%–100%", "advice: no plan buys"):
        assert words in shown
    assert "→ 1.00 USD/h now, 1.25 in month 6: saves 335 USD a month, 30 USD in the worst draws" in shown


def test_both_amounts_for_at_once_say_over_which_time_they_are(tmp_path: Path) -> None:
    ran = cli("commitments", "-w", written(tmp_path, advised(commitment="x")))
    table, ladders = ran.out.split("At once or in parts")
    assert "not renewed: USD a month over its term" in table
    assert "over the term and the year after it, each renewed" in " ".join(ladders.split())
    assert "x, over 2 years" in ladders


def test_machines_get_the_advice_as_it_stands_in_the_plan(tmp_path: Path) -> None:
    item = advised()
    ran = cli("commitments", "-w", written(tmp_path, item), "--json")
    assert ran.code == 0, ran.err
    assert ran.json["commitments"] == [item.model_dump(mode="json")]
    assert ran.json["plan"].endswith("placement.json")


def test_a_plan_without_advice_says_so(tmp_path: Path) -> None:
    ran = cli("commitments", "-w", written(tmp_path))
    assert ran.out == "no commitment pays for this plan, beside those that run\n"


def test_without_a_plan_it_says_how_to_make_one(tmp_path: Path) -> None:
    ran = cli("commitments", "-w", tmp_path)
    assert ran.code == 2
    assert "make one with `trimtab plan --kind placement`" in " ".join(ran.err.split())
