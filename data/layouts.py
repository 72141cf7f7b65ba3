"""Which files of a folder are the bill: exports leave older versions of a month beside the current one.

Nothing is read by pattern where the provider says what counts:

* AWS Cost and Usage Report: <period>/<report>-Manifest.json lists the files of the current assembly.
* AWS Data Exports (CUR 2.0, FOCUS): metadata/BILLING_PERIOD=…/…Manifest.json lists the files below data/. It
  is written last, so data of a period without one is still being written.
* Azure exports: <period>/<run>/manifest.json lists the files of a run; the newest run of a period counts.

Without manifests, folders of runs below one period are versions of each other: the newest counts, and where
an archive has lost the times there is no telling. Files of one run belong together (`batch`).

Source: the delivery layouts in the providers' documentation of their exports.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from data.errors import Fault, InputError

OLDER = "not in its export's manifest: an older version"
SUPERSEDED = "an older run of the same period"
UNFINISHED = "no manifest yet: the export is still being written"
IS_MANIFEST = "the manifest of an export"
LARGEST_MANIFEST_BYTES = 2**26  # 64 MiB; one of 10,000 files has 2
_PERIOD = re.compile(r"\d{8}-\d{8}")
_RUN = re.compile(
    r"[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{12}|\d{12,14}"
)
_RUN_OF_FILE = re.compile(r"[_-][0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")
_STAMP = re.compile(r"\d{8}T\d{6}Z?.*")
_SHARD = re.compile(r"(.*?)[-_]?\d{6,}(\.(?:json|jsonl|csv|parquet))?(\.gz)?")
_MONTH = "BILLING_PERIOD="


@dataclass
class Choice:
    """What is left out of a folder, with the reason, and which run each other file is part of."""

    left_out: dict[Path, str] = field(default_factory=dict)
    batch: dict[Path, str] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)


@dataclass(frozen=True)
class _Manifest:
    """One manifest: what it is for, how new it is, where it looks for its files, and their keys."""

    path: Path
    scope: tuple[str, ...]
    newness: str
    root: Path
    keys: tuple[str, ...]
    sizes: dict[str, int] = field(default_factory=dict)
    covers: Path | None = None  # the folder of which it lists everything


def choose(folder: Path, paths: Sequence[Path], name: str, *, has_times: bool) -> Choice:
    """Decide for every file below a folder.

    `name` is how people know the folder; `has_times` whether the files' own times can be trusted. Raises
    InputError if files that a manifest lists are missing or cut, or if there is no telling what counts.
    """
    choice = Choice()
    found = [manifest for path in paths if (manifest := _manifest(path)) is not None]
    for manifests in _by_scope(_without_copies(found)):
        newest = max(manifests, key=lambda one: one.newness)
        if sum(one.newness == newest.newness for one in manifests) > 1:
            versions = f"{len(manifests)} versions of one month and no manifest above them"
            action = "copy the whole folder, or leave out the older versions"
            choice.faults.append(Fault(name, versions, "one manifest for the month", action))
            continue
        _take(choice, folder, paths, name, newest)
        for other in manifests:
            if other is not newest and other.covers is not None:
                _leave(choice, paths, other.covers, SUPERSEDED)
    for manifest in found:
        choice.left_out[manifest.path] = IS_MANIFEST
    _data_exports_without_manifest(choice, paths, name)
    _runs_without_manifest(choice, folder, paths, name, has_times=has_times)
    _shards(choice, paths)
    if choice.faults:
        raise InputError(choice.faults)
    return choice


def is_declared(batch: str) -> bool:
    """Whether a manifest lists the files of a batch; else they are together by their place or name alone."""
    return batch.lower().endswith("manifest.json")


def _by_scope(manifests: Sequence[_Manifest]) -> Iterator[list[_Manifest]]:
    for scope in dict.fromkeys(manifest.scope for manifest in manifests):
        yield [manifest for manifest in manifests if manifest.scope == scope]


def _without_copies(manifests: Sequence[_Manifest]) -> list[_Manifest]:
    """Without those that an AWS report keeps in each assembly's folder, where the one above is there too."""
    above = {m.path.parent for m in manifests if m.scope[0] == "cur"}
    return [m for m in manifests if not (m.scope[0] == "cur" and m.path.parent.parent in above)]


