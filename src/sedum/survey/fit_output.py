"""The output of a fit: its path, what its parts depend on, and the summary."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from astropy.table import Table

from sedum._version import __version__
from sedum.config import RunFile
from sedum.errors import SedumError
from sedum.infer.posterior import Posterior
from sedum.introduced import Facts, Introduced
from sedum.results.posterior_catalogue import PosteriorCatalogue
from sedum.results.posterior_table import check_format
from sedum.storage import check_writable, digest
from sedum.tables.read import TableLike

__all__ = ["FitSummary", "check_output", "check_target", "fit_identity"]


@dataclass(frozen=True, repr=False)
class FitSummary(Introduced):
    """Summary of a fit that was written to a file or folder.

    Attributes
    ----------
    path
        Path of the posterior catalogue.
    rows
        Number of rows.
    status
        Each status and the number of rows that have it, ``ok`` first.
    sample
        Random sample of the rows, for a figure.

    Examples
    --------
    >>> import sedum
    >>> catalogue.write("cat.fits")
    >>> summary = sedum.fit(run, posterior, "cat.fits", "posteriors.fits")
    >>> summary.rows, summary.status[0]
    (20, ('ok', 18))
    >>> len(summary.read())
    20
    """

    path: Path
    rows: int
    status: list[tuple[str, int]]
    sample: Table

    def read(self) -> Table:
        """Return the posterior catalogue as a table; it must fit in memory."""
        return PosteriorCatalogue.open(self.path).read()

    def _facts(self) -> Facts:
        counts = "; ".join(f"{count:,} {text}" for text, count in self.status[:3])
        return str(self.path), {"rows": f"{self.rows:,}", "status": counts}


def check_output(output: str | Path, catalogue: TableLike) -> Path:
    """Return the path of a posterior catalogue, after checking that it can be written as a file.

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
    """Return the path of a posterior catalogue, after checking that it can be written.

    Without an extension it is a folder.

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


def fit_identity(
    run: RunFile, posterior: Posterior, priors: RunFile | None, source: Any
) -> dict[str, str]:
    """Return what the parts of a fit depend on, for :meth:`sedum.storage.PartFolder.claim`.

    Parameters
    ----------
    run, posterior, priors
        As for :func:`sedum.fit`.
    source
        What identifies the catalogue: its files with their sizes and times of modification, or
        the names of its partitions.
    """
    return {
        "run file": digest(run.model_dump(mode="json")),
        "estimator": posterior.digest(),
        "priors": digest(priors.model_dump(mode="json") if priors else None),
        "catalogue": digest(source),
        "version": __version__,
    }
