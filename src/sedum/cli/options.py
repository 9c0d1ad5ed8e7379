"""Arguments and options of several commands, default paths, and flags in errors."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from sedum.config import RunFile
    from sedum.infer.posterior import Posterior

__all__ = [
    "CatalogueArgument",
    "EstimatorOption",
    "ForceOption",
    "LibraryOption",
    "QuietOption",
    "RunArgument",
    "RunOption",
    "SchedulerOption",
    "WorkersOption",
    "estimator_path",
    "in_flags",
    "library_path",
    "out_option",
    "read_estimator",
]

RunArgument = Annotated[Path, typer.Argument(metavar="RUN.yaml", help="The run file.")]
RunOption = Annotated[Path, typer.Option("--run", "-r", metavar="RUN.yaml", help="The run file.")]
CatalogueArgument = Annotated[
    Path, typer.Argument(help="The catalogue: FITS, Parquet, HDF5, VOTable, CSV, ECSV or ASCII.")
]
LibraryOption = Annotated[
    Path | None, typer.Option("--library", "-l", help="The library. (default: NAME.h5)")
]
EstimatorOption = Annotated[
    Path | None,
    typer.Option("--estimator", "-e", help="The estimator. (default: NAME.safetensors)"),
]
WorkersOption = Annotated[int, typer.Option(min=1, help="Number of worker processes.")]
SchedulerOption = Annotated[
    str | None,
    typer.Option(metavar="tcp://HOST:PORT", help="Dask scheduler whose workers do the work."),
]
ForceOption = Annotated[bool, typer.Option("--force", help="Overwrite an existing file.")]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress bar.")]


#: Flags that are not named as the argument they set.
_FLAGS = {"rows": "--row", "ids": "--id", "references": "--reference"}


def out_option(help: str) -> Any:
    """Return the option that names the output, described for one command."""
    return typer.Option("--out", "-o", help=help)


def estimator_path(path: Path | None, run: RunFile) -> Path:
    """Return the path of an estimator: the given one, or NAME.safetensors."""
    return path or Path(f"{run.name}.safetensors")


def read_estimator(path: Path | None, run: RunFile) -> Posterior:
    """Read an estimator: the given one, or NAME.safetensors."""
    from sedum.infer.posterior import Posterior

    return Posterior.read(estimator_path(path, run))


def library_path(path: Path | None, run: RunFile) -> Path:
    """Return the path of a library: the given one, or NAME.h5."""
    return path or Path(f"{run.name}.h5")


def in_flags(message: str) -> str:
    """Return a message of the library with ``argument NAME`` as ``--name``.

    Examples
    --------
    >>> in_flags("report.html exists; name another file, or set argument force=True")
    'report.html exists; name another file, or set --force'
    """
    return re.sub(r"\bargument (\w+)(=True)?", lambda match: _flag(match[1]), message)


def _flag(name: str) -> str:
    return _FLAGS.get(name, f"--{name.replace('_', '-')}")
