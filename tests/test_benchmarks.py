"""Every benchmark runs at a tiny size; ratios, tables and files say what was measured."""

from __future__ import annotations

import contextlib
import json
import math
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from benchmarks import __main__ as command
from benchmarks import inputs, instances, measure, placement, plan
from benchmarks.child import peak_mib
from benchmarks.measure import Outcome, Result, Sample, machine, one_sample
from benchmarks.registry import (
    SIZES,
    SUBJECTS,
    Benchmark,
    Contender,
    Prepared,
    Unavailable,
    all_benchmarks,
    chosen,
)
from benchmarks.results import document, markdown, rows, write
from benchmarks.spot import POOLS, TOGETHER, spot_history
from benchmarks.traces import invented
from optimizer.check import check
from optimizer.problem import cost
from optimizer.solve import baselines, solve

TINY = {
    "ingest-cur": 40,
    "ingest-focus": 40,
    "ingest-large": 300,
    "ingest-large-float": 300,
    "anomalies": 6,
    "forecast-tuned": 3,
    "forecast-held-out": 3,
    "forecast-5min": 3,
    "forecast-10min": 3,
    "forecast-10min-day": 3,
    "forecast-many": 3,
    "forecast-again": 2,
    "plan-capacity": 1,
    "plan-capacity-many": 2,
    "placement-100x1": 1,
    "placement-solvers": 1,
    "placement-100x24": 1,
    "placement-1000x1": 1,
    "placement-1000x24": 1,
    "placement-10000x24": 1,
    "placement-listed-100x1": 1,
    "placement-listed-1000x1": 1,
    "placement-listed-1000x24": 1,
    "placement-build": 10_000,
    "commitments": 6,
    "capacity-traffic": 1,
    "capacity-tenants": 1,
    "capacity-frontier": 1,
    "capacity-actions": 1,
    "capacity-standby": 1,
    "spot-pools": 1,
    "spot-correlated": 1,
}