def _take(choice: Choice, folder: Path, paths: Sequence[Path], name: str, manifest: _Manifest) -> None:
    """Take the files of a manifest and leave out what else lies in the folder it covers."""
    shown = manifest.path.relative_to(folder).as_posix()
    taken: set[Path] = set()
    for key in manifest.keys:
        path = _find_key(folder, manifest.root, key)
        if path is None:
            fault = Fault(f"{name}/{shown}", f"no file for {key}", "every file it lists", "copy the rest")
            choice.faults.append(fault)
        elif manifest.sizes.get(key, path.stat().st_size) != path.stat().st_size:
            found = f"{key} with {path.stat().st_size} bytes"
            expected = f"{manifest.sizes[key]} bytes"
            choice.faults.append(Fault(f"{name}/{shown}", found, expected, "copy the file again"))
        else:
            taken.add(path)
            choice.batch[path] = shown
    if manifest.covers is not None:
        for path in paths:
            if manifest.covers in path.parents and path not in taken:
                choice.left_out.setdefault(path, OLDER)


def _leave(choice: Choice, paths: Sequence[Path], folder: Path, reason: str) -> None:
    for path in paths:
        if folder in path.parents and path not in choice.batch:
            choice.left_out.setdefault(path, reason)


def _find_key(delivery: Path, root: Path, key: str) -> Path | None:
    """The local copy of an object key: its longest ending that exists below the root or a folder above it.

    A report for Athena has its manifest in the period's folder and its data in year=…/month=… beside that.
    """
    parts = PurePosixPath(key.split("://", 1)[-1].lstrip("/")).parts
    if ".." in parts:
        return None
    above = [folder for folder in root.parents if folder == delivery or delivery in folder.parents]
    places = [(root, start) for start in range(len(parts))]
    places += [(folder, start) for folder in above for start in range(len(parts) - 1)]  # no bare names there
    for folder, start in places:
        path = folder.joinpath(*parts[start:])
        with suppress(OSError, ValueError):  # what cannot be a name is no file
            if path.is_file():
                return path
    return None


# -- manifests -------------------------------------------------------------------------------------


def _manifest(path: Path) -> _Manifest | None:
    if not path.name.lower().endswith("manifest.json") or path.stat().st_size > LARGEST_MANIFEST_BYTES:
        return None
    try:
        value = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict):
        return None
    if isinstance(value.get("reportKeys"), list) and "assemblyId" in value:
        return _cur(path, value)
    if isinstance(value.get("blobs"), list):
        return _azure(path, value)
    return _data_export(path, value)


def _cur(path: Path, value: dict[str, Any]) -> _Manifest:
    """The manifest above the assemblies, or of one assembly where that is all there is."""
    is_assembly = path.parent.name == value["assemblyId"]
    period = path.parent.parent if is_assembly else path.parent
    keys = tuple(str(key) for key in value["reportKeys"])
    scope = ("cur", str(period), str(value.get("reportName")))
    return _Manifest(path, scope, "", path.parent, keys, covers=path.parent)


def _azure(path: Path, value: dict[str, Any]) -> _Manifest:
    config, run = _mapping(value.get("exportConfig")), _mapping(value.get("runInfo"))
    blobs = [blob for blob in value["blobs"] if isinstance(blob, dict) and blob.get("blobName")]
    sizes = {
        str(blob["blobName"]): blob["byteCount"] for blob in blobs if isinstance(blob.get("byteCount"), int)
    }
    scope = ("azure", str(path.parent.parent), str(config.get("exportName")), str(config.get("type")))
    keys = tuple(str(blob["blobName"]) for blob in blobs)
    newness = str(run.get("submittedTime") or "")
    return _Manifest(path, scope, newness, path.parent, keys, sizes, covers=path.parent)


