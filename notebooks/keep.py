"""`python notebooks/keep.py`: run every notebook and keep its outputs, without the times of this run."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import nbclient
import nbformat

METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def keep(path: Path) -> None:
    """Execute one notebook in a folder of its own and write it back; a cell that fails ends it."""
    notebook = nbformat.read(path, as_version=4)
    with TemporaryDirectory() as folder:
        resources = {"metadata": {"path": folder}}
        nbclient.NotebookClient(notebook, timeout=600, record_timing=False, resources=resources).execute()
    notebook.metadata = METADATA
    nbformat.write(notebook, path)


if __name__ == "__main__":
    for each in sorted(Path(__file__).parent.glob("*.ipynb")):
        keep(each)
