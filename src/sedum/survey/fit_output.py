"""Where a fit writes, checked before any work, and the summary of what it wrote."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from astropy.table import Table

from sedum.errors import SedumError
from sedum.results.posterior_catalogue import PosteriorCatalogue
from sedum.results.posterior_table import check_format
from sedum.storage import check_writable
from sedum.tables.read import TableLike

__all__ = ["FitSummary", "check_output", "check_target"]


@dataclass(frozen=True)
class FitSummary:
    """What a fit wrote.

    Attributes
    ----------
    path
        The posterior catalogue.
    rows
        The number of its rows.
    status
        Each status and the number of rows that have it, ``ok`` first.
    shown
        A random sample of the rows, for a figure.
    """

    path: Path
    rows: int
    status: list[tuple[str, int]]
    shown: Table

    def read(self) -> Table:
        """Return the posterior catalogue as a table; it must fit in memory."""
        return PosteriorCatalogue.open(self.path).read()

    def __repr__(self) -> str:
        counts = ", ".join(f"{count:,} {text}" for text, count in self.status[:3])
        return f"<FitSummary {self.path}: {self.rows:,} rows ({counts})>"


def check_output(output: str | Path, catalogue: TableLike) -> Path:
    """Return the path of a posterior catalogue that can be written as one file.

    Raises
    ------
    SedumError
        If it cannot be written, its format is not known, or it is the catalogue itself.
    """
    output = check_writable(output)
    check_format(output)
    if isinstance(catalogue, str | Path) and output.resolve() == Path(catalogue).resolve():
        raise SedumError(f"{output} is the catalogue itself; choose another output path")
    return output


def check_target(output: str | Path, source: Path) -> Path:
    """Return the path of a posterior catalogue that can be written as a file or a folder.

    Raises
    ------
    SedumError
        As :func:`check_output`, and if the folder exists or lies in the catalogue.
    """
    target = Path(output)
    parts, own = target.with_name(f"{target.name}.parts").resolve(), source.resolve()
    if source.is_dir() and (own in target.resolve().parents or own == parts):
        raise SedumError(f"{target} lies in the catalogue {source}; choose another output path")
    if target.suffix:
        return check_output(target, source)
    if target.exists():
        raise SedumError(f"{target} exists; delete it, or choose another output")
    return check_writable(target)