def _data_export(path: Path, value: dict[str, Any]) -> _Manifest | None:
    at = _place(path, "metadata")
    if at is None:
        return None
    root, month, execution = at
    listed = value.get("dataFiles", value.get("dataFileKeys"))
    data = root / "data" / month
    keys = tuple(str(key) for key in listed) if isinstance(listed, list) else ()
    if not keys:  # an old manifest that only marks the end
        of_run = data / execution if execution else data
        keys = tuple(str(one.relative_to(root)) for one in sorted(of_run.rglob("*")) if one.is_file())
    newness = str(value.get("createdAt") or value.get("executionCreatedAt") or execution)
    return _Manifest(path, ("data export", str(root), month), newness, root, keys, covers=data)


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _place(path: Path, kind: str) -> tuple[Path, str, str] | None:
    """Export folder, BILLING_PERIOD=… and execution (or "") of a file below <export>/<kind>/."""
    for month in path.parents:
        if month.name.startswith(_MONTH) and month.parent.name == kind:
            inside = path.relative_to(month).parts
            return month.parent.parent, month.name, inside[0] if len(inside) > 1 else ""
    return None


# -- without manifests -----------------------------------------------------------------------------


def _data_exports_without_manifest(choice: Choice, paths: Sequence[Path], name: str) -> None:
    """Data of AWS Data Exports whose period has no manifest."""
    described = {at[0] for path in paths if (at := _place(path, "metadata")) is not None}
    months: dict[tuple[Path, str], dict[str, list[Path]]] = {}
    for path in paths:
        at = _place(path, "data")
        if at is not None and path not in choice.batch and path not in choice.left_out:
            months.setdefault(at[:2], {}).setdefault(at[2], []).append(path)
    for (root, month), runs in months.items():
        if root in described:
            for path in (path for files in runs.values() for path in files):
                choice.left_out[path] = UNFINISHED
        elif len(runs) > 1 and not all(_STAMP.fullmatch(run) for run in runs):
            found = f"{len(runs)} versions of {month}"
            fault = Fault(f"{name}/{root.name}", found, "the metadata folder beside data", "copy it too")
            choice.faults.append(fault)
        else:
            for run in sorted(runs)[:-1]:
                choice.left_out.update(dict.fromkeys(runs[run], SUPERSEDED))
            choice.batch.update(dict.fromkeys(runs[max(runs)], f"{root.name}/{month}"))


def _runs_without_manifest(
    choice: Choice, folder: Path, paths: Sequence[Path], name: str, *, has_times: bool
) -> None:
    """Folders of runs, or files that carry a run's id, below one period folder."""
    periods: dict[tuple[Path, str], dict[str, list[Path]]] = {}
    for path in paths:
        if path in choice.batch or path in choice.left_out:
            continue
        for below, period in zip((path, *path.parents), path.parents, strict=False):
            if period == folder.parent:
                break
            run = below.name if below != path and _RUN.fullmatch(below.name) else ""
            of_file = _RUN_OF_FILE.search(path.name) if below == path else None
            if _PERIOD.fullmatch(period.name) and (run or of_file):
                kind = path.name.replace(of_file[0], "") if of_file else "run"
                periods.setdefault((period, kind), {}).setdefault(run or path.name, []).append(path)
                break
    for (period, _), runs in periods.items():
        newest = max(runs, key=lambda run: (max(path.stat().st_mtime for path in runs[run]), run))
        if len(runs) > 1 and not has_times:
            found = f"{len(runs)} runs of one period and no manifest"
            where = f"{name}/{period.relative_to(folder).as_posix()}"
            choice.faults.append(
                Fault(where, found, "the newest run alone, or its manifest", "leave out the others")
            )
            continue
        for run, files in runs.items():
            if run == newest:
                choice.batch.update(dict.fromkeys(files, f"{period.name}/{run}"))
            else:
                choice.left_out.update(dict.fromkeys(files, SUPERSEDED))


def _shards(choice: Choice, paths: Sequence[Path]) -> None:
    """Numbered pieces of one file in one folder, as BigQuery and Spark write them."""
    for path in paths:
        shard = _SHARD.fullmatch(path.name)
        if shard and path not in choice.batch and path not in choice.left_out:
            choice.batch[path] = f"{path.parent}/{shard[1]}"