def judged(benchmark: Benchmark[Any, Any], folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Numbers of every contender on tiny input, without processes of their own."""
    given, found = folder / "input", {}
    given.mkdir(parents=True)
    benchmark.prepare(given, TINY[benchmark.name])
    for contender in benchmark.contenders:
        scratch = folder / contender.name.replace(" ", "-").replace(":", "")
        scratch.mkdir()
        monkeypatch.chdir(scratch)
        made = benchmark.load(given)
        with contextlib.suppress(Unavailable):
            found[contender.name] = dict(benchmark.judge(made, contender.run(made)))
    return found


def test_every_benchmark_has_every_size_and_a_tiny_one_here() -> None:
    known = all_benchmarks()
    assert set(known) == set(TINY)
    for benchmark in known.values():
        assert tuple(benchmark.sizes) == SIZES
        assert len({contender.name for contender in benchmark.contenders}) == len(benchmark.contenders)


def test_a_subject_stands_for_its_benchmarks() -> None:
    assert [b.name for b in chosen(["ingest"])] == [
        "ingest-cur",
        "ingest-focus",
        "ingest-large",
        "ingest-large-float",
    ]
    assert [b.name for b in chosen(["placement-solvers"])] == ["placement-solvers"]
    assert len(chosen([])) == len(TINY)
    with pytest.raises(KeyError, match="found 'ingst'; expected one of ingest"):
        chosen(["ingst"])


@pytest.mark.parametrize("name", ["ingest-cur", "ingest-focus", "ingest-large", "ingest-large-float"])
def test_lake_and_pandas_find_the_same_sum(
    name: str, shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = judged(all_benchmarks()[name], tmp_path, monkeypatch)
    assert found.pop("trimtab ingest")["sum error"] == 0
    for numbers in found.values():
        assert numbers["sum error"] < 1e-12  # peers keep floats as floats


def test_detectors_are_judged_at_a_threshold_of_other_series(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRIMTAB_SHARED", str(tmp_path / "nowhere"))
    found = judged(all_benchmarks()["anomalies"], tmp_path, monkeypatch)
    ours = found.pop("trimtab anomalies")
    assert 0 <= ours["false alerts"] <= 4
    for name, numbers in found.items():
        assert math.isfinite(numbers["lost, standard"])
        assert name.endswith("thinned") or ours["lost, standard"] < numbers["lost, standard"]


def test_general_solvers_break_no_rule_and_cost_no_less_than_the_gap_allows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(placement, "SECONDS", 5.0)
    problem = instances.generated(2, 1, 0)
    best = solve(problem).cost_usd
    for solver in (placement.by_highs, placement.by_pulp_highs):
        made = solver(placement.Instance(problem, tmp_path))
        assert made.placement is not None
        assert not check(problem, made.placement)
        assert cost(problem, made.placement) >= best * (1 - placement.GAP_SHARE) - 1e-9


def test_every_builder_makes_the_model_that_was_meant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = judged(all_benchmarks()["placement-build"], tmp_path, monkeypatch)
    assert {"our blocks", "PuLP"} <= set(found)
    assert all(numbers == {"size error": 0.0} for numbers in found.values())


def test_listed_prices_make_a_problem_that_is_solved(shared: Path) -> None:
    problem = instances.real_offers(shared / "catalog/prices.parquet", 5, 2, 0)
    found = solve(problem)
    assert found.placement is not None
    assert not check(problem, found.placement)


def test_the_advice_is_as_good_as_a_program_that_holds_every_hour(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = judged(all_benchmarks()["commitments"], tmp_path, monkeypatch)
    ours, program, planned = (numbers["cost over no purchase"] for numbers in found.values())
    assert ours == pytest.approx(program, abs=1e-5)
    assert ours < min(planned, 1.0)


def test_instances_are_equal_for_equal_seeds_and_policies_break_no_rule() -> None:
    one, same, other = (instances.generated(20, 2, seed) for seed in (1, 1, 2))
    assert (one.demand == same.demand).all()
    assert one.demand.shape != other.demand.shape or not (one.demand == other.demand).all()
    best = solve(one).cost_usd
    for policy in (baselines.greedy, baselines.single_choice, baselines.per_workload):
        placed = policy(one)
        assert placed is not None
        assert not check(one, placed)
        assert cost(one, placed) > best


def test_the_whole_plan_process_gives_cost_and_gap_of_generated_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRIMTAB_SHARED", str(tmp_path / "nowhere"))
    found = judged(all_benchmarks()["plan-capacity"], tmp_path, monkeypatch)
    assert found["trimtab plan"]["USD"] > 0
    assert found["trimtab plan"]["gap"] <= plan.GAP_SHARE


def test_many_services_are_planned_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = judged(all_benchmarks()["plan-capacity-many"], tmp_path, monkeypatch)
    assert found["trimtab plan"]["USD"] > 0


@pytest.fixture(scope="module")
def invented_traffic(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The input of the capacity benchmarks where the sample data is missing: a day to be judged."""
    folder = tmp_path_factory.mktemp("invented")
    replays = all_benchmarks()["capacity-traffic"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRIMTAB_SHARED", str(folder / "nowhere"))
        assert inputs.GENERATED in replays.prepare(folder, TINY[replays.name]).source
    return replays.load(folder)


def test_policies_are_judged_beside_a_clairvoyant(invented_traffic: Any) -> None:
    replays, posed = all_benchmarks()["capacity-traffic"], invented_traffic
    ours, static = (
        replays.judge(posed, c.run(posed))
        for c in replays.contenders
        if c.name in ("trimtab, terms", "peak x 1.2, best GPU")
    )
    assert 1.0 < ours["cost over clairvoyant, mean"] < static["cost over clairvoyant, mean"]
    assert ours["% late, invented, worst"] < 1.0


def told(name: str, number: str, posed: Any, *contenders: str) -> list[float]:
    """One number of some contenders of a capacity benchmark, on invented traffic."""
    replays = all_benchmarks()[name]
    runs = {contender.name: contender.run for contender in replays.contenders}
    return [replays.judge(posed, runs[name](posed))[f"{number}, invented"] for name in contenders]


def test_a_stricter_target_costs_more(invented_traffic: Any) -> None:
    loose, strict = told(
        "capacity-frontier", "cost", invented_traffic, "trimtab, terms, 99 %", "trimtab, terms, 99.95 %"
    )
    assert loose < strict


def test_actions_that_cost_more_are_fewer(invented_traffic: Any) -> None:
    dear, plain, cheap = told(
        "capacity-actions", "actions a day", invented_traffic,
        "trimtab, 5 USD an action", "trimtab, terms", "trimtab, 0.01 USD an action",
    )  # fmt: skip
    assert dear < 0.7 * plain
    assert cheap <= plain


def test_standby_and_fast_boots_are_cheaper(invented_traffic: Any) -> None:
    plain, two, one, cheap, dear = told(
        "capacity-standby", "cost", invented_traffic,
        "trimtab, terms", "trimtab, boot 2 min", "trimtab, boot 1 min",
        "trimtab, standby 5%, 60 s", "trimtab, standby 30%, 60 s",
    )  # fmt: skip
    assert one < two < plain
    assert cheap <= dear <= plain


def test_spot_is_judged_beside_on_demand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIMTAB_SHARED", str(tmp_path / "nowhere"))
    pools = all_benchmarks()["spot-pools"]
    pools.prepare(tmp_path, 1)
    posed = pools.load(tmp_path)
    (case,) = (one.case for one in posed)
    up = (case.whole.pool_capacity > 0).mean()
    assert 0.4 < up < 0.85  # two thirds of the time
    found = {c.name: pools.judge(posed, c.run(posed)) for c in pools.contenders[:2]}
    spot, firm = found["trimtab, spot"], found["trimtab, on demand"]
    assert spot["cost over clairvoyant, mean"] < 0.9 * firm["cost over clairvoyant, mean"]


def test_pools_that_follow_another_are_down_with_it_more_often() -> None:
    (trace,) = invented(0)
    down = [
        spot_history(trace, 0, correlated=correlated)
        .pivot(index="ts", columns="pool", values="capacity")
        .eq(0)
        for correlated in (False, True)
    ]
    leader, follower = (POOLS[p] for p in TOGETHER)
    assert (down[1][leader] == down[0][leader]).all()
    assert (down[1][leader] & down[1][follower]).sum() > (down[0][leader] & down[0][follower]).sum()


@pytest.mark.parametrize("name", ["anomalies", "forecast-tuned", "forecast-10min", "plan-capacity"])
def test_without_sample_data_input_is_generated_and_says_so(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRIMTAB_SHARED", str(tmp_path / "nowhere"))
    assert inputs.GENERATED in all_benchmarks()[name].prepare(tmp_path, TINY[name]).source


def test_a_measurement_is_a_process_of_its_own(tmp_path: Path) -> None:
    all_benchmarks()["placement-100x1"].prepare(tmp_path, 1)
    sample = one_sample("placement-100x1", "single choice", tmp_path)
    assert isinstance(sample, Sample)
    assert sample.seconds > 0
    assert 10 < sample.peak_mib < 2_000
    assert sample.quality["broken rules"] == 0


def test_peak_memory_is_a_process_own_not_its_parents() -> None:
    held = bytearray(300 * 2**20)
    held[::4096] = b"1" * len(held[::4096])
    code = "from benchmarks.child import peak_mib; print(peak_mib())"
    run = subprocess.run([sys.executable, "-c", code], cwd=measure.REPO, capture_output=True, check=True)
    assert peak_mib() > 300
    assert float(run.stdout) < 200 or not Path("/proc/self/status").is_file()


def test_a_contender_that_fails_stops_the_run_and_shows_why(tmp_path: Path) -> None:
    told = r"plan-capacity, of it: imports ended with 1(.|\n)*FileNotFoundError"
    with pytest.raises(RuntimeError, match=told):
        one_sample("plan-capacity", "of it: imports", tmp_path)


def outcome(**of: Result) -> Outcome:
    """A hand-made outcome."""
    contenders = tuple(Contender[Any, Any](name, lambda given: given) for name in of)
    benchmark = Benchmark[Any, Any](
        "subject-task", "What is done.", dict.fromkeys(SIZES, 1), lambda _, __: Prepared("", 0, ""),
        lambda _: None, lambda _, __: {}, contenders[0], contenders[1:],
    )  # fmt: skip
    return Outcome(benchmark, "small", Prepared("a file", 100.0, "rows"), tuple(of.values()))


def samples(*seconds: float, quality: Mapping[str, float]) -> tuple[Sample, ...]:
    return tuple(Sample(s, s / 2, 100 * s, quality) for s in seconds)


OURS = Result("ours", samples(1.0, 9.0, 2.0, quality={"USD": 10.0}))
THEIRS = Result("theirs", samples(4.0, 5.0, 3.0, quality={"USD": math.nan}))
ABSENT = Result("absent", (), "not installed")


def test_medians_and_ratios_to_the_subject() -> None:
    facts = machine()
    made = document(outcome(ours=OURS, theirs=THEIRS, absent=ABSENT), facts)
    ours, theirs, absent = made["contenders"]
    assert ours["median"]["seconds"] == 2.0
    assert theirs["ratio"]["seconds"] == 2.0
    assert theirs["ratio"]["peak_mib"] == 2.0
    assert ours["work_per_second"] == 50.0
    assert theirs["quality"] == {"USD": None}
    assert absent == {"name": "absent", "unavailable": "not installed"}


def test_the_table_has_a_row_per_contender_and_says_what_is_left_out() -> None:
    head, *body = rows(outcome(ours=OURS, theirs=THEIRS, absent=ABSENT))
    assert {len(row) for row in body} == {len(head)}
    assert body[1][:3] == ["theirs", "4.000", "2.00"]
    assert body[1][-1] == "–"
    assert body[2][1] == "left out: not installed"


def test_files_hold_machine_facts_but_no_host_name(tmp_path: Path) -> None:
    paths = write(outcome(ours=OURS, theirs=THEIRS), machine(), tmp_path / "results")
    assert [path.name for path in paths] == ["subject-task.json", "subject-task.md"]
    body = json.loads(paths[0].read_text(encoding="utf-8"))
    assert set(body["machine"]) == {
        "cores", "processor", "memory_gib", "system", "python", "load_1min", "packages"
    }  # fmt: skip
    assert body["machine"]["cores"] >= 1
    assert "| ours | 2.000 | 1.00 |" in markdown(outcome(ours=OURS), machine())


def test_the_command_measures_prints_and_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    taken = iter([Sample(2.0, 1.0, 50.0, {"USD": 3.0}), "not installed"])
    monkeypatch.setattr(measure, "one_sample", lambda *_: next(taken))
    assert command.main(["plan-capacity", "--repeat", "1", "--out", str(tmp_path)]) == 0
    assert "not installed" in capsys.readouterr().out
    assert (tmp_path / "plan-capacity.md").is_file()


def test_an_unknown_name_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["plan-slove"]) == 2
    assert "found 'plan-slove'; expected one of" in capsys.readouterr().err


def test_every_subject_has_a_file_of_its_own() -> None:
    for subject in SUBJECTS:
        assert (measure.REPO / "benchmarks" / f"{subject}.py").is_file()
