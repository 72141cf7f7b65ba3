"""The wheel of this source tree, and an environment in which it is installed."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]
PACKAGES = ("optimizer", "flows", "models", "data")
SCRIPT = """\
import sys
from importlib.metadata import distribution
(entry,) = distribution("trimtab").entry_points.select(group="console_scripts", name="trimtab")
sys.exit(entry.load()())
"""


def build(folder: Path) -> Path:
    """The wheel, built with what is installed here."""
    command = [sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", str(folder), str(REPO)]
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    (made,) = folder.glob("trimtab-*.whl")
    return made


def install(wheel: Path, home: Path) -> Path:
    """Scripts of a fresh environment with the wheel; its dependencies are those installed here.

    A pure wheel is installed by unpacking it: that needs no pip, which uv leaves out of its environments.
    """
    venv.create(home, symlinks=os.name == "posix")
    paths = sysconfig.get_paths("venv", vars={"base": str(home), "platbase": str(home)})
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(paths["purelib"])
    _share_compiled(Path(paths["purelib"]))
    # Searched after the wheel's own folder; .pth files in it, such as this tree's, are not followed.
    here = sysconfig.get_paths()["purelib"]
    (Path(paths["purelib"]) / "dependencies.pth").write_text(here + "\n", encoding="utf-8")
    script = Path(paths["scripts"]) / "trimtab"
    script.write_text(f"#!{paths['scripts']}/python\n{SCRIPT}", encoding="utf-8")
    script.chmod(0o755)
    return Path(paths["scripts"])


def _share_compiled(installed: Path) -> None:
    """Let equal sources share what is compiled of them: machine code for the kernels takes a minute.

    It is found by name, time and size of the source, and lies where bytecode does.
    """
    for source in [path for package in PACKAGES for path in (installed / package).rglob("*.py")]:
        twin = REPO / source.relative_to(installed)
        assert source.read_bytes() == twin.read_bytes(), source
        os.utime(source, ns=(twin.stat().st_atime_ns, twin.stat().st_mtime_ns))
        kept = twin.parent / "__pycache__"
        kept.mkdir(exist_ok=True)
        if not (source.parent / "__pycache__").exists():
            (source.parent / "__pycache__").symlink_to(kept, target_is_directory=True)


def neutral() -> dict[str, str]:
    """The environment without what leads back to the repository."""
    return {key: value for key, value in os.environ.items() if key not in {"PYTHONPATH", "VIRTUAL_ENV"}}


def trimtab(bin_folder: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the installed command in a folder that has nothing to do with the repository."""
    command = [str(bin_folder / "trimtab"), *arguments]
    return subprocess.run(command, cwd=folder, env=neutral(), capture_output=True, text=True, check=False)
