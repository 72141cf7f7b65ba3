"""Settings: file, then environment; every fault at once, each with the nearest known key."""

from __future__ import annotations

import json
import os
import tomllib
import traceback
from pathlib import Path

import pytest
from pydantic import ValidationError

from optimizer.config import Settings, known_keys, load_settings
from optimizer.errors import InputError


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("TRIMTAB_")]:
        monkeypatch.delenv(name)


def written(folder: Path, text: str) -> Path:
    (folder / "trimtab.toml").write_text(text)
    return folder


def faults(folder: Path) -> list[str]:
    with pytest.raises(InputError) as error:
        load_settings(folder)
    return [str(fault) for fault in error.value.faults]


def test_no_file_means_the_defaults(tmp_path: Path) -> None:
    assert load_settings(tmp_path) == Settings()


def test_the_environment_wins_over_the_file_key_by_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(tmp_path, "[planning]\ndemand_quantile = 0.9\ninterval_minutes = 30\n")
    monkeypatch.setenv("TRIMTAB_PLANNING__DEMAND_QUANTILE", "0.95")
    planning = load_settings(tmp_path).planning
    assert (planning.demand_quantile, planning.interval_minutes) == (0.95, 30)


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ("amont = 3", [("budgets.0.amont", "monthly_amount")]),
        ("monthly_amout = 3", [("budgets.0.monthly_amout", "monthly_amount")]),
        (
            "monthly_amout = 3\nownr = 'x'",
            [("budgets.0.monthly_amout", "monthly_amount"), ("budgets.0.ownr", "owner")],
        ),
        ("monthly_amount = 3\ncurency = 'EUR'", [("budgets.0.curency", "currency")]),
    ],
)
def test_a_misspelt_key_of_a_row_is_told_once(tmp_path: Path, rows: str, told: list[tuple[str, str]]) -> None:
    found = faults(written(tmp_path, f"[[budgets]]\nname = 'a'\n{rows}\n"))
    assert len(found) == len(told)
    for line, (key, meant) in zip(found, told, strict=True):
        assert f"unknown key {key!r}" in line
        assert f"did you mean {meant!r}?" in line


def test_a_missing_key_beside_another_slip_is_told(tmp_path: Path) -> None:
    found = faults(written(tmp_path, "[[budgets]]\nname = 'a'\nownr = 'x'\n"))
    assert ["monthly_amount" in line for line in found] == [True, False]
    assert "did you mean 'owner'?" in found[1]


def test_unknown_keys_name_the_nearest_and_all_are_told_at_once(tmp_path: Path) -> None:
    text = """
        [planing]
        x = 1
        [planning]
        demand_quantil = 0.9
        [planning.autoscale]
        headroom_fact = 1
        gap_share = 1
    """
    found = faults(written(tmp_path, text))
    assert len(found) == 4
    nearest = {
        "planing": "planning",
        "planning.demand_quantil": "planning.demand_quantile",
        "planning.autoscale.headroom_fact": "planning.autoscale.headroom_factor",
        "planning.autoscale.gap_share": "planning.gap_share",
    }
    for key, known in nearest.items():
        assert any(f"unknown key {key!r}" in line and f"did you mean {known!r}" in line for line in found)


def test_a_key_like_no_other_lists_those_that_exist(tmp_path: Path) -> None:
    (line,) = faults(written(tmp_path, "xyzzy = 1\n"))
    assert "known: alerts, alerts.channels" in line


@pytest.mark.parametrize(
    "text",
    [
        "[planning]\ndemand_quantile = 0.5",
        "[planning]\ndemand_quantile = 1.0",
        "[planning]\ngap_share = nan",
        "[planning]\ninterval_minutes = 30.5",
        "[planning.autoscale]\nheadroom_factor = 0.9",
        "[placement]\nblocks_per_day = 25",
        "planning = 3",
        "[sources]\nbill = 1",
    ],
)
def test_values_out_of_range_or_of_the_wrong_type_are_faults(tmp_path: Path, text: str) -> None:
    (line,) = faults(written(tmp_path, text))
    assert line.startswith("trimtab.toml: found ")


