"""Writing a commented run file."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from sedum.errors import SedumError
from sedum.storage import atomic_path, check_writable

__all__ = ["init_run", "template"]


def template() -> str:
    """Return the commented run file that ``sedum init`` writes."""
    return (files("sedum") / "cli" / "template.yaml").read_text()


def init_run(path: str | Path, *, force: bool = False) -> Path:
    """Write the commented run file.

    Raises
    ------
    SedumError
        If the file exists and ``force`` is not set, or it cannot be written.
    """
    path = check_writable(path)
    if path.exists() and not force:
        raise SedumError(f"{path} exists; give another name, or --force to overwrite it")
    with atomic_path(path) as temporary:
        temporary.write_text(template())
    return path
