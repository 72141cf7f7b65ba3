"""Exports as their providers lay them out: which files count, as folders and as archives."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data import layouts
from data.delivery import unpacked
from data.errors import InputError
from data.ingest import ingest
from data.lake import Lake
from tests.data.bills import NOW, focus_csv
from tests.data.test_billing_azure import COVERED, PURCHASE, SPREAD, UNUSED, cost_file

Pack = Callable[[Path, Path], Path]
RUNS = ("11111111-1111-1111-1111-111111111111", "22222222-2222-2222-2222-222222222222")
PERIOD = "20260901-20260930"


def as_folder(folder: Path, _: Path) -> Path:
    return folder


def as_zip(folder: Path, target: Path) -> Path:
    return Path(shutil.make_archive(str(target), "zip", folder))


def as_tar_gz(folder: Path, target: Path) -> Path:
    return Path(shutil.make_archive(str(target), "gztar", folder))


packs = pytest.mark.parametrize("pack", [as_folder, as_zip, as_tar_gz])


def read(path: Path, scratch: Path) -> tuple[dict[str, str], dict[str, str]]:
    """Files that are read with their batch, and files left out with the reason; names below the delivery."""
    scratch.mkdir(exist_ok=True)
    with unpacked(path, scratch) as delivery:
        prefix = f"{path.name}/"
        files = {file.name.removeprefix(prefix): file.batch.removeprefix(prefix) for file in delivery.files}
        left = {item.name.removeprefix(prefix): item.reason for item in delivery.skipped}
    return files, left


def azure_run(
    root: Path, run: str, submitted: str, kind: str = "ActualCost", parts: Mapping[str, str] | None = None
) -> Path:
    """One run of an Azure export: its parts, and the manifest that lists them."""
    folder = root / kind / PERIOD / run
    folder.mkdir(parents=True)
    blobs = []
    for name, text in (parts or {"part_0_0001.csv": f"a\n{run}\n"}).items():
        (folder / name).write_text(text)
        blobs.append({"blobName": f"exports/{kind}/{PERIOD}/{run}/{name}", "byteCount": len(text)})
    manifest = {
        "manifestVersion": "2024-04-01", "blobCount": len(blobs), "blobs": blobs,
        "exportConfig": {"exportName": kind.lower(), "type": kind},
        "runInfo": {"runId": run, "submittedTime": submitted},
    }  # fmt: skip
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


@packs
def test_the_newest_azure_run_of_a_period_counts(tmp_path: Path, pack: Pack) -> None:
    root = tmp_path / "exports"
    azure_run(root, RUNS[0], "2026-09-20T04:00:00Z")
    azure_run(root, RUNS[1], "2026-09-10T04:00:00Z")
    azure_run(root, RUNS[1], "2026-09-11T04:00:00Z", "AmortizedCost")
    files, left = read(pack(root, tmp_path / "packed"), tmp_path / "scratch")
    assert {name[name.index("A") :] for name in files} == {
        f"ActualCost/{PERIOD}/{RUNS[0]}/part_0_0001.csv", f"AmortizedCost/{PERIOD}/{RUNS[1]}/part_0_0001.csv",
    }  # fmt: skip
    assert sorted(left.values()) == [layouts.SUPERSEDED] + [layouts.IS_MANIFEST] * 3


def test_parts_of_one_run_are_one_batch(tmp_path: Path) -> None:
    azure_run(tmp_path / "e", RUNS[0], "2026-09-20", parts={"part_0.csv": "a\n1\n", "part_1.csv": "a\n2\n"})
    files, _ = read(tmp_path / "e", tmp_path / "scratch")
    assert len(files) == 2
    assert set(files.values()) == {f"ActualCost/{PERIOD}/{RUNS[0]}/manifest.json"}


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (lambda folder: (folder / "part_0_0001.csv").unlink(), "no file for exports/"),
        (lambda folder: (folder / "part_0_0001.csv").write_text("a\n"), "with 2 bytes; expected 39 bytes"),
    ],
)
def test_a_run_that_lacks_something_is_refused(
    tmp_path: Path, break_it: Callable[[Path], object], message: str
) -> None:
    break_it(azure_run(tmp_path / "e", RUNS[0], "2026-09-20"))
    with pytest.raises(InputError, match=message):
        read(tmp_path / "e", tmp_path / "scratch")


def test_an_amortized_sign_in_one_part_holds_for_the_whole_run(lake: Lake, tmp_path: Path) -> None:
    for kind, rows in (
        ("ActualCost", [[{}, PURCHASE], [COVERED]]),
        ("AmortizedCost", [[{}, SPREAD], [UNUSED]]),
    ):
        parts = {
            f"part_{i}.csv": cost_file(tmp_path / "p.csv", part).read_text() for i, part in enumerate(rows)
        }
        azure_run(tmp_path / "e", RUNS[0], "2026-09-20", kind, parts)
    loads = ingest(lake, tmp_path / "e", loaded_at=NOW)
    held = lake.sql("SELECT sum(BilledCost) AS b, sum(EffectiveCost) AS e FROM charges").to_pylist()[0]
    assert (float(held["b"]), float(held["e"])) == (52.4, 4.2)
    assert len(loads) == 1
    assert loads[0].rows == 6


def two_runs_without_manifest(root: Path) -> Path:
    for number, run in enumerate(RUNS):
        folder = root / "daily" / PERIOD / run
        folder.mkdir(parents=True)
        path = focus_csv(folder / "part_0.csv", [{"BilledCost": str(number)}])
        os.utime(path, (1_700_000_000 - number, 1_700_000_000 - number))
    return root


def test_without_manifest_the_files_times_tell_the_newest_run(tmp_path: Path) -> None:
    files, left = read(two_runs_without_manifest(tmp_path / "e"), tmp_path / "scratch")
    assert list(files) == [f"daily/{PERIOD}/{RUNS[0]}/part_0.csv"]
    assert left == {f"daily/{PERIOD}/{RUNS[1]}/part_0.csv": layouts.SUPERSEDED}


def test_an_archive_that_lost_the_times_is_refused(tmp_path: Path) -> None:
    archive = as_zip(two_runs_without_manifest(tmp_path / "e"), tmp_path / "packed")
    with pytest.raises(InputError, match="2 runs of one period and no manifest"):
        read(archive, tmp_path / "scratch")


def test_month_to_date_files_with_run_ids_are_versions_of_each_other(tmp_path: Path) -> None:
    folder = tmp_path / "e/daily" / PERIOD
    folder.mkdir(parents=True)
    for number, run in enumerate(RUNS):
        path = folder / f"costs_{run}.csv"
        path.write_text("a\n")
        os.utime(path, (1_700_000_000 + number, 1_700_000_000 + number))
    files, _ = read(tmp_path / "e", tmp_path / "scratch")
    assert list(files) == [f"daily/{PERIOD}/costs_{RUNS[1]}.csv"]


# -- AWS Data Exports ------------------------------------------------------------------------------


def data_export(
    root: Path, month: str, execution: str = "", created: str = "", *, lists: bool = True
) -> None:
    """One delivery of an AWS data export: its file, and the manifest that says it is whole."""
    data = root / "cur2/data" / f"BILLING_PERIOD={month}" / execution
    meta = root / "cur2/metadata" / f"BILLING_PERIOD={month}" / execution
    data.mkdir(parents=True)
    meta.mkdir(parents=True)
    (data / "cur2-00001.csv").write_text("a\n")
    key = "/".join(
        part for part in ("cur2/data", f"BILLING_PERIOD={month}", execution, "cur2-00001.csv") if part
    )
    manifest = {"createdAt": created, **({"dataFiles": [f"s3://bucket/prefix/{key}"]} if lists else {})}
    (meta / "cur2-Manifest.json").write_text(json.dumps(manifest))


@packs
@pytest.mark.parametrize("lists", [True, False])
def test_only_committed_months_of_a_data_export_are_read(tmp_path: Path, pack: Pack, lists: bool) -> None:
    root = tmp_path / "e"
    data_export(root, "2026-09", lists=lists)
    unfinished = root / "cur2/data/BILLING_PERIOD=2026-10"
    unfinished.mkdir()
    (unfinished / "cur2-00001.csv").write_text("a\n")
    files, left = read(pack(root, tmp_path / "packed"), tmp_path / "scratch")
    assert [name.rsplit("data/", 1)[1] for name in files] == ["BILLING_PERIOD=2026-09/cur2-00001.csv"]
    assert sorted(left.values()) == [layouts.UNFINISHED, layouts.IS_MANIFEST]


def test_the_newest_execution_of_a_data_export_counts(tmp_path: Path) -> None:
    root = tmp_path / "e"
    data_export(root, "2026-09", "20260902T000000Z-a", "2026-09-02T00:00:00Z")
    data_export(root, "2026-09", "20260903T000000Z-b", "2026-09-03T00:00:00Z")
    files, left = read(root, tmp_path / "scratch")
    assert list(files) == ["cur2/data/BILLING_PERIOD=2026-09/20260903T000000Z-b/cur2-00001.csv"]
    assert layouts.OLDER in left.values()
    shutil.rmtree(root / "cur2/metadata")
    assert list(read(root, tmp_path / "scratch")[0]) == list(files)


def test_executions_without_times_and_manifests_are_refused(tmp_path: Path) -> None:
    for run in ("one", "two"):
        data_export(tmp_path / "e", "2026-09", run)
    shutil.rmtree(tmp_path / "e/cur2/metadata")
    with pytest.raises(InputError, match="2 versions of BILLING_PERIOD=2026-09"):
        read(tmp_path / "e", tmp_path / "scratch")


# -- the rest --------------------------------------------------------------------------------------


def test_shards_of_one_folder_are_one_batch(tmp_path: Path) -> None:
    folder = tmp_path / "e/2026-09-01"
    folder.mkdir(parents=True)
    for number in range(3):
        (folder / f"export-{number:012}.csv").write_text("a\n")
    (folder / "other.csv").write_text("a\n")
    files, left = read(tmp_path / "e", tmp_path / "scratch")
    assert left == {}
    assert len(set(files.values())) == 2


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["reportKeys", "assemblyId", "blobs", "dataFiles", "runInfo", "blobName", "x"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=JUNK)
def test_any_json_as_manifest_is_a_clear_error_or_no_manifest(
    tmp_path_factory: pytest.TempPathFactory, value: object
) -> None:
    folder = tmp_path_factory.mktemp("j") / "metadata/BILLING_PERIOD=2026-09"
    folder.mkdir(parents=True)
    (folder / "Manifest.json").write_text(json.dumps(value))
    (folder / "a.csv").write_text("a\n")
    left_out: set[Path] = set()
    with suppress(InputError):  # the clear error; anything else fails
        left_out = set(layouts.choose(folder, sorted(folder.iterdir()), "d", has_times=True).left_out)
    assert left_out <= set(folder.iterdir())
