"""Small workspaces made of files, and the command line run on them as a user would."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from typer.testing import CliRunner

from data.lake import Lake
from optimizer.cli import app

AS_OF = "2026-05-12T03:00:00+00:00"
BEGIN = pd.Timestamp("2026-05-05T00:00:00Z")
OPTION: dict[str, object] = {
    "provider": "aws",
    "region": "us-east-1",
    "instance_type": "g6.xlarge",
    "accelerator": "L4",
    "accelerator_count": 1,
    "purchase": "on_demand",
    "price_hourly": 1.0,
    "boot_seconds": 300,
    "quota": 200.0,
    "pool": None,
    "failures_per_1000h": 1.0,
}
CHAT: dict[str, object] = {
    "name": "chat",
    "model": "llm-8b",
    "slo": {"ttft_s": 2.0, "tpot_ms": 60, "target": 0.999},
}
CHEAP_SPOT = {"option_id": "spot", "purchase": "spot", "price_hourly": 0.3, "pool": "pool-a"}
EUROPE = {"option_id": "europe", "region": "eu-central-1", "price_hourly": 1.4}
OREGON = {"option_id": "oregon", "region": "us-west-2", "price_hourly": 1.2}
OPTIONS: tuple[Mapping[str, object], ...] = ({"option_id": "virginia"}, OREGON, EUROPE, CHEAP_SPOT)
PROFILE: dict[str, object] = {
    "model": "llm-8b",
    "accelerator": "L4",
    "prefill_tps": 2200.0,
    "decode_tps": 450.0,
    "max_concurrency": 24,
    "tpot_ms": 55.0,
}


@dataclass(frozen=True)
class Ran:
    """How a command ended and what it said."""

    code: int
    out: str
    err: str

    @property
    def faults(self) -> list[str]:
        """Lines of standard error."""
        return self.err.splitlines()

    @property
    def json(self) -> Any:
        """Standard output as one JSON document."""
        return json.loads(self.out)


def cli(*arguments: object) -> Ran:
    """Run a command in this process; an error that the command line did not catch is raised here."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Ran(result.exit_code, result.stdout, result.stderr)


def command(*arguments: object) -> list[str]:
    """The same command as a process of its own."""
    return [sys.executable, "-c", "from optimizer.cli import main; main()", *map(str, arguments)]


def process(*arguments: object, timeout: float = 120, **options: Any) -> Ran:
    """Run a command as a process of its own."""
    done = subprocess.run(
        command(*arguments), capture_output=True, text=True, timeout=timeout, check=False, **options
    )
    return Ran(done.returncode, done.stdout, done.stderr)


def plan(root: Path, *more: object, as_of: str = AS_OF, name: str = "plan.json") -> Ran:
    """`trimtab plan` with --json."""
    return cli("plan", "-w", root, "--as-of", as_of, "--out", root / "plans" / name, "--json", *more)


def planned(root: Path, *more: object, as_of: str = AS_OF, name: str = "plan.json") -> dict[str, Any]:
    """The plan of a workspace; it must be made without a word on standard error."""
    ran = plan(root, *more, as_of=as_of, name=name)
    assert ran.code == 0, ran.err
    assert ran.faults == []
    body: dict[str, Any] = json.loads((root / "plans" / name).read_text(encoding="utf-8"))
    assert ran.json["hash"] == body["hash"]
    return body


def make(
    root: Path,
    *workloads: Mapping[str, object],
    options: Sequence[Mapping[str, object]] = OPTIONS,
    profiles: Sequence[Mapping[str, object]] = ({},),
    usage: pd.DataFrame | None = None,
) -> Path:
    """A workspace of workloads.yaml, catalog, profiles and a week of hourly demand of the first workload."""
    (root / "history").mkdir(parents=True, exist_ok=True)
    declare(root, *(workloads or ({},)))
    offer(root, *options)
    pd.DataFrame([{**PROFILE, **profile} for profile in profiles]).to_parquet(root / "profiles.parquet")
    name = str((workloads[0] if workloads else CHAT).get("name", "chat"))
    save(root, "history/usage.parquet", demand(name) if usage is None else usage)
    return root


