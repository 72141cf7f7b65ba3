"""The environment in which the peers' validators run: built once from pinned versions, shared by all workers.

It lies in `.venv-focus-validator` beside the repository's own environment, and is built anew when its pins,
the patch below or the version of Python change.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

import filelock

FOLDER = Path(__file__).resolve().parents[2] / ".venv-focus-validator"
PINS = Path(__file__).with_name("requirements.txt")
# Bytecode is made of what is imported alone: to make all of it takes longer than the rest.
INSTALL = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input", "--no-deps",
           "--prefer-binary", "--ignore-requires-python", "--retries", "1", "--timeout", "20",
           "--no-compile")  # fmt: skip
BUILD_TIMEOUT_S = 900
# What pip says when it reaches no registry, rather than one that lacks a version.
NO_REGISTRY = ("from versions: none", "ConnectionError", "NewConnectionError", "Could not fetch URL")

# focus-validator is made for Python 3.12, but one expression alone stops 3.11: a backslash in an f-string.
PATCHED = "focus_validator/config_objects/focus_to_duckdb_converter.py"
BEFORE = r"""", ".join(f"'{k.replace('\"', '\"\"')}'" for k in ignore_keys)"""
AFTER = r"""", ".join("'" + k.replace('"', '""') + "'" for k in ignore_keys)"""


class UnreachableRegistry(Exception):  # noqa: N818 - not an error of ours: the tests skip with it
    """No package can be had here."""


@dataclass(frozen=True)
class Environment:
    """A virtual environment with the validators."""

    folder: Path

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")

    @property
    def site_packages(self) -> Path:
        """Where its packages lie; focus-validator opens a file of its own relative to where it runs."""
        names = {"base": str(self.folder), "platbase": str(self.folder)}
        return Path(sysconfig.get_path("purelib", "venv", vars=names))

    def run(self, *arguments: object, timeout_s: float = 300) -> str:
        """Output of the interpreter with these arguments. AssertionError with all it said if it failed."""
        done = subprocess.run(
            [str(self.python), *map(str, arguments)],
            cwd=self.site_packages, capture_output=True, text=True, timeout=timeout_s, check=False,
        )  # fmt: skip
        assert done.returncode == 0, (
            f"exit code {done.returncode}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
        )
        return done.stdout


def environment() -> Environment:
    """The environment, built if need be. Raises UnreachableRegistry; AssertionError if it cannot be made."""
    FOLDER.mkdir(exist_ok=True)
    made, stamp = Environment(FOLDER / "venv"), FOLDER / "pins.sha256"
    with filelock.FileLock(FOLDER / "lock", timeout=BUILD_TIMEOUT_S):
        if not stamp.exists() or stamp.read_text() != _key():
            stamp.unlink(missing_ok=True)
            _build(made)
            stamp.write_text(_key())
    return made


def _key() -> str:
    parts = (PINS.read_text(encoding="utf-8"), BEFORE, AFTER, sys.version)
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _build(made: Environment) -> None:
    shutil.rmtree(made.folder, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", made.folder], check=True, timeout=BUILD_TIMEOUT_S)
    done = subprocess.run(
        [made.python, *INSTALL, "-r", PINS],
        capture_output=True, text=True, timeout=BUILD_TIMEOUT_S, check=False,
    )  # fmt: skip
    said = done.stdout + done.stderr
    if done.returncode and any(sign in said for sign in NO_REGISTRY):
        last = said.strip().splitlines()[-1]
        raise UnreachableRegistry(f"the validators cannot be installed here: {last}")
    assert done.returncode == 0, f"{PINS.name}: the pinned versions cannot be installed\n{said[-4000:]}"
    if sys.version_info < (3, 12):
        _patch(made.site_packages / PATCHED)


def _patch(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert text.count(BEFORE) == 1, (
        f"{file.name}: found {text.count(BEFORE)} lines with {BEFORE}; expected one, which Python before "
        "3.12 cannot read; look at what this version of focus-validator has in its place"
    )
    file.write_text(text.replace(BEFORE, AFTER), encoding="utf-8")
