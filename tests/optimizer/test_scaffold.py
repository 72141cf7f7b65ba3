"""`trimtab init`: files that are valid as they are, say every setting, and never overwrite."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from data.workspace import read_workspace
from optimizer.config import Settings, known_keys, load_settings
from optimizer.errors import InputError
from optimizer.scaffold import init_workspace, settings_text
from tests.e2e.workspaces import tree


def test_what_init_writes_can_be_read(tmp_path: Path) -> None:
    root = tmp_path / "a" / "b"
    written = init_workspace(root)
    assert {path.name for path in written} == {"workloads.yaml", "trimtab.toml"}
    assert load_settings(root) == Settings()
    (workload,) = read_workspace(root).workloads
    assert workload.name == "chat"
    assert (root / "history").is_dir()


def test_a_second_init_keeps_every_byte(tmp_path: Path) -> None:
    init_workspace(tmp_path)
    (tmp_path / "workloads.yaml").write_text("mine: true\n")
    before = tree(tmp_path)
    assert init_workspace(tmp_path) == []
    assert tree(tmp_path) == before


def test_every_setting_is_shown_at_its_default(tmp_path: Path) -> None:
    """Taking the comment signs off gives the defaults, key by key."""
    text = settings_text()
    live = re.sub(r"^# (?=\w+ = )", "", text, flags=re.MULTILINE)
    values = tomllib.loads(live)
    assert values.pop("sources") == {"bill": "exports/aws"}
    assert Settings(**values) == Settings()
    shown = set(re.findall(r"^# (\w+) = ", text, flags=re.MULTILINE))
    leaves = {key.rsplit(".", 1)[-1] for key in known_keys()} - {
        "planning",
        "autoscale",
        "placement",
        "commitments",
        "forecast",
        "sources",
        "allocation",
        "rules",  # lists of tables, shown by example
        "shared",
        "budgets",
        "costs",
        "anomalies",
        "changes",
        "alerts",
        "channels",
        "silence",
    }
    assert leaves <= shown
    (tmp_path / "trimtab.toml").write_text(live)
    assert load_settings(tmp_path).planning == Settings().planning


@pytest.mark.parametrize("name", ["file", "file/below"])
def test_a_file_in_the_place_of_the_folder(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("text")
    with pytest.raises(InputError, match="choose another") as error:
        init_workspace(tmp_path / name)
    assert len(error.value.faults) == 1
    assert (tmp_path / "file").read_text() == "text"
