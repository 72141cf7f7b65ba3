"""Whatever is wrong with the input: the documented exit code, one line a fault, and nothing written.

A line says what was found, what was expected and what to do. Each case breaks a workspace that has been
ingested and planned before, and compares every file of it afterwards.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from tests.data.bills import focus_csv
from tests.e2e import workspaces
from tests.e2e.workspaces import AS_OF, Ran, cli, demand, lake_content, make, offer, save, tree

Break = Callable[[Path], object]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with a bill in its lake and a plan."""
    root = make(tmp_path_factory.mktemp("whole") / "ws")
    workspaces.fleet(root, {("chat", "virginia"): 2})
    save(root, "history/spot_capacity.parquet", workspaces.spot_history("pool-a"))
    assert cli("ingest", "-w", root, "--source", focus_csv(root.parent / "bill.csv")).code == 0
    workspaces.planned(root)
    return root


@pytest.fixture
def root(whole: Path, tmp_path: Path) -> Path:
    """A copy to break."""
    return Path(shutil.copytree(whole, tmp_path / "ws"))


def refused(ran: Ran, lines: int = 1, code: int = 2) -> str:
    """Assert that a command refused with one well-formed line per fault; gives those lines."""
    assert ran.code == code, ran.err or ran.out
    assert ran.out == ""
    assert len(ran.faults) == lines, ran.err
    for line in ran.faults:
        place, _, rest = line.partition(": found ")
        found, _, rest = rest.partition("; expected ")
        expected, _, action = rest.partition("; ")
        assert all((place, found, expected, action)), line
        assert "Traceback" not in line
    return ran.err


def edit(name: str, **columns: object) -> Break:
    """Replace the second row's values of some columns of a Parquet file."""

    def apply(root: Path) -> None:
        frame = pd.read_parquet(root / name).astype(dict.fromkeys(columns, "object"))
        for column, value in columns.items():
            frame.loc[1, column] = value
        frame.to_parquet(root / name, index=False)

    return apply


def edit_to_nothing(name: str) -> Break:
    """Keep the columns of a Parquet file and none of its rows."""
    return lambda root: save(root, name, pd.read_parquet(root / name).iloc[:0])


def text(name: str, content: str) -> Break:
    """Put a text in the place of a file."""
    return lambda root: (root / name).write_text(content, encoding="utf-8")


def workloads(old: str, new: str) -> Break:
    """Change workloads.yaml."""
    return lambda root: (root / "workloads.yaml").write_text(
        (root / "workloads.yaml").read_text().replace(old, new)
    )