@pytest.mark.parametrize("content", [b"a = [", b"\xff\xfe"])
def test_a_file_that_is_not_toml_is_a_fault(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "trimtab.toml").write_bytes(content)
    assert "unreadable TOML" in faults(tmp_path)[0]


def test_a_folder_in_the_file_s_place_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "trimtab.toml").mkdir()
    assert "unreadable TOML" in faults(tmp_path)[0]


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("TRIMTAB_PLANNING__GAP_SHARE", "3", "TRIMTAB_PLANNING__GAP_SHARE: found planning.gap_share = '3'"),
        ("TRIMTAB_PLANNING__GAP_SHAR", "0.1", "did you mean 'planning.gap_share'?"),
        ("TRIMTAB_PLANING__GAP_SHARE", "0.1", "did you mean 'planning.gap_share'?"),
        ("TRIMTAB_PLANNING", "no json", "environment: found error parsing value"),
    ],
)
def test_faults_of_the_environment_are_told_as_such(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str, told: str
) -> None:
    monkeypatch.setenv(name, value)
    (line,) = faults(tmp_path)
    assert told in line
    assert "trimtab.toml" not in line


SECRET = "hunter2-T0K3N"
URL = f"https://hooks.example/{SECRET}"


@pytest.mark.parametrize(
    "channel",
    [
        f'name = "a"\nkind = "slack"\nurl = "{URL}"',
        f'name = "a"\nkind = "slack"\nurl_env = "{URL}"',
        f'name = "a"\nurl_env = "{URL}"',
        f'kind = "slack"\nurl_env = "{URL}"',
        f'name = "a"\nkind = "{URL}"\nurl_env = "A"',
        f'name = "a"\nkind = "email"\nhost = "h"\nuser = "u"\npassword = "{SECRET}"',
        f'name = "a"\nkind = "email"\nhost = "h"\nsender = "s"\nto = ["t"]\npassword_env = "{SECRET}"',
        f'name = "a"\nkind = "email"\nhost = "h"\nto = ["t"]\nuser = "u"\npassword_env = "{SECRET}"',
        f'name = "a"\nkind = "email"\npassword_env = ["{SECRET}"]',
        f'name = "a"\npassword = "{SECRET}"',
        f'name = "a"\nkind = "slack"\nurl_env = "A"\nhost = ["{URL}"]',
        f'name = "a"\nkind = "slack"\nurl_env = {{x = "{URL}"}}',
        f'name = "a"\nkind = "slack"\nurl_env = "{URL}\n',
    ],
)
def test_a_secret_in_the_wrong_place_is_not_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, channel: str
) -> None:
    text = f"[[alerts.channels]]\n{channel}\n"
    with pytest.raises(InputError) as error:
        load_settings(written(tmp_path, text))
    assert SECRET not in "".join(traceback.format_exception(error.value))
    (tmp_path / "trimtab.toml").unlink()
    try:
        channels = tomllib.loads(text)["alerts"]["channels"]
    except tomllib.TOMLDecodeError:
        return
    monkeypatch.setenv("TRIMTAB_ALERTS__CHANNELS", json.dumps(channels))
    with pytest.raises(InputError) as error:
        load_settings(tmp_path)
    assert SECRET not in "".join(traceback.format_exception(error.value))


def test_what_is_no_name_of_a_variable_is_told_as_such(tmp_path: Path) -> None:
    (line,) = faults(written(tmp_path, f'[[alerts.channels]]\nname = "a"\nkind = "slack"\nurl_env = "{URL}"'))
    assert "alerts.channels.0.url_env = a value that may be a secret" in line
    assert "expected the name of an environment variable" in line


def test_variables_of_other_tools_are_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIMTAB_SHARED", "/somewhere")
    assert load_settings(tmp_path) == Settings()


def test_settings_cannot_change_and_every_key_says_what_it_is() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Settings().planning.gap_share = 0.5  # type: ignore[misc]
    assert "planning.autoscale.headroom_factor" in known_keys()
    sections = [Settings().planning, Settings().planning.autoscale, Settings().placement]
    keys = [
        item
        for section in sections
        for name, item in type(section).model_fields.items()
        if name != "autoscale"
    ]
    assert all(item.description for item in keys)