def declare(root: Path, *workloads: Mapping[str, object]) -> None:
    """Write workloads.yaml; each is CHAT with changes."""
    content = {"workloads": [{**CHAT, **workload} for workload in workloads]}
    (root / "workloads.yaml").write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")


def offer(root: Path, *options: Mapping[str, object]) -> None:
    """Write catalog.parquet; each option is OPTION with changes."""
    save(root, "catalog.parquet", pd.DataFrame([{**OPTION, **option} for option in options]))


def save(root: Path, name: str, frame: pd.DataFrame) -> None:
    """Write one Parquet file of a workspace."""
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    frame.to_parquet(root / name, index=False)


def demand(
    workload: str = "chat",
    *,
    begin: pd.Timestamp = BEGIN,
    rows: int = 171,
    minutes: int = 60,
    per_second: float = 4.0,
) -> pd.DataFrame:
    """Demand with a daily wave: 200 tokens in and 100 out per request."""
    ts = pd.date_range(begin, periods=rows, freq=f"{minutes}min", unit="us")
    wave = 1.0 + 0.4 * np.sin(2 * np.pi * (ts.hour + ts.minute / 60) / 24)
    requests = np.round(per_second * 60 * minutes * wave)
    return pd.DataFrame(
        {
            "ts": ts,
            "workload": workload,
            "requests": requests,
            "tokens_in": 200.0 * requests,
            "tokens_out": 100.0 * requests,
        }
    )


def spot_history(*pools: str, capacity: float = 100.0) -> pd.DataFrame:
    """What each pool granted over the two days before AS_OF."""
    ts = pd.date_range("2026-05-10T03:00:00Z", AS_OF, freq="1h", unit="us")
    return pd.concat([pd.DataFrame({"ts": ts, "pool": pool, "capacity": capacity}) for pool in pools])


def fleet(root: Path, counts: Mapping[tuple[str, str], int], *, as_of: str = AS_OF) -> None:
    """Write state.json: desired replicas by workload and option, all of them ready."""
    rows = [
        {"workload": workload, "option_id": option, "desired": count, "ready": count, "pending": 0}
        for (workload, option), count in counts.items()
    ]
    (root / "state.json").write_text(json.dumps({"as_of": as_of, "fleet": rows}), encoding="utf-8")


def tree(root: Path) -> dict[str, str]:
    """Every file below a folder by hash, but for locks and the empty journal that readers of SQLite leave."""
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file() and not is_working_file(path)
    }


def is_working_file(path: Path) -> bool:
    """Whether a file says nothing: a lock, SQLite's shared memory, or its journal without an entry."""
    if path.name.endswith("-wal"):
        return path.stat().st_size == 0
    return path.name == "lock" or path.suffix == ".lock" or path.name.endswith("-shm")


def lake_content(root: Path) -> dict[str, int]:
    """Snapshots and rows per table of a workspace's lake."""
    with Lake.open(root / "lake", read_only=True) as lake:
        tables = ("charges", "loads", "demand", "usage", "offers", "profiles", "forecasts", "plans")
        rows = {
            name: int(lake.sql(f"SELECT count(*) AS n FROM {name}").to_pylist()[0]["n"]) for name in tables
        }
        return {"snapshots": len(lake.snapshots()), **rows}


def replicas(body: Mapping[str, Any], workload: str = "chat") -> dict[str, int]:
    """Most replicas planned of each option of a workload."""
    most: dict[str, int] = {}
    for row in body["allocations"]:
        if row["workload"] == workload and row["replicas"]:
            most[row["option_id"]] = max(most.get(row["option_id"], 0), row["replicas"])
    return most