def cut_short(name: str) -> Break:
    """Lose the last half of a file."""

    def apply(root: Path) -> None:
        content = (root / name).read_bytes()
        (root / name).write_bytes(content[: len(content) // 2])

    return apply


def usage(**columns: object) -> Break:
    """Replace columns of the demand history."""
    return lambda root: save(root, "history/usage.parquet", demand().assign(**columns))


def usage_with(rows: pd.DataFrame) -> Break:
    """Add rows to the demand history."""
    return lambda root: save(root, "history/usage.parquet", pd.concat([demand(), rows]))


def state(**changes: object) -> Break:
    """Change the head of state.json."""

    def apply(root: Path) -> None:
        body = json.loads((root / "state.json").read_text())
        (root / "state.json").write_text(json.dumps({**body, **changes}))

    return apply


def folder_in_place(name: str) -> Break:
    """A folder where a file should be."""

    def apply(root: Path) -> None:
        (root / name).unlink()
        (root / name).mkdir()

    return apply


LATE = pd.Timestamp("2026-05-10T03:00:00Z")
MIXED = [f"2026-05-05T{hour:02d}:00:00" + ("Z" if hour else "") for hour in range(24)]
LOCAL = demand()["ts"].dt.tz_convert(None)
ENTRY = {"workload": "chat", "option_id": "virginia", "desired": 1, "ready": 1, "pending": 0}
CASES: dict[str, tuple[Break, int, list[str]]] = {
    "catalog cut short": (cut_short("catalog.parquet"), 1, ["catalog.parquet"]),
    "catalog empty": (text("catalog.parquet", ""), 1, ["catalog.parquet"]),
    "catalog is text": (text("catalog.parquet", "option_id,price\na,1\n"), 1, ["catalog.parquet"]),
    "catalog is a folder": (folder_in_place("catalog.parquet"), 1, ["catalog.parquet"]),
    "catalog without rows": (edit_to_nothing("catalog.parquet"), 1, ["catalog.parquet"]),
    "price negative": (edit("catalog.parquet", price_hourly=-1.0), 1, ["row 2", "price_hourly", "-1"]),
    "price NaN": (edit("catalog.parquet", price_hourly=float("nan")), 1, ["row 2", "price_hourly"]),
    "price infinite": (edit("catalog.parquet", price_hourly=float("inf")), 1, ["price_hourly", "inf"]),
    "price as words": (
        lambda root: offer(root, {"option_id": "a", "price_hourly": "cheap"}),
        1,
        ["price_hourly", "cheap"],
    ),
    "quota negative": (edit("catalog.parquet", quota=-5.0), 1, ["row 2", "quota", "-5"]),
    "option twice": (edit("catalog.parquet", option_id="virginia"), 1, ["row 2", "option_id", "virginia"]),
    "purchase unknown": (edit("catalog.parquet", purchase="barter"), 1, ["'barter'", "on_demand or spot"]),
    "three faults at once": (
        edit("catalog.parquet", option_id="virginia", price_hourly=-1.0, purchase="barter"),
        3,
        ["option_id", "price_hourly", "purchase"],
    ),
    "faults of two files": (
        lambda root: (state(as_of="soon")(root), edit("catalog.parquet", price_hourly=-1.0)(root)),
        2,
        ["catalog.parquet", "state.json"],
    ),
    "YAML key twice": (workloads("  model:", "  model: other\n  model:"), 1, ["'model' again"]),
    "YAML cut short": (text("workloads.yaml", 'workloads: [{name: "chat'), 1, ["not YAML"]),
    "YAML empty": (text("workloads.yaml", ""), 1, ["workloads.yaml"]),
    "YAML missing": (lambda root: (root / "workloads.yaml").unlink(), 1, ["no such file", "trimtab init"]),
    "YAML binary": (
        lambda root: (root / "workloads.yaml").write_bytes(b"\xff\xfe\x00\x80"),
        1,
        ["workloads.yaml"],
    ),
    "YAML unknown key": (workloads("model:", "modle:"), 2, ["modle", "model"]),
    "YAML name twice": (
        lambda root: workspaces.declare(root, {}, {}),
        1,
        ["workloads.yaml", "'chat'"],
    ),
    "profile missing": (workloads("llm-8b", "llm-70b"), 1, ["profiles.parquet", "'llm-70b'", "llm-8b"]),
    "profile of zero": (
        lambda root: make(root, profiles=[{"prefill_tps": 0.0}]),
        1,
        ["profiles.parquet", "prefill_tps", "more than 0"],
    ),
    "history cut short": (cut_short("history/usage.parquet"), 1, ["history/usage.parquet"]),
    "history without zone": (usage(ts=LOCAL), 1, ["ts", "zone"]),
    "history of a stranger": (usage_with(demand("nobody", rows=40)), 1, ["'nobody'", "declare it"]),
    "history twice": (usage_with(demand(rows=1)), 1, ["row 172", "ts"]),
    "history negative": (edit("history/usage.parquet", requests=-3.0), 1, ["row 2", "requests", "-3"]),
    "history without tokens": (edit("history/usage.parquet", tokens_in=None), 1, ["row 2", "tokens_in"]),
    "history column missing": (
        lambda root: save(root, "history/usage.parquet", demand().drop(columns="requests")),
        1,
        ["requests"],
    ),
    "spot capacity negative": (edit("history/spot_capacity.parquet", capacity=-1.0), 1, ["capacity", "-1"]),
    "state cut short": (cut_short("state.json"), 1, ["state.json", "JSON"]),
    "state without zone": (state(as_of="2026-05-12T03:00:00"), 1, ["as_of", "without zone"]),
    "state negative": (state(fleet=[{**ENTRY, "desired": -2}]), 1, ["row 1", "desired", "-2"]),
    "state of a stranger": (state(fleet=[{**ENTRY, "workload": "nobody"}]), 1, ["'nobody'"]),
    "state with a fraction": (state(fleet=[{**ENTRY, "ready": 1.5}]), 1, ["ready", "1.5"]),
    "settings key unknown": (
        text("trimtab.toml", "[planning]\ngap_shrae = 0.1\n"),
        1,
        ["planning.gap_shrae", "did you mean 'planning.gap_share'"],
    ),
    "settings table unknown": (text("trimtab.toml", "[planing]\n"), 1, ["'planing'", "'planning'"]),
    "settings value too high": (
        text("trimtab.toml", "[planning]\ndemand_quantile = 1.5\n"),
        1,
        ["planning.demand_quantile", "1.5"],
    ),
    "settings of two faults": (
        text("trimtab.toml", '[planning]\ngap_share = "much"\ninterval_minutes = 0\n'),
        2,
        ["gap_share", "interval_minutes"],
    ),
    "settings no TOML": (text("trimtab.toml", "[planning\n"), 1, ["trimtab.toml", "TOML"]),
    "settings a folder": (lambda root: (root / "trimtab.toml").mkdir(), 1, ["trimtab.toml"]),
}


@pytest.mark.parametrize("case", CASES)
def test_a_broken_file_is_refused_line_by_line(root: Path, case: str) -> None:
    break_it, lines, words = CASES[case]
    break_it(root)
    before = tree(root)
    said = refused(workspaces.plan(root, name="other.json"), lines)
    for word in words:
        assert word in said
    assert tree(root) == before


def test_times_of_mixed_zones_are_refused(root: Path) -> None:
    frame = demand(rows=24).assign(ts=MIXED)
    save(root, "history/usage.parquet", frame)
    before = tree(root)
    said = refused(workspaces.plan(root))
    assert "zone" in said
    assert "row 1" in said
    assert tree(root) == before


@pytest.mark.parametrize("verb", ["forecast", "report", "ingest"])
def test_other_verbs_refuse_the_same(root: Path, verb: str) -> None:
    text("trimtab.toml", "[planning]\ngap_shrae = 0.1\n")(root)
    workloads("llm-8b", "llm-70b")(root)
    before = tree(root)
    refused(cli(verb, "-w", root, "--json"))
    assert tree(root) == before


def test_an_unknown_setting_in_the_environment(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIMTAB_PLANNING__GAP_SHRAE", "0.1")
    before = tree(root)
    assert "gap_share" in refused(workspaces.plan(root))
    monkeypatch.delenv("TRIMTAB_PLANNING__GAP_SHRAE")
    monkeypatch.setenv("TRIMTAB_PLANNING__GAP_SHARE", "much")
    assert "gap_share" in refused(workspaces.plan(root))
    assert tree(root) == before


FLAGS: dict[str, tuple[list[str], str]] = {
    "as-of without zone": (["--as-of", "2026-05-12T03:00:00"], "--as-of"),
    "as-of in words": (["--as-of", "yesterday"], "--as-of"),
    "as-of before time began": (["--as-of", "0001-01-01T00:00:00+14:00"], "--as-of"),
    "as-of at the end of time": (["--as-of", "9999-12-31T23:30:00+00:00"], "--as-of"),
    "horizon in words": (["--horizon", "soon"], "--horizon"),
    "horizon of nothing": (["--horizon", "0h"], "--horizon"),
    "horizon backwards": (["--horizon", "-3h"], "--horizon"),
    "horizon not a time": (["--horizon", "nan"], "--horizon"),
    "horizon of a millennium": (["--horizon", "365000d"], "--horizon"),
    "horizon of a century": (["--horizon", "36500d"], "--horizon"),
    "kind": (["--kind", "guess"], "--kind"),
}


@pytest.mark.parametrize("case", FLAGS)
def test_a_bad_flag_is_named(root: Path, case: str) -> None:
    flags, name = FLAGS[case]
    before = tree(root)
    said = refused(cli("plan", "-w", root, "--as-of", AS_OF, "--json", *flags))
    assert said.startswith(name)
    assert tree(root) == before


def test_a_workspace_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    for verb in ("plan", "forecast", "ingest", "report"):
        for name in ("absent", "file"):
            ran = cli(
                verb, "-w", tmp_path / name, "--json", *(["--source", __file__] if verb == "ingest" else [])
            )
            refused(ran)
    assert (tmp_path / "file").read_text() == "not a folder"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("place", ["a file among the parents", "a folder"])
def test_an_out_that_cannot_be_written(root: Path, tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("in the way")
    (tmp_path / "folder").mkdir()
    out = tmp_path / ("folder" if place == "a folder" else "file/plan.json")
    before = tree(tmp_path)
    ran = cli("plan", "-w", root, "--as-of", AS_OF, "--out", out, "--json")
    assert str(out) in refused(ran)
    assert tree(tmp_path) == before


@pytest.mark.parametrize("name", [".trimtab", "lake", "reports", "plans"])
def test_a_file_in_the_place_of_our_folder(root: Path, name: str) -> None:
    workspaces.planned(root, "--kind", "placement", name="placement.json")
    if name == "reports":
        (root / name).write_text("in the way")
        before = tree(root)
        refused(cli("report", "-w", root, "--json"))
    else:
        shutil.rmtree(root / name)
        (root / name).write_text("in the way")
        before = tree(root)
        refused(cli("plan", "-w", root, "--as-of", AS_OF, "--json"))
    assert tree(root) == before


BILLS: dict[str, Callable[[Path], Path]] = {
    "cut short": lambda folder: shortened(focus_csv(folder / "bill.csv", [{}] * 50)),
    "empty": lambda folder: written(folder / "bill.csv", b""),
    "no table": lambda folder: written(folder / "bill.csv", b"\x00\x01\x02" * 400),
    "no bill": lambda folder: written(folder / "bill.csv", b"a,b\n1,2\n"),
    "parquet cut short": lambda folder: written(folder / "bill.parquet", b"PAR1" + b"\x00" * 90),
    "gzip cut short": lambda folder: written(folder / "bill.csv.gz", b"\x1f\x8b\x08\x00" + b"\x01" * 40),
    "amount in words": lambda folder: focus_csv(folder / "bill.csv", [{}, {"BilledCost": "plenty"}]),
    "amount NaN": lambda folder: focus_csv(folder / "bill.csv", [{}, {"BilledCost": "NaN"}]),
    "time in words": lambda folder: focus_csv(
        folder / "bill.csv", [{}, {"ChargePeriodStart": "last Tuesday"}]
    ),
    "absent": lambda folder: folder / "nowhere.csv",
    "empty folder": lambda folder: emptied(folder / "bills"),
}


def shortened(path: Path) -> Path:
    """The file without the end of its last row."""
    content = path.read_bytes()
    return written(path, content[: len(content) - 60])


def written(path: Path, content: bytes) -> Path:
    """A file with this content."""
    path.write_bytes(content)
    return path


def emptied(path: Path) -> Path:
    """A folder of nothing."""
    path.mkdir()
    return path


@pytest.mark.parametrize("case", BILLS)
def test_a_broken_bill_leaves_the_lake_as_it_was(root: Path, tmp_path: Path, case: str) -> None:
    source = BILLS[case](tmp_path)
    before, held = tree(root), lake_content(root)
    refused(cli("ingest", "-w", root, "--source", source, "--json"))
    assert lake_content(root) == held
    assert tree(root) == before


@pytest.mark.parametrize(("price", "rows"), [(-3.0, (2, 3, 4)), (float("nan"), (3,))])
def test_offers_without_a_price_do_not_reach_the_lake(
    root: Path, tmp_path: Path, price: float, rows: tuple[int, ...]
) -> None:
    offers = pd.DataFrame(
        {
            "provider": "aws",
            "region": "us-east-1",
            "instance_type": ["a.large", "b.large", "c.large", "d.large"],
            "purchase": "on_demand",
            "price_hourly": [1.0, -1.0, price, 0.0],
            "as_of": "2026-05-01",
        }
    )
    offers.to_parquet(tmp_path / "prices.parquet")
    held = lake_content(root)
    ran = cli("ingest", "-w", root, "--source", tmp_path / "prices.parquet", "--json")
    said = refused(ran, lines=len(rows))
    for row in rows:
        assert f"row {row}, column price_hourly" in said
    assert "row 1," not in said
    assert lake_content(root) == held


def test_no_source_anywhere(root: Path) -> None:
    assert "--source" in refused(cli("ingest", "-w", root, "--json"))


WAYS_OUT: dict[str, tuple[dict[str, object], str, dict[str, object]]] = {
    "residency": ({"residency": ["JP"]}, "allow US in residency", {"residency": ["JP", "US"]}),
    "placement.regions": (
        {"placement": {"regions": ["mars-1"]}},
        "add us-east-1 to placement.regions",
        {"placement": {"regions": ["mars-1", "us-east-1"]}},
    ),
    "placement.providers": (
        {"placement": {"providers": ["oracle"]}},
        "add aws to placement.providers",
        {"placement": {"providers": ["oracle", "aws"]}},
    ),
    "excluded": ({"excluded": ["*"]}, "remove what matches spot from excluded", {"excluded": ["v*"]}),
    "pinned": ({"pinned": ["no-*"]}, "add spot to pinned", {"pinned": ["no-*", "spot"]}),
    "slo": (
        {"slo": {"ttft_s": 2.0, "tpot_ms": 10, "target": 0.99}},
        "55 ms per token",
        {"slo": {"ttft_s": 2.0, "tpot_ms": 55, "target": 0.99}},
    ),
    "max_rtt_ms": ({"origins": {"AU": 1.0}, "max_rtt_ms": 20}, "max_rtt_ms", {"max_rtt_ms": 500}),
}


@pytest.mark.parametrize("filter_name", WAYS_OUT)
def test_a_workload_that_no_option_fits(root: Path, filter_name: str) -> None:
    change, way_out, _ = WAYS_OUT[filter_name]
    workspaces.declare(root, change)
    before = tree(root)
    ran = workspaces.plan(root)
    assert ran.code == 3
    assert ran.out == ""
    (line,) = ran.faults
    assert "'chat'" in line
    assert f"0 left after {filter_name}" in line
    assert way_out in line.partition("Cheapest way out: ")[2]
    assert "that admits spot at 0.3 USD/h" in line
    assert tree(root) == before


def test_an_origin_far_from_everything(root: Path) -> None:
    workspaces.declare(root, {"origins": {"US": 0.5, "AU": 0.5}, "max_rtt_ms": 60})
    before = tree(root)
    ran = workspaces.plan(root)
    assert (ran.code, ran.out) == (3, "")
    (line,) = ran.faults
    assert "'chat': no admissible option is within max_rtt_ms=60 of AU. Cheapest way out: raise" in line
    assert tree(root) == before
    raised = int(line.partition("raise max_rtt_ms to ")[2].partition(";")[0])
    workspaces.declare(root, {"origins": {"US": 0.5, "AU": 0.5}, "max_rtt_ms": raised})
    assert workspaces.planned(root)["allocations"]


def test_every_way_out_works(root: Path) -> None:
    mended = [{"name": name, **change, **relaxed} for name, (change, _, relaxed) in WAYS_OUT.items()]
    workspaces.declare(root, *mended)
    save(root, "history/usage.parquet", pd.concat([demand(name, rows=48, begin=LATE) for name in WAYS_OUT]))
    (root / "state.json").unlink()
    body = workspaces.planned(root)
    for name in WAYS_OUT:
        assert set(workspaces.replicas(body, name)) == {"spot"}
